"""A tick of a very large city, from HTTP into Postgres: fetched, parsed, stored.

Run as `python -m benchmarks.large_city`. The city is served by a process of its own, so that the
peak of memory is that of the pipeline alone: client, Dagster, IO manager. The embedded server is
another process, too. Python's start counts, and is told.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import click

from bike_demand.storage import embedded

STATIONS = 100_000
BAR_SECONDS, BAR_GB = 40.0, 1.5


def tick(home: Path, address: str) -> None:
    """Materialise the present tick once the database is there."""
    import dagster as dg

    from bike_demand.cadence import STATUS
    from bike_demand.defs.ingestion.stations import station_status
    from bike_demand.resources import PostgresIOManager
    from bike_demand.resources.live_feed import LiveStationFeed

    (home / "settings.toml").write_text(f'[[systems]]\nsystem_id = "large"\nurl = "{address}"\n')
    imported = time.perf_counter()
    result = dg.materialize(
        [station_status],
        partition_key=STATUS.partitions.get_last_partition_key(),
        resources={"io_manager": PostgresIOManager(), "station_feed": LiveStationFeed()},
        run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
    )
    seconds = time.perf_counter() - imported
    [event] = result.get_asset_materialization_events()
    figures = event.materialization.metadata
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{figures['dagster/partition_row_count'].value:,} rows in {seconds:.1f} s, "
        f"{figures['seconds'].value:.1f} s of them stored (bar {BAR_SECONDS:.0f}); "
        f"peak {peak:.2f} GB (bar {BAR_GB})"
    )
    sys.exit(seconds > BAR_SECONDS or peak > BAR_GB)


def serve() -> tuple["subprocess.Popen[str]", str, float]:
    """Start the city; its process, its address, and the seconds until it answered."""
    began = time.perf_counter()
    command = ["simulate", "--stations", str(STATIONS), "--port", "0", "--parent", str(os.getpid())]
    program = "from bike_demand.cli import main; main()"
    city = subprocess.Popen(
        [sys.executable, "-c", program, *command], stdout=subprocess.PIPE, text=True
    )
    assert city.stdout is not None
    said = city.stdout.readline()
    seconds = time.perf_counter() - began
    lines = [city.stdout.readline() for _ in range(6)]
    assert said, "the city did not start"
    return city, tomllib.loads("".join(lines))["systems"][0]["url"], seconds


@click.command()
@click.option("--address", hidden=True)
@click.option("--home", hidden=True, type=click.Path(path_type=Path))
def main(address: str | None, home: Path | None) -> None:
    """Print the figures; exit code 1 if one misses its bar."""
    if address is not None and home is not None:
        tick(home, address)
    city, url, seconds = serve()
    print(
        f"{STATIONS:,} stations answer after {seconds:.1f} s (bar 10), {datetime.now(UTC):%H:%M}Z"
    )
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "home"
        directory.mkdir()
        embedded.ensure_running(directory / "postgres")
        command = [sys.executable, "-m", "benchmarks.large_city", "--address", url]
        done = subprocess.run(
            [*command, "--home", str(directory)],
            env={**os.environ, "BIKE_DEMAND_HOME": str(directory)},
            check=False,
        )
        embedded.stop(directory / "postgres")
    city.kill()
    sys.exit(done.returncode or seconds > 10)


if __name__ == "__main__":
    main()
