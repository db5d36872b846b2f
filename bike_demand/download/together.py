"""Several sources asked at once; one that fails neither stops nor hides behind the others."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from bike_demand.download.errors import FeedError

T = TypeVar("T")

MAX_WORKERS = 8


def ask_all(asks: Mapping[str, Callable[[], T]]) -> dict[str, T | FeedError]:
    """What each answered, or why it did not, in the order given.

    Args:
        asks: By name, what to call; at most `MAX_WORKERS` at a time.
    """
    if not asks:
        return {}

    def answer(ask: Callable[[], T]) -> T | FeedError:
        try:
            return ask()
        except FeedError as error:
            return error

    with ThreadPoolExecutor(min(MAX_WORKERS, len(asks)), "ask") as pool:
        return dict(zip(asks, pool.map(answer, asks.values()), strict=True))
