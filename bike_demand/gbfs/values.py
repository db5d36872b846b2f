"""One JSON value becomes one typed value, or says in a word why it cannot.

Pure functions on single values; what a bad value means for its record is decided in `parse.py`.
None goes in and comes out: a missing value is not a bad one.
"""

import re
import reprlib
from datetime import UTC, datetime, timedelta

MAX_COUNT = 100_000
"""No station holds more. The bound keeps a typing error from becoming two billion docks."""

MAX_IDENTIFIER = 255
"""Longest station id, in characters: it is part of every key, and index entries are limited."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = (datetime(2000, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
# As seconds this is the year 5138, as milliseconds 1973: larger numbers are milliseconds.
_MILLISECONDS_FROM = 100_000_000_000
_FAR_FUTURE = 10**15

_DECIMAL = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?", re.ASCII)
_FLAGS = {"0": False, "1": True, "false": False, "true": True}

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60


class BadValueError(ValueError):
    """A value that is there and cannot be what its field says.

    Attributes:
        word: A short, stable word for counting and grouping.
        detail: The same for a person, with the value in it.
    """

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(f"{word}: {detail}")
        self.word = word
        self.detail = detail


def show(value: object) -> str:
    """A value as a message may hold it: short, whatever its size or depth."""
    return _short.repr(value)


def whole_number(value: object, maximum: int) -> int | None:
    """A whole number from 0 to `maximum`: `3`, `3.0`, `"3"`; blank text counts as missing.

    Raises:
        BadValueError: `negative_count`, `fractional_count`, `count_too_large` or `not_a_count`.
    """
    number = _plain_number(value)
    if number is None:
        return None
    if number < 0:
        raise BadValueError("negative_count", f"{show(value)} is below zero")
    if number > maximum:
        raise BadValueError("count_too_large", f"{show(value)} is over {maximum}")
    if number != int(number):
        raise BadValueError("fractional_count", f"{show(value)} is not a whole number")
    return int(number)


def _plain_number(value: object) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if _DECIMAL.fullmatch(text):
            return float(text)
    elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise BadValueError("not_a_count", f"{show(value)} is no number")


def count(value: object) -> int | None:
    """A number of bikes or docks. Raises `BadValueError` as `whole_number` does."""
    return whole_number(value, MAX_COUNT)


def flag(value: object) -> bool | None:
    """A truth value in any dress feeds use: `true`, `1`, `1.0`, `"1"`, `"True"`.

    Raises:
        BadValueError: `not_a_flag`.
    """
    if value is None:
        return None
    if isinstance(value, int | float) and value in {0, 1}:  # `True == 1`, so these are in it too
        return value == 1
    if isinstance(value, str):
        text = value.strip().lower()
        if not text:
            return None
        if text in _FLAGS:
            return _FLAGS[text]
    raise BadValueError("not_a_flag", f"{show(value)} is neither true nor false")


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 UTC of an aware time."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The aware UTC time of a moment in microseconds since 1970."""
    return _EPOCH + microseconds * _MICROSECOND


def instant(value: object, *, latest: int) -> int | None:
    """A moment as microseconds since 1970 UTC, from an epoch or an RFC 3339 text.

    Epochs may be seconds or milliseconds, numbers or text. A text without a UTC offset names no
    moment and is refused.

    Args:
        value: What the feed sent.
        latest: The latest moment that is believed, in microseconds since 1970 UTC.

    Raises:
        BadValueError: `unreadable`, `before_2000` (0 and 86400 are how stations say "never") or
            `in_future`.
    """
    if value is None:
        return None
    # Nearly every feed before 3.0 sends seconds.
    if type(value) is int and 0 <= value < _MILLISECONDS_FROM:
        moment: int | None = value * 1_000_000
    else:
        moment = _microseconds(value)
    if moment is None:
        raise BadValueError("unreadable", f"{show(value)} is no time")
    if moment < _EARLIEST:
        raise BadValueError("before_2000", f"{show(value)} is before the year 2000")
    if moment > latest:
        raise BadValueError("in_future", f"{show(value)} is yet to come")
    return moment


def _microseconds(value: object) -> int | None:
    if isinstance(value, str):
        text = value.strip()
        if not _DECIMAL.fullmatch(text):
            return _rfc3339(text)
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if abs(value) < _MILLISECONDS_FROM:
        return round(value * 1_000_000)
    # Bounded first, as a JSON number may be too large to be multiplied, or infinite.
    return round(max(-_FAR_FUTURE, min(value, _FAR_FUTURE)) * 1_000)


def _rfc3339(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return None if moment.tzinfo is None else to_microseconds(moment)


def identifier(value: object) -> str:
    """A station's id as text; whole numbers become their digits.

    Raises:
        BadValueError: `missing_station_id` or `bad_station_id`.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise BadValueError("missing_station_id", "the record has no station_id")
    if not isinstance(value, str) or len(value) > MAX_IDENTIFIER or not _storable(value):
        raise BadValueError("bad_station_id", f"{show(value)} cannot be a station_id")
    return value


def text(value: object, languages: tuple[str, ...] = ()) -> str | None:
    """A text, of localized texts (GBFS 3) the one in the first of `languages` that is there.

    Blank text counts as missing, a number becomes its digits.

    Raises:
        BadValueError: `unreadable`.
    """
    if isinstance(value, list):
        value = _localized(value, languages)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None:
        return None
    if not isinstance(value, str) or not _storable(value):
        raise BadValueError("unreadable", f"{show(value)} is no text")
    return value.strip() or None


def degrees(value: object, limit: float) -> float | None:
    """A latitude or longitude in degrees, from `-limit` to `limit`.

    Raises:
        BadValueError: `unreadable`.
    """
    if value is None:
        return None
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and -limit <= value <= limit:
        return float(value)
    raise BadValueError("unreadable", f"{show(value)} is not between {-limit} and {limit} degrees")


def preferred_languages(language: str | None) -> tuple[str, ...]:
    """Languages by preference, lower case: the given one, its base (`de` of `de-CH`), English."""
    if language is None:
        return ("en",)
    given = language.lower()
    return tuple(dict.fromkeys((given, given.partition("-")[0], "en")))


def _localized(entries: list[object], languages: tuple[str, ...]) -> object:
    texts = {
        str(entry.get("language", "")).lower(): entry.get("text")
        for entry in reversed(entries)  # of two in one language the first wins
        if isinstance(entry, dict) and entry.get("text") is not None
    }
    for language in languages:
        if language in texts:
            return texts[language]
    return next(reversed(texts.values()), None)


def _storable(value: str) -> bool:
    """Whether a database can hold the text: JSON may hold NUL and halves of surrogate pairs."""
    if "\0" in value:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
