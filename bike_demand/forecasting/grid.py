"""Station status on a regular grid, time by station: what features, targets and scores are made of.

A snapshot or a station's report that is missing is a hole here (NaN), never the one before it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

TICK: Final = timedelta(minutes=15)
"""From one tick to the next."""

Floats = NDArray[np.float32]

SOURCES: Final = {
    "bikes": "num_bikes_available",
    "ebikes": "num_ebikes_available",
    "disabled": "num_bikes_disabled",
    "docks": "num_docks_available",
    "docks_disabled": "num_docks_disabled",
    "installed": "is_installed",
    "renting": "is_renting",
    "returning": "is_returning",
}
"""Arrays of a `Grid`, and the columns of `station_status` that they hold."""

COLUMNS: Final = ("observed_at", "station_id", "fetched_at", "last_reported", *SOURCES.values())
"""The columns of `station_status` that a grid is made from."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The stations of one system over T ticks, arrays of shape (T, S) unless said otherwise.

    Attributes:
        start: The first tick, UTC.
        station_ids: Of the S stations, ascending; shape (S,), objects.
        fetched_at: When each tick's snapshot was fetched, UTC, shape (T,); NaT where there is none.
        bikes: Bikes to rent, e-bikes included; NaN where unknown, as in all that follow.
        ebikes: E-bikes to rent.
        disabled: Bikes out of order.
        docks: Free docks.
        docks_disabled: Docks out of order.
        installed: Whether it is on the street, 1 or 0.
        renting: Whether it gives bikes out, 1 or 0.
        returning: Whether it takes bikes back, 1 or 0.
        report_age: How old its report was when fetched, in seconds.
    """

    start: datetime
    station_ids: NDArray[np.object_]
    fetched_at: NDArray[np.datetime64]
    bikes: Floats
    ebikes: Floats
    disabled: Floats
    docks: Floats
    docks_disabled: Floats
    installed: Floats
    renting: Floats
    returning: Floats
    report_age: Floats

    def __len__(self) -> int:
        return len(self.fetched_at)

    @property
    def ticks(self) -> pd.DatetimeIndex:
        """The T ticks, UTC."""
        return pd.date_range(self.start, periods=len(self), freq=TICK, unit="us")

    def index(self, tick: datetime) -> int:
        """Which row a tick has; outside of 0 … T - 1 if it is not on the grid.

        Raises:
            ValueError: It is no tick of the grid's.
        """
        number, rest = divmod(tick - self.start, TICK)
        if rest:
            raise ValueError(f"{tick} is no tick of 15 minutes from {self.start} on")
        return number

    def between(self, begin: int, end: int) -> "Grid":
        """The same stations from row `begin` up to but without row `end`; a view."""
        cut = {
            field.name: getattr(self, field.name)[begin:end]
            for field in fields(self)
            if field.name not in {"start", "station_ids"}
        }
        return Grid(start=self.start + begin * TICK, station_ids=self.station_ids, **cut)

    def of(self, station_ids: Collection[str]) -> "Grid":
        """The same ticks of some of its stations."""
        chosen = np.isin(self.station_ids, [*station_ids])
        cut = {
            field.name: getattr(self, field.name)[:, chosen]
            for field in fields(self)
            if field.name not in {"start", "station_ids", "fetched_at"}
        }
        ids = self.station_ids[chosen]
        return Grid(start=self.start, station_ids=ids, fetched_at=self.fetched_at, **cut)


def to_grid(
    status: pd.DataFrame,
    start: datetime,
    end: datetime,
    station_ids: Sequence[str] | None = None,
) -> Grid:
    """Put station status on its grid.

    A row outside of the ticks or of the stations is left out, and so is one that was fetched when
    its tick was over: it tells of another time.

    Args:
        status: Rows of one system, with at least `COLUMNS`, in any order; no two of a station and
            tick.
        start: The first tick, UTC.
        end: The tick after the last.
        station_ids: The stations wanted; those of `status` if not given.
    """
    if start.astimezone(UTC) != start or (end - start) % TICK:
        raise ValueError(f"{start} to {end} is no span of ticks of 15 minutes")
    codes, present = pd.factorize(status["station_id"], sort=True)
    stations = pd.Index(present if station_ids is None else np.unique([*station_ids]), dtype=object)
    rows = (status["observed_at"] - pd.Timestamp(start)) // pd.Timedelta(TICK)
    late = status["fetched_at"] >= status["observed_at"] + pd.Timedelta(TICK)
    columns = stations.get_indexer(pd.Index(present, dtype=object))[codes]
    count = (end - start) // TICK
    chosen = ((rows >= 0) & (rows < count) & ~late).to_numpy() & (columns >= 0)
    at = rows.to_numpy()[chosen], columns[chosen]

    def spread(values: "pd.Series[float]") -> Floats:
        array = np.full((count, len(stations)), np.nan, dtype=np.float32)
        array[at] = values.to_numpy(dtype=np.float32, na_value=np.nan)[chosen]
        return array

    fetched = np.full(count, np.datetime64("NaT", "us"))
    fetched[at[0]] = status["fetched_at"].dt.tz_convert(None).to_numpy("datetime64[us]")[chosen]
    age = (status["fetched_at"] - status["last_reported"]).dt.total_seconds()
    return Grid(
        start=start,
        station_ids=stations.to_numpy(dtype=object),
        fetched_at=fetched,
        report_age=spread(age),
        **{name: spread(_numbers(status[column])) for name, column in SOURCES.items()},
    )


def _numbers(column: "pd.Series[float]") -> "pd.Series[float]":
    """Counts and flags as they come from a database or a file, as numbers."""
    return column if pd.api.types.is_float_dtype(column) else column.astype("Float32")
