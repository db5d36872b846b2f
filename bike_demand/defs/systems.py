"""Of the frames that assets are given, what belongs to one system: what several stages share."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

import dagster as dg
import pandas as pd

from bike_demand import settings
from bike_demand.failures import PermanentFailure
from bike_demand.forecasting.features import WEATHER_LOOKBACK, Surroundings
from bike_demand.resources import Reach, read_metadata
from bike_demand.settings import System
from bike_demand.storage.tables import STATION_INFORMATION

NO_TIMEZONE = "the settings do not say its timezone: add it under [[systems]]"


STATIONS: Final = dg.AssetIn(
    STATION_INFORMATION.name,
    metadata=read_metadata(columns=["system_id", "station_id", "lat", "lon", "capacity"]),
)
"""The input `stations` of what makes features."""

FIRST_TICK: Final = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
"""Of an hour that has begun the first tick is wanted, and may be all there is."""

WEATHER_REACH: Final = Reach(lookback=((WEATHER_LOOKBACK, timedelta()),))


def placed(seen: "pd.Series[str]", refused: dict[str, str]) -> Iterator[System]:
    """The systems that are followed, or were seen, and whose clock is known; in order.

    Args:
        seen: The `system_id` of rows.
        refused: Gets the reason of each of the others.
    """
    followed = {system.system_id: system for system in settings.load().systems}
    for system_id in sorted({*followed, *seen.unique()}):
        if system_id in followed and followed[system_id].timezone is not None:
            yield followed[system_id]
        else:
            refused[system_id] = NO_TIMEZONE


def of(system: System, frame: pd.DataFrame) -> pd.DataFrame:
    """Its rows."""
    return frame[frame["system_id"] == system.system_id]


def surroundings(system: System, stations: pd.DataFrame, weather: pd.DataFrame) -> Surroundings:
    """What features of one of `placed` need besides its status."""
    return Surroundings(
        stations=of(system, stations),
        weather=of(system, weather),
        timezone=str(system.timezone),
        country=system.country,
    )


def single_partition(context: dg.AssetExecutionContext) -> dg.TimeWindow:
    """The window of the one partition that a run is for, UTC.

    Raises:
        PermanentFailure: The run is for several, of which it would make the first and delete the
            others.
    """
    if len(context.partition_keys) > 1:
        raise PermanentFailure(
            f"{context.op_def.name} is made a partition at a time; this run is for "
            f"{len(context.partition_keys)}. Launch a backfill, which makes a run of each."
        )
    window: dg.TimeWindow = context.partition_time_window
    return window


def told(refused: Mapping[str, str]) -> str:
    """Which systems were refused, and why, a line for each."""
    return "\n".join(f"{system_id}: {why}" for system_id, why in refused.items())


def check(
    name: str,
    refused: Mapping[str, str],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
) -> dg.AssetCheckResult:
    """The result of the check that no system was refused."""
    return dg.AssetCheckResult(
        check_name=name,
        passed=not refused,
        severity=severity,
        metadata={"refused": told(refused) or "none"},
    )
