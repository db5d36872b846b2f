"""Which assets fail, by the runs that nobody launched by hand; and which partitions are given up.

Each is one incident, however many runs fail: until the partition, or a later one, is made.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import dagster as dg
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus

from bike_demand import freshness
from bike_demand.alerts import Incident
from bike_demand.cadence import ASSET_TAG, BY_ASSET, CADENCES, LOOKS_BACK, Cadence
from bike_demand.freshness import TRIES, Missing
from bike_demand.made import Made, asked_for, assets_of, begin, going_on
from bike_demand.storage.windows import Window

_OVERLAP: Final = timedelta(minutes=5)
_NAMED: Final = 3


@dataclass(frozen=True)
class Failing:
    """An asset that fails.

    Attributes:
        incident: Its newest failing partition.
        after: Dagster's number of the event that ended the run: what is stored later counts.
    """

    incident: Incident
    after: int

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {"incident": self.incident.to_json(), "after": self.after}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """The same again."""
        return cls(Incident.from_json(kept["incident"]), int(kept["after"]))


def failing(
    instance: dg.DagsterInstance,
    known: Mapping[str, Failing],
    since: datetime,
    now: datetime,
    page_url: str,
) -> dict[str, Failing]:
    """Assets that fail now, by name.

    Args:
        instance: Whose runs.
        known: Those that failed at the last look.
        since: The last look, UTC.
        now: UTC.
        page_url: Of Dagster's page.
    """
    found = dict(known)
    made = Made(instance)
    filters = dg.RunsFilter(statuses=[DagsterRunStatus.FAILURE], updated_after=since - _OVERLAP)
    for record in instance.get_run_records(filters, ascending=True):
        run = record.dagster_run
        if ASSET_TAG not in run.tags or record.end_time is None:
            continue
        failure = _failure(instance, run, datetime.fromtimestamp(record.end_time, UTC), page_url)
        if failure is None or _is_elsewhere(failure.incident, made, now):
            continue
        asset = failure.incident.asset
        found[asset] = _newer(found[asset], failure) if asset in found else failure
    return {asset: one for asset, one in found.items() if not _is_over(instance, one, now)}


def given_up(
    instance: dg.DagsterInstance,
    missing: Sequence[Missing],
    failing: Collection[str],
    now: datetime,
    page_url: str,
) -> list[Incident]:
    """By asset, what the freshness sensor has asked for as often as it does, and is missing.

    Args:
        instance: Whose runs.
        missing: All that is.
        failing: Assets of which that is told.
        now: UTC.
        page_url: Of Dagster's page.
    """
    open_still = [
        item
        for item in missing
        if item.why_left is None and not set(item.cadence.assets) & set(failing)
    ]
    if not open_still:
        return []
    asked, on = asked_for(instance, now - 2 * LOOKS_BACK), going_on(instance)
    left: dict[str, list[Missing]] = {}
    for item in open_still:
        if asked[item.cadence.name, item.key] >= TRIES and not any(
            (asset, item.key) in on for asset in item.assets
        ):
            left.setdefault(item.cadence.name, []).append(item)
    return [
        Incident(
            key=f"{asset} given up",
            asset=asset,
            partition=items[0].key,
            since=min(item.cadence.due_at(item.window) for item in items),
            what=(
                f"{len(items)} partitions of {asset} are missing that were asked for {TRIES} times "
                f"({', '.join(item.key for item in items[:_NAMED])})."
            ),
            todo="Look at why its runs failed, then materialise them by hand.",
            link=f"{page_url}/assets/{asset}",
        )
        for asset, items in left.items()
    ]


def _failure(
    instance: dg.DagsterInstance, run: DagsterRun, at: datetime, page_url: str
) -> Failing | None:
    """What failed in a run; None if there is no telling."""
    kinds = {
        DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        DagsterEventType.ASSET_MATERIALIZATION,
        DagsterEventType.STEP_FAILURE,
        DagsterEventType.RUN_FAILURE,
    }
    records = instance.get_records_for_run(run.run_id, of_type=kinds).records
    planned: dict[str, str | None] = {}
    made, reasons, after = set[str](), dict[str | None, str](), 0
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        asset = event.asset_key.to_user_string() if event.asset_key else None
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION_PLANNED and asset:
            planned[asset] = event.step_key
        elif event.event_type is DagsterEventType.ASSET_MATERIALIZATION and asset:
            made.add(asset)
        elif event.event_type is DagsterEventType.STEP_FAILURE:
            reasons[event.step_key] = _reason(event)
        else:
            after = record.storage_id
    lost = [asset for asset in planned or assets_of(run) if asset not in made]
    failed = [asset for asset in lost if planned.get(asset) in reasons] or lost
    if not failed or not after:
        return None
    name = min(failed, key=lambda asset: (*_place(asset), asset))
    partition = run.tags.get("dagster/partition")
    if name in BY_ASSET and (partition is None or begin(name, partition) is None):
        return None  # of other partitions than there are now
    reason = reasons.get(planned.get(name), "its process ended before it did")
    return Failing(
        Incident(
            key=f"{name} failing",
            asset=name,
            partition=partition if name in BY_ASSET else None,
            since=at,
            what=f"The run of {name} for {partition or 'no partition'} failed: {reason}.",
            todo=(
                f"What can still be made is tried again by itself, {TRIES} times; what is wrong "
                "for good needs you."
            ),
            link=f"{page_url}/runs/{run.run_id}",
        ),
        after,
    )


def _place(asset: str) -> tuple[int, int]:
    """Where an asset is made, so that of several that failed the first is named."""
    for number, cadence in enumerate(CADENCES):
        if asset in cadence.assets:
            return number, cadence.assets.index(asset)
    return len(CADENCES), 0


def _reason(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return _in_a_line(failure.user_failure_data.description)
    if failure.error:
        return _in_a_line((failure.error.cause or failure.error).message)
    return "it is not said why"


def _in_a_line(message: str) -> str:
    return " ".join(message.split())[:400].rstrip(".")


def _newer(known: Failing, other: Failing) -> Failing:
    """Of the later partition; since when is as it was known."""
    # Keys of a cadence are written so that the later is the greater.
    late = (known.incident.partition or "") > (other.incident.partition or "")
    told, after = (known, known.after) if late else (other, max(known.after, other.after))
    incident = Incident(**{**vars(told.incident), "since": known.incident.since})
    return Failing(incident, after)


def _is_elsewhere(incident: Incident, made: Made, now: datetime) -> bool:
    """Whether it is the trouble of others, or of an older partition than those that are made.

    Of what it is made from, if that is lacking, is told itself; and an older partition, once it is
    given up.
    """
    cadence, key = BY_ASSET.get(incident.asset), incident.partition
    if cadence is None or key is None:
        return False
    span = cadence.partitions.time_window_for_partition_key(key)
    window = Window(span.start, span.end)
    if cadence.needs and freshness.lacking(cadence, window, CADENCES, made):
        return True
    return bool(made(incident.asset, _from(cadence, key, now) - {key}))


def _is_over(instance: dg.DagsterInstance, one: Failing, now: datetime) -> bool:
    """Whether the partition, or a later one, was made since."""
    cadence, key = BY_ASSET.get(one.incident.asset), one.incident.partition
    keys = sorted(_from(cadence, key, now)) if cadence and key else None
    made = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(one.incident.asset),
            asset_partitions=keys,
            after_storage_id=one.after,
        ),
        limit=1,
    )
    return bool(made.records)


def _from(cadence: Cadence, key: str, now: datetime) -> set[str]:
    """A partition's key and later ones': of two days from it on, and of the last two days."""
    first = cadence.partitions.time_window_for_partition_key(key).start
    return {
        *cadence.keys(first, min(first + LOOKS_BACK, now)),
        *cadence.keys(max(first, cadence.newest(now - LOOKS_BACK)), now),
    }
