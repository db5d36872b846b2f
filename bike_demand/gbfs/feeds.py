"""Which systems there are to ask, and which URL serves which of a system's feeds.

A system's configuration and the reading of its discovery document (`gbfs.json`) in every shape
from GBFS 1.0 to 3.0. Reading settings or files is not done here, nor is anything fetched.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from bike_demand.download.urls import is_http, origin, public_url
from bike_demand.gbfs.document import Document
from bike_demand.gbfs.errors import InvalidFeedError
from bike_demand.gbfs.values import preferred_languages

STATION_STATUS: Final = "station_status"
STATION_INFORMATION: Final = "station_information"
SYSTEM_INFORMATION: Final = "system_information"
VEHICLE_TYPES: Final = "vehicle_types"

_SYSTEM_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")


@dataclass(frozen=True, kw_only=True, repr=False)
class System:
    """One bike-share system, as somebody configured it.

    Attributes:
        system_id: The name it has here, in every table and in the model registry.
        url: Its discovery document (`gbfs.json`), or None if all feeds are named in `feeds`.
        feeds: URLs of single feeds by GBFS name, used instead of what the discovery lists.
        headers: HTTP headers for its requests. The values are secrets: they are not in the
            `repr`, in no message, and sent only to hosts that `url` and `feeds` name.
        language: Preferred language of names (BCP 47); any other will do where it is missing.

    Raises:
        ValueError: A field cannot be right; the message names field and system, never a value
            of `headers`.
    """

    system_id: str
    url: str | None = None
    feeds: Mapping[str, str] = field(default_factory=dict, hash=False)
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    language: str | None = None

    def __post_init__(self) -> None:
        if not _SYSTEM_ID.fullmatch(self.system_id):
            raise ValueError(
                f"system_id {self.system_id!r} must be letters, digits, '_', '.' or '-', "
                "at most 100 of them"
            )
        if self.url is None and STATION_STATUS not in self.feeds:
            raise ValueError(
                f"system {self.system_id}: give `url` (the address of its gbfs.json) "
                f"or at least feeds[{STATION_STATUS!r}]"
            )
        for name, url in self._urls().items():
            _check_url(self.system_id, name, url)
        for name, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                raise ValueError(
                    f"system {self.system_id}: header {name!r} has a name or value that HTTP "
                    "does not allow (empty, spaces at its ends, a line break, beyond Latin-1)"
                )
        # A caller's dict may change after it was checked.
        object.__setattr__(self, "feeds", MappingProxyType(dict(self.feeds)))
        object.__setattr__(self, "headers", MappingProxyType(dict(self.headers)))

    def __repr__(self) -> str:
        shown = [f"{name}={public_url(url)!r}" for name, url in self._urls().items()]
        shown += [f"headers={sorted(self.headers)}"] if self.headers else []
        return f"System({self.system_id!r}, {', '.join(shown)})"

    @property
    def origins(self) -> frozenset[str]:
        """The origins (scheme, host, port) that the configuration itself names."""
        return frozenset(origin(url) for url in self._urls().values())

    def _urls(self) -> dict[str, str]:
        discovery = {} if self.url is None else {"url": self.url}
        return discovery | dict(self.feeds)


def listed_feeds(document: Document, url: str, language: str | None = None) -> dict[str, str]:
    """Reads a discovery document: the URL of each feed by its GBFS name.

    GBFS 1 and 2 list feeds per language, GBFS 3 once. Any language's list will do, as station ids
    and counts are the same in all.

    Args:
        document: What `document.read_document` returned for it.
        url: The document's URL, against which relative ones are resolved.
        language: Preferred language (BCP 47); then English, then the first that lists a feed.

    Raises:
        InvalidFeedError: It lists no feed at all.
    """
    data = document.data
    blocks: dict[str, Any] = {"": data}
    blocks |= {str(tag).lower(): block for tag, block in data.items()}
    order = dict.fromkeys(("", *preferred_languages(language), *blocks))
    for tag in order:
        feeds = _feeds_of(blocks.get(tag), url)
        if feeds:
            return feeds
    raise InvalidFeedError(
        document.feed,
        "the discovery document lists no feeds",
        "The configured URL must be that of a system's gbfs.json, not of one of its feeds or of a "
        "list of versions. Correct it, or name the feeds' URLs directly.",
    )


def _feeds_of(block: object, url: str) -> dict[str, str]:
    entries = block.get("feeds") if isinstance(block, dict) else None
    feeds: dict[str, str] = {}
    for entry in entries if isinstance(entries, list) else ():
        name, target = (
            (entry.get("name"), entry.get("url")) if isinstance(entry, dict) else (None, None)
        )
        if isinstance(name, str) and isinstance(target, str):
            feeds.setdefault(name, _absolute(url, target))
    return feeds


def _absolute(base: str, target: str) -> str:
    try:
        return urljoin(base, target.strip())
    except ValueError:
        return target


def _check_url(system_id: str, name: str, url: str) -> None:
    if not is_http(url):
        raise ValueError(
            f"system {system_id}: {name} must be an absolute http or https URL, "
            f"not {public_url(url)!r}"
        )
    if "@" in urlsplit(url).netloc:
        raise ValueError(
            f"system {system_id}: {name} holds a user name or password; "
            "pass it as a header (Authorization) instead"
        )
