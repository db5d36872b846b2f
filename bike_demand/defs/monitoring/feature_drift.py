"""The asset `feature_drift`. What is watched, and how far it has moved: `forecasting.watched`."""

import json
from datetime import datetime, timedelta
from typing import Any, Final

import dagster as dg
import numpy as np
import pandas as pd

from bike_demand.automation import RETRIES, in_the_same_run
from bike_demand.cadence import ACCURACY
from bike_demand.defs import systems
from bike_demand.defs.monitoring.forecast_accuracy import FORECASTS
from bike_demand.forecasting import pictures
from bike_demand.forecasting.drift import BANDS, Counts, Reference
from bike_demand.forecasting.inline_image import inline_figure
from bike_demand.forecasting.watched import SPAN, drift
from bike_demand.registry import Registry, RegistryError, Version
from bike_demand.resources import PostgresIOManager, Rows, table_metadata
from bike_demand.resources.tracking import Tracking
from bike_demand.settings import System
from bike_demand.storage.frames import empty_frame
from bike_demand.storage.tables import FEATURE_DRIFT
from bike_demand.storage.warehouse import Warehouse

NAME: Final = FEATURE_DRIFT.name
COMPARED: Final = "every_system_compared"
STILL: Final = "nothing_moved_far"

DAYS: Final = 14
"""That the heat map shows."""

_COUNTS: Final = """
SELECT origin_at, feature, counts FROM forecast_input
WHERE system_id = %(system)s AND origin_at > %(since)s AND origin_at <= %(until)s
    AND model_version = %(version)s
"""
_MAP: Final = """
SELECT feature, date_trunc('day', hour, 'UTC') AS day, max(psi) AS psi FROM feature_drift
WHERE system_id = %(system)s AND hour > %(since)s AND hour < %(until)s
GROUP BY 1, 2 HAVING max(psi) IS NOT NULL
"""


@dg.asset(
    name=NAME,
    partitions_def=ACCURACY.partitions,
    freshness_policy=ACCURACY.freshness,
    automation_condition=in_the_same_run(),
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    deps=[FORECASTS],
    check_specs=[
        dg.AssetCheckSpec(
            COMPARED,
            asset=NAME,
            description="Each system's champion tells what it has learnt from.",
        ),
        dg.AssetCheckSpec(
            STILL, asset=NAME, description="No index is moderate or critical, 0.15 or more."
        ),
    ],
    retry_policy=RETRIES,
    metadata=table_metadata(FEATURE_DRIFT),
    group_name="monitoring",
    kinds={"python", "mlflow", "postgres"},
    code_version="1",
)
def feature_drift(  # type: ignore[no-untyped-def]  # noqa: ANN201  # as in `stations`
    context: dg.AssetExecutionContext,
    tracking: Tracking,
    io_manager: dg.ResourceParam[PostgresIOManager],
):
    """How far what champions are asked has moved from what they have learnt from.

    The population stability index of each feature, of the forecast and of what came, over the last
    24 origins, against the hours of the week that they are of. It takes 18 origins of the same
    champion to say anything.
    """
    now, warehouse = systems.single_partition(context).start, io_manager.warehouse()
    frames, refused, pages = list[pd.DataFrame](), dict[str, str](), dict[str, Any]()
    with tracking.in_use() as registry:
        for system in systems.placed(pd.Series(dtype=object), refused):
            try:
                version, reference = _learnt_from(registry, system)
            except (RegistryError, LookupError) as error:
                refused[system.system_id] = str(error)
                continue
            counts = _counts(warehouse, system, version, now)
            found = drift(reference, counts, now, str(system.timezone))
            frames.append(
                found.assign(system_id=system.system_id, hour=now, model_version=version.version)
            )
            pages[f"drift {system.system_id}"] = _page(warehouse, frames[-1], now)
    rows = frames or [empty_frame(FEATURE_DRIFT)]
    covers = {"system_id": [str(frame["system_id"].iloc[0]) for frame in frames]}
    moved = pd.concat(rows)
    moved = moved[moved["band"].isin(["moderate", "critical"])]
    return dg.MaterializeResult[Any](
        value=Rows(rows, covers),
        metadata=pages,
        check_results=[
            systems.check(COMPARED, refused),
            dg.AssetCheckResult(
                check_name=STILL,
                passed=moved.empty,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"moved": _told(moved) or "none"},
            ),
        ],
    )


def _told(rows: pd.DataFrame) -> str:
    """What has moved, the farthest first."""
    ordered = rows.sort_values("psi", ascending=False)
    return ", ".join(
        f"{row['system_id']} {row['feature']} {row['psi']:.2f}" for _, row in ordered.iterrows()
    )


def _learnt_from(registry: Registry, system: System) -> tuple[Version, Reference]:
    champion = registry.champion(system.system_id)
    if champion is None:
        raise LookupError("there is no champion")
    reference = registry.load(champion).reference
    if reference is None:
        raise LookupError(f"{champion} does not tell what it has learnt from")
    return champion, reference


def _counts(
    warehouse: Warehouse, system: System, version: Version, now: datetime
) -> dict[str, dict[datetime, Counts]]:
    values = {
        "system": system.system_id,
        "version": version.version,
        "since": now - timedelta(hours=SPAN),
        "until": now,
    }
    found: dict[str, dict[datetime, Counts]] = {}
    with warehouse.connection() as connection:
        for origin, feature, counts in connection.execute(_COUNTS, values).fetchall():
            found.setdefault(feature, {})[origin] = np.array(json.loads(counts), dtype=np.int64)
    return found


def _page(warehouse: Warehouse, rows: pd.DataFrame, now: datetime) -> dg.MarkdownMetadataValue:
    [system_id] = rows["system_id"].unique()
    values = {"system": system_id, "since": now - timedelta(days=DAYS), "until": now}
    before = warehouse.frame(_MAP, values)
    today = rows[["feature", "psi"]].assign(day=pd.Timestamp(now).normalize())
    shown = [each for each in (before, today.dropna()) if len(each)]
    most = rows.nlargest(5, "psi")
    table = "\n".join(
        f"| `{row['feature']}` | {row['psi']:.3f} | {row['band']} | {row['hours']} |"
        for _, row in most.iterrows()
    )
    text = f"| | index | | hours |\n|---|---|---|---|\n{table}"
    if not shown:
        return dg.MetadataValue.md(f"Too few hours of this champion to compare.\n\n{text}")
    title, days = f"{system_id}: population stability index", pd.concat(shown)
    figure = pictures.of_drift(title, days, BANDS.values())
    return dg.MetadataValue.md(f"{text}\n\n{inline_figure('drift', figure)}")
