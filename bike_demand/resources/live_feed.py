"""The live systems of the settings, asked over HTTP. They know only the present."""

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import pandas as pd

from bike_demand import settings
from bike_demand.download.errors import FeedError
from bike_demand.failures import PermanentFailure
from bike_demand.forecasting.grid import TICK
from bike_demand.gbfs.client import GbfsClient, fetch_all
from bike_demand.gbfs.errors import InvalidFeedError
from bike_demand.gbfs.feeds import System
from bike_demand.gbfs.parse import Stations
from bike_demand.history.ticks import floor
from bike_demand.resources.station_feed import Reading, StationFeed
from bike_demand.storage.declaration import TableDeclaration
from bike_demand.storage.frames import empty_frame
from bike_demand.storage.tables import (
    FEED_POLL,
    REJECTED_RECORD,
    STATION_INFORMATION,
    STATION_STATUS,
)
from bike_demand.storage.windows import Window

S = TypeVar("S", bound=Stations)
Answers = Mapping[str, S | FeedError]


class LiveStationFeed(StationFeed):
    """Asks every system that the settings name, all at once.

    One that fails hides neither itself nor the others: its failure is in the reading, and its
    earlier rows are not spoken for.
    """

    def now(self) -> datetime:
        """The present, UTC."""
        return datetime.now(UTC)

    def read(self, window: Window) -> Reading:
        """Read the present tick.

        Raises:
            PermanentFailure: The window is not the present tick, or the settings cannot be used.
        """
        began = self.now()
        _refuse_unless_present(window, began)
        answers = {
            system_id: _in_time(answer, window)
            for system_id, answer in self._ask(GbfsClient.station_status).items()
        }
        polls = [_poll(system_id, answer, began) for system_id, answer in answers.items()]
        return Reading(
            window=window,
            rows=_rows(
                STATION_STATUS,
                answers,
                lambda answer: {
                    "observed_at": pd.Timestamp(window.start),
                    "fetched_at": pd.Timestamp(answer.fetched_at),
                },
            ),
            rejected=_rejected(STATION_STATUS, answers, window.start),
            polls=pd.DataFrame(polls, columns=list(FEED_POLL.columns)),
            answered=_answered(answers),
            failures=_failures(answers),
        )

    def read_information(self) -> Reading:
        """Read `station_information` as it is now.

        Raises:
            PermanentFailure: The settings cannot be used.
        """
        answers = self._ask(GbfsClient.station_information)
        tick = floor(self.now())
        return Reading(
            window=Window(tick, tick + TICK),
            rows=_rows(
                STATION_INFORMATION,
                answers,
                lambda answer: {
                    "is_active": True,
                    "first_seen": pd.Timestamp(answer.fetched_at),
                    "last_seen": pd.Timestamp(answer.fetched_at),
                },
            ),
            rejected=_rejected(STATION_INFORMATION, answers, tick),
            polls=empty_frame(FEED_POLL),
            answered=_answered(answers),
            failures=_failures(answers),
        )

    def _ask(self, fetch: Callable[[GbfsClient], S]) -> dict[str, S | FeedError]:
        # A system without an address is one whose recording was imported.
        systems = [_gbfs_system(system) for system in settings.load().systems if system.is_live]
        if not systems:
            raise PermanentFailure("The settings give no system an address: add a url to one.")
        return fetch_all([GbfsClient(system, clock=self.now) for system in systems], fetch)


class _TickEndedError(FeedError):
    """The answer came when its tick was over; stored, it would stand under a wrong key."""


def _refuse_unless_present(window: Window, now: datetime) -> None:
    if window.start <= now < window.end:
        return
    if window.end <= now:
        raise PermanentFailure(
            f"{window} is over, and a live feed only tells what is there now ({now:%H:%M:%S} "
            "UTC). What was not fetched then cannot be fetched any more: the gap stays a gap. "
            "If somebody recorded that time, `bike-demand import-history` can bring it in."
        )
    raise PermanentFailure(
        f"{window} is not a tick of 15 minutes that has begun (it is {now:%Y-%m-%d %H:%M:%S} UTC). "
        "A live feed is materialised one tick at a time, while that tick lasts."
    )


def _in_time(answer: S | FeedError, window: Window) -> S | FeedError:
    """The answer, unless it was fetched after the tick: retries may have taken that long."""
    if isinstance(answer, FeedError) or answer.fetched_at < window.end:
        return answer
    return _TickEndedError(
        answer.feed,
        f"the answer came at {answer.fetched_at:%H:%M:%S} UTC, after {window}",
        "The next tick asks again. If this recurs, the feed or the way to it is slow.",
        http_status=answer.http_status,
    )


def _gbfs_system(system: settings.System) -> System:
    headers = {}
    for name, variable in system.headers.items():
        if variable not in os.environ:
            raise PermanentFailure(
                f"System {system.system_id}: header {name} is to come from the environment "
                f"variable {variable}, which is not set."
            )
        headers[name] = os.environ[variable]
    try:
        return System(
            system_id=system.system_id,
            url=system.url,
            feeds=system.feeds,
            headers=headers,
            language=system.language,
        )
    except ValueError as error:
        raise PermanentFailure(f"The settings cannot be used: {error}") from None


def _rows(
    declaration: TableDeclaration,
    answers: Answers[S],
    added: Callable[[S], Mapping[str, Any]],
) -> pd.DataFrame:
    """The answers' rows under each other, with the columns that the feed does not know."""
    return _stack(
        declaration,
        (
            answer.rows.assign(system_id=system_id, **added(answer))
            for system_id, answer in answers.items()
            if not isinstance(answer, FeedError)
        ),
    )


def _rejected(
    declaration: TableDeclaration, answers: Answers[S], window_start: datetime
) -> pd.DataFrame:
    def of(answer: S | FeedError) -> pd.DataFrame | None:
        if isinstance(answer, FeedError):
            return answer.rejected if isinstance(answer, InvalidFeedError) else None
        return answer.rejected

    return _stack(
        REJECTED_RECORD,
        (
            rejected.assign(
                system_id=system_id,
                source=declaration.name,
                window_start=pd.Timestamp(window_start),
            )
            for system_id, answer in answers.items()
            if (rejected := of(answer)) is not None
        ),
    )


def _stack(declaration: TableDeclaration, frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    columns = list(declaration.columns)
    filled = [frame[columns] for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else empty_frame(declaration)


def _poll(system_id: str, answer: S | FeedError, began: datetime) -> dict[str, object]:
    if not isinstance(answer, FeedError):
        return {
            "system_id": system_id,
            "polled_at": answer.fetched_at,
            "last_updated": answer.last_updated,
            "http_status": answer.http_status,
            "records": answer.records,
            "rejected": len(answer.rejected),
        }
    invalid = answer if isinstance(answer, InvalidFeedError) else None
    rejected = invalid.rejected if invalid is not None else None
    return {
        "system_id": system_id,
        "polled_at": began,
        "last_updated": invalid.last_updated if invalid else None,
        "http_status": answer.http_status,
        "records": invalid.records if invalid else None,
        "rejected": None if rejected is None else len(rejected),
    }


def _answered(answers: Answers[S]) -> tuple[str, ...]:
    return tuple(
        system_id for system_id, answer in answers.items() if not isinstance(answer, FeedError)
    )


def _failures(answers: Answers[S]) -> dict[str, str]:
    return {
        system_id: str(answer)
        for system_id, answer in answers.items()
        if isinstance(answer, FeedError)
    }
