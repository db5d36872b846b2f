"""Forecasts of a model beside the simple ones, on the same rows: the backtest of one horizon.

It puts together what stands in `splits`, `simple`, `features`, the model and `scores`; the exact
definition is in docs/backtest.md. Files, progress and pictures are not its business.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.features import Surroundings, features, target_features
from bike_demand.forecasting.grid import TICK, Grid
from bike_demand.forecasting.plain_lightgbm import Examples, PlainLightGBM
from bike_demand.forecasting.scores import (
    losses_of_distributions,
    losses_of_numbers,
    skills,
    summary,
)
from bike_demand.forecasting.simple import Forecast, SimpleForecasts
from bike_demand.forecasting.splits import (
    HOUR,
    WEEK,
    Pairs,
    Split,
    hourly_origins,
    hourly_pairs,
)

HELD_OUT: Final = WEEK
"""The end of the training span, which distributions are learnt from."""

BREAKDOWNS: Final = ("hour", "activity", "neighbourhood")
ACTIVITIES: Final = ("quiet", "middling", "busy")
CELL: Final = 0.02
"""Side of a neighbourhood [degrees]: 2.2 km from south to north."""

_ROWS: Final = 50_000
"""That are forecast at a time: a distribution is as wide as the largest station."""

Losses = Mapping[str, pd.DataFrame]


class NothingToLearnError(ValueError):
    """The grid has no row to learn from, or none to score."""


class Yardstick:
    """A grid, split for a backtest."""

    def __init__(self, grid: Grid, split: Split, surroundings: Surroundings) -> None:
        """Compute what all horizons have in common.

        Args:
            grid: To the end of the split, and from as long before it as features look back.
            split: Where to learn and where to score.
            surroundings: Of the same system, without anything learnt later than the training span.
        """
        self._grid, self._split, self._surroundings = grid, split, surroundings
        self._simple = SimpleForecasts(grid, split, surroundings.timezone)
        self._origins = hourly_origins(grid, split.start, split.end)
        self._features = _matrix(features(grid, self._origins, surroundings))
        known = ~np.isnan(grid.bikes[self._origins])
        self._feature_row = np.full(known.shape, -1)
        self._feature_row[known] = np.arange(known.sum())
        train = grid.between(grid.index(split.start), grid.index(split.train_end))
        self._activity = _activity(train)
        self._seen_in_training = ~np.isnan(train.bikes).all(axis=0)
        self._room = _most_room(train)

    def score(self, horizon: timedelta, breakdowns: Sequence[str] = ()) -> dict[str, Any]:
        """Score one horizon: `n`, `dropped`, scores by forecast, skills, breakdowns.

        Args:
            horizon: Whole hours, up to a day.
            breakdowns: Of `BREAKDOWNS`; each has the same scores by group.

        Raises:
            NothingToLearnError: There are no rows.
        """
        split = self._split
        held_out_from = split.train_end - HELD_OUT
        spans = {
            "learning": hourly_pairs(self._grid, split.start, held_out_from, horizon),
            "the held-out week": hourly_pairs(self._grid, held_out_from, split.train_end, horizon),
            "the test": self._simple.test_pairs(horizon),
        }
        for name, pairs in spans.items():
            if not len(pairs):
                raise NothingToLearnError(
                    f"Of {pairs.dropped:,} origins and stations for {name}, {horizon // HOUR} h "
                    "ahead, none counts: the station has to be installed and renting, and its "
                    "bikes known, at origin and target, and a day and a week before the target."
                )
        early, held_out, test = spans.values()
        ahead = _matrix(target_features(self._grid, self._origins, horizon, self._surroundings))
        model = PlainLightGBM(
            self._examples(early, ahead),
            early.of(self._grid.bikes),
            self._examples(held_out, ahead),
            held_out.of(self._grid.bikes),
        )
        outcome = self._simple.outcome(test)
        losses = losses_of_simple(outcome, self._simple.forecasts(test, horizon))
        algorithms = {"lightgbm": self._losses(model, self._examples(test, ahead), outcome)}
        scores: dict[str, Any] = {"n": len(test), "dropped": test.dropped}
        scores |= _scores(algorithms, losses, np.arange(len(test)))
        for name in breakdowns:
            of_row = self._groups(name, test)
            members = {group: np.flatnonzero(of_row == group) for group in pd.unique(of_row)}
            scores[f"by_{name}"] = {
                str(group): {"n": len(rows), **_scores(algorithms, losses, rows)}
                for group, rows in sorted(members.items())
            }
        return scores

    def _examples(self, pairs: Pairs, ahead: NDArray[np.float32]) -> Examples:
        row = self._feature_row[
            (pairs.origins - self._origins[0]) // (HOUR // TICK), pairs.stations
        ]
        bikes, docks = pairs.at_origin(self._grid.bikes), pairs.at_origin(self._grid.docks)
        room = np.where(np.isnan(docks), self._room[pairs.stations], bikes + docks)
        return Examples(
            features=np.hstack([self._features[row], ahead[row]]),
            bikes=bikes.astype(np.int64),
            capacity=np.maximum(room, bikes).astype(np.int64),
            activity=self._activity[pairs.stations],
        )

    def _losses(self, model: PlainLightGBM, test: Examples, outcome: Forecast) -> pd.DataFrame:
        parts = (slice(start, start + _ROWS) for start in range(0, len(test), _ROWS))
        return pd.concat(
            [
                losses_of_distributions(
                    outcome["bikes"][part],
                    outcome["empty"][part],
                    outcome["full"][part],
                    model.forecast(test.part(part)),
                )
                for part in parts
            ],
            ignore_index=True,
        )

    def _groups(self, breakdown: str, pairs: Pairs) -> NDArray[Any]:
        """What each row belongs to."""
        if breakdown == "hour":
            local = self._grid.ticks.tz_convert(self._surroundings.timezone)
            return local.hour.to_numpy()[pairs.targets]
        if breakdown == "activity":
            edges = np.quantile(self._activity[self._seen_in_training], [1 / 3, 2 / 3])
            groups = np.array(ACTIVITIES, dtype=object)[np.searchsorted(edges, self._activity)]
        else:
            groups = neighbourhoods(self._surroundings.stations, self._grid.station_ids)
        return np.asarray(groups[pairs.stations])


def losses_of_simple(outcome: Forecast, forecasts: Mapping[str, Forecast]) -> Losses:
    """Losses of the simple forecasts, by name."""
    return {
        name: losses_of_numbers(outcome["bikes"], outcome["empty"], outcome["full"], forecast)
        for name, forecast in forecasts.items()
    }


def neighbourhoods(stations: pd.DataFrame, station_ids: NDArray[np.object_]) -> NDArray[Any]:
    """Squares of `CELL` degrees, told by latitude and longitude of their south-west corner.

    Args:
        stations: `station_id`, `lat`, `lon`.
        station_ids: Those wanted; one that `stations` does not place is in `unknown`.
    """
    places = stations.set_index("station_id")[["lat", "lon"]].astype("float64").reindex(station_ids)
    corners = np.floor(places.to_numpy() / CELL) * CELL
    return np.array(
        ["unknown" if np.isnan(lat + lon) else f"{lat:.2f},{lon:.2f}" for lat, lon in corners],
        dtype=object,
    )


def _scores(
    algorithms: Losses, simple: Losses, rows: NDArray[np.intp]
) -> dict[str, dict[str, Any] | float]:
    of_algorithms = {name: summary(losses.iloc[rows]) for name, losses in algorithms.items()}
    of_simple = {name: summary(losses.iloc[rows]) for name, losses in simple.items()}
    model = of_algorithms["lightgbm"]  # the only one there is to choose
    return {
        "model": model,
        "algorithms": of_algorithms,
        "simple": of_simple,
        **skills(model, of_simple),
    }


def _matrix(frame: pd.DataFrame) -> NDArray[np.float32]:
    return frame.drop(columns=["observed_at", "station_id"], errors="ignore").to_numpy(np.float32)


def _activity(grid: Grid) -> NDArray[np.float64]:
    """Mean |change| of bikes from tick to tick, by station; 0 where none is known."""
    changes = np.abs(np.diff(grid.bikes, axis=0))
    known = (~np.isnan(changes)).sum(axis=0)
    return np.asarray(np.nansum(changes, axis=0, dtype=np.float64) / np.maximum(known, 1))


def _most_room(grid: Grid) -> NDArray[np.float64]:
    """Most bikes, with docks where they are known, that a station was seen to have; 0 if unseen."""
    room = np.nan_to_num(grid.bikes) + np.nan_to_num(grid.docks)
    return np.asarray(room.max(axis=0), dtype=np.float64)
