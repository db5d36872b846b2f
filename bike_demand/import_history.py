"""`bike-demand import-history`: a recorded file becomes partitions of `station_status`.

One in-process Dagster run for each UTC day, so that an interruption costs a day at most. What a
run stored is known by its tags: a day is done when its newest import succeeded, was of the same
file and options, and its partitions are still materialised. What a recording is, and how it is
read, stands in `history`.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import click
import dagster as dg
import pandas as pd
import tomlkit
from dagster import DagsterRunStatus
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bike_demand import settings
from bike_demand.download.errors import FeedError
from bike_demand.gbfs.document import read_document
from bike_demand.gbfs.parse import station_information
from bike_demand.history.errors import RecordingError
from bike_demand.history.recording import Recording
from bike_demand.instance import alone, fail_interrupted, open_instance
from bike_demand.partitions import TICK_KEY_FORMAT
from bike_demand.resources.recorded_feed import RecordedStationFeed
from bike_demand.resources.station_feed import Reading
from bike_demand.storage.read import read
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import STATION_INFORMATION, STATION_STATUS
from bike_demand.storage.warehouse import Warehouse, open_warehouse
from bike_demand.storage.windows import Window

ASSET = dg.AssetKey(STATION_STATUS.name)
SYSTEM_TAG, DAY_TAG, FILE_TAG = (f"bike_demand/import_{name}" for name in ("system", "day", "file"))
MAX_PARTITIONS = 100_000  # more of one asset than Dagster advises
TICKS_A_DAY = 96
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}

Project = Callable[[Any], dg.Definitions]


def load_project(station_feed: Any) -> dg.Definitions:
    """The project as the settings now have it, with another feed."""
    from bike_demand.definitions import build_definitions

    return build_definitions({"station_feed": station_feed})


def run(
    feed: RecordedStationFeed,
    information: Path | None = None,
    *,
    dry_run: bool = False,
    project: Project = load_project,
) -> None:
    """Import what is not there yet.

    Args:
        feed: The file, as a feed.
        information: A GBFS `station_information` document of the same system.
        dry_run: Say what would be done, and do nothing.
        project: Makes the definitions; called when the settings hold the file's days.

    Raises:
        RecordingError: The file or the document cannot be used; nothing was written.
        settings.InvalidSettingsError: The settings do not admit the file's days; likewise.
        click.ClickException: A run failed, or another import is going on.
    """
    try:
        settings.System(system_id=feed.system_id)
    except ValidationError:
        raise click.UsageError(
            f"{feed.system_id!r} cannot be a system's id: it has up to 63 letters, digits and _.-"
        ) from None
    console = Console(highlight=False, soft_wrap=True)
    started = time.perf_counter()
    recording = feed.recording()
    watched = _Watched(feed, time.perf_counter() - started)
    facts = None if information is None else _facts(information, feed.system_id, recording)
    configured = settings.load()
    changes = _widened(configured, recording)
    with alone(configured.home, "import-history"), open_instance() as instance:
        days = recording.days()
        missing = _missing(instance, feed, recording, days)
        _announce(console, feed, recording, changes, len(missing))
        if dry_run:
            console.print("Nothing was done: this was a dry run.")
            return
        _change(configured.home / settings.FILE_NAME, changes)
        fail_interrupted(instance, {SYSTEM_TAG: feed.system_id})
        if missing:
            job = project(watched).resolve_implicit_global_asset_job_def()
            with days_progress(console) as progress, few_connections(instance):
                task = progress.add_task("Importing", total=len(days))
                progress.advance(task, len(days) - len(missing))
                for day in missing:
                    result = _import_day(instance, job, feed, day)
                    watched.seconds += _seconds_written(result)
                    progress.advance(task)
        if facts is not None:
            warehouse = open_warehouse(configured.revealed_postgres_url(), configured.home)
            _store_facts(instance, warehouse, feed.system_id, facts)
    total = time.perf_counter() - started
    console.print(
        f"{len(missing)} days imported, {watched.rows:,} rows of station_status, in {total:.1f} s: "
        f"{watched.seconds:.1f} s of data (reading, checking, writing), "
        f"{total - watched.seconds:.1f} s of Dagster."
    )


@dataclass
class _Watched:
    """The feed, with a note of what it took and gave."""

    feed: RecordedStationFeed
    seconds: float
    rows: int = 0

    def read(self, window: Window) -> Reading:
        """Read as the feed does."""
        started = time.perf_counter()
        reading = self.feed.read(window)
        self.seconds += time.perf_counter() - started
        self.rows += len(reading.rows)
        return reading


# What is done already


def _identity(feed: RecordedStationFeed, recording: Recording) -> str:
    """Two imports with this in common store the same."""
    return f"{recording.digest}-{feed.carry_seconds or 0:g}"


def _missing(
    instance: dg.DagsterInstance,
    feed: RecordedStationFeed,
    recording: Recording,
    days: Sequence[Window],
) -> list[Window]:
    newest: dict[str, dg.DagsterRun] = {}
    filters = dg.RunsFilter(tags={SYSTEM_TAG: feed.system_id})
    for imported in instance.get_runs(filters):  # the newest first
        newest.setdefault(imported.tags[DAY_TAG], imported)
    stored = instance.get_materialized_partitions(ASSET)
    identity = _identity(feed, recording)

    def done(day: Window) -> bool:
        imported = newest.get(str(day.start.date()))
        return (
            imported is not None
            and imported.status is DagsterRunStatus.SUCCESS
            and imported.tags[FILE_TAG] == identity
            and stored.issuperset(_keys(day))
        )

    return [day for day in days if not done(day)]


def _keys(day: Window) -> Iterator[str]:
    starts = pd.date_range(day.start, day.end, freq="15min", inclusive="left")
    return (start.strftime(TICK_KEY_FORMAT) for start in starts)


# A day


def _import_day(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    feed: RecordedStationFeed,
    day: Window,
) -> dg.ExecuteInProcessResult:
    keys = [*_keys(day)]
    result = job.execute_in_process(
        asset_selection=[ASSET],
        instance=instance,
        run_config=QUIET,
        raise_on_error=False,
        tags={
            "dagster/asset_partition_range_start": keys[0],
            "dagster/asset_partition_range_end": keys[-1],
            SYSTEM_TAG: feed.system_id,
            DAY_TAG: str(day.start.date()),
            FILE_TAG: _identity(feed, feed.recording()),
        },
    )
    if not result.success:
        raise click.ClickException(
            f"The run of {day.start:%Y-%m-%d} failed ({result.run_id}): what went wrong is above, "
            "and under Runs on the page of 'bike-demand dev'. The days before it are imported; "
            "the same command goes on from there."
        )
    return result


def _seconds_written(result: dg.ExecuteInProcessResult) -> float:
    event = result.get_asset_materialization_events()[0]
    return float(cast("float", event.materialization.metadata["seconds"].value))


@contextmanager
def few_connections(instance: dg.DagsterInstance) -> Iterator[None]:
    """Keep Dagster from opening a connection for every event: 10 s for each day instead of 2."""
    instance.optimize_for_webserver(statement_timeout=600_000, pool_recycle=3_600, max_overflow=20)
    before = os.environ.get("DAGSTER_EVENT_BATCH_SIZE")
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = str(TICKS_A_DAY)
    try:
        yield
    finally:
        if before is None:
            del os.environ["DAGSTER_EVENT_BATCH_SIZE"]
        else:
            os.environ["DAGSTER_EVENT_BATCH_SIZE"] = before


# Settings


def _widened(configured: settings.Settings, recording: Recording) -> dict[str, date]:
    """The settings to change so that the file's days have partitions."""
    first = recording.span.start.date()
    last = (recording.span.end - timedelta(microseconds=1)).date()
    changes = {}
    if first < configured.first_partition:
        changes["first_partition"] = first
    if configured.last_partition is not None and last > configured.last_partition:
        changes["last_partition"] = last
    origins = settings.origins(configured)
    for name, value in changes.items():
        if origins[name] is settings.Origin.ENVIRONMENT:
            raise settings.InvalidSettingsError(
                f"The recording covers {first} to {last}, but the environment sets {name} to "
                f"{getattr(configured, name)}. Set {settings.PREFIX}{name.upper()}={value}, or "
                "take it out of the environment. Nothing was imported."
            )
    start = changes.get("first_partition", configured.first_partition)
    end = changes.get("last_partition", configured.last_partition)
    count = ((end or datetime.now(UTC).date()) - start).days + 1
    if changes and count * TICKS_A_DAY > MAX_PARTITIONS:
        raise settings.InvalidSettingsError(
            f"With the recording's days, partitions of 15 minutes would go from {start} to "
            f"{end or 'today'}: {count * TICKS_A_DAY:,} of them, and Dagster is advised to hold "
            f"{MAX_PARTITIONS:,} ({MAX_PARTITIONS // TICKS_A_DAY:,} days). To follow the "
            f"recording and not a live feed, set in {configured.home / settings.FILE_NAME}:\n"
            f"  first_partition = {first}\n  last_partition = {last}\nNothing was imported."
        )
    return changes


def _change(file: Path, changes: dict[str, date]) -> None:
    """Write settings into the file as a person would, leaving the rest as it is."""
    if not changes:
        return
    document = tomlkit.parse(file.read_text()) if file.exists() else tomlkit.document()
    for name, value in changes.items():
        document[name] = value
    written = file.with_suffix(".toml.new")
    written.write_text(tomlkit.dumps(document))
    written.replace(file)


# Facts of stations


def _facts(path: Path, system_id: str, recording: Recording) -> pd.DataFrame:
    """Rows of `station_information`, seen over the recording's span."""
    try:
        document = read_document(path.read_bytes(), url=str(path), fetched_at=recording.last)
        stations = station_information(document)
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None
    except FeedError as error:
        raise RecordingError(f"{path} is no station_information: {error}") from error
    return stations.rows.assign(
        system_id=system_id,
        is_active=True,
        first_seen=pd.Timestamp(recording.first),
        last_seen=pd.Timestamp(recording.last),
    )[list(STATION_INFORMATION.columns)]


def _store_facts(
    instance: dg.DagsterInstance, warehouse: Warehouse, system_id: str, facts: pd.DataFrame
) -> None:
    """Upsert the facts; those that a newer source told stay."""
    scope = {"system_id": [system_id]}
    known = read(warehouse, STATION_INFORMATION, scope=scope)
    newer = known[known["last_seen"] > facts["last_seen"].max()]
    if len(newer):
        added = facts[~facts["station_id"].isin(newer["station_id"])].assign(is_active=False)
        stay = known[~known["station_id"].isin(added["station_id"])]
        facts = pd.concat([stay, added], ignore_index=True) if len(added) else stay
    receipt = replace(warehouse, STATION_INFORMATION, None, Rows(facts, scope))
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            STATION_INFORMATION.name, metadata={"dagster/row_count": receipt.rows}
        )
    )


# Words


def _announce(
    console: Console,
    feed: RecordedStationFeed,
    recording: Recording,
    changes: dict[str, date],
    missing: int,
) -> None:
    days = len(recording.days())
    console.print(
        f"{recording.path}: {recording.rows:,} records of {feed.system_id}, "
        f"{recording.first:%Y-%m-%d %H:%M} to {recording.last:%Y-%m-%d %H:%M} UTC.\n"
        f"{days} days, {days - missing} of them imported before, {missing} to import."
    )
    for name, value in changes.items():
        console.print(f"Setting {name} becomes {value}; restart a Dagster that is running.")


def days_progress(console: Console) -> Progress:
    """A bar that counts days."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeRemainingColumn(),
        console=console,
    )
