"""The assets `station_status` and `station_information`, the job that fetches both, its schedule.

They do not depend on each other: a dead information feed must not cost a snapshot.
"""

import math
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Final

import dagster as dg

from bike_demand import data_times, settings
from bike_demand.automation import RETRIES, present_partition
from bike_demand.cadence import STATUS
from bike_demand.defs import systems
from bike_demand.failures import PermanentFailure
from bike_demand.forecasting.grid import TICK
from bike_demand.forecasting.snapshot import fill_chart, summarize
from bike_demand.quality.frames import replaced
from bike_demand.resources import PostgresIOManager, Rows, table_metadata
from bike_demand.resources.live_feed import LiveStationFeed
from bike_demand.resources.station_feed import Reading, StationFeed
from bike_demand.storage.declaration import TableDeclaration
from bike_demand.storage.tables import (
    FEED_POLL,
    REJECTED_RECORD,
    STATION_INFORMATION,
    STATION_STATUS,
)
from bike_demand.storage.windows import Window

ANSWERED = "every_system_answered"
REPORTS = "every_system_reports"
KEPT = "stations_keep_their_ids"

REMEMBERED: Final = timedelta(hours=2)
"""How old the snapshot before may be that a new one is compared with. Ids that are others for
longer are the new ones: it costs as much as that of the past."""

_BEFORE = """
SELECT system_id, station_id FROM unnest(%(systems)s::text[]) AS followed(system_id)
JOIN station_status USING (system_id)
WHERE observed_at = (
  SELECT max(observed_at) FROM station_status AS stored
  WHERE stored.system_id = followed.system_id AND stored.observed_at >= %(since)s
    AND stored.observed_at < %(start)s
)
"""


@dg.asset(
    partitions_def=STATUS.partitions,
    freshness_policy=STATUS.freshness,
    pool=STATUS.pool,
    backfill_policy=dg.BackfillPolicy.multi_run(96),
    check_specs=[
        dg.AssetCheckSpec(
            ANSWERED,
            asset=STATION_STATUS.name,
            description="Each system of the settings gave a snapshot that could be stored.",
        ),
        dg.AssetCheckSpec(
            REPORTS,
            asset=STATION_STATUS.name,
            description="Of each system some station reported within the hour: it is not frozen.",
        ),
        dg.AssetCheckSpec(
            KEPT,
            asset=STATION_STATUS.name,
            blocking=True,
            description="Of no system other stations came than there were: such are not stored.",
        ),
    ],
    retry_policy=RETRIES,
    metadata=table_metadata(STATION_STATUS),
    group_name="ingestion",
    kinds={"python", "postgres"},
    code_version="1",
)
# Unannotated: of an asset with a check Dagster wants a tuple, and gets a MaterializeResult.
def station_status(  # type: ignore[no-untyped-def]  # noqa: ANN201
    context: dg.AssetExecutionContext,
    station_feed: dg.ResourceParam[StationFeed],
    io_manager: dg.ResourceParam[PostgresIOManager],
):
    """What each station had at each 15-minute tick: bikes, e-bikes, docks, flags.

    A tick holds the first snapshot fetched in it. A live feed knows only the present, so only
    the current tick can be materialised from it; a tick that was missed stays missing. Every
    poll is stored along in `feed_poll`, and each record that was refused, with its reason, in
    `rejected_record`.
    """
    span = context.partition_time_window
    window = Window(span.start, span.end)
    reading, others = station_feed.read(window), dict[str, str]()
    if window.end - window.start == TICK:
        reading, others = _without_others(io_manager, reading)
    polls = {FEED_POLL: Rows(reading.polls, {"system_id": reading.asked}, windows=[window])}
    result = _result(io_manager, STATION_STATUS, reading, polls)
    checks = [*result.check_results, _reports(reading)]
    checks.append(systems.check(KEPT, others, dg.AssetCheckSeverity.ERROR))
    result = result._replace(check_results=checks)
    if window.end - window.start > TICK:
        return result  # metadata of a range would repeat on each of its partitions
    summary = summarize(reading.rows)
    figures = {
        name: round(value, 4)
        for name, value in asdict(summary).items()
        if name != "fill" and not math.isnan(value)
    }
    chart = dg.MetadataValue.md(fill_chart(summary))
    return result._replace(metadata={**(result.metadata or {}), **figures, "fill": chart})


def _reports(reading: Reading) -> dg.AssetCheckResult:
    """A frozen feed is read every quarter of an hour, and every run of it is green."""
    newest = reading.rows.groupby("system_id")[["fetched_at", "last_reported"]].max()
    silent = newest[newest["fetched_at"] - newest["last_reported"] > data_times.FROZEN]
    told = {
        str(system_id): f"{last:%Y-%m-%d %H:%M} UTC"
        for system_id, last in silent["last_reported"].items()
    }
    return dg.AssetCheckResult(
        check_name=REPORTS,
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"silent since": ", ".join(f"{one}: {at}" for one, at in told.items()) or "none"},
    )


def _without_others(
    io_manager: PostgresIOManager, reading: Reading
) -> tuple[Reading, dict[str, str]]:
    """A snapshot without the systems that replaced their ids, and these: what is stored stays."""
    start = reading.window.start
    asked = {"systems": [*reading.answered], "start": start, "since": start - REMEMBERED}
    others = replaced(io_manager.warehouse().frame(_BEFORE, asked), reading.rows)
    kept = replace(
        reading,
        rows=reading.rows[~reading.rows["system_id"].isin([*others])],
        answered=tuple(system for system in reading.answered if system not in others),
        failures={**reading.failures, **others},
    )
    return kept, others


@dg.asset(
    check_specs=[
        dg.AssetCheckSpec(
            ANSWERED,
            asset=STATION_INFORMATION.name,
            description="Each system of the settings told the facts of its stations.",
        )
    ],
    retry_policy=RETRIES,
    metadata=table_metadata(STATION_INFORMATION),
    group_name="ingestion",
    kinds={"python", "postgres"},
    code_version="1",
)
def station_information(  # type: ignore[no-untyped-def]  # noqa: ANN201
    station_feed: dg.ResourceParam[LiveStationFeed],
    io_manager: dg.ResourceParam[PostgresIOManager],
):
    """Every station ever seen: name, place, capacity, when first and last listed.

    A station that its feed no longer lists stays, marked as not active.
    """
    return _result(io_manager, STATION_INFORMATION, station_feed.read_information(), {})


stations_job = dg.define_asset_job(
    "stations_job",
    selection=dg.AssetSelection.assets(STATION_STATUS.name, STATION_INFORMATION.name),
    description="What every station has at the current tick, and the facts of all stations.",
)
stations_schedule = present_partition(stations_job.name, STATUS, settings.load())


def _result(
    io_manager: PostgresIOManager,
    table: TableDeclaration,
    reading: Reading,
    companions: dict[TableDeclaration, Rows],
) -> dg.MaterializeResult[Any]:
    """What the asset returns; where no system answered, its refusals are stored before it fails.

    Raises:
        PermanentFailure: No system answered.
    """
    refusals = Rows(
        reading.rejected,
        {"system_id": reading.asked, "source": [table.name]},
        windows=[reading.window],
    )
    along = {REJECTED_RECORD: refusals, **companions}
    failures = "\n".join(f"{system}: {why}" for system, why in reading.failures.items())
    if not reading.answered:
        for declaration, rows in along.items():
            io_manager.store(declaration, rows)
        raise PermanentFailure(f"No system answered; what is stored stays.\n{failures}")
    return dg.MaterializeResult(
        value=Rows(
            reading.rows,
            {"system_id": reading.answered},
            {declaration.name: rows for declaration, rows in along.items()},
        ),
        metadata={
            "rejected": {
                str(reason): int(number)
                for reason, number in reading.rejected["reason"].value_counts().items()
            }
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=ANSWERED,
                passed=not failures,
                metadata={"answered": len(reading.answered), "failures": failures or "none"},
            )
        ],
    )
