"""Deletes what Dagster remembers of old runs: their events and their output.

Dagster deletes old ticks by itself (`retention` in `dagster.yaml`), but a run only together with
the knowledge of what it has materialised. So what stands here speaks to Dagster's tables: a
partition stays materialised as long as its rows are there, and of each check the newest result
stays.
"""

from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg
import sqlalchemy as sa
from dagster import DagsterEventType
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)

_EVENTS: Final = SqlEventLogStorageTable.c
_CHECKS: Final = AssetCheckExecutionsTable.c
_MATERIALIZATION: Final = DagsterEventType.ASSET_MATERIALIZATION.value
_AT_A_TIME: Final = 100


def purge_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete runs that ended before some time; says how many.

    What is interrupted goes on at the next call: a run goes last, after all that it has left.

    Args:
        instance: With its storage in a database.
        before: UTC.
    """
    old = dg.RunsFilter(statuses=FINISHED_STATUSES, updated_before=before)
    kept = _CHECKS.evaluation_event_storage_id
    results, deleted = sa.select(kept).where(kept.is_not(None)), 0
    _purge_checks(instance, before)
    while runs := instance.get_runs(old, limit=_AT_A_TIME, ascending=True):
        ids = [run.run_id for run in runs]
        _delete_events(
            instance,
            _EVENTS.run_id.in_(ids),
            sa.or_(
                _EVENTS.dagster_event_type.is_(None),
                _EVENTS.dagster_event_type != _MATERIALIZATION,
            ),
            _EVENTS.id.not_in(results.scalar_subquery()),
        )
        for run_id in ids:
            instance.compute_log_manager.delete_logs(prefix=[run_id])
            instance.run_storage.delete_run(run_id)
        deleted += len(ids)
    _purge_repeated(instance, before)
    return deleted


def forget_partitions(instance: dg.DagsterInstance, asset: str, before_key: str) -> int:
    """Forget that partitions were materialised whose rows are gone; says of how many events.

    Args:
        instance: With its storage in a database.
        asset: Its name.
        before_key: The first partition that stays; keys are in the order of their times.
    """
    key = dg.AssetKey(asset)
    forgotten = _delete_events(
        instance, _EVENTS.asset_key == key.to_string(), _EVENTS.partition < before_key
    )
    if forgotten:
        instance.event_log_storage.wipe_asset_cached_status(key)
    return forgotten


def _purge_checks(instance: dg.DagsterInstance, before: datetime) -> None:
    """Old results of checks, but for the newest of each."""
    newest = sa.select(sa.func.max(_CHECKS.id)).group_by(_CHECKS.asset_key, _CHECKS.check_name)
    old = AssetCheckExecutionsTable.delete().where(
        _CHECKS.evaluation_event_timestamp < _naive(before),
        _CHECKS.id.not_in(newest.scalar_subquery()),
    )
    with _connection(instance) as connection:
        connection.execute(old)


def _purge_repeated(instance: dg.DagsterInstance, before: datetime) -> None:
    """Of an asset without partitions, materialisations before the newest."""
    whole = (_EVENTS.dagster_event_type == _MATERIALIZATION, _EVENTS.partition.is_(None))
    newest = sa.select(sa.func.max(_EVENTS.id)).where(*whole).group_by(_EVENTS.asset_key)
    _delete_events(
        instance,
        *whole,
        _EVENTS.timestamp < _naive(before),
        _EVENTS.id.not_in(newest.scalar_subquery()),
    )


def _delete_events(instance: dg.DagsterInstance, *conditions: Any) -> int:
    """Some at a time, with their tags; says how many."""
    some = sa.select(_EVENTS.id).where(*conditions).order_by(_EVENTS.id).limit(5_000)
    deleted = 0
    while True:
        with _connection(instance) as connection:
            ids = [row[0] for row in connection.execute(some)]
            if not ids:
                return deleted
            connection.execute(
                AssetEventTagsTable.delete().where(AssetEventTagsTable.c.event_id.in_(ids))
            )
            connection.execute(SqlEventLogStorageTable.delete().where(_EVENTS.id.in_(ids)))
        deleted += len(ids)


def _connection(instance: dg.DagsterInstance) -> Any:
    storage: Any = instance.event_log_storage
    return storage.index_connection()


def _naive(moment: datetime) -> datetime:
    """As Dagster stores times: UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)
