"""How long rows are kept: for each table of a system the time before which they go.

Rows of systems that are followed live get old. A recording does not, nor what was followed once:
nothing of theirs is deleted.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bike_demand.forecasting.features import LOOKS_BACK
from bike_demand.forecasting.splits import DAY, TRAINING
from bike_demand.settings import Retention
from bike_demand.storage.tables import STATION_FEATURES, STATION_STATUS, WEATHER

LEARNT_FROM: Final = {table.name for table in (STATION_STATUS, STATION_FEATURES, WEATHER)}
"""Tables that a model's training window is read from."""

REACH: Final = TRAINING + LOOKS_BACK
"""How long before the end of the day it is trained for a model's rows begin, at most."""


@dataclass(frozen=True)
class Cutoff:
    """What goes of a table.

    Attributes:
        table: Its name.
        days: How long its rows are to be kept.
        before: Rows of earlier times go: a midnight, UTC.
        needed: Whether later ones would go, too, were they not needed.
    """

    table: str
    days: int
    before: datetime
    needed: bool


def cutoffs(
    kept: Retention, now: datetime, trained_until: datetime, made_from: datetime
) -> list[Cutoff]:
    """What goes of each table.

    Args:
        kept: The settings.
        now: The present, UTC.
        trained_until: Where the training window of the oldest model ends that is still asked,
            UTC.
        made_from: Where the earliest window begins that somebody is at, UTC.
    """
    found = []
    for table, days in kept.model_dump().items():
        wished = now - days * DAY
        stays = made_from
        if table in LEARNT_FROM:
            stays = min(trained_until, made_from + DAY) - REACH
        before = min(wished, stays).astimezone(UTC)
        midnight = before.replace(hour=0, minute=0, second=0, microsecond=0)
        found.append(Cutoff(table, days, midnight, needed=stays < wished))
    return found
