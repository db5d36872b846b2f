"""When assets are made by themselves, and how often a failing one is tried again."""

from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from bike_demand.settings import Settings

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
    partitions: dg.TimeWindowPartitionsDefinition,
    settings: Settings,
    now: Callable[[], datetime] = utc_now,
) -> dg.ScheduleDefinition:
    """A schedule that asks for each partition as it begins, and for none that is over.

    What talks to the outside can only tell of the present. A tick that the scheduler comes to
    late, after a pause of the machine, is skipped: its run would be refused by the feed.

    Args:
        job: Name of the job to run for a partition.
        partitions: Those of its assets; they begin when its windows do.
        settings: Say whether it runs before somebody switches it on.
        now: The present, UTC.
    """

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
        return dg.RunRequest(run_key=key, partition_key=key)

    return schedule
