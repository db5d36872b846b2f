"""Rows as models see them: what was known of a station at an origin, for a target.

Which rows there are is told in `splits`, and what a feature is in `features`. Here they are joined,
the features of origins being given, so that those of a table and those computed on the spot serve
alike.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.features import (
    FEATURES,
    TARGET_FEATURES,
    Surroundings,
    declared_capacity,
    target_features,
)
from bike_demand.forecasting.grid import TICK, Grid
from bike_demand.forecasting.splits import HOUR, Pairs

NAMES: Final = (
    *(feature.name for feature in FEATURES),
    *(feature.name for feature in TARGET_FEATURES),
    "horizon",
)
"""Of the columns of `Examples.features`; `horizon` is in hours."""

SPREAD: Final = NAMES.index("target_deviation_near")
"""The feature that tells best how much a station's changes scatter."""


@dataclass(frozen=True, eq=False)
class Examples:
    """N rows.

    Attributes:
        features: As `NAMES` says, NaN where unknown, shape (N, F).
        bikes: At the origin, shape (N,).
        room: Bikes that there is room for at the origin, not less than there are, shape (N,):
            bikes and free docks; where docks are not told, the capacity declared or the most bikes
            that were seen before, if that is more.
        docked: Whether docks are told, shape (N,).
        horizons: Hours, shape (N,).
    """

    features: NDArray[np.float32]
    bikes: NDArray[np.int64]
    room: NDArray[np.int64]
    docked: NDArray[np.bool_]
    horizons: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bikes)

    def part(self, rows: "NDArray[np.intp] | NDArray[np.bool_] | slice") -> "Examples":
        """Some of them."""
        return Examples(
            self.features[rows],
            self.bikes[rows],
            self.room[rows],
            self.docked[rows],
            self.horizons[rows],
        )

    @property
    def spread(self) -> NDArray[np.float64]:
        """How much the station's changes scatter, shape (N,); NaN where unknown [bikes]."""
        return self.features[:, SPREAD].astype(np.float64)


class Joined:
    """The features of some origins of a grid, ready to be joined with those of targets."""

    def __init__(self, grid: Grid, known: pd.DataFrame, surroundings: Surroundings) -> None:
        """Sort them.

        Args:
            grid: With what `TARGET_LOOKBACK` asks for before the origins.
            known: Rows that `features.features` has made of stations and ticks of the grid; others
                are left out.
            surroundings: Of the same system.
        """
        self._grid, self._surroundings = grid, surroundings
        ticks = (known["observed_at"] - pd.Timestamp(grid.start)) // pd.Timedelta(TICK)
        rows = ticks.to_numpy()
        columns = pd.Index(grid.station_ids).get_indexer(pd.Index(known["station_id"]))
        inside = (columns >= 0) & (rows >= 0) & (rows < len(grid))
        self._row = np.full(grid.bikes.shape, -1, dtype=np.int32)
        self._row[rows[inside], columns[inside]] = np.flatnonzero(inside)
        names = [feature.name for feature in FEATURES]
        self._known = known[names].to_numpy(dtype=np.float32, na_value=np.nan)
        declared = declared_capacity(surroundings.stations, grid.station_ids)
        self._seen = np.fmax.accumulate(grid.bikes, axis=0)
        self._declared = np.nan_to_num(declared)

    def of(self, pairs: Pairs) -> Pairs:
        """Those pairs whose origins have features."""
        return pairs.where(self._row[pairs.origins, pairs.stations] >= 0)

    def examples(self, pairs: Pairs, horizon: timedelta) -> Examples:
        """Make the rows of some pairs, all of one horizon, whose origins have features."""
        origins, place = np.unique(pairs.origins, return_inverse=True)
        known = ~np.isnan(self._grid.bikes[origins])
        number = np.cumsum(known).reshape(known.shape) - 1
        ahead = target_features(self._grid, origins, horizon, self._surroundings)
        matrix = np.empty((len(pairs), len(NAMES)), dtype=np.float32)
        matrix[:, : len(FEATURES)] = self._known[self._row[pairs.origins, pairs.stations]]
        matrix[:, len(FEATURES) : -1] = ahead.to_numpy(dtype=np.float32)[
            number[place, pairs.stations]
        ]
        matrix[:, -1] = horizon / HOUR
        bikes = pairs.at_origin(self._grid.bikes)
        docks = pairs.at_origin(self._grid.docks)
        seen = np.maximum(pairs.at_origin(self._seen), self._declared[pairs.stations])
        return Examples(
            features=matrix,
            bikes=bikes.astype(np.int64),
            room=np.where(np.isnan(docks), seen, bikes + docks).astype(np.int64),
            docked=~np.isnan(docks),
            horizons=np.full(len(pairs), horizon // HOUR),
        )


def concatenated(parts: "list[Examples]") -> Examples:
    """The rows of all of them."""
    return Examples(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.bikes for part in parts]),
        np.concatenate([part.room for part in parts]),
        np.concatenate([part.docked for part in parts]),
        np.concatenate([part.horizons for part in parts]),
    )
