"""Features of a city like New York: a closed hour, and a month backfilled, read and write included.

Run as `python -m benchmarks.station_features [--days 30]`. It simulates four weeks and as many days
of 2,300 stations, stores them on an embedded server of its own (about 4 GB in a temporary folder),
and materialises through Dagster, as a backfill does: a run for each day, its state in Postgres too.
That is a process of its own, so that its peak of memory is its own.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import dagster as dg

STATIONS = 2_300
START = datetime(2026, 1, 5, tzinfo=UTC)
PAST = timedelta(days=28)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
KEY_FORMAT = "%Y-%m-%d-%H:%M"
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
HOUR_BAR_S, MONTH_BAR_S, PEAK_BAR_GB = 4.0, 480.0, 4.0


def fill(folder: Path, days: int) -> None:
    """Store the city's life."""
    from bike_demand.resources.recorded_feed import RecordedStationFeed
    from bike_demand.simulation.plan import Plan
    from bike_demand.simulation.recording import write_recording
    from bike_demand.storage.replace import Rows, replace
    from bike_demand.storage.tables import STATION_INFORMATION, STATION_STATUS
    from bike_demand.storage.warehouse import open_warehouse

    plan = Plan(start=START, stations=STATIONS, timezone="America/New_York")
    path = folder / "city.parquet"
    write_recording(plan, START + PAST + days * DAY, path)
    feed = RecordedStationFeed(path=str(path), system_id="city")
    warehouse = open_warehouse(None, folder)
    for window in feed.recording().days():
        rows = Rows(feed.read(window).rows, {"system_id": ["city"]})
        replace(warehouse, STATION_STATUS, [window], rows)
    from bike_demand.simulation.city import City

    facts = City(plan).stations.assign(
        system_id="city", is_active=True, first_seen=START, last_seen=START
    )
    columns = list(STATION_INFORMATION.columns)
    rows = Rows(facts.reindex(columns=columns), {"system_id": ["city"]})
    replace(warehouse, STATION_INFORMATION, None, rows)
    with warehouse.connection() as connection:
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE station_status")


def materialize(job: dg.JobDefinition, instance: dg.DagsterInstance, start: datetime) -> float:
    """Seconds that the features of an hour or of the 24 of a day took."""
    last = start if start.hour else start + DAY - HOUR
    began = time.perf_counter()
    result = job.execute_in_process(
        asset_selection=[dg.AssetKey("station_features")],
        instance=instance,
        run_config=QUIET,
        tags={
            "dagster/asset_partition_range_start": start.strftime(KEY_FORMAT),
            "dagster/asset_partition_range_end": last.strftime(KEY_FORMAT),
        },
    )
    assert result.success
    return time.perf_counter() - began


def measure(days: int) -> None:
    """An hour, three times, then the days one after the other."""
    from bike_demand.definitions import defs
    from bike_demand.instance import open_instance

    first = START + PAST
    job = defs.resolve_implicit_global_asset_job_def()
    with open_instance() as instance:
        hours = [materialize(job, instance, first + n * HOUR) for n in (8, 9, 10, 11)][1:]
        began = time.perf_counter()
        for day in range(days):
            materialize(job, instance, first + day * DAY)
        month = time.perf_counter() - began
    hour, peak = statistics.median(hours), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"a closed hour: {hour:.2f} s (bar {HOUR_BAR_S:.0f})")
    print(f"{days} days: {month:.0f} s (bar of 30: {MONTH_BAR_S:.0f}), peak {peak:.2f} GB ", end="")
    print(f"(bar {PEAK_BAR_GB:.0f})")
    sys.exit(hour > HOUR_BAR_S or month * 30 / days > MONTH_BAR_S or peak > PEAK_BAR_GB)


@click.command()
@click.option("--days", default=30, show_default=True)
@click.option("--measure", "measuring", is_flag=True, hidden=True)
def main(days: int, *, measuring: bool) -> None:
    """Print the figures; exit code 1 if one misses its bar."""
    if measuring:
        measure(days)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["BIKE_DEMAND_HOME"] = name
        (folder / "settings.toml").write_text(
            '[[systems]]\nsystem_id = "city"\ntimezone = "America/New_York"\n'
        )
        began = time.perf_counter()
        fill(folder, days)
        print(f"stored in {time.perf_counter() - began:.0f} s", flush=True)
        command = [sys.executable, "-m", "benchmarks.station_features", "--days", str(days)]
        done = subprocess.run([*command, "--measure"], check=False)

        from bike_demand.storage import embedded

        embedded.stop(folder / "postgres")
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
