"""The asset `station_demand`. How demand is read off status, stands in `forecasting.demand`."""

import dagster as dg
import pandas as pd

from bike_demand import settings
from bike_demand.automation import RETRIES
from bike_demand.failures import PermanentFailure
from bike_demand.forecasting.demand import demand
from bike_demand.forecasting.grid import COLUMNS, TICK, to_grid
from bike_demand.partitions import HOUR, hourly_partitions
from bike_demand.resources import Reach, Rows, read_metadata, table_metadata
from bike_demand.storage.frames import empty_frame
from bike_demand.storage.tables import STATION_DEMAND, STATION_STATUS


@dg.asset(
    partitions_def=hourly_partitions(settings.load()),
    backfill_policy=dg.BackfillPolicy.multi_run(24),
    ins={
        "status": dg.AssetIn(
            STATION_STATUS.name,
            metadata=read_metadata(
                columns=["system_id", *COLUMNS],
                reach=Reach(lookahead=TICK),  # closes the hour
            ),
        )
    },
    retry_policy=RETRIES,
    metadata=table_metadata(STATION_DEMAND),
    group_name="features",
    kinds={"python", "postgres"},
    code_version="1",
)
def station_demand(context: dg.AssetExecutionContext, status: pd.DataFrame) -> Rows:
    """How many bikes left and came to each station in each hour, and how long it was empty or full.

    Departures and arrivals are what the counts at the four quarters of an hour show of them, so
    never less than that were: who came and went between two snapshots is not seen.
    """
    span = context.partition_time_window
    frames = []
    for system_id, own in status.groupby("system_id"):
        grid = to_grid(own, span.start, span.end + TICK)
        hours = list(pd.date_range(span.start, span.end, freq=HOUR, inclusive="left"))
        frames.append(demand(grid, hours).assign(system_id=system_id))
    if not frames:
        raise PermanentFailure(
            f"There is no snapshot of {span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M} "
            "UTC. What was not fetched then stays a gap."
        )
    systems = [str(system_id) for system_id in status["system_id"].unique()]
    filled = [frame for frame in frames if len(frame)]
    rows = pd.concat(filled, ignore_index=True) if filled else empty_frame(STATION_DEMAND)
    return Rows(rows, {"system_id": systems})
