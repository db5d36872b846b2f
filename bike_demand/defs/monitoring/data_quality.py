"""The asset `data_quality`. What is asked of stored data stands in `quality.rules`."""

from typing import Any, Final

import dagster as dg
import pandas as pd
import psycopg

from bike_demand import quality, settings
from bike_demand.automation import RETRIES, minutes_after_the_hour
from bike_demand.cadence import QUALITY
from bike_demand.forecasting.splits import WEEK
from bike_demand.quality.report import report, told, worst_first
from bike_demand.resources import PostgresIOManager, Rows, table_metadata
from bike_demand.storage.frames import empty_frame
from bike_demand.storage.tables import (
    DATA_QUALITY,
    STATION_DEMAND,
    STATION_FEATURES,
    STATION_FORECAST,
    STATION_INFORMATION,
    STATION_RISK,
    STATION_STATUS,
    WEATHER,
)
from bike_demand.storage.windows import Window

CRITICAL, CLEAN = "nothing_is_critical", "nothing_is_wrong"
_SAID: Final = 10
"""Findings that a check names."""

# What was recorded need not be followed; it is asked of the windows that it holds.
_SYSTEMS: Final = "SELECT system_id FROM station_information UNION SELECT system_id FROM feed_poll"
_HOLDS: Final = """
SELECT EXISTS (
  SELECT FROM station_status WHERE system_id = %s AND observed_at >= %s AND observed_at < %s
)
"""


@dg.asset(
    partitions_def=QUALITY.partitions,
    freshness_policy=QUALITY.freshness,
    # What is made of the last hour is there by then, or late.
    automation_condition=minutes_after_the_hour(20, every=4),
    backfill_policy=dg.BackfillPolicy.multi_run(42),  # a week
    deps=[
        table.name
        for table in (
            STATION_INFORMATION,
            STATION_STATUS,
            WEATHER,
            STATION_FEATURES,
            STATION_DEMAND,
            STATION_FORECAST,
            STATION_RISK,
        )
    ],
    check_specs=[
        dg.AssetCheckSpec(
            CRITICAL,
            asset=DATA_QUALITY.name,
            description="Nothing was found because of which what is made of it is not to be "
            "trusted.",
        ),
        dg.AssetCheckSpec(
            CLEAN, asset=DATA_QUALITY.name, description="Every rule holds for every system."
        ),
    ],
    retry_policy=RETRIES,
    metadata=table_metadata(DATA_QUALITY),
    group_name="monitoring",
    kinds={"python", "postgres"},
    code_version="1",
)
def data_quality(  # type: ignore[no-untyped-def]  # noqa: ANN201  # as in `stations`
    context: dg.AssetExecutionContext, io_manager: dg.ResourceParam[PostgresIOManager]
):
    """What is wrong with what is stored of each four hours: by rule how many rows, and which.

    Every system that is followed live, or has a snapshot of them, is asked all rules. One that
    holds has a count of 0, and one that had nothing to ask no share.
    """
    windows = [
        Window(span.start, span.end)
        for span in map(
            QUALITY.partitions.time_window_for_partition_key, sorted(context.partition_keys)
        )
    ]
    followed = settings.load().systems
    live = {system.system_id for system in followed if system.is_live}
    with io_manager.warehouse().connection() as connection:
        stored = (system_id for (system_id,) in connection.execute(_SYSTEMS))
        asked = sorted({*(system.system_id for system in followed), *stored})
        frames = {
            (system_id, window): quality.frame(
                quality.findings(connection, system_id, window, live=system_id in live),
                system_id,
                window,
            )
            for system_id in asked
            for window in windows
            if system_id in live or _holds(connection, system_id, window)
        }
        pages = _pages(connection, frames) if len(windows) == 1 else {}
    found = pd.concat([empty_frame(DATA_QUALITY), *frames.values()], ignore_index=True)
    broken = worst_first(found)
    critical = broken[broken["severity"] == "critical"]
    return dg.MaterializeResult[Any](
        value=Rows(found, {"system_id": asked}),
        metadata={"rules broken": len(broken), "of them critical": len(critical), **pages},
        check_results=[
            _check(CRITICAL, critical, dg.AssetCheckSeverity.ERROR),
            _check(CLEAN, broken, dg.AssetCheckSeverity.WARN),
        ],
    )


def _holds(connection: psycopg.Connection, system_id: str, window: Window) -> bool:
    """Whether a system has a snapshot of a window."""
    row = connection.execute(_HOLDS, [system_id, window.start, window.end]).fetchone()
    return bool(row and row[0])


def _pages(
    connection: psycopg.Connection, frames: dict[tuple[str, Window], pd.DataFrame]
) -> dict[str, dg.MarkdownMetadataValue]:
    """A report of each system's one window."""
    pages = {}
    for (system_id, window), found in frames.items():
        rows = connection.execute(
            "SELECT window_start, severity, count FROM data_quality "
            "WHERE system_id = %s AND window_start >= %s AND window_start < %s",
            [system_id, window.start - WEEK, window.start],
        ).fetchall()
        past = pd.DataFrame(rows, columns=["window_start", "severity", "count"])
        pages[f"report {system_id}"] = dg.MetadataValue.md(report(system_id, window, found, past))
    return pages


def _check(name: str, broken: pd.DataFrame, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    lines = [
        f"{row['system_id']} {row['window_start']:%Y-%m-%d %H:%M} {row['rule']}: {row['count']} of "
        f"{row['checked']}, such as {told(row['sample'], 1)}"
        for row in broken.head(_SAID).to_dict("records")
    ]
    return dg.AssetCheckResult(
        check_name=name,
        passed=broken.empty,
        severity=severity,
        metadata={"broken": len(broken), "rules": "\n".join(lines) or "none"},
    )
