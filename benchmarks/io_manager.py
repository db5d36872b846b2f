"""The IO manager against the barest code that does the same, as ratios in one run.

Run as `python -m benchmarks.io_manager [--days 30]`. It fills a table on an embedded server of
its own (about 2 GB in a temporary folder), then writes a tick and a day, and reads the days.
Each read is a process of its own, so that its peak of memory is its own. "Bare" knows no
checks, no scope, no lock and no partitions.
"""

import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import dagster as dg
import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa
from adbc_driver_postgresql import dbapi

from bike_demand.resources import PostgresIOManager, Rows, read_metadata, table_metadata
from bike_demand.storage import databases, embedded
from bike_demand.storage.tables import STATION_STATUS
from bike_demand.storage.warehouse import Warehouse

STATIONS = 2_300
TICKS_A_DAY = 96
START = datetime(2026, 1, 1, tzinfo=UTC)
QUARTERS = dg.TimeWindowPartitionsDefinition(
    start=START, cron_schedule="*/15 * * * *", fmt="%Y-%m-%d-%H:%M"
)
KEY_FORMAT = "%Y-%m-%d-%H:%M"
READ_COLUMNS = [
    "system_id", "observed_at", "station_id",
    "num_bikes_available", "num_docks_available", "is_renting",
]  # fmt: skip


QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


def partition_range(last: datetime) -> dict[str, str]:
    """The tags of a run over the partitions from the start to the last."""
    return {
        "dagster/asset_partition_range_start": START.strftime(KEY_FORMAT),
        "dagster/asset_partition_range_end": last.strftime(KEY_FORMAT),
    }


class TimedIOManager(PostgresIOManager):
    """The IO manager, and how long it took."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write, and note the seconds."""
        started = time.perf_counter()
        super().handle_output(context, obj)
        context.add_output_metadata({"own_seconds": time.perf_counter() - started})

    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        """Read, and print the seconds."""
        started = time.perf_counter()
        frame = super().load_input(context)
        report(time.perf_counter() - started, frame)
        return frame


def status(ticks: int) -> pd.DataFrame:
    """Plausible station status of some ticks from the start, shape (ticks x stations, 13)."""
    random = np.random.default_rng(0)
    rows = ticks * STATIONS
    observed_at = pd.date_range(START, periods=ticks, freq="15min", unit="us").repeat(STATIONS)
    counts = {
        name: pd.array(random.integers(0, 40, rows), dtype="Int32")
        for name in STATION_STATUS.columns
        if name.startswith("num_")
    }
    return pd.DataFrame(
        {
            "system_id": "citibike_nyc",
            "observed_at": observed_at,
            "station_id": [f"66dc{n:05d}-0aca-11e7-82f6-3863bb44ef7c" for n in range(STATIONS)]
            * ticks,
            "fetched_at": observed_at + pd.Timedelta(seconds=4),
            "last_reported": observed_at - pd.to_timedelta(random.integers(0, 900, rows), "s"),
            "is_installed": True,
            "is_renting": True,
            "is_returning": True,
            **counts,
        }
    )[list(STATION_STATUS.columns)]


def fill(url: sa.URL, days: int) -> None:
    """Put days of status into the table, made by the server itself."""
    with databases.connect(url) as connection:
        connection.execute(
            """
            INSERT INTO station_status
            SELECT 'citibike_nyc', tick, format('66dc%%s-0aca-11e7-82f6-3863bb44ef7c',
                   to_char(station, 'FM00000')), tick + interval '4 s', tick - interval '60 s',
                   (station + extract(epoch FROM tick)::bigint / 900) %% 40, 3, 1,
                   40 - (station + extract(epoch FROM tick)::bigint / 900) %% 40, 0,
                   true, true, true
            FROM generate_series(%s::timestamptz, %s, interval '15 min') AS tick,
                 generate_series(0, %s) AS station
            """,
            [START, START + timedelta(days=days, minutes=-15), STATIONS - 1],
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE station_status")


# Writes


def io_manager_seconds(url: sa.URL, frame: pd.DataFrame, ticks: int) -> float:
    """One write through Dagster; the IO manager's own seconds."""

    @dg.asset(
        name=STATION_STATUS.name,
        partitions_def=QUARTERS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=table_metadata(STATION_STATUS),
    )
    def asset() -> Rows:
        return Rows(frame, {"system_id": ["citibike_nyc"]})

    last = START + timedelta(minutes=15) * (ticks - 1)
    result = dg.materialize(
        [asset],
        tags=partition_range(last),
        resources={"io_manager": TimedIOManager(url=url.render_as_string(hide_password=False))},
        run_config=QUIET,
    )
    event = result.get_asset_materialization_events()[0]
    return float(event.materialization.metadata["own_seconds"].value)  # type: ignore[arg-type]


COLUMNS = ", ".join(STATION_STATUS.columns)


def delete(connection: psycopg.Connection, until: datetime) -> None:
    """Delete the ticks from the start until then."""
    connection.execute(
        "DELETE FROM station_status"
        " WHERE system_id = 'citibike_nyc' AND observed_at >= %s AND observed_at < %s",
        [START, until],
    )


def bare_csv_arrow(url: sa.URL, frame: pd.DataFrame, until: datetime) -> None:
    """COPY of CSV that Arrow makes."""
    buffer = io.BytesIO()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pyarrow.csv.write_csv(table, buffer, pyarrow.csv.WriteOptions(include_header=False))
    bare_copy(url, until, "csv", lambda copy: copy.write(buffer.getvalue()))


def bare_csv_pandas(url: sa.URL, frame: pd.DataFrame, until: datetime) -> None:
    """COPY of CSV that pandas makes."""
    text = frame.to_csv(index=False, header=False)
    bare_copy(url, until, "csv", lambda copy: copy.write(text))


def bare_rows(url: sa.URL, frame: pd.DataFrame, until: datetime) -> None:
    """COPY of rows that psycopg encodes."""

    def write(copy: psycopg.Copy) -> None:
        for row in frame.astype(object).itertuples(index=False, name=None):
            copy.write_row(row)

    bare_copy(url, until, "text", write)


def bare_copy(
    url: sa.URL, until: datetime, form: str, write: Callable[[psycopg.Copy], None]
) -> None:
    """DELETE and COPY in one transaction."""
    with databases.connect(url) as connection:
        delete(connection, until)
        statement = f"COPY station_status ({COLUMNS}) FROM STDIN (FORMAT {form})"
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            write(copy)


def bare_adbc(url: sa.URL, frame: pd.DataFrame, until: datetime) -> None:
    """DELETE and ADBC's ingest in one transaction."""
    with dbapi.connect(databases.conninfo(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM station_status"
            " WHERE system_id = 'citibike_nyc' AND observed_at >= $1 AND observed_at < $2",
            (START, until),
        )
        cursor.adbc_ingest(
            "station_status", pa.Table.from_pandas(frame, preserve_index=False), mode="append"
        )
        connection.commit()


def to_sql(url: sa.URL, frame: pd.DataFrame, until: datetime) -> None:
    """DELETE and pandas' own way."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        delete(connection.connection.driver_connection, until)  # type: ignore[arg-type]
        frame.to_sql("station_status", connection, if_exists="append", index=False)


BARE_WRITES = {
    "bare: CSV by Arrow": bare_csv_arrow,
    "bare: CSV by pandas": bare_csv_pandas,
    "bare: rows by psycopg": bare_rows,
    "bare: ADBC ingest": bare_adbc,
    "to_sql": to_sql,
}


def compare_writes(url: sa.URL, ticks: int, repeats: int) -> None:
    """Print the median seconds of each way to write the ticks, and its ratio to the fastest."""
    frame = status(ticks)
    until = START + timedelta(minutes=15) * ticks
    ways: dict[str, Callable[[], float]] = {
        "PostgresIOManager": lambda: io_manager_seconds(url, frame, ticks)
    }
    for name, way in BARE_WRITES.items():
        ways[name] = lambda way=way: seconds_of(lambda: way(url, frame, until))  # type: ignore[misc]
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):  # in turn, for the machine's speed drifts; the first warms up
        for name, run in ways.items():
            if name != "to_sql" or turn <= 3:
                taken[name].append(run())
    medians = {name: statistics.median(values[1:]) for name, values in taken.items()}
    show(f"Write {ticks} tick(s), {len(frame):,} rows", medians)


def seconds_of(run: Callable[[], None]) -> float:
    """Wall-clock seconds of a call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


# Reads, each in a process of its own


def report(seconds: float, frame: pd.DataFrame) -> None:
    """Print what a read took: seconds, rows, and this process' peak of memory in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    click.echo(json.dumps({"seconds": seconds, "rows": len(frame), "peak": peak}))


def read_io_manager(url: sa.URL, days: int) -> None:
    """Load the days as an asset's input, through Dagster."""

    @dg.asset(name=STATION_STATUS.name, partitions_def=QUARTERS)
    def source() -> None: ...

    @dg.asset(
        partitions_def=QUARTERS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={STATION_STATUS.name: dg.AssetIn(metadata=read_metadata(columns=READ_COLUMNS))},
    )
    def sink(station_status: pd.DataFrame) -> None: ...

    last = START + timedelta(days=days, minutes=-15)
    dg.materialize(
        [source, sink],
        selection=[sink],
        tags=partition_range(last),
        resources={"io_manager": TimedIOManager(url=url.render_as_string(hide_password=False))},
        run_config=QUIET,
    )


def bare_query(days: int) -> str:
    """The query of the bare reads."""
    until = START + timedelta(days=days)
    return (
        f"SELECT {', '.join(READ_COLUMNS)} FROM station_status"
        f" WHERE observed_at >= '{START.isoformat()}' AND observed_at < '{until.isoformat()}'"
    )


def read_adbc(url: sa.URL, days: int) -> None:
    """ADBC to pandas."""
    started = time.perf_counter()
    with dbapi.connect(databases.conninfo(url)) as connection, connection.cursor() as cursor:
        cursor.execute(bare_query(days))
        frame = cursor.fetch_arrow_table().to_pandas()
    report(time.perf_counter() - started, frame)


def read_adbc_arrow_strings(url: sa.URL, days: int) -> None:
    """ADBC to pandas, text left in Arrow, columns freed as they are converted."""
    started = time.perf_counter()
    text = pd.StringDtype("pyarrow", na_value=np.nan)
    with dbapi.connect(databases.conninfo(url)) as connection, connection.cursor() as cursor:
        cursor.execute(bare_query(days))
        frame = cursor.fetch_arrow_table().to_pandas(
            types_mapper={pa.string(): text}.get, split_blocks=True, self_destruct=True
        )
    report(time.perf_counter() - started, frame)


def read_csv_copy(url: sa.URL, days: int) -> None:
    """COPY as CSV, read by Arrow."""
    started = time.perf_counter()
    buffer = io.BytesIO()
    statement = f"COPY ({bare_query(days)}) TO STDOUT (FORMAT csv, HEADER)"
    with databases.connect(url) as connection, connection.cursor().copy(statement) as copy:
        for part in copy:
            buffer.write(part)
    buffer.seek(0)
    frame = pyarrow.csv.read_csv(buffer).to_pandas()
    report(time.perf_counter() - started, frame)


READS = {
    "PostgresIOManager": read_io_manager,
    "bare: ADBC": read_adbc,
    "bare: ADBC, text in Arrow": read_adbc_arrow_strings,
    "bare: CSV by Arrow": read_csv_copy,
}


def compare_reads(url: sa.URL, days: int, repeats: int) -> None:
    """Print the median seconds and the peak memory of each way to read the days."""
    seconds: dict[str, list[float]] = {name: [] for name in READS}
    peaks: dict[str, float] = {}
    for turn in range(repeats + 1):
        for name in READS:
            arguments = [
                "--read",
                name,
                "--url",
                url.render_as_string(hide_password=False),
                "--days",
                str(days),
            ]
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.io_manager", *arguments],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            found = json.loads(done.stdout)
            assert found["rows"] == days * TICKS_A_DAY * STATIONS, found
            if turn:
                seconds[name].append(found["seconds"])
                peaks[name] = found["peak"] / 1e9
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    show(f"Read {days} days, {days * TICKS_A_DAY * STATIONS:,} rows, 6 columns", medians)
    show("Peak resident memory of the reading process [GB]", peaks)


def show(title: str, figures: dict[str, float]) -> None:
    """Print figures with their ratio to the least of the bare ones."""
    least = min(value for name, value in figures.items() if name.startswith("bare"))
    click.echo(f"\n{title}")
    for name, value in figures.items():
        click.echo(f"  {name:<28} {value:8.4f}   {value / least:5.2f} x")


@click.command()
@click.option("--days", default=30, show_default=True)
@click.option("--repeats", default=5, show_default=True)
@click.option("--read", "way", hidden=True, help="Run one read and print its figures.")
@click.option("--url", hidden=True)
def main(days: int, repeats: int, way: str | None, url: str | None) -> None:
    """Compare the IO manager with bare code."""
    if way is not None and url is not None:
        READS[way](databases.locate(url, Path()), days)
        return
    with tempfile.TemporaryDirectory() as folder:
        server = embedded.ensure_running(Path(folder) / "postgres")
        try:
            database = server.url("benchmark")
            Warehouse(lambda: database).url()
            fill(database, days + 10)
            compare_writes(database, 1, repeats * 4)
            compare_writes(database, TICKS_A_DAY, repeats)
            compare_reads(database, days, repeats)
        finally:
            embedded.stop(Path(folder) / "postgres")


if __name__ == "__main__":
    main()
