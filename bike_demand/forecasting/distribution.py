"""Probability of each count of bikes at a station: the form that every forecast takes.

Mean, quantiles and the probabilities of an empty and a full station all come from it, so they
agree with one another. How a model comes by it is not known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-9  # sums of probabilities that should be a level miss it by less
_ENDS = 0.999  # that both ends together may hold of what there is
_STEPS = 16
_ENOUGH = 1e-3  # bikes that a mean may be off
_MAX_STRENGTH = 2.0


@dataclass(frozen=True, eq=False)
class Distribution:
    """Distributions of N counts, each over 0 … its capacity.

    Attributes:
        cumulative: F(0) … F(K - 1), shape (N, K); 1 from the capacity on.
        capacity: Bikes that a station has room for, shape (N,); below K.
    """

    cumulative: NDArray[np.float64]
    capacity: NDArray[np.int64]

    @classmethod
    def of_masses(cls, masses: NDArray[np.float64], capacity: NDArray[np.int64]) -> Self:
        """From the probability of each count, or weights that are proportional to it.

        Args:
            masses: Not negative, shape (N, K); none beyond the capacity.
            capacity: Shape (N,).
        """
        cumulative = np.cumsum(masses, axis=1)
        cumulative /= cumulative[:, -1:]
        return cls(cumulative, capacity)

    def moved_to(self, mean: NDArray[np.float64]) -> Self:
        """The distributions nearest to these, by Kullback-Leibler, that have some means.

        Each mass is weighted with e^(λ·k), and λ in [-2, 2] found by Newton's method, halving the
        interval wherever a step leaves it or gains too little. Where masses cannot be weighted to a
        mean, as with only one of them, they come as near as the ends of the interval bring them.

        Args:
            mean: Shape (N,); what lies outside of 0 … capacity is taken for its end.
        """
        masses = np.diff(self.cumulative, axis=1, prepend=0)
        wanted = np.clip(mean, 0, self.capacity)
        before = self.mean()
        from_mean = np.arange(masses.shape[1]) - before[:, None]

        strength = np.zeros(len(masses))
        low, high = strength - _MAX_STRENGTH, strength + _MAX_STRENGTH
        worst = np.full(len(masses), np.inf)
        off = np.arange(len(masses))  # rows whose mean is not found yet
        for _ in range(_STEPS):
            tried, away = strength[off], from_mean[off]
            weighted = _weighted(masses[off], away, tried)
            total = weighted.sum(axis=1)
            weighted *= away
            shift = weighted.sum(axis=1) / total
            weighted *= away
            spread = weighted.sum(axis=1) / total - shift**2
            missing = (wanted[off] - before[off]) - shift
            lower = low[off] = np.where(missing > 0, tried, low[off])
            upper = high[off] = np.where(missing > 0, high[off], tried)
            step = tried + missing / np.maximum(spread, _ROUNDING)
            good = (lower < step) & (step < upper) & (np.abs(missing) <= worst[off] / 2)
            worst[off] = np.abs(missing)
            further = worst[off] > _ENOUGH
            off = off[further]
            if not len(off):
                break
            strength[off] = np.where(good, step, (lower + upper) / 2)[further]
        return self.of_masses(_weighted(masses, from_mean, strength), self.capacity)

    def with_ends(
        self,
        mean: NDArray[np.float64],
        empty: NDArray[np.float64],
        full: NDArray[np.float64],
    ) -> Self:
        """Those nearest to these that have some probabilities of no bike and of no room.

        By Kullback-Leibler, the nearest distribution with given masses at both ends and a given
        mean has these masses, and between them the old ones weighted as by `moved_to`. The ends
        go before the mean: what is left for it is moved as near to it as can be.

        Args:
            mean: Shape (N,).
            empty: P(Y = 0), shape (N,); NaN leaves it as it is.
            full: P(Y = capacity), likewise.
        """
        masses = np.diff(self.cumulative, axis=1, prepend=0)
        row = np.arange(len(masses))
        first, last = masses[:, 0].copy(), masses[row, self.capacity]
        least = np.where(np.isnan(empty), first, np.clip(empty, 0, 1))
        most = np.where(np.isnan(full), last, np.clip(full, 0, 1))
        # Together they leave something for the rest, where there is a rest; and with room for
        # nothing, or for one bike, the ends are all there is.
        scale = np.minimum(1, _ENDS / np.maximum(least + most, _ROUNDING))
        least, most = least * scale, most * scale
        inner = masses.copy()
        inner[:, 0] = 0
        inner[row, self.capacity] = 0
        none = inner.sum(axis=1) < _ROUNDING
        nearest = np.clip(np.rint(mean), 1, np.maximum(self.capacity - 1, 1)).astype(np.int64)
        thick = self.capacity > 1
        inner[row[none & thick], nearest[none & thick]] = 1
        inner[~thick, 0] = 1
        rest = 1 - least - most
        wanted = np.clip((mean - self.capacity * most) / rest, 1, np.maximum(self.capacity - 1, 1))
        total = inner.sum(axis=1, keepdims=True)
        between = type(self)(np.cumsum(inner / total, axis=1), self.capacity).moved_to(wanted)
        found = np.diff(between.cumulative, axis=1, prepend=0) * rest[:, None]
        found[row, 0] += least
        found[row, self.capacity] += most
        if not thick.all():
            thin = type(self)(self.cumulative[~thick], self.capacity[~thick]).moved_to(mean[~thick])
            found[~thick] = np.diff(thin.cumulative, axis=1, prepend=0)
        return self.of_masses(found, self.capacity)

    def mean(self) -> NDArray[np.float64]:
        """The expected count: Σ P(Y > k)."""
        return np.asarray((1 - self.cumulative).sum(axis=1))

    def quantiles(self, levels: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """The lowest counts with F at the level or above, shape (N, levels)."""
        found = [(self.cumulative < level - _ROUNDING).sum(axis=1) for level in levels]
        return np.stack(found, axis=1).astype(np.float64)

    def below(self, count: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(Y < count), for whole counts of any size."""
        last = np.clip(count.astype(np.int64) - 1, -1, self.cumulative.shape[1] - 1)
        found = self.cumulative[np.arange(len(last)), last]
        return np.where(last < 0, 0.0, found)

    def empty(self) -> NDArray[np.float64]:
        """P(Y = 0)."""
        return self.cumulative[:, 0]

    def full(self) -> NDArray[np.float64]:
        """P(Y = capacity): no dock is free."""
        return 1 - self.below(self.capacity.astype(np.float64))


def _weighted(
    masses: NDArray[np.float64], from_mean: NDArray[np.float64], strength: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Masses times e^(strength · distance), scaled to the greatest weight of a mass.

    Weights of no mass may overflow.
    """
    exponent = np.where(masses > 0, strength[:, None] * from_mean, -np.inf)
    exponent -= exponent.max(axis=1, keepdims=True)
    np.exp(exponent, out=exponent)
    exponent *= masses
    return np.asarray(exponent)
