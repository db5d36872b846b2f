"""Numbers that Dagster's storage tells: partitions, runs, daemons."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

import dagster as dg
from dagster import DagsterRun, DagsterRunStatus

from bike_demand import freshness, services
from bike_demand.cadence import ASSET_TAG, BY_ASSET, CADENCES
from bike_demand.made import GOING_ON, Made, assets_of
from bike_demand.metrics import declared
from bike_demand.metrics.declared import Sample

WINDOW: Final = timedelta(hours=1)
ENDED: Final = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class Storage:
    """What is asked.

    Attributes:
        instance: Dagster's.
        now: UTC.
    """

    instance: dg.DagsterInstance
    now: datetime


def partitions(storage: Storage) -> Iterator[Sample]:
    """What should exist and does not."""
    made = Made(storage.instance)
    expected, found = freshness.missing(CADENCES, storage.now, made, made.begun)
    yield declared.EXPECTED(expected)
    missing = Counter((item.cadence.name, item.why_left is None) for item in found)
    for cadence in CADENCES:
        for makeable in (True, False):
            number = missing[cadence.name, makeable]
            yield declared.MISSING(number, cadence.name, str(makeable).lower())


def ended_and_not(storage: Storage) -> Iterator[Sample]:
    """How runs ended, how long they took, and which have not."""
    since = storage.now - WINDOW
    filters = dg.RunsFilter(statuses=[*ENDED], updated_after=since)
    ended = Counter({(cadence.name, status): 0 for cadence in CADENCES for status in ENDED})
    took: dict[str, list[float]] = {}
    for record in storage.instance.get_run_records(filters):
        if record.end_time is None or record.end_time <= since.timestamp():
            continue  # it was only written to since
        asset = _asset(record.dagster_run)
        ended[asset, record.dagster_run.status] += 1
        if record.start_time is not None:
            took.setdefault(asset, []).append(record.end_time - record.start_time)
    for (asset, status), number in ended.items():
        yield declared.RUNS(number, asset, status.value.lower())
    for asset, seconds in took.items():
        yield declared.MEDIAN_RUN(median(seconds), asset)
        yield declared.LONGEST_RUN(max(seconds), asset)
    left = storage.instance.get_runs(dg.RunsFilter(statuses=GOING_ON))
    for (asset, status), number in Counter((_asset(run), run.status) for run in left).items():
        yield declared.UNFINISHED(number, asset, status.value.lower())


def _asset(run: DagsterRun) -> str:
    """Of whose runs it is one: the first asset of a cadence's, as in all that is told of it."""
    if ASSET_TAG in run.tags:
        return run.tags[ASSET_TAG]
    assets = assets_of(run)
    names = {BY_ASSET[asset].name if asset in BY_ASSET else asset for asset in assets}
    if not names:
        return run.job_name
    return names.pop() if len(names) == 1 else "several"


def daemons(storage: Storage) -> Iterator[Sample]:
    """Which of Dagster's daemons live."""
    for one in services.daemons(storage.instance):
        yield declared.DAEMON(one.answers, one.name.removeprefix("daemon "))
