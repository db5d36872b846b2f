"""Which faults a drill has, and when. Pure functions of its length and a seed."""

import random
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What goes wrong."""

    ERRORS = "the feeds answer HTTP 500"
    MALFORMED = "half of the feed's records are broken"
    FROZEN = "the feed repeats itself"
    SERVER = "Postgres is killed"
    WORKER = "the process of a run is killed"
    DAEMON = "the daemon is stopped"
    DISK = "the disk is full"


LASTING: Final = {
    Kind.DAEMON: 1 / 3,
    Kind.ERRORS: 1 / 12,
    Kind.MALFORMED: 1 / 12,
    Kind.FROZEN: 1 / 12,
    Kind.DISK: 1 / 24,
}
"""What lasts, as a share of the drill."""

BLOWS: Final = (Kind.SERVER, Kind.WORKER, Kind.SERVER)
"""What is done at once."""

CALM: Final = 0.15
"""The share at the end in which nothing happens."""


@dataclass(frozen=True)
class Fault:
    """One of them.

    Attributes:
        kind: What.
        at: When it begins, counted from the drill's start.
        lasts: How long; zero for what is done at once.
    """

    kind: Kind
    at: timedelta
    lasts: timedelta

    @property
    def until(self) -> timedelta:
        """When it is over, counted likewise."""
        return self.at + self.lasts


def script(length: timedelta, seed: int) -> list[Fault]:
    """The faults in order: one lasting one after the other, and blows in the pauses between.

    Args:
        length: Of the drill.
        seed: The same one gives the same faults.
    """
    chance = random.Random(seed)  # noqa: S311  # no secret
    kinds = chance.sample([*LASTING], len(LASTING))
    pause = length * ((1 - CALM - sum(LASTING.values())) / len(kinds))
    struck = dict(zip(chance.sample(range(len(kinds)), len(BLOWS)), BLOWS, strict=True))
    faults, now = [], timedelta()
    for place, kind in enumerate(kinds):
        if place in struck:
            at = now + pause * chance.uniform(0.1, 0.4)  # it recovers before the next
            faults.append(Fault(struck[place], at, timedelta()))
        now += pause
        faults.append(Fault(kind, now, length * LASTING[kind]))
        now = faults[-1].until
    return faults
