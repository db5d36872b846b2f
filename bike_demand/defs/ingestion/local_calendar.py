"""The asset `local_calendar`: what each system's clock shows at each UTC hour."""

import dagster as dg
import pandas as pd

from bike_demand import settings
from bike_demand.failures import PermanentFailure
from bike_demand.forecasting.local_calendar import local_calendar as calendar_of
from bike_demand.partitions import daily_partitions
from bike_demand.resources import Rows, table_metadata
from bike_demand.storage.tables import LOCAL_CALENDAR


@dg.asset(
    partitions_def=daily_partitions(settings.load()),
    backfill_policy=dg.BackfillPolicy.single_run(),
    metadata=table_metadata(LOCAL_CALENDAR),
    group_name="ingestion",
    kinds={"python", "postgres"},
    code_version="1",
)
def local_calendar(context: dg.AssetExecutionContext) -> Rows:
    """What the clock of each system shows at each UTC hour: local date, hour and weekday.

    Every table's time is UTC; riders live by the local clock. Analysts join on `system_id`
    and the hour to ask for "weekday mornings", right across daylight-saving changes.
    """
    window = context.partition_time_window
    zones = {system.system_id: system.timezone for system in settings.load().systems}
    if nameless := [system_id for system_id, zone in zones.items() if zone is None]:
        raise PermanentFailure(f"The settings name no timezone for {nameless}: add it there.")
    frames = [
        calendar_of(str(zone), window.start, window.end).assign(system_id=system_id)
        for system_id, zone in zones.items()
    ]
    return Rows(pd.concat(frames, ignore_index=True), covers={"system_id": list(zones)})
