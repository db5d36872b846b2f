"""A document's bytes become JSON with its envelope read: when, how long, which version.

Pure. What stands in `data` is read by `parse.py` and `feeds.py`.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from bike_demand.download.urls import public_url
from bike_demand.gbfs import values
from bike_demand.gbfs.errors import not_gbfs
from bike_demand.gbfs.values import BadValueError, show

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far a feed's clock may run ahead of ours before its times are no longer believed."""

MAX_TTL_SECONDS: Final = 366 * 24 * 60 * 60

T = TypeVar("T")

_BRACKETS = frozenset("}] \t\r\n")


@dataclass(frozen=True, kw_only=True, eq=False)
class Document:
    """One GBFS document: its envelope read, its `data` still as it came.

    Attributes:
        feed: The feed's URL as it may be shown.
        fetched_at: When we asked (UTC).
        last_updated: When the feed says it was made (UTC), or None if it does not say so
            believably.
        ttl: Seconds until the feed expects to change, or None.
        version: GBFS version, as stated; without one "3.0" where `last_updated` is a text, else
            "1.0", the only version that need not state it.
        data: The `data` object.
        notes: How often something untidy was set right, by a stable word.
    """

    feed: str
    fetched_at: datetime
    last_updated: datetime | None
    ttl: int | None
    version: str
    data: Mapping[str, Any]
    notes: Mapping[str, int]


def read_document(body: bytes, *, url: str, fetched_at: datetime) -> Document:
    """Reads a document's JSON and envelope.

    Args:
        body: The document, UTF-8.
        url: Where it came from, for messages; query strings are not kept.
        fetched_at: When it was asked for (aware, UTC).

    Raises:
        InvalidFeedError: It is no JSON object with a `data` object.
    """
    feed = public_url(url)
    notes: Counter[str] = Counter()
    content = _read_json(body, feed, notes)
    if not isinstance(content, dict):
        raise not_gbfs(feed, f"the document is {show(content)} instead of a JSON object")
    data = content.get("data")
    if not isinstance(data, dict):
        keys = ", ".join(sorted(show(key) for key in content)[:8]) or "none"
        raise not_gbfs(feed, f"the document has no `data` object (its keys: {keys})")
    latest = values.to_microseconds(fetched_at + CLOCK_TOLERANCE)
    updated = lenient(
        lambda: values.instant(content.get("last_updated"), latest=latest), "last_updated", notes
    )
    return Document(
        feed=feed,
        fetched_at=fetched_at.astimezone(UTC),
        last_updated=None if updated is None else values.from_microseconds(updated),
        ttl=lenient(lambda: values.whole_number(content.get("ttl"), MAX_TTL_SECONDS), "ttl", notes),
        version=_version(content),
        data=data,
        notes=notes,
    )


def lenient(read: Callable[[], T | None], name: str, notes: Counter[str]) -> T | None:
    """A value, or None and a note where it cannot be read."""
    try:
        return read()
    except BadValueError as error:
        notes[f"{name}_{error.word}"] += 1
        return None


def _read_json(body: bytes, feed: str, notes: Counter[str]) -> object:
    try:
        text = body.decode("utf-8-sig").strip(" \t\r\n")
    except UnicodeDecodeError as error:
        raise not_gbfs(feed, f"the answer is not UTF-8 text ({error.reason})") from None
    if not text:
        raise not_gbfs(feed, "the answer is empty")
    if text.startswith("<"):
        raise not_gbfs(feed, f"the answer is a web page, not JSON ({show(text[:60])})")
    try:
        # Python servers write NaN for a value they do not have: it is read as missing.
        content, end = json.JSONDecoder(parse_constant=lambda _name: None).raw_decode(text)
    except ValueError as error:
        problem = f"the answer is broken or truncated JSON ({error})"
    except RecursionError:
        problem = "the answer is JSON nested too deeply to be GBFS"
    else:
        rest = text[end:]
        # The document is complete, the surplus can change nothing in it; recorded feeds have this.
        if rest and not _BRACKETS.issuperset(rest):
            raise not_gbfs(feed, f"the JSON document is followed by {show(rest)}")
        if rest:
            notes["trailing_brackets"] += 1
        return content
    raise not_gbfs(feed, problem)


def _version(content: Mapping[str, Any]) -> str:
    stated = content.get("version")
    if isinstance(stated, str | float | int) and not isinstance(stated, bool):
        version = str(stated).strip().removeprefix("v")
        if 0 < len(version) <= 20 and version.isascii() and version.isprintable():
            return version
    updated = content.get("last_updated")
    return "3.0" if isinstance(updated, str) and "T" in updated.upper() else "1.0"
