"""The Dagster instance of commands: the one whose runs the web page shows.

A command that runs jobs in its own process is alone at it, so that a run of its kind which it
finds unfinished is one that was interrupted.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from bike_demand.settings import InvalidSettingsError

_STARTED = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]


def open_instance() -> dg.DagsterInstance:
    """The instance of `DAGSTER_HOME`, else of this project's `dagster.yaml`."""
    if os.environ.get("DAGSTER_HOME"):
        try:
            return dg.DagsterInstance.get()
        except dg.DagsterInvariantViolationError as error:
            raise InvalidSettingsError(f"DAGSTER_HOME cannot be used: {error}") from None
    return dg.DagsterInstance.from_config(str(Path(__file__).parents[1]))


@contextmanager
def alone(home: Path, what: str) -> Iterator[int]:
    """One process at a time does `what` in a data directory; gives the descriptor that is locked.

    Raises:
        click.ClickException: Another one does.
    """
    import fcntl  # not on Windows, where the rest of the module can still be read

    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{what}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.ClickException(f"Another {what} is going on in {home}.") from None
        yield file.fileno()


def fail_interrupted(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> None:
    """Runs whose process was killed would go on for ever, and hold their places in pools.

    Args:
        instance: Where they are.
        tags: What they have in common, and no others.
    """
    statuses = [DagsterRunStatus.NOT_STARTED, *_STARTED]
    fail(instance, instance.get_runs(dg.RunsFilter(tags=dict(tags), statuses=statuses)))


def abandoned(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs that a code server had started, where none is up.

    Those of commands, which run in a process of their own, are none of them.
    """
    started = dg.RunsFilter(statuses=[*_STARTED, DagsterRunStatus.CANCELING])
    return [run for run in instance.get_runs(started) if GRPC_INFO_TAG in run.tags]


def process_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """Number of the process that a run is executed by, once it is."""
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        metadata = event.engine_event_data.metadata if event else {}
        if "pid" in metadata:
            return int(str(metadata["pid"].value))
    return None


def fail(instance: dg.DagsterInstance, runs: Iterable[dg.DagsterRun]) -> None:
    """End runs that no process is at, as far as they have not been ended meanwhile."""
    for run in runs:
        now = instance.get_run_by_id(run.run_id)
        if now is not None and not now.is_finished:
            # First: a run that is marked is not looked at again.
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            instance.report_run_failed(now, "It was interrupted here.")
