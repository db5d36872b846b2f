"""What the schedules do at a tick, done now: the stations and the weather of the present."""

import click
import dagster as dg

from bike_demand.definitions import defs
from bike_demand.defs.ingestion.stations import stations_job
from bike_demand.defs.ingestion.weather import weather_job
from bike_demand.import_history import QUIET

JOBS = (stations_job, weather_job)


def materialize_present(instance: dg.DagsterInstance) -> None:
    """Materialise the present partition of all that is asked of the outside.

    Raises:
        click.ClickException: A run failed.
    """
    for job in (defs.resolve_job_def(unresolved.name) for unresolved in JOBS):
        partition = _newest(job)
        result = _run(job, partition, instance)
        if not result.success and _newest(job) != partition:  # its time ran out meanwhile
            result = _run(job, _newest(job), instance)
        if not result.success:
            raise click.ClickException(
                f"The run of {job.name} failed ({result.run_id}): what went wrong is above, and "
                "under Runs on the page of 'bike-demand dev'."
            )


def _newest(job: dg.JobDefinition) -> str:
    newest = job.partitions_def.get_last_partition_key() if job.partitions_def else None
    if newest is None:
        raise click.ClickException("The settings' first_partition lies in the future.")
    return newest


def _run(
    job: dg.JobDefinition, partition: str, instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    return job.execute_in_process(
        partition_key=partition,
        instance=instance,
        run_config=QUIET,
        raise_on_error=False,
    )
