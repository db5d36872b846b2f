"""Forecasts that need no learning to speak of: what a model has to beat."""

from datetime import timedelta
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.grid import TICK, Grid
from bike_demand.forecasting.splits import (
    DAY,
    WEEK,
    Indices,
    Pairs,
    Split,
    hourly_pairs,
    in_service,
    sample,
)

Numbers = NDArray[np.float64]
Forecast = dict[str, Numbers]
"""`bikes`, and the probabilities of being `empty` and `full`, each of shape (N,)."""

SIMPLE: Final = ("persistence", "yesterday", "last_week", "average", "blend")
QUANTITIES: Final = ("bikes", "empty", "full")
HOURS_OF_WEEK: Final = 168


def quantities(grid: Grid) -> dict[str, NDArray[np.float32]]:
    """What is forecast, on the grid: bikes, and whether it has none (1, 0) or no free dock (1, 0).

    NaN where it is not known; not knowing docks, one cannot tell whether it is full.
    """
    return {"bikes": grid.bikes, "empty": _is_zero(grid.bikes), "full": _is_zero(grid.docks)}


def hours_of_week(ticks: pd.DatetimeIndex, timezone: str) -> Indices:
    """The hour of the week that a clock shows: 0 on Monday at 00:00, 167 on Sunday at 23:00."""
    local = ticks.tz_convert(timezone)
    return np.asarray(local.dayofweek * 24 + local.hour, dtype=np.int64)


class WeeklyMeans:
    """Means of a quantity by station and local hour of week, of the ticks that it is known at.

    A station without a tick in an hour has the mean of all its ticks there. Any seven days
    (a block) can be left out, so that what is forecast is not in its own forecast.
    """

    def __init__(self, values: NDArray[np.float32], hours: Indices, blocks: Indices) -> None:
        """Sum up.

        Args:
            values: By tick and station; NaN does not count.
            hours: Of the week, by tick.
            blocks: Numbers of the seven days that ticks belong to, from 0 on.
        """
        self._shape = (int(blocks.max()) + 1, HOURS_OF_WEEK, values.shape[1])
        known = ~np.isnan(values)
        slot = blocks * HOURS_OF_WEEK + hours
        self._sums = self._by_slot(np.where(known, values, 0).astype(np.float64), slot)
        self._counts = self._by_slot(known.astype(np.float64), slot)
        self._means = _means(self._sums.sum(axis=0), self._counts.sum(axis=0))

    def at(self, hours: Indices, stations: Indices) -> Numbers:
        """The means of all blocks; NaN where a station has no tick."""
        return self._means[hours, stations]

    def without(self, blocks: Indices, hours: Indices, stations: Indices) -> Numbers:
        """The means of all blocks but one."""
        return self._rest[blocks, hours, stations]

    @cached_property
    def _rest(self) -> Numbers:
        sums, counts = self._sums.sum(axis=0), self._counts.sum(axis=0)
        each = zip(self._sums, self._counts, strict=True)
        return np.stack([_means(sums - own, counts - number) for own, number in each])

    def _by_slot(self, values: Numbers, slot: Indices) -> Numbers:
        order = np.argsort(slot, kind="stable")
        slots, starts = np.unique(slot[order], return_index=True)
        sums = np.zeros((self._shape[0] * self._shape[1], self._shape[2]))
        sums[slots] = np.add.reduceat(values[order], starts, axis=0)
        return sums.reshape(self._shape)


def blend_weight(persistence: Numbers, average: Numbers, outcome: Numbers) -> float:
    """The `a` in [0, 1] with the least Σ (outcome - a·persistence - (1 - a)·average)².

    With d = persistence - average it is Σ d·(outcome - average) / Σ d², cut to [0, 1]. Rows with
    a NaN do not count; where both forecasts are alike or there are no rows, it is 1.
    """
    difference, rest = persistence - average, outcome - average
    rows = ~np.isnan(difference * rest)
    square = float((difference[rows] ** 2).sum())
    if square == 0:
        return 1.0
    return float(np.clip((difference[rows] * rest[rows]).sum() / square, 0, 1))


class SimpleForecasts:
    """The simple forecasts of a grid, fitted on the training span of a split.

    - `persistence`: what was at the origin.
    - `yesterday`, `last_week`: what was 24 and 168 hours before the target.
    - `average`: the mean over the ticks of the training span at which the station was installed
      and renting, by station and local hour of week; `WeeklyMeans`.
    - `blend`: `a·persistence + (1 - a)·average`, with `a` from `blend_weight` on the hourly pairs
      of the training span, the average there without the target's seven days (counted from S).

    The probabilities are forecast as bikes are: of what was at a moment they are 1 or 0, the
    average is the share of ticks, and the blend has an `a` of its own for each, which by least
    squares is the one with the lowest Brier score.
    """

    def __init__(self, grid: Grid, split: Split, timezone: str, pairs: int | None = None) -> None:
        """Take the averages.

        Args:
            grid: From a week before the split, or earlier, to its end.
            split: Where the grid is learnt from and scored.
            timezone: IANA name of the clock that tells the hour of the week.
            pairs: About how many of the training span a weight is fitted on; by default all.
        """
        self._grid, self._split, self._pairs = grid, split, pairs
        self._weights: dict[timedelta, dict[str, float]] = {}
        self._hours = hours_of_week(grid.ticks, timezone)
        self._quantities = quantities(grid)
        self._start = grid.index(split.start)
        train = slice(self._start, grid.index(split.train_end))
        serves = in_service(grid)[train]
        self._means = {
            name: WeeklyMeans(
                np.where(serves, values[train], np.float32(np.nan)),
                self._hours[train],
                self._block(np.arange(train.start, train.stop)),
            )
            for name, values in self._quantities.items()
        }

    def test_pairs(self, horizon: timedelta) -> Pairs:
        """The rows that forecasts are scored on: those of the test with an average."""
        split = self._split
        pairs = hourly_pairs(self._grid, split.train_end, split.end, horizon)
        return pairs.where(~np.isnan(self._average("bikes", pairs)))

    def outcome(self, pairs: Pairs) -> Forecast:
        """What was at the targets; NaN where a row does not count.

        `full` counts where a station's docks are known at origin, target and a day and a week
        before it, and in the training span: then all forecasts of it are scored on the same rows.
        """
        outcome = {name: pairs.of(self._quantities[name]) for name in QUANTITIES}
        for forecast in self._each(pairs, "full").values():
            outcome["full"] = np.where(np.isnan(forecast), np.nan, outcome["full"])
        return outcome

    def forecasts(self, pairs: Pairs, horizon: timedelta) -> dict[str, Forecast]:
        """The forecasts of pairs of the test, by name."""
        forecasts: dict[str, Forecast] = {name: {} for name in SIMPLE}
        for quantity, weight in self.weights(horizon).items():
            each = self._each(pairs, quantity)
            each["blend"] = weight * each["persistence"] + (1 - weight) * each["average"]
            for name in SIMPLE:
                forecasts[name][quantity] = each[name]
        return forecasts

    def past(self, horizon: timedelta) -> Pairs:
        """The pairs of the training span that weights are fitted on."""
        pairs = hourly_pairs(self._grid, self._split.start, self._split.train_end, horizon)
        return pairs if self._pairs is None else sample(pairs, self._pairs, horizon // TICK)

    def weights(self, horizon: timedelta) -> dict[str, float]:
        """The blend's `a` of each of `QUANTITIES`."""
        if horizon not in self._weights:
            pairs = self.past(horizon)
            self._weights[horizon] = {name: self._weight(name, pairs) for name in QUANTITIES}
        return self._weights[horizon]

    def _weight(self, quantity: str, pairs: Pairs) -> float:
        values = self._quantities[quantity]
        average = self._means[quantity].without(
            self._block(pairs.targets), self._hours[pairs.targets], pairs.stations
        )
        return blend_weight(pairs.at_origin(values), average, pairs.of(values))

    def _each(self, pairs: Pairs, quantity: str) -> Forecast:
        values = self._quantities[quantity]
        return {
            "persistence": pairs.at_origin(values),
            "yesterday": pairs.of(values, DAY),
            "last_week": pairs.of(values, WEEK),
            "average": self._average(quantity, pairs),
        }

    def _average(self, quantity: str, pairs: Pairs) -> Numbers:
        return self._means[quantity].at(self._hours[pairs.targets], pairs.stations)

    def _block(self, rows: Indices) -> Indices:
        return (rows - self._start) // (WEEK // TICK)


def _is_zero(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.isnan(values), values, values == 0).astype(np.float32)


def _means(sums: Numbers, counts: Numbers) -> Numbers:
    """Of hours by station; where an hour has none, of the station; where it has none, NaN."""
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, sums / counts, sums.sum(axis=0) / counts.sum(axis=0))
