"""Trips that can be seen: what came and went at each station in an hour, from its counts.

Counts are of every 15 minutes, so a bike that came and another that went in between cancel out:
departures and arrivals are the least that there were. Trucks that take bikes away or bring some
are not told apart from riders.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.grid import TICK, Floats, Grid

_INTERVALS: Final = timedelta(hours=1) // TICK
_MINUTES: Final = TICK // timedelta(minutes=1)


def demand(grid: Grid, hours: Sequence[datetime]) -> pd.DataFrame:
    """What was seen of demand in some hours.

    An hour has four intervals, from tick to tick; the last ends with the next hour's first tick.
    One is known if the bikes at both its ends are. Of those that are not, nothing is counted.

    Args:
        grid: With the ticks of those hours and the one after each; ticks that are not there are
            unknown.
        hours: Beginnings, UTC, on ticks of the grid.

    Returns:
        A row for each hour and each station of which an interval is known: `hour`, `station_id`,
        `departures` and `arrivals` (bikes, decreases and increases over the known intervals),
        `minutes_empty` and `minutes_full` (of the known intervals that began without a bike, or
        without a free dock), `intervals` (how many are known, 1-4). `minutes_full` is null where
        the docks are known at the beginning of none.

    Raises:
        ValueError: An hour begins on no tick of the grid.
    """
    parts = [_hour(grid, hour) for hour in hours]
    keys = {
        "hour": pd.DatetimeIndex([*hours], dtype="datetime64[us, UTC]").repeat(
            len(grid.station_ids)
        ),
        "station_id": pd.Series(np.tile(grid.station_ids, len(hours)), dtype=object),
    }
    names = ("departures", "arrivals", "minutes_empty", "minutes_full", "intervals")
    nothing = np.empty(0, dtype=np.float32)
    values = {name: np.concatenate([nothing, *(part[name] for part in parts)]) for name in names}
    found = pd.DataFrame({**keys, **values}).astype({"intervals": "int16"})
    return found[found["intervals"] > 0].reset_index(drop=True)


def _hour(grid: Grid, hour: datetime) -> dict[str, Floats]:
    """Arrays of shape (S,)."""
    begin = grid.index(hour)
    bikes, docks = (_ticks(values, begin) for values in (grid.bikes, grid.docks))
    change = np.diff(bikes, axis=0)
    known = ~np.isnan(change)
    docked = known & ~np.isnan(docks[:-1])

    def total(values: Floats, where: NDArray[np.bool_]) -> Floats:
        found = np.sum(values, axis=0, where=where, dtype=np.float32)
        return np.where(where.any(axis=0), found, np.float32(np.nan))

    return {
        "departures": total(np.maximum(-change, 0), known),
        "arrivals": total(np.maximum(change, 0), known),
        "minutes_empty": total(_MINUTES * (bikes[:-1] == 0).astype(np.float32), known),
        "minutes_full": total(_MINUTES * (docks[:-1] == 0).astype(np.float32), docked),
        "intervals": known.sum(axis=0).astype(np.float32),
    }


def _ticks(values: Floats, begin: int) -> Floats:
    """The ticks of an hour and the one after it, shape (5, S); NaN beyond the grid."""
    found = np.full((_INTERVALS + 1, values.shape[1]), np.nan, dtype=np.float32)
    first, last = max(begin, 0), min(begin + _INTERVALS + 1, len(values))
    if first < last:
        found[first - begin : last - begin] = values[first:last]
    return found
