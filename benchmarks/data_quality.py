"""What the rules of data quality find in a recording, and how long they take, there and at scale.

Run as `python -m benchmarks.data_quality [--data FILE]`. It brings a recording of San Francisco
into a server of its own, asks all rules of all its windows, and shows what is broken; then makes a
city of some 2,300 stations of its last days, with features and forecasts, and times each rule.
"""

import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import click
import numpy as np
import pandas as pd
import psycopg

from bike_demand import import_history, quality
from bike_demand.forecasting.features import FEATURES
from bike_demand.history.recording import Recording, open_recording
from bike_demand.quality.findings import asked as ask
from bike_demand.quality.findings import by_rows
from bike_demand.storage import databases, embedded
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import (
    FEED_POLL,
    STATION_FEATURES,
    STATION_INFORMATION,
    STATION_STATUS,
)
from bike_demand.storage.warehouse import Warehouse
from bike_demand.storage.windows import Window

DATA = Path(__file__).parents[2] / "shared/data/baywheels/station_status_2023-03_2023-04.parquet"
SYSTEM, LARGE = "baywheels", "large"
WINDOW = timedelta(hours=4)
DAYS = timedelta(days=9)
BAR_SECONDS = 1.0

COPIES: Final = (
    "FROM {table}, generate_series(1, 5) AS copy "
    "WHERE system_id = 'baywheels' AND NOT (copy = 5 AND hashtext(station_id) % 2 = 0)"
)


def store(warehouse: Warehouse, recording: Recording, information: Path) -> None:
    """The recording, as the importer stores it."""
    one = {"system_id": [SYSTEM]}
    for day in recording.days():
        recorded = recording.read(day)
        status = recorded.status.assign(system_id=SYSTEM)[[*STATION_STATUS.columns]]
        polls = recorded.polls.assign(system_id=SYSTEM, last_updated=None, http_status=None)
        along = {FEED_POLL.name: Rows(polls[[*FEED_POLL.columns]], one)}
        replace(warehouse, STATION_STATUS, [day], Rows(status, one, along))
    facts = import_history._facts(information, SYSTEM, recording)  # noqa: SLF001
    replace(warehouse, STATION_INFORMATION, None, Rows(facts, one))


def enlarge(connection: psycopg.Connection, end: datetime) -> None:
    """Make the large city: each station four or five times, and a day of features and forecasts."""

    def copied(table: str, since: str = "", **instead: str) -> str:
        names = [f'"{name}"' for name in tables[table].columns]
        values = {name: name for name in names} | {
            '"system_id"': f"'{LARGE}'",
            '"station_id"': "station_id || '-' || copy",
            **{f'"{name}"': value for name, value in instead.items()},
        }
        picked = ", ".join(values[name] for name in names)
        source = COPIES.format(table=table) + since
        return f"INSERT INTO {table} ({', '.join(names)}) SELECT {picked} {source}"

    tables = {each.name: each for each in (STATION_STATUS, STATION_INFORMATION, STATION_FEATURES)}
    values = {"since": end - DAYS, "day": end - timedelta(hours=32)}
    plain = {"bool": "true", "int16": "1", "float32": "least(num_bikes_available, 1)::real"}
    names = ", ".join(f'"{feature.name}"' for feature in FEATURES)
    made = ", ".join(plain[feature.dtype] for feature in FEATURES)
    rows = f"FROM station_status WHERE system_id = '{LARGE}' AND observed_at >= %(day)s"
    hours = f"{rows} AND observed_at = date_trunc('hour', observed_at)"
    for statement in (
        copied("station_status", " AND observed_at >= %(since)s").replace("% 2", "%% 2"),
        copied("station_information", lat="lat + copy * 0.05").replace("% 2", "%% 2"),
        f"INSERT INTO feed_poll SELECT '{LARGE}', polled_at, polled_at, 200, records, 0 "
        f"FROM feed_poll WHERE system_id = '{SYSTEM}' AND polled_at >= %(since)s",
        "INSERT INTO station_features (system_id, observed_at, station_id, feature_version, "
        f"{names}) SELECT system_id, observed_at, station_id, '2', {made} {rows}",
        "INSERT INTO station_forecast SELECT system_id, observed_at, station_id, "
        "observed_at + h * interval '1 hour', 'champion', observed_at, false, '1', h, true, 30, "
        f"5, 3, 5, 7, 0.1, 0.1 {hours.replace('WHERE', ', generate_series(1, 24) AS h WHERE')}",
        "INSERT INTO station_risk SELECT system_id, observed_at, station_id, 'champion', "
        f"observed_at, false, '1', true, 0.1, 0.1 {hours}",
    ):
        connection.execute(statement, values)
    connection.commit()


def found_in(connection: psycopg.Connection, windows: list[Window]) -> pd.DataFrame:
    """What is found in windows of the recording."""
    return pd.concat(
        quality.frame(quality.findings(connection, SYSTEM, window, live=False), SYSTEM, window)
        for window in windows
    )


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=DATA, help="Of Bay Wheels.")
def main(data: Path) -> None:
    """Import, ask, show."""
    with tempfile.TemporaryDirectory() as folder:
        server = embedded.ensure_running(Path(folder) / "postgres")
        try:
            url = server.url("warehouse")
            databases.create_if_missing(url)
            recording = open_recording(data, Path(folder) / "recording")
            warehouse = Warehouse(lambda: url)
            store(warehouse, recording, data.with_name("station_information.json"))
            with warehouse.connection() as connection:
                connection.execute("ANALYZE")
                show(connection, recording)
        finally:
            embedded.stop(Path(folder) / "postgres")


def show(connection: psycopg.Connection, recording: Recording) -> None:
    """What is broken, and the seconds it takes to know."""
    span = recording.span
    first = span.start - (span.start - datetime.fromtimestamp(0, span.start.tzinfo)) % WINDOW
    count = -((first - span.end) // WINDOW)
    windows = [Window(first + n * WINDOW, first + (n + 1) * WINDOW) for n in range(count)]
    began = time.perf_counter()
    found = found_in(connection, windows)
    print(f"{count} windows of {SYSTEM} in {time.perf_counter() - began:.0f} s")
    broken = found[found["count"] > 0].groupby(["severity", "rule"])["count"]
    print(broken.agg(windows="size", rows="sum").to_markdown())
    enlarge(connection, windows[-1].end)
    connection.execute("ANALYZE")
    took = [
        seconds(
            connection, Window(windows[-1].end - n * WINDOW, windows[-1].end - (n - 1) * WINDOW)
        )
        for n in (2, 3, 4)
    ]
    middle = pd.concat(took, axis=1).median(axis=1).sort_values(ascending=False)
    print(middle.head(8).round(3).to_markdown())
    total = float(np.median([each.sum() for each in took]))
    print(f"{total:.2f} s a window of the large city (bar {BAR_SECONDS})")


def seconds(connection: psycopg.Connection, window: Window) -> "pd.Series[float]":
    """Of each query of the rules."""
    values = {"system": LARGE, "start": window.start, "end": window.end, "live": True}
    took = {}
    for rules in by_rows():
        began = time.perf_counter()
        list(ask(connection, rules, values))
        took[", ".join(rule.name for rule in rules)] = time.perf_counter() - began
    return pd.Series(took)


if __name__ == "__main__":
    main()
