"""How far what comes strays from what was predicted: distributions of changes, learnt by counting.

They are counted on rows that the prediction has not been learnt from.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from bike_demand.forecasting.distribution import Distribution

PER_BIN: Final = 500
"""Changes in each distribution: enough for its quantiles of 5 and 95 %."""

SPREADS: Final = 20
"""Levels of spread that are told apart, where there are rows enough."""

WIDER: Final = 1.15
"""How much further from the prediction what is to come strays than what was held out: days within
the span have learnt days on both sides of them. Found by backtest."""

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Shapes:
    """Distributions of changes, by the station's spread and by the change predicted.

    Attributes:
        spread_edges: Between the levels of spread, ascending, shape (L - 1,).
        change_edges: For each of L levels, those between its bins of predicted change.
        cumulative: For each level, F of the change from -reach to reach, by bin.
        reach: More than the largest change that was seen [bikes].
    """

    spread_edges: Numbers
    change_edges: tuple[Numbers, ...]
    cumulative: tuple[Numbers, ...]
    reach: int

    @classmethod
    def learn(cls, spread: Numbers, predicted: Numbers, changes: Counts) -> Self:
        """Sort rows into bins, and count.

        Args:
            spread: Any measure of how much the station's changes scatter, NaN where unknown,
                shape (N,).
            predicted: The mean change predicted, shape (N,).
            changes: What it was.
        """
        known = spread[~np.isnan(spread)]
        levels = int(np.clip(len(known) // (8 * PER_BIN), 1, SPREADS))
        shares = np.arange(1, levels) / levels
        spread_edges = np.unique(np.quantile(known, shares)) if levels > 1 else np.empty(0)
        # The last level has the largest spread, so that it is not without rows.
        spread_edges = spread_edges[spread_edges < known.max(initial=-np.inf)]
        level = np.searchsorted(spread_edges, spread)  # what is not known is the widest
        reach = int(np.ceil(2 * WIDER * np.abs(changes).max()))  # from any centre among them
        change_edges, cumulative = [], []
        for number in range(len(spread_edges) + 1):
            rows = level == number
            count = max(1, int(rows.sum()) // PER_BIN)
            edges = np.quantile(predicted[rows], np.arange(1, count) / count)
            histogram = np.zeros((count, 2 * reach + 1))
            bins = np.searchsorted(edges, predicted[rows])
            np.add.at(histogram, (bins, changes[rows] + reach), 1)
            # Where many predictions are equal a bin can be without rows: it has those of all.
            histogram[histogram.sum(axis=1) == 0] = histogram.sum(axis=0)
            change_edges.append(edges)
            cumulative.append(_widened(histogram))
        return cls(spread_edges, tuple(change_edges), tuple(cumulative), reach)

    def around(
        self, spread: Numbers, predicted: Numbers, bikes: Counts, room: Counts
    ) -> Distribution:
        """Distributions of bikes: the changes of the row's bin, and what is impossible at the ends.

        Args:
            spread: As for `learn`.
            predicted: Likewise.
            bikes: That there are now, shape (N,).
            room: Bikes that there is room for, not less than there are, shape (N,).
        """
        counts = np.arange(int(room.max(initial=0)) + 1)
        cumulative = np.empty((len(bikes), len(counts)))
        level = np.searchsorted(self.spread_edges, spread)
        for number, (edges, known) in enumerate(
            zip(self.change_edges, self.cumulative, strict=True)
        ):
            rows = np.flatnonzero(level == number)
            bins = np.searchsorted(edges, predicted[rows])
            column = counts - bikes[rows, None] + self.reach
            found = known[bins[:, None], np.clip(column, 0, 2 * self.reach)]
            cumulative[rows] = np.where(column < 0, 0, found)
        cumulative[counts >= room[:, None]] = 1
        return Distribution(cumulative, room)


def _widened(histogram: Numbers) -> Numbers:
    """F of changes `WIDER` times as far from their rounded mean, from their counts by bin.

    What comes to lie between two counts is shared by them. No change stays none where that is the
    mean, so that stations at rest remain so.

    Args:
        histogram: Of changes from -reach to reach, which leaves room at the ends; shape (bins, W).
    """
    reach = histogram.shape[1] // 2
    changes = np.arange(-reach, reach + 1)
    masses = histogram / histogram.sum(axis=1, keepdims=True)
    centre = np.rint(masses @ changes)[:, None]
    moved = np.clip(centre + WIDER * (changes - centre), -reach, reach) + reach
    low = np.floor(moved).astype(np.int64)
    share = moved - low
    wide = np.zeros_like(masses)
    row = np.arange(len(masses))[:, None]
    np.add.at(wide, (row, low), masses * (1 - share))
    np.add.at(wide, (row, np.minimum(low + 1, 2 * reach)), masses * share)
    return np.cumsum(wide, axis=1)
