"""What goes on around a station: at its nearest stations, and in the system as a whole."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.arithmetic import ratio
from bike_demand.forecasting.feature import Feature
from bike_demand.forecasting.grid import TICK
from bike_demand.forecasting.past import DAY, HOUR, Past

COUNTED: Final = 5
"""How many of the nearest stations count: the nearest that are known at the origin."""

CANDIDATES: Final = 12
"""Among how many they are looked for."""

_SPARE: Final = 8
"""More are asked for, so that those equally far away are told apart by their ids."""

_MILLIMETRE: Final = 1e-9 / 6.371
"""In radii of the Earth. Stations that differ by less are equally far away."""


def _declared(name: str, meaning: str, unit: str, ticks: int, source: str) -> Feature:
    return Feature(name, meaning, unit, ticks * TICK, source)


NEAR: Final = tuple(
    _declared(
        name,
        f"{meaning}, mean of the {COUNTED} nearest known stations",
        unit,
        ticks,
        "station_status, station_information",
    )
    for name, meaning, unit, ticks in (
        ("near_fill", "Bikes among bikes and free docks", "0-1", 0),
        ("near_bikes", "Bikes", "bikes", 0),
        ("near_docks", "Free docks", "docks", 0),
        ("near_change_1h", "Bikes now less those 1 h before", "bikes", HOUR),
    )
)

SYSTEM: Final = tuple(
    _declared(name, meaning, unit, ticks, "station_status")
    for name, meaning, unit, ticks in (
        ("system_bikes", "Bikes at all stations", "bikes", 0),
        ("system_fill", "Bikes among bikes and free docks of all stations", "0-1", 0),
        ("system_empty", "Share of stations without a bike", "0-1", 0),
        ("system_full", "Share of stations without a free dock", "0-1", 0),
        ("system_change_1h", "Change of bikes in 1 h where both are known", "bikes", HOUR),
        ("system_change_24h", "Change of bikes in 24 h where both are known", "bikes", DAY),
    )
)


def nearest_stations(stations: pd.DataFrame, station_ids: NDArray[np.object_]) -> NDArray[np.intp]:
    """The nearest stations of each, nearest first, those equally far away by id.

    By great circles: distances through the sphere have the same order.

    Args:
        stations: `station_id`, `lat`, `lon` (degrees) of all stations that there are.
        station_ids: Of the S columns of a grid.

    Returns:
        Columns of the grid, shape (S, `CANDIDATES`). S stands for one that the grid does not have,
        or for none.
    """
    from scipy.spatial import cKDTree  # type: ignore[import-untyped]

    count = len(station_ids)
    nearest = np.full((count, CANDIDATES), count)
    placed = stations.dropna(subset=["lat", "lon"]).sort_values("station_id")
    if placed.empty:
        return nearest
    columns = pd.Index(station_ids).get_indexer(pd.Index(placed["station_id"], dtype=object))
    lat, lon = (np.radians(placed[name].to_numpy(dtype=np.float64)) for name in ("lat", "lon"))
    points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    own = np.flatnonzero(columns >= 0)
    asked = np.arange(1, min(len(points), 1 + CANDIDATES + _SPARE) + 1)
    distance, found = cKDTree(points).query(points[own], k=asked)
    rank = np.where(found == own[:, None], np.inf, np.round(distance / _MILLIMETRE))
    order = np.lexsort((found, rank), axis=1)[:, :CANDIDATES]
    chosen = np.take_along_axis(columns[found], order, axis=1)
    missing = (chosen < 0) | np.isinf(np.take_along_axis(rank, order, axis=1))
    nearest[columns[own], : chosen.shape[1]] = np.where(missing, count, chosen)
    return nearest


def near(past: Past, nearest: NDArray[np.intp]) -> Mapping[str, NDArray[Any]]:
    """The features of `NEAR`.

    Args:
        past: R origins, S stations.
        nearest: See `nearest_stations`.

    Returns:
        Arrays of shape (R, S).
    """
    bikes, docks = past.now(past.grid.bikes), past.now(past.grid.docks)
    shape = bikes.shape
    seen = {
        "near_fill": ratio(bikes, bikes + docks),
        "near_bikes": bikes,
        "near_docks": docks,
        "near_change_1h": bikes - past.ago(past.grid.bikes, HOUR),
    }
    # Station by tick, so that a neighbour's values lie together; one more station, never known.
    seen = {
        name: np.vstack([values.T, np.full((1, shape[0]), np.nan, dtype=np.float32)])
        for name, values in seen.items()
    }
    known = ~np.isnan(seen["near_bikes"])
    taken = np.zeros(shape[::-1], dtype=np.int8)
    total = {name: np.zeros(taken.shape) for name in seen}
    count = {name: np.zeros(taken.shape, dtype=np.int8) for name in seen}
    for column in nearest.T:  # a fixed order, as shares are no whole numbers
        chosen = known[column] & (taken < COUNTED)
        taken += chosen
        for name, values in seen.items():
            value = values[column]
            told = chosen & ~np.isnan(value)
            np.add(total[name], value, out=total[name], where=told)
            count[name] += told
        if ((taken == COUNTED) | ~known[:-1]).all():
            break
    return {name: ratio(total[name], count[name]).T for name in seen}


def system(past: Past) -> Mapping[str, NDArray[Any]]:
    """The features of `SYSTEM`, arrays of shape (R,)."""
    bikes, docks = past.now(past.grid.bikes), past.now(past.grid.docks)
    known, docked = ~np.isnan(bikes), ~np.isnan(bikes + docks)

    def total(values: NDArray[Any], where: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray(np.sum(values, axis=1, where=where, dtype=np.float64))

    def change(ticks: int) -> NDArray[np.float64]:
        changes = bikes - past.ago(past.grid.bikes, ticks)
        both = ~np.isnan(changes)
        return np.where(both.any(axis=1), total(changes, both), np.nan)

    return {
        "system_bikes": total(bikes, known),
        "system_fill": ratio(total(bikes, docked), total(bikes + docks, docked)),
        "system_empty": ratio(total(bikes == 0, known), total(known, known)),
        "system_full": ratio(total(docks == 0, docked), total(docked, docked)),
        "system_change_1h": change(HOUR),
        "system_change_24h": change(DAY),
    }
