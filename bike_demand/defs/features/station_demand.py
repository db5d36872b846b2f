"""The asset `station_demand`. How demand is read off status, stands in `forecasting.demand`."""

import dagster as dg
import pandas as pd

from bike_demand.automation import RETRIES, minutes_after_the_hour
from bike_demand.cadence import DEMAND
from bike_demand.failures import PermanentFailure
from bike_demand.forecasting.demand import demand
from bike_demand.forecasting.grid import COLUMNS, TICK, to_grid
from bike_demand.partitions import HOUR
from bike_demand.resources import Reach, Rows, read_metadata, table_metadata
from bike_demand.storage.tables import STATION_DEMAND, STATION_STATUS

COMPLETE = "every_interval_known"


@dg.asset(
    partitions_def=DEMAND.partitions,
    freshness_policy=DEMAND.freshness,
    # The tick that closes the hour is stored by then, or will not be.
    automation_condition=minutes_after_the_hour(10),
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
    check_specs=[
        dg.AssetCheckSpec(
            COMPLETE,
            asset=STATION_DEMAND.name,
            description="All four intervals of every hour are known of every system.",
        )
    ],
    retry_policy=RETRIES,
    metadata=table_metadata(STATION_DEMAND),
    group_name="features",
    kinds={"python", "postgres"},
    code_version="1",
)
def station_demand(  # type: ignore[no-untyped-def]  # noqa: ANN201  # as in `stations`
    context: dg.AssetExecutionContext, status: pd.DataFrame
):
    """How many bikes left and came to each station in each hour, and how long it was empty or full.

    Departures and arrivals are what the counts at the four quarters of an hour show of them, so
    never less than that were: who came and went between two snapshots is not seen.
    """
    span = context.partition_time_window
    hours = list(pd.date_range(span.start, span.end, freq=HOUR, inclusive="left"))
    frames, lacking = {}, []
    for system_id, own in status.groupby("system_id"):
        rows = demand(to_grid(own, span.start, span.end + TICK), hours)
        if len(rows):
            frames[str(system_id)] = rows.assign(system_id=system_id)
        most = rows.groupby("hour")["intervals"].max()
        lacking += [f"{system_id} {hour:%Y-%m-%d %H:%M}" for hour in hours if most.get(hour, 0) < 4]
    if not frames:
        raise PermanentFailure(
            f"No interval between snapshots is known of {span.start:%Y-%m-%d %H:%M} to "
            f"{span.end:%Y-%m-%d %H:%M} UTC. What was not fetched then stays a gap."
        )
    return dg.MaterializeResult(
        value=Rows(pd.concat(frames.values(), ignore_index=True), {"system_id": [*frames]}),
        check_results=[
            dg.AssetCheckResult(
                check_name=COMPLETE,
                passed=not lacking,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"lacking": ", ".join(lacking[:20]) or "none", "hours": len(lacking)},
            )
        ],
    )
