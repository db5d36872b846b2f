"""Which partitions Dagster has materialised, and which it is at. Asked for a few at a time.

An asset of 15-minute partitions has 35,000 in a year: nothing here lists them all.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final

import dagster as dg
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus

from bike_demand.cadence import ASSET_TAG, BY_ASSET, CADENCES
from bike_demand.freshness import Missing

GOING_ON: Final = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
BY_TAG: Final = "bike_demand/asked_by"
SENSOR: Final = "freshness_sensor"
_PARTITION: Final = "dagster/partition"
_FIRST: Final = "dagster/asset_partition_range_start"
_LAST: Final = "dagster/asset_partition_range_end"


class Made:
    """What an instance has; what was asked for once is remembered."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._known: dict[tuple[str, str], dict[str, int]] = {}
        self._asked: dict[tuple[str, str], set[str]] = {}
        self._begun: dict[str, datetime | None] = {}

    def __call__(self, asset: str, keys: Collection[str]) -> set[str]:
        """Those of an asset's partition keys that are materialised."""
        return set(self._newest(asset, keys, DagsterEventType.ASSET_MATERIALIZATION))

    def begun(self, asset: str) -> datetime | None:
        """Where the partition begins that was made of an asset first of all, UTC."""
        if asset not in self._begun:
            first = self._instance.fetch_materializations(
                dg.AssetKey(asset), limit=1, ascending=True
            ).records
            key = first[0].partition_key if first else None
            self._begun[asset] = begin(asset, key) if key else None
        return self._begun[asset]

    def failed(self, missing: Collection[Missing]) -> set[str]:
        """Names of those that a run was to make and that none is at."""
        on = going_on(self._instance) if missing else set()
        lost: dict[str, set[str]] = {}
        for item in missing:
            for asset in item.assets:
                lost.setdefault(asset, set()).add(item.key)
        kind = DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        tried = {asset: self._newest(asset, keys, kind) for asset, keys in lost.items()}
        return {
            item.name
            for item in missing
            if not any((asset, item.key) in on for asset in item.assets)
            and any(item.key in tried[asset] for asset in item.assets)
        }

    def _newest(self, asset: str, keys: Collection[str], kind: DagsterEventType) -> dict[str, int]:
        known = self._known.setdefault((asset, kind.value), {})
        asked = self._asked.setdefault((asset, kind.value), set())
        if new := set(keys) - asked:
            found = self._instance.event_log_storage.get_latest_storage_id_by_partition(
                dg.AssetKey(asset), kind, partitions=new
            )
            known.update(found)
            asked |= new
        return {key: known[key] for key in keys if key in known}


def going_on(instance: dg.DagsterInstance) -> set[tuple[str, str]]:
    """Assets and partitions that a run is queued for, or at.

    Of a run over a range of partitions, those of the cadences' that are looked after.
    """
    runs = instance.get_runs(dg.RunsFilter(statuses=GOING_ON))
    return {pair for run in runs for pair in _of(run)}


def _of(run: DagsterRun) -> Iterator[tuple[str, str]]:
    for asset in assets_of(run):
        if key := run.tags.get(_PARTITION):
            yield asset, key
        elif first := run.tags.get(_FIRST):
            for key in _between(asset, first, run.tags.get(_LAST, first)):
                yield asset, key


def assets_of(run: DagsterRun) -> list[str]:
    """The assets that a run materialises, as far as can be told without its job."""
    if run.asset_selection:
        return sorted(key.to_user_string() for key in run.asset_selection)
    named = run.tags.get(ASSET_TAG)
    return [asset for cadence in CADENCES if cadence.name == named for asset in cadence.assets]


def asked_for(instance: dg.DagsterInstance, since: datetime) -> Counter[tuple[str, str]]:
    """How often the freshness sensor has asked for each partition, by the cadence's name."""
    runs = instance.get_runs(dg.RunsFilter(tags={BY_TAG: SENSOR}, created_after=since))
    return Counter((run.tags.get(ASSET_TAG, ""), run.tags.get(_PARTITION, "")) for run in runs)


def waiting(instance: dg.DagsterInstance) -> int:
    """How many runs that the freshness sensor asked for have not ended."""
    return instance.get_runs_count(dg.RunsFilter(tags={BY_TAG: SENSOR}, statuses=GOING_ON))


def begin(asset: str, key: str) -> datetime | None:
    """Where a partition of a cadence begins, UTC; None if it is none."""
    cadence = BY_ASSET.get(asset)
    if cadence is None or not cadence.partitions.has_partition_key(key):
        return None
    return cadence.partitions.time_window_for_partition_key(key).start


def _between(asset: str, first: str, last: str) -> list[str]:
    start, end = begin(asset, first), begin(asset, last)
    return BY_ASSET[asset].keys(start, end) if start and end else []
