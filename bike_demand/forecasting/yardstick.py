"""Forecasts of models beside the simple ones, on the same rows: the backtest of one horizon.

It puts together what stands in `splits`, `simple`, `examples`, `model`, `risk` and `scores`; the
exact definition is in docs/backtest.md. Files, progress and pictures are not its business.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.examples import Examples, Joined
from bike_demand.forecasting.features import Surroundings
from bike_demand.forecasting.grid import TICK, Grid
from bike_demand.forecasting.model import Model
from bike_demand.forecasting.risk import (
    AHEAD,
    EVENTS,
    FEATURES_AHEAD,
    RiskModel,
    events_of,
    hourly_paths,
)
from bike_demand.forecasting.scores import (
    brier,
    losses_of_distributions,
    losses_of_numbers,
    skills,
    summary,
)
from bike_demand.forecasting.simple import Forecast, SimpleForecasts, quantities
from bike_demand.forecasting.splits import HOUR, Pairs, Split, hourly_pairs

BREAKDOWNS: Final = ("hour", "activity", "neighbourhood")
ACTIVITIES: Final = ("quiet", "middling", "busy")
"""Thirds of the stations, by how much their bikes change from tick to tick."""

CELL: Final = 0.02
"""Side of a neighbourhood [degrees]: 2.2 km from south to north."""

Losses = Mapping[str, pd.DataFrame]


class NothingToScoreError(ValueError):
    """The grid has no row to score."""


class Yardstick:
    """A grid, split for a backtest."""

    def __init__(
        self, joined: Joined, grid: Grid, split: Split, surroundings: Surroundings
    ) -> None:
        """Compute what all horizons have in common.

        Args:
            joined: Features of the grid's full hours in the test.
            grid: To the end of the split, and from as long before it as features look back.
            split: Where models have learnt and where to score.
            surroundings: Of the same system.
        """
        self._joined, self._grid, self._split = joined, grid, split
        self._surroundings = surroundings
        self._simple = SimpleForecasts(grid, split, surroundings.timezone)
        train = grid.between(grid.index(split.start), grid.index(split.train_end))
        self._activity = _activity(train)
        self._seen_in_training = ~np.isnan(train.bikes).all(axis=0)

    def rows(self, horizon: timedelta) -> Pairs:
        """What there is to score of one horizon: known without a model.

        Args:
            horizon: Whole hours, up to a day.

        Raises:
            NothingToScoreError: There are no rows.
        """
        test = self._joined.of(self._simple.test_pairs(horizon))
        if not len(test):
            raise NothingToScoreError(
                f"Of {test.dropped:,} origins and stations for the test, {horizon // HOUR} h "
                "ahead, none counts: the station has to be installed and renting, and its "
                "bikes known, at origin and target, and a day and a week before the target."
            )
        return test

    def score(
        self,
        horizon: timedelta,
        models: Mapping[str, Model],
        chosen: str,
        breakdowns: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Score one horizon: `n`, `dropped`, scores by forecast, skills, breakdowns.

        Args:
            horizon: Whole hours, up to a day.
            models: By algorithm; none has seen a target of the test.
            chosen: The algorithm that is `model`.
            breakdowns: Of `BREAKDOWNS`; each has the same scores by group.

        Raises:
            NothingToScoreError: There are no rows.
        """
        test = self.rows(horizon)
        outcome = self._simple.outcome(test)
        losses = losses_of_simple(outcome, self._simple.forecasts(test, horizon))
        examples = self._joined.examples(test, horizon)
        algorithms = {
            name: losses_of_model(model, examples, outcome) for name, model in models.items()
        }
        scores: dict[str, Any] = {"n": len(test), "dropped": test.dropped}
        scores |= _scores(algorithms, chosen, losses, np.arange(len(test)))
        for name in breakdowns:
            of_row = self._groups(name, test)
            members = {group: np.flatnonzero(of_row == group) for group in pd.unique(of_row)}
            scores[f"by_{name}"] = {
                str(group): {"n": len(rows), **_scores(algorithms, chosen, losses, rows)}
                for group, rows in sorted(members.items())
            }
        return scores

    def score_risk(self, models: Mapping[str, Model], chosen: str) -> dict[str, Any]:
        """Score the risk of an hour, by event: `n`, `share`, Brier scores, `skill_brier`.

        Persistence is what a model of a risk says that has learnt nothing.

        Args:
            models: As for `score`.
            chosen: Likewise.

        Raises:
            NothingToScoreError: There are no rows.
        """
        split = self._split
        paths = self._joined.of(hourly_paths(self._grid, split.train_end, split.end))
        if not len(paths):
            raise NothingToScoreError(
                f"Of {paths.dropped:,} origins and stations for the test, with {AHEAD // HOUR} h "
                "after them, none counts: the station has to be installed and renting, and its "
                "bikes known."
            )
        events = events_of(self._grid, paths)
        examples = self._joined.examples(paths, FEATURES_AHEAD)
        persistence = RiskModel().forecast(examples)
        forecasts = {name: model.risk.forecast(examples) for name, model in models.items()}
        scores = {}
        for event in EVENTS:
            happened, name = events[event], f"p_{event}_hour"
            persisted = _mean(brier(happened, persistence[name]))
            algorithms = {
                algorithm: _mean(brier(happened, forecast[name]))
                for algorithm, forecast in forecasts.items()
            }
            scores[event] = {
                "n": int((~np.isnan(happened)).sum()),
                "share": _mean(happened),
                "brier": algorithms[chosen],
                "algorithms": {algorithm: {"brier": of} for algorithm, of in algorithms.items()},
                "persistence_brier": persisted,
                "skill_brier": 1 - algorithms[chosen] / persisted if persisted > 0 else np.nan,
            }
        return scores

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


def crps_by_origin(
    models: Mapping[str, Model],
    joined: Joined,
    grid: Grid,
    begin: datetime,
    end: datetime,
    horizon: timedelta,
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    """Compare models with one another, on rows that none of them has seen.

    Args:
        models: By any name.
        joined: Features of the origins.
        grid: What they are of.
        begin: The first origin, a full hour.
        end: No target is as late; another.
        horizon: Whole hours.

    Returns:
        Of each row its origin, counted from `begin` [h], and by model its CRPS [bikes].
    """
    pairs = joined.of(hourly_pairs(grid, begin, end, horizon, lags=()))
    outcome = {name: pairs.of(values) for name, values in quantities(grid).items()}
    examples = joined.examples(pairs, horizon)
    return (pairs.origins - grid.index(begin)) // (HOUR // TICK), {
        name: losses_of_model(model, examples, outcome)["crps"].to_numpy()
        for name, model in models.items()
    }


def losses_of_model(model: Model, examples: Examples, outcome: Forecast) -> pd.DataFrame:
    """Losses of a model, row by row."""
    parts = [
        losses_of_distributions(
            outcome["bikes"][rows], outcome["empty"][rows], outcome["full"][rows], distribution
        ).set_index(rows)
        for rows, distribution in model.forecast(examples)
    ]
    return pd.concat(parts).sort_index()


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
    algorithms: Losses, chosen: str, simple: Losses, rows: NDArray[np.intp]
) -> dict[str, dict[str, Any] | float]:
    of_algorithms = {name: summary(losses.iloc[rows]) for name, losses in algorithms.items()}
    of_simple = {name: summary(losses.iloc[rows]) for name, losses in simple.items()}
    model = of_algorithms[chosen]
    return {
        "model": model,
        "algorithms": of_algorithms,
        "simple": of_simple,
        **skills(model, of_simple),
    }


def _mean(losses: NDArray[np.float64]) -> float:
    """Of those that are known; NaN where none is."""
    return float(pd.Series(losses).mean())


def _activity(grid: Grid) -> NDArray[np.float64]:
    """Mean |change| of bikes from tick to tick, by station; 0 where none is known."""
    changes = np.abs(np.diff(grid.bikes, axis=0))
    known = (~np.isnan(changes)).sum(axis=0)
    return np.asarray(np.nansum(changes, axis=0, dtype=np.float64) / np.maximum(known, 1))
