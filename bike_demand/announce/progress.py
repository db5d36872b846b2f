"""How far the telling has come: what a look leaves for the next one, whatever happens between."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from bike_demand.announce.events import Event, skipped

SENSOR: Final = "announcement_sensor"
"""Whose cursor it is kept in."""

VERSION: Final = 1
"""Of what is kept."""

OVERLAP: Final = timedelta(hours=24)
"""An event may be stored so much later than its own time: it is told then."""

CATCH_UP: Final = timedelta(hours=72)
"""What is older is not told any more, but that there was something is."""

FIRST_WAIT: Final = timedelta(seconds=30)
LONGEST_WAIT: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Progress:
    """What is kept between two looks.

    Attributes:
        position: All that happened `OVERLAP` before it, or earlier, is done with; None as long as
            nobody has to be told. It never goes back.
        delivered: Ids of later events that are done with.
        newest: Id of the newest event that the server was told of; None before the first look.
        tries: How often in a row the receiver has refused.
        again_at: Not asked before, UTC; None if it may be asked.
        refused_since: When it first refused of those times, UTC; None if it does not.
    """

    position: datetime | None = None
    delivered: frozenset[str] = frozenset()
    newest: str | None = None
    tries: int = 0
    again_at: datetime | None = None
    refused_since: datetime | None = None

    @classmethod
    def read(cls, kept: str | None) -> tuple[Self | None, str | None]:
        """What is kept, None at the first look; and what is wrong with it."""
        if not kept:
            return None, None
        try:
            told = json.loads(kept)
            if told["version"] != VERSION:
                return None, "What was kept is of another version: events are told from now on."
            return cls(
                _time(told["position"]),
                frozenset(map(str, told["delivered"])),
                told["newest"],
                int(told["tries"]),
                _time(told["again_at"]),
                _time(told["refused_since"]),
            ), None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return None, f"What was kept cannot be read ({error!r}): events are told from now on."

    def written(self) -> str:
        """As it is kept."""
        return json.dumps(
            {
                "version": VERSION,
                "position": self.position and self.position.isoformat(),
                "delivered": sorted(self.delivered),
                "newest": self.newest,
                "tries": self.tries,
                "again_at": self.again_at and self.again_at.isoformat(),
                "refused_since": self.refused_since and self.refused_since.isoformat(),
            }
        )

    def since(self, now: datetime) -> datetime:
        """From when on what has happened is to be looked at."""
        return (now if self.position is None else self.position) - OVERLAP

    def begun(self, found: Sequence[Event], now: datetime) -> "Progress":
        """From now on somebody is told; what has been found is not news."""
        return replace(
            self, position=now, delivered=_ids(found), newest=found[-1].id if found else None
        )

    def refused(self, now: datetime, wait: int | None) -> "Progress":
        """The receiver is left alone for a while, twice as long each time.

        Args:
            now: UTC.
            wait: As long as it says itself [s]; None if it does not.
        """
        doubled: timedelta = FIRST_WAIT * 2 ** min(self.tries, 10)
        asked = doubled if wait is None else timedelta(seconds=wait)
        again = now + max(FIRST_WAIT, min(asked, LONGEST_WAIT))
        since = self.refused_since or now
        return replace(self, tries=self.tries + 1, again_at=again, refused_since=since)

    def taken(self) -> "Progress":
        """The receiver listens."""
        return replace(self, tries=0, again_at=None, refused_since=None)

    def moved(self, found: Sequence[Event], done: Collection[str], now: datetime) -> "Progress":
        """After a look.

        Args:
            found: All that was looked at, in order.
            done: Ids of those that are done with.
            now: UTC.
        """
        open_still = [event.at for event in found if event.id not in done]
        reached = open_still[0] if open_still else now
        # Going back would look at more than is remembered.
        position = reached if self.position is None else max(self.position, reached)
        known = _ids(event for event in found if event.at > position - OVERLAP)
        return replace(self, position=position, delivered=known & frozenset(done))


@dataclass(frozen=True)
class Undelivered:
    """What has to be told.

    Attributes:
        missed: Too old to be told; that they were missed is told, in one event.
        events: The others, in order.
    """

    missed: tuple[Event, ...]
    events: tuple[Event, ...]

    def queue(self) -> list[tuple[Event, frozenset[str]]]:
        """What is told one after the other, each with the ids that are done with by it."""
        first = [(skipped(self.missed), _ids(self.missed))] if self.missed else []
        return [*first, *((event, frozenset({event.id})) for event in self.events)]


def undelivered(found: Sequence[Event], progress: Progress, now: datetime) -> Undelivered:
    """Of what was found, what is not done with."""
    waiting = [event for event in found if event.id not in progress.delivered]
    return Undelivered(
        tuple(event for event in waiting if event.at < now - CATCH_UP),
        tuple(event for event in waiting if event.at >= now - CATCH_UP),
    )


def _ids(events: Iterable[Event]) -> frozenset[str]:
    return frozenset(event.id for event in events)


def _time(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)
