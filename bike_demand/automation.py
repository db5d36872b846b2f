"""What asks for partitions by itself, and how often a failing one is tried again.

Schedules ask for what the outside tells, conditions for what is derived from it; both for the
newest window alone. Whatever is older is the freshness sensor's.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from bike_demand.cadence import ASSET_TAG, PRESENT, Cadence
from bike_demand.settings import Settings
from bike_demand.storage.windows import Window

# For the database: the clients of the outside world have their own retries, and what fails after
# those is permanent.
RETRIES = dg.RetryPolicy(
    max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


def utc_now() -> datetime:
    """The present, UTC."""
    return datetime.now(UTC)


def present_partition(
    job: str,
    cadence: Cadence,
    settings: Settings,
    now: Callable[[], datetime] = utc_now,
) -> dg.ScheduleDefinition:
    """A schedule that asks for each partition as it begins, and for none that is over.

    What talks to the outside can only tell of the present. A tick that the scheduler comes to
    late, after a pause of the machine, is skipped: its run would be refused by the feed.

    Args:
        job: Name of the job to run for a partition.
        cadence: Its partitions; they begin when its windows do.
        settings: Say whether it runs before somebody switches it on.
        now: The present, UTC.
    """
    partitions = cadence.partitions

    @dg.schedule(
        name=f"{job}_schedule",
        job_name=job,
        cron_schedule=partitions.cron_schedule,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus(settings.schedules.upper()),
        description=f"Runs {job} for every partition as it begins.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        key = context.scheduled_execution_time.astimezone(UTC).strftime(partitions.fmt)
        if not partitions.has_partition_key(key):
            return dg.SkipReason(f"{key} is outside first_partition and last_partition.")
        window = partitions.time_window_for_partition_key(key)
        if now() >= window.end:
            return dg.SkipReason(f"{key} is over: what was there then can no longer be asked for.")
        return dg.RunRequest(run_key=key, partition_key=key, tags=cadence.tags(PRESENT))

    return schedule


def closed_partition(
    job: str,
    cadence: Cadence,
    settings: Settings,
    trouble: Callable[[dg.ScheduleEvaluationContext, Window], str | None],
) -> dg.ScheduleDefinition:
    """A schedule that asks for the last partition that has closed, at `training_cron`.

    Args:
        job: Name of the job to run for it.
        cadence: Its partitions.
        settings: Say when, and whether it runs before somebody switches it on.
        trouble: What stands against running it for a window now, or None; asked at each tick.
    """

    @dg.schedule(
        name=f"{job}_schedule",
        job_name=job,
        cron_schedule=settings.training_cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus(settings.schedules.upper()),
        description=f"Runs {job} for the last partition that has closed.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        moment = context.scheduled_execution_time.astimezone(UTC)
        start = cadence.newest(moment)
        key = cadence.key(start)
        if not cadence.partitions.has_partition_key(key):
            return dg.SkipReason(f"{key} is outside first_partition and last_partition.")
        if against := trouble(context, Window(start, start + cadence.period)):
            return dg.SkipReason(f"Not run for {key}: {against}")
        return dg.RunRequest(
            run_key=f"{key} at {moment:%Y-%m-%dT%H:%M}",
            partition_key=key,
            tags=cadence.tags(PRESENT),
        )

    return schedule


def by_the_clock(
    asset: str, job: str, cron: str, settings: Settings, *, what: str, when: str
) -> tuple[UnresolvedAssetJobDefinition, dg.ScheduleDefinition]:
    """A job of an asset without partitions, and its schedule; failures of its runs are told.

    Args:
        asset: Its name.
        job: Name of the job.
        cron: When, UTC.
        settings: Say whether it runs before somebody switches it on.
        what: Describes the job.
        when: Describes the schedule.
    """
    definition = dg.define_asset_job(
        job, selection=dg.AssetSelection.assets(asset), description=what
    )
    return definition, dg.ScheduleDefinition(
        job=definition,
        cron_schedule=cron,
        execution_timezone="UTC",
        tags={ASSET_TAG: asset},
        default_status=dg.DefaultScheduleStatus(settings.schedules.upper()),
        description=when,
    )


def minutes_after_the_hour(minutes: int, *, every: int = 1) -> dg.AutomationCondition[dg.AssetKey]:
    """The hour that closed last, or the window of some hours, once, some minutes after.

    Prevents three things. `eager()` never makes an hour that lacks one snapshot, and `on_cron` none
    at all, for the snapshots are there before its tick: so it is the clock that asks, and the asset
    decides whether what is there suffices. What failed for good would be asked for at each
    evaluation as long as it is missing: the clock asks once. And after a pause all hours of the
    pause would be asked for at once: older hours than the last are the freshness sensor's.

    Args:
        minutes: After it closed.
        every: How many hours it has.
    """
    condition = (
        dg.AutomationCondition.in_latest_time_window()
        & dg.AutomationCondition.cron_tick_passed(f"{minutes} */{every} * * *", "UTC")
        & dg.AutomationCondition.missing()
        & ~dg.AutomationCondition.in_progress()
        & ~dg.AutomationCondition.execution_failed()
    )
    hours = "hour" if every == 1 else f"{every} hours"
    return condition.with_label(f"the closed {hours}, {minutes} minutes after")


def first_snapshot_of_the_hour(status: str) -> dg.AutomationCondition[dg.AssetKey]:
    """The hour that has begun, as its first snapshot is stored.

    Prevents three things. A clock would be early where the feed is slow, or late where it is not:
    so it is the snapshot that asks, a later one where the hour's first ones are missing. The
    weather of the same moment would ask before the snapshot is there: so it is not looked at. And
    what failed is not asked for again by the next snapshot.

    Args:
        status: The asset of the snapshots.
    """
    stored = dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.newly_updated() & dg.AutomationCondition.in_latest_time_window()
    ).allow(dg.AssetSelection.assets(status))
    condition = (
        dg.AutomationCondition.in_latest_time_window()
        & stored
        & dg.AutomationCondition.missing()
        & ~dg.AutomationCondition.in_progress()
        & ~dg.AutomationCondition.execution_failed()
    )
    return condition.with_label("the hour that has begun, once its first snapshot is there")


def in_the_same_run() -> dg.AutomationCondition[Any]:
    """The newest window, as something that it is made from is asked for.

    Prevents a run of its own, which would cost more than what is done in it. Where its run failed
    before it came to it, it is the freshness sensor's.
    """
    condition = (
        dg.AutomationCondition.in_latest_time_window()
        & dg.AutomationCondition.any_deps_match(dg.AutomationCondition.will_be_requested())
        & dg.AutomationCondition.missing()
        & ~dg.AutomationCondition.in_progress()
        & ~dg.AutomationCondition.execution_failed()
    )
    return condition.with_label("in the run of what it is made from")


def condition_sensor(
    cadences: Sequence[Cadence], settings: Settings
) -> dg.AutomationConditionSensorDefinition:
    """Evaluates the conditions of assets that are made in the same runs.

    Args:
        cadences: Theirs; runs carry the tags of the first.
        settings: Say whether it runs before somebody switches it on.
    """
    cadence = cadences[0]
    assets = [asset for each in cadences for asset in each.assets]
    return dg.AutomationConditionSensorDefinition(
        f"{cadence.name}_condition",
        target=dg.AssetSelection.assets(*assets),
        run_tags=cadence.tags(PRESENT),
        default_status=dg.DefaultSensorStatus(settings.schedules.upper()),
        minimum_interval_seconds=30,
        emit_backfills=False,
        description=f"Asks for {', '.join(assets)}: {cadence.trigger}.",
    )
