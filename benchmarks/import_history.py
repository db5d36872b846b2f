"""Two months of Bay Wheels through `bike-demand import-history`: time, memory, and truth.

Run as `python -m benchmarks.import_history [--data FILE]`. It imports the file twice into a data
directory of its own (about 2 GB in a temporary folder): once in one go, as one system, and once
killed with -9 at three random moments and resumed, as another. It compares the counts per tick
with those that pandas makes straight from the file, and the two systems with each other.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import pandas as pd

from bike_demand.storage import databases, embedded
from bike_demand.storage.databases import Database

DATA = Path(__file__).parents[2] / "shared/data/baywheels/station_status_2023-03_2023-04.parquet"
BARS = {"seconds": 300.0, "peak": 2e9}
KILLS = 3


def importing(home: Path, file: Path, system_id: str) -> subprocess.Popen[bytes]:
    """Start the command."""
    facts = file.with_name("station_information.json")
    return subprocess.Popen(
        [
            *(sys.executable, "-c", "from bike_demand.cli import main; main()"),
            *("--home", str(home), "import-history", str(file), "--system-id", system_id),
            *(("--station-information", str(facts)) if facts.exists() else ()),
        ],
        env={**os.environ, "BIKE_DEMAND_POSTGRES_URL": ""},
    )


def in_one_go(home: Path, file: Path, system_id: str) -> tuple[float, float]:
    """Import; wall-clock seconds and the importing process' peak of memory in bytes."""
    started = time.perf_counter()
    process = importing(home, file, system_id)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - started, usage.ru_maxrss * 1024


def killed_and_resumed(home: Path, file: Path, system_id: str, seconds: float) -> None:
    """Import, killed at random moments of the seconds that it takes in one go."""
    for _ in range(KILLS):
        process = importing(home, file, system_id)
        moment = random.uniform(5, seconds / KILLS)  # noqa: S311
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            click.echo(f"\nKilled after {moment:.1f} s.")
    in_one_go(home, file, system_id)


def counts_of_the_file(file: Path) -> pd.DataFrame:
    """Stations and bikes per tick: of the first snapshot fetched in it."""
    records = pd.read_parquet(file, columns=["fetched_at", "num_bikes_available"])
    snapshots = records.groupby("fetched_at")["num_bikes_available"].agg(["size", "sum"])
    return snapshots.groupby(snapshots.index.floor("15min")).head(1)  # type: ignore[attr-defined]


def counts_of_the_table(home: Path, system_id: str) -> pd.DataFrame:
    """The same by SQL."""
    url = databases.database_url(databases.locate(None, home), Database.WAREHOUSE)
    with databases.connect(url) as connection:
        rows = connection.execute(
            """
            SELECT observed_at, min(fetched_at), max(fetched_at), count(*), sum(num_bikes_available)
            FROM station_status WHERE system_id = %s GROUP BY observed_at ORDER BY observed_at
            """,
            [system_id],
        ).fetchall()
    frame = pd.DataFrame(rows, columns=["observed_at", "fetched_at", "last", "size", "sum"])
    assert (frame["fetched_at"] == frame["last"]).all()
    assert (frame["fetched_at"].dt.floor("15min") == frame["observed_at"]).all()
    return frame.set_index("fetched_at")[["size", "sum"]]


def fingerprint(home: Path, table: str, system_id: str) -> str:
    """Of all that a table holds of a system."""
    url = databases.database_url(databases.locate(None, home), Database.WAREHOUSE)
    with databases.connect(url) as connection:
        found = connection.execute(
            f"""
            SELECT count(*), md5(string_agg(md5((to_jsonb(t) - 'system_id')::text), ''
                                            ORDER BY md5((to_jsonb(t) - 'system_id')::text)))
            FROM {table} AS t WHERE system_id = %s
            """,
            [system_id],
        ).fetchone()
    return str(found)


@click.command()
@click.option("--data", default=DATA, type=click.Path(exists=True, path_type=Path))
def main(data: Path) -> None:
    """Import, compare, and print what it took against the bars."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        days = pd.read_parquet(data, columns=["fetched_at"])["fetched_at"]
        (home / "settings.toml").write_text(
            f"first_partition = {days.min():%Y-%m-%d}\nlast_partition = {days.max():%Y-%m-%d}\n"
        )
        try:
            seconds, peak = in_one_go(home, data, "whole")
            click.echo(f"{seconds:.1f} s (bar {BARS['seconds']:.0f}), ", nl=False)
            click.echo(f"peak {peak / 1e9:.2f} GB (bar {BARS['peak'] / 1e9:.0f})")
            expected, found = counts_of_the_file(data), counts_of_the_table(home, "whole")
            pd.testing.assert_frame_equal(
                found, expected, check_dtype=False, check_index_type=False, check_names=False
            )
            click.echo(f"{len(found):,} ticks, {found['size'].sum():,} rows: as pandas counts them")
            killed_and_resumed(home, data, "killed", seconds)
            for table in ("station_status", "feed_poll", "station_information"):
                whole = fingerprint(home, table, "whole")
                assert fingerprint(home, table, "killed") == whole, table
                click.echo(f"{table}: killed {KILLS} times and in one go alike, {whole}")
            assert seconds <= BARS["seconds"]
            assert peak <= BARS["peak"]
        finally:
            embedded.stop(home / "postgres")


if __name__ == "__main__":
    main()
