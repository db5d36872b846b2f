"""The rules of the 15-minute grid, on frames of records. Pure.

A frame here has the columns of `columns.COLUMNS` and `ROW`, ordered by `fetched_at` and `ROW`.
"""

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from bike_demand.forecasting.grid import TICK
from bike_demand.history.columns import ROW

_TICK_MICROSECONDS = TICK // timedelta(microseconds=1)


def floor(moment: datetime) -> datetime:
    """The tick that a moment belongs to."""
    return pd.Timestamp(moment).floor("15min").to_pydatetime()


def first_snapshots(records: pd.DataFrame) -> pd.DataFrame:
    """The records of the first snapshot of each tick, with that tick as `observed_at`.

    A snapshot is all records of one `fetched_at`.
    """
    fetched = _microseconds(records["fetched_at"])
    ticks, first, of_row = np.unique(
        fetched // _TICK_MICROSECONDS, return_index=True, return_inverse=True
    )
    chosen = fetched == fetched[first][of_row]
    observed = pd.Series((ticks * _TICK_MICROSECONDS)[of_row].view("M8[us]"), records.index)
    first_ones: pd.DataFrame = records.assign(observed_at=observed.dt.tz_localize("UTC"))[chosen]
    return first_ones


def settle_repeated(snapshots: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of a station that a snapshot holds more than once, one record is kept.

    It is the one that reported last, the later in the file on a tie. Those that say the same
    are gone; those that say something else are in the second frame.
    """
    station = ["fetched_at", "station_id"]
    if not snapshots.duplicated(station).any():
        return snapshots, snapshots.iloc[:0]
    said = [name for name in snapshots.columns if name != ROW]
    ranked = snapshots.sort_values(["last_reported", ROW], na_position="first")
    ranked = ranked.drop_duplicates(said, keep="last")
    earlier = ranked.duplicated(station, keep="last")
    order = ["fetched_at", ROW]
    return ranked[~earlier].sort_values(order), ranked[earlier].sort_values(order)


def polls(records: pd.DataFrame) -> pd.DataFrame:
    """One row per snapshot: `polled_at`, `records`."""
    count = records.groupby("fetched_at", sort=False).size()
    return pd.DataFrame({"polled_at": count.index, "records": count.to_numpy()})


def carried_forward(
    records: pd.DataFrame, start: datetime, end: datetime, limit: timedelta
) -> pd.DataFrame:
    """What each station last said at each tick in `[start, end)`, as a poll would have shown it.

    Args:
        records: A change log, from `limit` before the start on.
        start: A tick.
        end: Another.
        limit: How long a station's word holds. After it the station is not known.

    Returns:
        Records with `observed_at` and `fetched_at` at the tick. `last_reported` is what the log
        says, and where it does not, when it was told of the change.
    """
    stations = records["station_id"].unique()
    ticks = pd.date_range(start, end, freq=TICK, inclusive="left", unit="us")
    grid = pd.DataFrame(
        {
            "observed_at": ticks.repeat(len(stations)),
            "station_id": np.tile(np.asarray(stations, dtype=object), len(ticks)),
        }
    )
    last = pd.merge_asof(
        grid,
        records.assign(told_at=records["fetched_at"]),
        left_on="observed_at",
        right_on="told_at",
        by="station_id",
        tolerance=pd.Timedelta(limit),
    )
    last = last[last["told_at"].notna()].reset_index(drop=True)
    return last.assign(
        fetched_at=last["observed_at"],
        last_reported=last["last_reported"].fillna(last["told_at"]),
        num_bikes_available=last["num_bikes_available"].astype("int32"),
    ).drop(columns="told_at")


def _microseconds(instants: "pd.Series[pd.Timestamp]") -> npt.NDArray[np.int64]:
    return instants.to_numpy("M8[us]").view(np.int64)
