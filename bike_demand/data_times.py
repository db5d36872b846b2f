"""How recent the data of each table is, of each system: by the data's own time, not by the run's.

A feed that is frozen is read every quarter of an hour, and each run of it is green.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import psycopg

from bike_demand.cadence import CADENCES, STATUS, Cadence
from bike_demand.settings import System

FROZEN: Final = timedelta(hours=1)
"""No station of a system says anything new for as long: its feed is frozen."""

# The newest time of a table, of one system; keys are led by both, so each is one look.
_TIMES: Final = {
    "station_status": (
        "SELECT coalesce(max(last_reported), max(observed_at)) FROM station_status WHERE "
        "system_id = s AND observed_at = "
        "(SELECT max(observed_at) FROM station_status WHERE system_id = s)"
    ),
    "weather": "SELECT max(issued_at) FROM weather WHERE system_id = s",
    "station_features": "SELECT max(observed_at) FROM station_features WHERE system_id = s",
    "station_demand": "SELECT max(hour) FROM station_demand WHERE system_id = s",
    "station_forecast": "SELECT max(origin_at) FROM station_forecast WHERE system_id = s",
    "forecast_accuracy": "SELECT max(target_at) FROM forecast_accuracy WHERE system_id = s",
    "model_watch": "SELECT max(target_at) FROM forecast_accuracy WHERE system_id = s",
    "data_quality": "SELECT max(window_start) FROM data_quality WHERE system_id = s",
    "lightgbm_model": "SELECT max(trained_for) FROM champion_decision WHERE system_id = s",
}
_QUERY: Final = "SELECT s, {columns} FROM unnest(%(systems)s::text[]) AS s"


@dataclass(frozen=True)
class Age:
    """How recent an asset's data of a system is.

    Attributes:
        asset: The first of its cadence.
        system_id: The system.
        newest: The latest time that the data speaks of, UTC; None if there is none.
        stale_at: When that is too old, UTC; None likewise, and of what was recorded.
    """

    asset: str
    system_id: str
    newest: datetime | None
    stale_at: datetime | None

    def is_stale(self, now: datetime) -> bool:
        """Whether it is; what never was there is not stale, but missing."""
        return self.stale_at is not None and now > self.stale_at


def ages(connection: psycopg.Connection, systems: Sequence[System]) -> list[Age]:
    """Of each cadence's asset and each system, in order."""
    columns = ", ".join(f"({query}) AS {name}" for name, query in _TIMES.items())
    rows = connection.execute(
        _QUERY.format(columns=columns), {"systems": [system.system_id for system in systems]}
    ).fetchall()
    found = {row[0]: dict(zip(_TIMES, row[1:], strict=True)) for row in rows}
    return [
        Age(
            cadence.name,
            system.system_id,
            found[system.system_id][cadence.name],
            stale_at(cadence, system, found[system.system_id][cadence.name]),
        )
        for cadence in CADENCES
        for system in systems
    ]


def stale_at(cadence: Cadence, system: System, newest: datetime | None) -> datetime | None:
    """When data is too old, UTC; None if there is none, or none newer is to come."""
    if newest is None or not system.is_live:
        return None
    at, end = newest + limit(cadence), cadence.partitions.end
    return None if end and at > end else at


def limit(cadence: Cadence) -> timedelta:
    """How old the newest time may be, just before the next partition is due."""
    if cadence is STATUS:
        return FROZEN
    windows = 1 if cadence.partitions.end_offset else 2
    return windows * cadence.period + cadence.grace
