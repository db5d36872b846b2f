"""The asset `retention`: deletes what is older than the settings keep, and says what is stored.

What goes, stands in `bike_demand.retention`.
"""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from bike_demand import settings
from bike_demand.automation import RETRIES, by_the_clock, utc_now
from bike_demand.cadence import BY_ASSET
from bike_demand.made import begin, going_on
from bike_demand.registry import Version
from bike_demand.resources import PostgresIOManager
from bike_demand.resources.tracking import Tracking
from bike_demand.retention import Cutoff, cutoffs
from bike_demand.storage.declaration import declared_table
from bike_demand.storage.prune import holds_from_before, prune
from bike_demand.storage.sizes import sizes

NAME = "retention"
_UNFINISHED = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]


@dg.asset(
    name=NAME,
    retry_policy=RETRIES,
    group_name="monitoring",
    kinds={"python", "postgres"},
    code_version="1",
)
def retention(  # type: ignore[no-untyped-def]  # noqa: ANN201  # as in `stations`
    context: dg.AssetExecutionContext,
    tracking: Tracking,
    io_manager: dg.ResourceParam[PostgresIOManager],
):
    """What was deleted for its age today, and how large the tables are.

    Of systems that are followed live; a recording stays. What a champion has learnt from, or a run
    is at, is kept longer; while a backfill goes on, nothing is deleted. Of Dagster's old runs the
    events and output go; which partitions are materialised stays known as long as their rows.
    """
    # With Dagster's tables come libraries that loading can do without.
    from bike_demand import purge

    now, warehouse, configured = utc_now(), io_manager.warehouse(), settings.load()
    instance, deleted, runs = context.instance, list[dict[str, Any]](), 0
    backfills = instance.get_backfills_count(BulkActionsFilter(statuses=_UNFINISHED))
    if backfills:
        context.log.warning(f"{backfills} backfills go on: nothing is deleted before they end.")
    else:
        made_from = _made_from(instance, now)
        for system in configured.systems:
            if system.is_live:
                with tracking.in_use() as registry:
                    champion = registry.champion(system.system_id)
                until = now if champion is None else _learnt_until(champion)
                for cut in cutoffs(configured.retention, now, until, made_from):
                    table = declared_table(cut.table)
                    gone = prune(warehouse, table, system.system_id, cut.before)
                    deleted.append(_told(system.system_id, cut, gone))
                    if cut.table in BY_ASSET and not holds_from_before(
                        warehouse, table, cut.before
                    ):
                        first = BY_ASSET[cut.table].key(cut.before)
                        purge.forget_partitions(instance, cut.table, first)
        runs = purge.purge_runs(instance, now - timedelta(days=configured.keep_runs))
    with warehouse.connection() as connection:
        stored = sizes(connection)
    return dg.MaterializeResult(
        metadata={
            "rows deleted": sum(row["deleted"] for row in deleted),
            "runs deleted": runs,
            "stored [MB]": dg.MetadataValue.float(sum(size.bytes for size in stored) / 1e6),
            "backfills waited for": backfills,
            "deleted": _table(deleted),
            "tables": _table(
                [
                    {"table": size.name, "rows, about": size.rows, "MB": round(size.bytes / 1e6, 1)}
                    for size in stored
                ]
            ),
        }
    )


def _made_from(instance: dg.DagsterInstance, now: datetime) -> datetime:
    """Where the earliest window begins that a run is at."""
    begins = (begin(asset, key) for asset, key in going_on(instance))
    return min((start for start in begins if start is not None), default=now)


def _learnt_until(champion: Version) -> datetime:
    return datetime.combine(champion.trained_for, time(), UTC) + timedelta(days=1)


def _told(system_id: str, cut: Cutoff, gone: int) -> dict[str, Any]:
    return {
        "system": system_id,
        "table": cut.table,
        "kept [days]": cut.days,
        "deleted before": f"{cut.before:%Y-%m-%d}",
        "kept longer, for it is needed": cut.needed,
        "deleted": gone,
    }


def _table(rows: list[dict[str, Any]]) -> dg.TableMetadataValue:
    records = [dg.TableRecord(row) for row in rows] or [dg.TableRecord({"none": ""})]
    return dg.MetadataValue.table(records)


retention_job, retention_schedule = by_the_clock(
    NAME,
    "retention_job",
    "40 5 * * *",
    settings.load(),
    what="Deletes what is old.",
    when="Daily, when training has had its time.",
)
