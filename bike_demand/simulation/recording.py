"""A city's past as a file, of the form that `bike-demand import-history` reads.

A snapshot every 15 minutes, as if somebody had polled the city five seconds after each tick.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from os import getpid
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from bike_demand.simulation.city import City, Snapshot
from bike_demand.simulation.plan import Plan

_TICK: Final = timedelta(minutes=15)
_POLLED_AFTER: Final = timedelta(seconds=5)
_ROWS_PER_GROUP: Final = 250_000  # about; a row group holds whole snapshots

_INSTANT: Final = pa.timestamp("us", tz="UTC")
_COUNTS: Final = (
    "num_bikes_available",
    "num_ebikes_available",
    "num_bikes_disabled",
    "num_docks_available",
    "num_docks_disabled",
)
_FLAGS: Final = ("is_installed", "is_renting", "is_returning")
_SCHEMA: Final = pa.schema(
    [
        ("fetched_at", _INSTANT),
        ("station_id", pa.dictionary(pa.int32(), pa.string())),
        ("last_reported", _INSTANT),
        *((name, pa.int32()) for name in _COUNTS),
        *((name, pa.bool_()) for name in _FLAGS),
    ]
)


def write_recording(plan: Plan, end: datetime, path: Path) -> int:
    """Record a city from the start of its plan; the file is there when all of it is.

    Args:
        plan: The city.
        end: Ticks before it are recorded: aware.
        path: The Parquet file; one that is there is replaced.

    Returns:
        The rows written: one per station and tick, in the order of time.

    Raises:
        ValueError: The end is not after the start.
    """
    if end <= plan.start:
        raise ValueError(f"a recording from {plan.start} cannot end at {end}")
    city, rows = City(plan), 0
    ids = pa.array(city.stations["station_id"])
    partial = path.with_name(f".{path.name}.{getpid()}.partial")
    try:
        with pyarrow.parquet.ParquetWriter(partial, _SCHEMA, compression="zstd") as writer:
            for snapshots in _groups(city, end):
                group = _table(snapshots, ids)
                writer.write_table(group, row_group_size=len(group))
                rows += len(group)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return rows


def _groups(city: City, end: datetime) -> Iterator[list[Snapshot]]:
    """Snapshots of ticks, a row group at a time."""
    size = max(1, _ROWS_PER_GROUP // city.plan.stations)
    group: list[Snapshot] = []
    tick = city.plan.start.astimezone(UTC)
    while tick < end:
        city.advance(tick)
        group.append(city.snapshot())
        tick += _TICK
        if len(group) == size or tick >= end:
            yield group
            group = []


def _table(snapshots: list[Snapshot], ids: pa.Array) -> pa.Table:
    """Rows of some snapshots, one after the other."""
    polled = [snapshot.at + _POLLED_AFTER for snapshot in snapshots]
    numbers = np.tile(np.arange(len(ids), dtype=np.int32), len(snapshots))
    reported = np.concatenate([snapshot.last_reported for snapshot in snapshots])
    columns = {
        "fetched_at": pa.array(np.repeat(np.array([_microseconds(t) for t in polled]), len(ids))),
        "station_id": pa.DictionaryArray.from_arrays(pa.array(numbers), ids),
        "last_reported": pa.array(reported * 1_000_000),
    }
    for name in _COUNTS + _FLAGS:
        columns[name] = pa.array(np.concatenate([getattr(each, name) for each in snapshots]))
    return pa.table([columns[field.name].cast(field.type) for field in _SCHEMA], schema=_SCHEMA)


def _microseconds(time: datetime) -> int:
    return int(time.timestamp()) * 1_000_000
