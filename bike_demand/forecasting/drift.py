"""How far values have moved from those that a model has learnt from. Formulas only.

What was learnt from is kept as counts in bins, for each hour of the local week: so like is compared
with like, and none of its rows is needed. Which values are watched is told in `watched`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

BINS: Final = 10
"""Of each value; all as full, where it is not the same for many rows."""

HOURS: Final = 168
"""Of a week."""

Band = Literal["none", "minor", "moderate", "critical", "unknown"]

BANDS: Final[dict[Band, float]] = {"critical": 0.25, "moderate": 0.15, "minor": 0.1}
"""From which index on, the highest first."""

_LEAST_SHARE: Final = 1e-4  # an empty bin would make the index infinite

Values = Mapping[str, NDArray[np.float32]]
"""By name, of rows, NaN where unknown, shapes (N,)."""

Counts = NDArray[np.int64]
"""Rows in each bin, the last being of unknown values, shape (..., BINS + 1)."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What a model has learnt from.

    Attributes:
        edges: By name the bins' inner edges, ascending; a value on an edge is above it. A value
            of few kinds has fewer bins: the others are empty.
        counts: By name, shape (HOURS, BINS + 1), by the hour of the local week, 0 on Monday at
            midnight.
        usual: What `watched` has to know of single stations, by their id.
    """

    edges: Mapping[str, NDArray[np.float32]]
    counts: Mapping[str, Counts]
    usual: Mapping[str, float]

    @classmethod
    def empty(cls, sample: Values, usual: Mapping[str, float]) -> Self:
        """With the bins that some rows have, and no rows."""
        edges = {name: _edges(values[~np.isnan(values)]) for name, values in sample.items()}
        none = {name: np.zeros((HOURS, BINS + 1), dtype=np.int64) for name in edges}
        return cls(edges, none, usual)

    def add(self, name: str, values: NDArray[np.float32], hours: NDArray[np.int64]) -> None:
        """Count rows that were learnt from.

        Args:
            name: Of the values.
            values: Shape (N,).
            hours: Of the week, shape (N,).
        """
        places = hours * (BINS + 1) + self._bins(name, values)
        found = np.bincount(places, minlength=HOURS * (BINS + 1))
        self.counts[name][:] += found.reshape(HOURS, BINS + 1)

    def count(self, values: Values) -> dict[str, Counts]:
        """Other rows, by name, in the same bins."""
        return {
            name: np.bincount(self._bins(name, of), minlength=BINS + 1)
            for name, of in values.items()
            if name in self.edges
        }

    def knows(self, name: str, hour: int) -> bool:
        """Whether anything was known of a value at an hour of the week."""
        return bool(self.counts[name][hour, :-1].any())

    def expected(self, name: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Shares of bins in rows that come as many from each hour of the week as some others.

        Args:
            name: Of the values.
            rows: Of those others, shape (HOURS,).

        Returns:
            Of known values, shape (BINS,); NaN where none was known at these hours.
        """
        known = self.counts[name][:, :-1]
        total = known.sum(axis=1)
        there = (total > 0) & (rows > 0)
        if not there.any():
            return np.full(BINS, np.nan)
        weights = rows[there] / rows[there].sum()
        return np.asarray(weights @ (known[there] / total[there, None]))

    def _bins(self, name: str, values: NDArray[np.float32]) -> NDArray[np.int64]:
        places = np.searchsorted(self.edges[name], values, side="right")
        return np.where(np.isnan(values), BINS, places)


def psi(expected: NDArray[np.float64], counts: Counts, independent: int) -> float:
    """Population stability index, Σ (actual - expected)·ln(actual / expected) over bins.

    It is the symmetrised Kullback-Leibler divergence of two distributions (Siddiqi, Credit Risk
    Scorecards, 2006). What chance alone would make it, (bins - 1) / independent rows, is taken off
    (Yurdakul, Statistical Properties of Population Stability Index, 2018), down to 0. Shares count
    as 0.0001 at least; unknown values do not count.

    Args:
        expected: From `Reference.expected`, shape (BINS,).
        counts: From `Reference.count`, shape (BINS + 1,).
        independent: As many of the rows tell something of their own: rows of one station are alike.

    Returns:
        NaN where one of both is not known.
    """
    known = counts[:-1]
    if not known.sum() or np.isnan(expected).any():
        return float("nan")
    actual = known / known.sum()
    bins = np.count_nonzero((expected > 0) | (actual > 0))
    there, here = (np.clip(share, _LEAST_SHARE, None) for share in (expected, actual))
    index = float(((here - there) * np.log(here / there)).sum())
    return max(index - (bins - 1) / max(independent, 1), 0.0)


def band(index: float) -> Band:
    """What an index amounts to."""
    if np.isnan(index):
        return "unknown"
    return next((name for name, least in BANDS.items() if index >= least), "none")


def _edges(known: NDArray[np.float32]) -> NDArray[np.float32]:
    """Between as many bins as there may be, none of them empty."""
    more = known[known > known.min()] if len(known) else known
    if not len(more):
        return more
    found = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="higher"))
    found = found[found >= more.min()]
    # Where more than nine tenths are the least, such as 0, the others are a bin, too.
    return np.asarray(found if len(found) else [more.min()], dtype=np.float32)
