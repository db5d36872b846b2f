"""One weather service over HTTP: requests with its key in them, errors without it.

Keys travel in URLs here, and what a server answers may repeat them. What an answer means is said
in the modules of the services.
"""

import copy
import json
import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import urlencode

from bike_demand.download.downloader import Downloader
from bike_demand.download.errors import FeedError, PermanentFeedError
from bike_demand.download.urls import public_url
from bike_demand.weather.answers import Answer, said
from bike_demand.weather.errors import InvalidWeatherError

HIDDEN: Final = "(key)"

T = TypeVar("T")


class Service:
    """Asks one service.

    Args:
        downloader: Gets the bytes.
        explanation: The field of a refusal's JSON that says why.
        key: Name and value of the parameter with the key, if it takes one. ASCII letters and
            digits only, which look the same wherever a server repeats them.
    """

    def __init__(
        self, downloader: Downloader, *, explanation: str, key: tuple[str, str] | None = None
    ) -> None:
        self._downloader = downloader
        self._explanation = explanation
        self._key = key

    def ask(self, address: str, query: Mapping[str, str], read: Callable[[Answer], T]) -> T:
        """Asks, and reads the answer.

        Args:
            address: URL without a query.
            query: Parameters, without the key.
            read: What an answer means; may raise `InvalidWeatherError`.

        Raises:
            TransientFeedError: It could not be had, after retries.
            InvalidWeatherError: The answer is not what it should be.
            PermanentFeedError: It was refused, or cannot be had from this address.
        """
        outcome = self._try(address, query, read)
        if isinstance(outcome, FeedError):
            # A copy, raised here: no traceback and no context of it leads to the URL.
            raise outcome
        return outcome

    def _try(
        self, address: str, query: Mapping[str, str], read: Callable[[Answer], T]
    ) -> T | FeedError:
        secret = dict([self._key]) if self._key else {}
        url = f"{address}?{urlencode({**query, **secret}, safe=',')}"
        try:
            download = self._downloader.get(url)
        except FeedError as error:
            return self._without_key(error, self._why(error))
        try:
            body = self._hide(download.body.decode("latin-1")).encode("latin-1")
            return read(Answer(body, public_url(url), download.fetched_at))
        except InvalidWeatherError as error:
            self._downloader.forget(url)
            error.http_status = download.http_status
            return self._without_key(error)

    def _without_key(self, error: FeedError, why: str | None = None) -> FeedError:
        """A copy of an error, with the service's reason and without what it sent."""
        clean = copy.copy(error)
        clean.feed = self._hide(error.feed)  # a redirect's target may hold anything
        clean.problem = self._hide(error.problem) + (f": {why}" if why else "")
        clean.remedy = self._hide(error.remedy)
        clean.args = (clean.feed, clean.problem, clean.remedy)
        if isinstance(clean, PermanentFeedError):
            clean.answer = b""
        return clean

    def _why(self, error: FeedError) -> str | None:
        if not isinstance(error, PermanentFeedError):
            return None
        try:
            content = json.loads(error.answer)
        except (ValueError, RecursionError):
            return None
        why = content.get(self._explanation) if isinstance(content, dict) else None
        # The key goes first: of one cut in two the half would stay.
        return said(self._hide(why)).rstrip(".") if isinstance(why, str) and why.strip() else None

    def _hide(self, text: str) -> str:
        if self._key is None:
            return text
        return re.sub(re.escape(self._key[1]), HIDDEN, text, flags=re.IGNORECASE)
