"""An answer's bytes become a JSON object, and its values numbers and times, or nothing.

Pure. What stands where in which service's answer is said in the modules of the services.
"""

import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from bike_demand.weather.errors import InvalidWeatherError
from bike_demand.weather.report import Moment

MAX_SAID: Final = 200
"""What a service says of a failure is cut here, in characters."""

_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60


@dataclass(frozen=True)
class Answer:
    """A service's answer, still as it came.

    Attributes:
        body: The bytes.
        feed: Where they came from, as it may be shown.
        fetched_at: When we asked (aware, UTC).
    """

    body: bytes = field(repr=False)
    feed: str
    fetched_at: datetime


def read_object(answer: Answer) -> Mapping[str, Any]:
    """The answer's JSON object.

    Raises:
        InvalidWeatherError: It is none.
    """
    try:
        # NaN is what some servers write for a value they do not have: it is read as missing.
        content = json.loads(answer.body.decode("utf-8-sig"), parse_constant=lambda _name: None)
    except RecursionError:
        problem = "the answer is JSON nested too deeply to be weather"
    except UnicodeDecodeError:
        problem = "the answer is not UTF-8 text"
    except ValueError as error:
        problem = f"the answer is no JSON, or is broken off ({error})"
    else:
        return as_object(content, "the answer", answer)
    raise InvalidWeatherError(answer.feed, problem)


def as_object(value: object, name: str, answer: Answer) -> Mapping[str, Any]:
    """A part of an answer that must be a JSON object.

    Raises:
        InvalidWeatherError: It is something else, or missing.
    """
    if not isinstance(value, dict):
        raise InvalidWeatherError(answer.feed, f"{name} is {show(value)} instead of a JSON object")
    return value


def as_list(value: object, name: str, answer: Answer) -> Sequence[Any]:
    """A part of an answer that must be a list. Raises as `as_object` does."""
    if not isinstance(value, list):
        raise InvalidWeatherError(answer.feed, f"{name} is {show(value)} instead of a list")
    return value


def number(value: object) -> float | None:
    """A finite number, or None for anything else: text, truth values, infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        plain = float(value)
    except OverflowError:
        return None
    return plain if math.isfinite(plain) else None


def instant(value: object) -> datetime | None:
    """The time (aware, UTC) of seconds since 1970, or None for what is none from 1900 to 2200."""
    seconds = number(value)
    if seconds is None or seconds != int(seconds) or not _EARLIEST <= seconds <= _LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def check_order(moments: Sequence[Moment], answer: Answer) -> None:
    """Makes sure that each moment is later than the one before.

    Raises:
        InvalidWeatherError: One is not: a time stands there twice, or the answer is a muddle.
    """
    for earlier, later in pairwise(moments):
        if later.valid_at <= earlier.valid_at:
            raise InvalidWeatherError(
                answer.feed,
                f"{later.valid_at:%Y-%m-%dT%H:%MZ} follows {earlier.valid_at:%Y-%m-%dT%H:%MZ}",
            )


def show(value: object) -> str:
    """A value as a message may hold it: short, whatever its size or depth."""
    return _short.repr(value)


def said(value: object) -> str:
    """What a service says in words, as a message may hold it: printable, one line, short."""
    if not isinstance(value, str):
        return show(value)
    text = " ".join(value.split())
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= MAX_SAID else text[: MAX_SAID - 1] + "…"
