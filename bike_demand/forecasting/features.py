"""Features of station status: one pure function for training, forecasts and backtests alike.

What a feature is, is said by the modules of its family: the station itself, what surrounds it,
calendar and weather. Here they are put together, row by row. Time is UTC; the local clock is a
feature. A feature sees what was known at its origin, and of that a finite span.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.calendar_features import (
    CALENDAR,
    LocalDays,
    calendar,
    local_days,
)
from bike_demand.forecasting.feature import Feature
from bike_demand.forecasting.grid import TICK, Floats, Grid
from bike_demand.forecasting.past import Past, evenly_spaced
from bike_demand.forecasting.profile_features import LOOKBACK as PROFILE_LOOKBACK
from bike_demand.forecasting.profile_features import PROFILE, profile
from bike_demand.forecasting.station_features import (
    FOLLOWED,
    STATION,
    STATION_AHEAD,
    WEEKS,
    station,
    station_ahead,
)
from bike_demand.forecasting.surrounding_features import (
    NEAR,
    SYSTEM,
    near,
    nearest_stations,
    system,
)
from bike_demand.forecasting.weather_features import (
    WEATHER_AHEAD,
    WEATHER_NOW,
    weather_ahead,
    weather_now,
)

FEATURE_VERSION: Final = "2"
"""Changes whenever a feature does, so that no model is given others than it has learnt from."""

FEATURES: Final = (*CALENDAR, *STATION, *NEAR, *SYSTEM, *WEATHER_NOW)
"""Of an origin and station, in the order of the columns."""

_AHEAD: Final = (*CALENDAR, *STATION_AHEAD, *PROFILE, *WEATHER_AHEAD)

TARGET_FEATURES: Final = tuple(
    replace(feature, name=f"target_{feature.name}") for feature in _AHEAD
)
"""Of an origin, a horizon and a station, in the order of the columns."""

LOOKBACK: Final = (
    (timedelta(days=1), timedelta(0)),
    *(
        (span, span)
        for week in WEEKS
        for span in (timedelta(weeks=week) - timedelta(hours=hours) for hours in (0, *FOLLOWED))
    ),
)
"""For origins in [a, b), `features` reads of the grid [a - first, b - second) of each pair."""

WEATHER_LOOKBACK: Final = timedelta(hours=3)
"""How long before an origin weather is read: an observation is of use for two hours, and stands
with its own half hour."""

MAX_HORIZON: Final = timedelta(days=1)

TARGET_LOOKBACK: Final = ((PROFILE_LOOKBACK, timedelta(0)),)
"""The same for `target_features` with any horizon; of origins and horizons at full hours it is only
full hours that are read, as long as the local clock is whole hours from UTC."""

LOOKS_BACK: Final = max(first for first, _ in (*LOOKBACK, *TARGET_LOOKBACK))
"""How long before an origin a grid begins that both are made from."""

_BLOCK: Final = 60_000
"""Ticks times stations that are computed at a time: they fit a processor's cache."""

_THREADS: Final = min(4, os.cpu_count() or 1)
"""That compute blocks."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What else is known of a system.

    Attributes:
        stations: `station_id`, `lat`, `lon` (degrees), `capacity` (docks; null if not declared) of
            every station of the system, whether or not the grid has it.
        weather: Rows of the table `weather`, of this system; None if there are none.
        timezone: IANA name of the system's clock.
        country: ISO 3166 code of the country or a part of it (`US-CA`), whose holidays count; if
            not given, the country whose time zone it is.
    """

    stations: pd.DataFrame
    weather: pd.DataFrame | None
    timezone: str
    country: str | None


def features(
    grid: Grid, origins: Sequence[int] | NDArray[Any], surroundings: Surroundings
) -> pd.DataFrame:
    """What is known at some origins, of each station whose bikes are known there.

    Args:
        grid: Every station of a system, at the origins and, before them, as `LOOKBACK` says. What
            lies elsewhere is not looked at; what is not there is unknown.
        origins: Rows of the grid.
        surroundings: Of the same system.

    Returns:
        `observed_at` (the origin, UTC), `station_id` and the columns of `FEATURES`, by origin and
        station.

    Raises:
        ValueError: An origin is not on the grid.
    """
    rows = _rows(grid, origins)
    ticks, known_at = grid.ticks[rows], _known_at(grid, rows)
    capacity = declared_capacity(surroundings.stations, grid.station_ids)
    nearest = nearest_stations(surroundings.stations, grid.station_ids)
    columns = _columns(
        grid,
        rows,
        FEATURES,
        {
            **calendar(ticks, surroundings.timezone, surroundings.country),
            **weather_now(ticks, known_at, surroundings.weather),
        },
        lambda past: {**station(past, capacity), **near(past, nearest), **_each(system(past))},
    )
    row, column = np.nonzero(~np.isnan(grid.bikes[rows]))
    keys = {
        "observed_at": ticks[row],
        "station_id": pd.Series(grid.station_ids[column], dtype=object),
    }
    return pd.DataFrame({**keys, **columns}, copy=False)


def target_features(
    grid: Grid,
    origins: Sequence[int] | NDArray[Any],
    horizon: timedelta,
    surroundings: Surroundings,
) -> pd.DataFrame:
    """What is known at some origins of a time after them.

    Args:
        grid: As for `features`, with `TARGET_LOOKBACK`.
        origins: Rows of the grid.
        horizon: From an origin to its target: ticks of 15 minutes, up to `MAX_HORIZON`.
        surroundings: Of the same system.

    Returns:
        The columns of `TARGET_FEATURES`, the rows being those of `features`.

    Raises:
        ValueError: An origin is not on the grid, or there is no such horizon.
    """
    steps, rest = divmod(horizon, TICK)
    if rest or not timedelta(0) < horizon <= MAX_HORIZON:
        raise ValueError(f"a horizon is some ticks of 15 minutes, up to a day, not {horizon}")
    rows = _rows(grid, origins)
    ticks, known_at = grid.ticks[rows], _known_at(grid, rows)

    def clock(rows: NDArray[np.int64]) -> LocalDays:
        return local_days(grid.start, rows, surroundings.timezone, surroundings.country)

    columns = _columns(
        grid,
        rows,
        _AHEAD,
        {
            **calendar(ticks + horizon, surroundings.timezone, surroundings.country),
            **weather_ahead(ticks + horizon, ticks, known_at, surroundings.weather),
        },
        lambda past: {**station_ahead(past, steps), **profile(past, steps, clock)},
    )
    return pd.DataFrame({f"target_{name}": values for name, values in columns.items()}, copy=False)


def _rows(grid: Grid, origins: Sequence[int] | NDArray[Any]) -> NDArray[np.intp]:
    rows = np.unique(np.asarray(origins, dtype=np.intp))
    if len(rows) and not 0 <= rows[0] <= rows[-1] < len(grid):
        raise ValueError(f"rows {rows[0]} to {rows[-1]} are not all on a grid of {len(grid)}")
    return rows


def _known_at(grid: Grid, rows: NDArray[np.intp]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(grid.fetched_at[rows]).tz_localize("UTC")


def declared_capacity(stations: pd.DataFrame, station_ids: NDArray[np.object_]) -> Floats:
    """Docks of some stations, as declared; NaN where they are not, shape (S,)."""
    declared = pd.Series(
        stations["capacity"].to_numpy(dtype=np.float32, na_value=np.nan),
        index=pd.Index(stations["station_id"], dtype=object),
    )
    # Feeds that do not count docks say 0.
    return declared.where(declared > 0).reindex(station_ids).to_numpy()


def _each(per_tick: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The same for all stations."""
    return {name: values[:, None] for name, values in per_tick.items()}


def _columns(
    grid: Grid,
    rows: NDArray[np.intp],
    declared: Sequence[Feature],
    per_tick: Mapping[str, NDArray[Any]],
    per_station: Callable[[Past], Mapping[str, NDArray[Any]]],
) -> dict[str, NDArray[Any]]:
    """Features as columns of the stations known at each origin.

    Args:
        grid: S stations.
        rows: N origins, ascending.
        declared: The features wanted, in their order.
        per_tick: Some of them, shape (N,).
        per_station: Computes the others at R of the origins, shapes (R, S) or (R, 1).
    """
    known = ~np.isnan(grid.bikes[rows])
    counts = known.sum(axis=1)
    ends = np.concatenate([[0], np.cumsum(counts)])
    columns = {feature.name: np.empty(ends[-1], dtype=feature.dtype) for feature in declared}
    for name, values in per_tick.items():
        columns[name][:] = np.repeat(values, counts)
    blocks = [*evenly_spaced(rows, max(1, _BLOCK // max(1, known.shape[1])))]
    begins = np.cumsum([0, *map(len, blocks)])

    def fill(number: int) -> None:
        begin, end = begins[number], begins[number + 1]
        chosen, part = known[begin:end], slice(ends[begin], ends[end])
        for name, values in per_station(Past(grid, blocks[number])).items():
            columns[name][part] = np.broadcast_to(values, chosen.shape)[chosen]

    with ThreadPoolExecutor(_THREADS) as pool:  # numpy lets others at work, and each has its part
        list(pool.map(fill, range(len(blocks))))
    return columns
