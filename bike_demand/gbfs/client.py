"""What a system says of itself now: the feeds found, fetched and parsed.

One client follows one system; `fetch_all` asks many at once. Windows, storage and what to do
about a failed system belong to callers.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Generic, TypeVar

from bike_demand.download.downloader import Downloader, Limits, utc_now
from bike_demand.download.errors import FeedError, PermanentFeedError
from bike_demand.download.together import ask_all
from bike_demand.download.urls import public_url
from bike_demand.gbfs import parse
from bike_demand.gbfs.document import Document, read_document
from bike_demand.gbfs.errors import ADVICE, InvalidFeedError
from bike_demand.gbfs.feeds import (
    STATION_INFORMATION,
    STATION_STATUS,
    SYSTEM_INFORMATION,
    VEHICLE_TYPES,
    System,
    listed_feeds,
)
from bike_demand.gbfs.parse import Result, StationInformation, StationStatus, SystemInformation
from bike_demand.gbfs.values import show

MAX_CACHE_AGE: Final = timedelta(hours=1)
"""A discovery or a list of vehicle types is read again after its ttl, but at the latest after this:
some feeds state a day and change within it."""

R = TypeVar("R", bound=Result)
T = TypeVar("T")


@dataclass(frozen=True)
class _Cached(Generic[T]):
    """Something read from a feed, and until when it holds."""

    content: T
    until: datetime


class GbfsClient:
    """Asks one system. Each call asks anew; only addresses and vehicle types are remembered.

    Not for several threads at once.

    Args:
        system: Which system, and how to reach it.
        limits: What one download may take.
        clock: The present (aware, UTC); every `fetched_at` is read from it.
        sleep: Waits so many seconds before a retry.
        jitter: A number from 0 to 1 that spreads retries.
    """

    def __init__(
        self,
        system: System,
        *,
        limits: Limits | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.system = system
        self._clock = clock
        self._downloader = Downloader(
            ADVICE,
            headers=system.headers,
            origins=system.origins,
            limits=limits,
            clock=clock,
            sleep=sleep,
            jitter=jitter,
        )
        self._addresses: _Cached[Mapping[str, str]] | None = None
        self._electric_types: _Cached[Mapping[str, bool]] | None = None

    def __repr__(self) -> str:
        return f"GbfsClient({self.system!r})"

    def station_status(self) -> StationStatus:
        """The system's stations as they are now.

        Raises:
            TransientFeedError: It could not be had, after retries.
            InvalidFeedError: It is not GBFS, or more than half of its records are invalid.
            PermanentFeedError: It cannot be had from this address.
        """

        def read(document: Document) -> StationStatus:
            needed = parse.needs_vehicle_types(document)
            return parse.station_status(document, self._read_electric_types() if needed else None)

        return self._fetch(STATION_STATUS, read)

    def station_information(self) -> StationInformation:
        """The facts of the system's stations. Raises as `station_status` does."""
        language = self.system.language
        return self._fetch(
            STATION_INFORMATION, lambda document: parse.station_information(document, language)
        )

    def system_information(self) -> SystemInformation:
        """The facts of the system. Raises as `station_status` does."""
        language = self.system.language
        return self._fetch(
            SYSTEM_INFORMATION, lambda document: parse.system_information(document, language)
        )

    def _fetch(self, name: str, read: Callable[[Document], R]) -> R:
        url, remembered = self._address(name)
        try:
            return self._read(url, read)
        except FeedError:
            # The system may have moved to another version since we read its addresses.
            moved_to = self._moved_to(name, url) if remembered else None
            if moved_to is None:
                raise
        return self._read(moved_to, read)

    def _read(self, url: str, read: Callable[[Document], R]) -> R:
        def read_result(document: Document, http_status: int) -> R:
            return replace(read(document), http_status=http_status)

        return self._download(url, read_result)

    def _download(
        self, url: str, read: Callable[[Document, int], T], *, retries: int | None = None
    ) -> T:
        download = self._downloader.get(url, retries=retries)
        try:
            document = read_document(download.body, url=url, fetched_at=download.fetched_at)
            return read(document, download.http_status)
        except InvalidFeedError as error:
            self._downloader.forget(url)
            error.http_status = download.http_status
            raise

    def _address(self, name: str) -> tuple[str, bool]:
        """A feed's URL, and whether it was remembered from an earlier call's discovery."""
        direct = self.system.feeds.get(name)
        if direct is not None:
            return direct, False
        if self.system.url is None:
            raise PermanentFeedError(
                f"system {self.system.system_id}",
                f"its configuration names no {name} feed",
                f"Add the URL of its gbfs.json, or that of {name} under `feeds`.",
            )
        cached = self._addresses
        remembered = cached is not None and self._clock() < cached.until
        if cached is None or not remembered:
            try:
                cached = self._discover(self.system.url)
            except FeedError:
                # A dead discovery must not cost a snapshot that can still be had.
                if cached is None:
                    raise
        if name not in cached.content:
            listed = ", ".join(show(other) for other in sorted(cached.content)[:20])
            raise PermanentFeedError(
                public_url(self.system.url),
                f"the discovery document lists no {name} (it lists {listed})",
                "Only systems with stations can be followed. If this one has them, name the "
                "feed's URL directly in its configuration.",
            )
        return cached.content[name], remembered

    def _moved_to(self, name: str, url: str) -> str | None:
        """The feed's new URL, if the discovery, read again, has another."""
        if self.system.url is None:
            return None
        try:
            address = self._discover(self.system.url, retries=0).content.get(name)
        except FeedError:
            return None
        return None if address == url else address

    def _discover(self, url: str, *, retries: int | None = None) -> _Cached[Mapping[str, str]]:
        def read(document: Document, _http_status: int) -> _Cached[Mapping[str, str]]:
            feeds = listed_feeds(document, url, self.system.language)
            return _Cached(feeds, _until(document))

        self._addresses = self._download(url, read, retries=retries)
        return self._addresses

    def _read_electric_types(self) -> Mapping[str, bool] | None:
        """Which vehicle types are e-bikes, or None: no snapshot fails for want of it."""

        def read(document: Document, _http_status: int) -> _Cached[Mapping[str, bool]]:
            return _Cached(parse.electric_vehicle_types(document), _until(document))

        cached = self._electric_types
        if cached is None or self._clock() >= cached.until:
            try:
                url, _ = self._address(VEHICLE_TYPES)
                cached = self._electric_types = self._download(url, read, retries=0)
            except FeedError:
                pass  # types read earlier still tell what they are; others stay unknown
        return None if cached is None else cached.content


def fetch_all(
    clients: Iterable[GbfsClient], fetch: Callable[[GbfsClient], T]
) -> dict[str, T | FeedError]:
    """Asks several systems at once; one that fails neither stops nor hides behind the others.

    Args:
        clients: One per system.
        fetch: What to ask, for example `GbfsClient.station_status`.

    Returns:
        For each `system_id`, in the clients' order, what it answered or why it did not.

    Raises:
        ValueError: Two clients have the same `system_id`.
    """
    asked = list(clients)
    ids = [client.system.system_id for client in asked]
    if len(set(ids)) < len(ids):
        raise ValueError(f"two systems share an id: {ids}")
    return ask_all({client.system.system_id: partial(fetch, client) for client in asked})


def _until(document: Document) -> datetime:
    ttl = timedelta(seconds=document.ttl or 0)
    return document.fetched_at + min(ttl, MAX_CACHE_AGE)
