"""What the schedules do at a tick, done now: the stations and the weather of the present."""

from datetime import UTC, datetime
from typing import cast

import click
import dagster as dg

from bike_demand import settings
from bike_demand.definitions import defs
from bike_demand.defs.ingestion.stations import stations_job
from bike_demand.defs.ingestion.weather import weather_job
from bike_demand.import_history import QUIET
from bike_demand.instance import alone, fail_interrupted

JOBS = (stations_job, weather_job)


TAGS = {"bike_demand/present": "now"}


def materialize_present(instance: dg.DagsterInstance) -> None:
    """Materialise the present partition of all that is asked of the outside.

    Raises:
        click.ClickException: A run failed, there is no present partition, or another process is
            at it.
    """
    with alone(settings.resolve_home(), "present"):
        fail_interrupted(instance, TAGS)
        for job in (defs.resolve_job_def(unresolved.name) for unresolved in JOBS):
            partition = _newest(job)
            result = _run(job, partition, instance)
            if not result.success and _newest(job) != partition:  # its time ran out meanwhile
                result = _run(job, _newest(job), instance)
            if not result.success:
                raise click.ClickException(
                    f"The run of {job.name} failed ({result.run_id}): what went wrong is above, "
                    "and under Runs on Dagster's page."
                )


def _newest(job: dg.JobDefinition) -> str:
    partitions = cast("dg.TimeWindowPartitionsDefinition", job.partitions_def)
    newest = partitions.get_last_partition_key()
    now = datetime.now(UTC)
    if newest is None or partitions.time_window_for_partition_key(newest).end <= now:
        raise click.ClickException(
            f"It is {now:%Y-%m-%d}, and the settings' first_partition and last_partition leave no "
            "partition for it: there is no present to fetch."
        )
    return newest


def _run(
    job: dg.JobDefinition, partition: str, instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    return job.execute_in_process(
        partition_key=partition,
        instance=instance,
        run_config=QUIET,
        raise_on_error=False,
        tags=TAGS,
    )
