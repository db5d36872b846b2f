"""The asset `station_features`. What a feature is, stands in `forecasting.features`."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby

import dagster as dg
import numpy as np
import pandas as pd

from bike_demand.automation import RETRIES, minutes_after_the_hour
from bike_demand.cadence import FEATURES
from bike_demand.defs import systems
from bike_demand.failures import PermanentFailure
from bike_demand.forecasting import features as work
from bike_demand.forecasting.grid import COLUMNS, Grid, to_grid
from bike_demand.partitions import HOUR
from bike_demand.resources import Reach, Rows, read_metadata, table_metadata
from bike_demand.settings import System
from bike_demand.storage.tables import (
    STATION_FEATURES,
    STATION_STATUS,
    WEATHER,
)

SNAPSHOTS_NEEDED = 3
"""Of the four of an hour."""

COMPLETE = "every_system_complete"


class FeaturesConfig(dg.Config):
    """How features are made."""

    allow_partial: bool = False
    """Make them of hours with fewer than three snapshots, too."""


@dg.asset(
    partitions_def=FEATURES.partitions,
    freshness_policy=FEATURES.freshness,
    # The forecast of the hour that begins does not wait for these.
    automation_condition=minutes_after_the_hour(2),
    backfill_policy=dg.BackfillPolicy.multi_run(24),
    ins={
        "status": dg.AssetIn(
            STATION_STATUS.name,
            metadata=read_metadata(
                columns=["system_id", *COLUMNS], reach=Reach(lookback=work.LOOKBACK)
            ),
        ),
        "stations": systems.STATIONS,
        "weather": dg.AssetIn(WEATHER.name, metadata=read_metadata(reach=systems.WEATHER_REACH)),
    },
    check_specs=[
        dg.AssetCheckSpec(
            COMPLETE,
            asset=STATION_FEATURES.name,
            description="Features were made of every hour of every system.",
        )
    ],
    retry_policy=RETRIES,
    metadata=table_metadata(STATION_FEATURES),
    group_name="features",
    kinds={"python", "postgres"},
    code_version=work.FEATURE_VERSION,
)
def station_features(  # type: ignore[no-untyped-def]  # noqa: ANN201  # as in `stations`
    context: dg.AssetExecutionContext,
    config: FeaturesConfig,
    status: pd.DataFrame,
    stations: pd.DataFrame,
    weather: pd.DataFrame,
):
    """What was known of each station at each tick, as models see it.

    An hour needs three of its four snapshots, unless `allow_partial` is set; by itself it is
    refused and keeps what is stored, in a backfill it is left without features and named. What
    is missing is null, never filled; nothing that was fetched or issued after a tick enters its
    row. The same function makes the features of training, of forecasts and of backtests.
    """
    span = context.partition_time_window
    start = span.start - max(before for before, _ in work.LOOKBACK)
    made: dict[str, tuple[System, Grid, list[datetime]]] = {}
    refused: dict[str, str] = {}
    for system in systems.placed(status["system_id"], refused):
        system_id = system.system_id
        grid = to_grid(systems.of(system, status), start, span.end)
        snapshots = _snapshots(grid, span.start, span.end)
        needed = 1 if config.allow_partial else SNAPSHOTS_NEEDED
        hours = [hour for hour, number in snapshots.items() if number >= needed]
        if hours:
            made[system_id] = system, grid, hours
        if len(hours) < len(snapshots):
            refused[system_id] = _reason(snapshots, needed)
    if not made:
        raise PermanentFailure(
            f"No features were made; what is stored stays.\n{systems.told(refused)}"
        )

    def frames() -> Iterator[pd.DataFrame]:
        for system_id, (system, grid, hours) in made.items():
            around = systems.surroundings(system, stations, weather)
            for _, day in groupby(hours, key=datetime.date):  # what is in memory at a time
                origins = np.concatenate([grid.index(hour) + np.arange(4) for hour in day])
                rows = work.features(grid, origins, around)
                yield rows.assign(system_id=system_id, feature_version=work.FEATURE_VERSION)

    return dg.MaterializeResult(
        value=Rows(frames(), {"system_id": [*made]}),
        check_results=[systems.check(COMPLETE, refused)],
    )


def _snapshots(grid: Grid, start: datetime, end: datetime) -> dict[datetime, int]:
    """How many of its four snapshots each hour has."""
    known = ~np.isnat(grid.fetched_at)
    first = grid.index(start)
    return {
        start + number * HOUR: int(known[first + 4 * number : first + 4 * number + 4].sum())
        for number in range((end - start) // HOUR)
    }


def _reason(snapshots: Mapping[datetime, int], needed: int) -> str:
    few = {hour: number for hour, number in snapshots.items() if number < needed}
    told = ", ".join(f"{hour:%Y-%m-%d %H:%M} UTC with {number}" for hour, number in few.items())
    return (
        f"{len(few)} of {len(snapshots)} hours have fewer than {needed} of 4 snapshots: {told}. "
        "They have no features now. What was not fetched then stays a gap"
        + ("." if needed == 1 else "; allow_partial makes features of what there is.")
    )
