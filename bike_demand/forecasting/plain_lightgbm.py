"""LightGBM as it comes out of the box: the model that stands before any is tuned.

One regression of the change in bikes gives the mean; how far changes stray from it is learnt from
days that the regression has not seen.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from bike_demand.forecasting.distribution import Distribution

if TYPE_CHECKING:
    from lightgbm import Booster

Numbers = NDArray[np.float64]

PARAMETERS: Final = {
    # Besides the library's defaults only what makes two runs alike, whatever the machine.
    "objective": "regression",
    "num_threads": 2,
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
ROUNDS: Final = 100
PER_BIN: Final = 500
"""Held-out changes in each distribution of changes: enough for its quantiles of 5 and 95 %."""

ACTIVITIES: Final = 3


@dataclass(frozen=True, eq=False)
class Examples:
    """N rows as the model sees them.

    Attributes:
        features: Shape (N, F), NaN where unknown.
        bikes: At the origin, whole numbers, shape (N,).
        capacity: Bikes that the station has room for, not less than those it has, shape (N,).
        activity: Of the station: any measure of how much it changes, shape (N,).
    """

    features: NDArray[np.float32]
    bikes: NDArray[np.int64]
    capacity: NDArray[np.int64]
    activity: Numbers

    def __len__(self) -> int:
        return len(self.bikes)

    def part(self, rows: slice) -> "Examples":
        """Some of them."""
        return Examples(
            self.features[rows], self.bikes[rows], self.capacity[rows], self.activity[rows]
        )


class PlainLightGBM:
    """Distributions of bikes at one horizon.

    1. The mean of the change `bikes(target) - bikes(origin)` is regressed on the features.
    2. Held-out rows are sorted into bins: by activity of the station in thirds, then by predicted
       change so that a bin has `PER_BIN` of them. Each bin has the distribution of its changes.
    3. A forecast is the distribution of its bin, moved by the bikes at the origin, what lies beyond
       0 and the capacity put there, and weighted so that its mean is the one predicted.
    """

    def __init__(
        self, early: Examples, early_bikes: Numbers, held_out: Examples, held_out_bikes: Numbers
    ) -> None:
        """Learn.

        Args:
            early: What the mean is learnt from.
            early_bikes: Bikes at their targets.
            held_out: What distributions are learnt from: origins after all targets of `early`.
            held_out_bikes: Bikes at their targets.
        """
        import lightgbm

        dataset = lightgbm.Dataset(early.features, early_bikes - early.bikes)
        self._booster: Booster = lightgbm.train(PARAMETERS, dataset, ROUNDS)
        changes = (held_out_bikes - held_out.bikes).astype(np.int64)
        self._reach = int(np.abs(changes).max())
        predicted = self._change(held_out)
        shares = np.arange(1, ACTIVITIES) / ACTIVITIES
        self._activity_edges = np.quantile(held_out.activity, shares)
        activity = self._activity(held_out)
        self._change_edges, self._cumulative = [], []
        for level in range(ACTIVITIES):
            rows = activity == level
            if not rows.any():  # many stations are as active as one another
                rows = np.ones_like(rows)
            count = max(1, int(rows.sum()) // PER_BIN)
            edges = np.quantile(predicted[rows], np.arange(1, count) / count)
            histogram = np.zeros((count, 2 * self._reach + 1))
            bins = np.searchsorted(edges, predicted[rows])
            np.add.at(histogram, (bins, changes[rows] + self._reach), 1)
            # Where many predictions are equal a bin can be without rows: it has those of all.
            histogram[histogram.sum(axis=1) == 0] = histogram.sum(axis=0)
            sums = histogram.sum(axis=1, keepdims=True)
            self._change_edges.append(edges)
            self._cumulative.append(np.cumsum(histogram, axis=1) / sums)

    def forecast(self, examples: Examples) -> Distribution:
        """Distributions of the bikes at the targets."""
        change = self._change(examples)
        activity = self._activity(examples)
        counts = np.arange(int(examples.capacity.max()) + 1)
        cumulative = np.empty((len(examples), len(counts)))
        for level in range(ACTIVITIES):
            rows = np.flatnonzero(activity == level)
            bins = np.searchsorted(self._change_edges[level], change[rows])
            column = counts - examples.bikes[rows, None] + self._reach
            known = self._cumulative[level][bins[:, None], np.clip(column, 0, 2 * self._reach)]
            cumulative[rows] = np.where(column < 0, 0, known)
        cumulative[counts >= examples.capacity[:, None]] = 1
        plain = Distribution(cumulative, examples.capacity)
        return plain.moved_to(examples.bikes + change)

    def _change(self, examples: Examples) -> Numbers:
        return np.asarray(self._booster.predict(examples.features), dtype=np.float64)

    def _activity(self, examples: Examples) -> NDArray[np.intp]:
        return np.searchsorted(self._activity_edges, examples.activity)
