"""The asset `forecast_accuracy`. How forecasts are scored, stands in `bike_demand.accuracy`."""

from datetime import timedelta
from typing import Any, Final

import dagster as dg
import pandas as pd

from bike_demand import accuracy, settings
from bike_demand.automation import RETRIES, in_the_same_run
from bike_demand.cadence import ACCURACY
from bike_demand.defs import systems
from bike_demand.forecasting import pictures
from bike_demand.forecasting.inline_image import inline_figure
from bike_demand.forecasting.splits import WEEK
from bike_demand.resources import PostgresIOManager, Rows, table_metadata
from bike_demand.storage.accuracy_figures import figures
from bike_demand.storage.frames import empty_frame
from bike_demand.storage.tables import FORECAST_ACCURACY, STATION_FORECAST, STATION_STATUS

NAME: Final = FORECAST_ACCURACY.name

_DAY: Final = dg.TimeWindowPartitionMapping(
    start_offset=-24, allow_nonexistent_upstream_partitions=True
)
FORECASTS: Final = dg.AssetDep(STATION_FORECAST.name, partition_mapping=_DAY)
"""Of the day that ends with an hour."""

_SHOWN: Final = f"""
SELECT role, model_version, horizon,
    {figures("rows", "skill_rmse", "coverage_80", "skill_brier_empty")}
FROM forecast_accuracy
WHERE system_id = %(system)s AND target_at > %(since)s AND target_at <= %(until)s
GROUP BY role, model_version, horizon ORDER BY role, model_version, horizon
"""  # noqa: S608  # all of it stands in the code


@dg.asset(
    name=NAME,
    partitions_def=ACCURACY.partitions,
    freshness_policy=ACCURACY.freshness,
    automation_condition=in_the_same_run(),
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    deps=[dg.AssetDep(STATION_STATUS.name, partition_mapping=systems.FIRST_TICK), FORECASTS],
    retry_policy=RETRIES,
    metadata=table_metadata(FORECAST_ACCURACY),
    group_name="monitoring",
    kinds={"postgres"},
    code_version="1",
)
def forecast_accuracy(
    context: dg.AssetExecutionContext, io_manager: dg.ResourceParam[PostgresIOManager]
) -> dg.MaterializeResult[Any]:
    """What became of forecasts that came due with the hour's first tick, beside persistence.

    By hours ahead, role and model; sums, so that hours add up. Late forecasts do not count.
    """
    tick, warehouse = systems.single_partition(context).start, io_manager.warehouse()
    frames, pages = list[pd.DataFrame](), dict[str, Any]()
    followed = [system.system_id for system in settings.load().systems]
    for system_id in followed:
        found = accuracy.due(warehouse, system_id, tick)
        if len(found):
            frames.append(found.assign(system_id=system_id, target_at=tick))
        values = {"system": system_id, "since": tick - WEEK, "until": tick - timedelta(hours=1)}
        before = warehouse.frame(_SHOWN, values)
        if len(before):
            figure = pictures.of_accuracy(f"{system_id}, the week to {tick:%Y-%m-%d %H:%M}", before)
            pages[f"accuracy {system_id}"] = dg.MetadataValue.md(inline_figure("accuracy", figure))
    rows = frames or [empty_frame(FORECAST_ACCURACY)]
    return dg.MaterializeResult(value=Rows(rows, {"system_id": followed}), metadata=pages)
