"""A table and rows that the storage tests share."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import sqlalchemy as sa

from bike_demand.storage.declaration import declare_table
from bike_demand.storage.read import read
from bike_demand.storage.replace import Receipt, Rows, replace
from bike_demand.storage.warehouse import Warehouse
from bike_demand.storage.windows import Window

MIDNIGHT = datetime(2024, 3, 10, tzinfo=UTC)  # New York changes to daylight-saving time at 7:00
QUARTER = timedelta(minutes=15)

COUNTS = declare_table(
    "counts",
    sa.Column("system_id", sa.Text, primary_key=True),
    sa.Column("observed_at", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("bikes", sa.Integer, nullable=False),
    sa.Column("ratio", sa.Double),
    sa.Column("note", sa.Text),
    sa.CheckConstraint("bikes >= 0", name="bikes_not_negative"),
    time="observed_at",
    scope=("system_id",),
)


def tick(number: int = 0) -> Window:
    """The window of a 15-minute tick, counted from midnight."""
    return Window(MIDNIGHT + number * QUARTER, MIDNIGHT + (number + 1) * QUARTER)


def ticks(first: int, last: int) -> list[Window]:
    """The windows from one tick to another, the last one not included."""
    return [tick(number) for number in range(first, last)]


def counts(
    windows: Iterable[Window] = (tick(),),
    *,
    system: str = "nyc",
    stations: Iterable[str] = ("a", "b"),
    bikes: int = 1,
    **columns: Any,
) -> pd.DataFrame:
    """One row per window and station, at the window's start."""
    rows = [
        {
            "system_id": system,
            "observed_at": window.start,
            "station_id": station,
            "bikes": bikes,
            "ratio": 0.5,
            "note": "",
        }
        for window in windows
        for station in stations
    ]
    frame = pd.DataFrame(rows, columns=list(COUNTS.columns))
    return frame.assign(**columns)


def write(
    warehouse: Warehouse,
    frame: pd.DataFrame | Iterable[pd.DataFrame],
    windows: Sequence[Window] = (tick(),),
    systems: Sequence[str] = ("nyc",),
    **companions: Rows,
) -> Receipt:
    """Replace windows and systems of the example table."""
    return replace(warehouse, COUNTS, windows, Rows(frame, {"system_id": systems}, companions))


def stored(warehouse: Warehouse, windows: Sequence[Window] | None = None) -> list[tuple[Any, ...]]:
    """What the example table holds: (system, instant, station, bikes), in order of the key."""
    frame = read(
        warehouse, COUNTS, windows, columns=["system_id", "observed_at", "station_id", "bikes"]
    )
    return sorted(frame.itertuples(index=False, name=None))
