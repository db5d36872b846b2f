"""A grid as it looks from some of its ticks: the only way in which features read one.

Nothing after a tick can be asked for, and what lies before the grid's start is unknown (NaN).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bike_demand.forecasting.grid import Floats, Grid

HOUR: Final = 4
"""Ticks in an hour; the modules of features count time back in ticks."""

DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY


@dataclass(frozen=True, eq=False)
class Past:
    """What is known at R ticks of a grid of S stations.

    Attributes:
        grid: All that was read.
        rows: The R ticks, as rows of the grid: evenly spaced, ascending.
    """

    grid: Grid
    rows: range

    def ago(self, values: Floats, ticks: int) -> Floats:
        """An array of the grid as it was `ticks` before each of the R ticks, shape (R, S)."""
        first, last = self.rows[0] - ticks, self.rows[-1] - ticks
        return _between(values, first, last)[:: self.rows.step]

    def now(self, values: Floats) -> Floats:
        """An array of the grid at each of the R ticks, shape (R, S)."""
        return self.ago(values, 0)

    def at(self, values: Floats, rows: NDArray[np.int64]) -> Floats:
        """An array of the grid at another tick for each of the R, shape (R, S).

        Args:
            values: Of the grid.
            rows: Of the grid, shape (R,). What is not there or lies after its origin is NaN.
        """
        known = (rows >= 0) & (rows <= np.asarray(self.rows))
        found = values[np.where(known, rows, 0)]
        found[~known] = np.nan
        return found

    def since(self, values: Floats, ticks: int) -> Floats:
        """Each tick from `ticks` before the first of the R up to the last, shape (W, S)."""
        return _between(values, self.rows[0] - ticks, self.rows[-1])

    def part(self, ticks: int, ago: int) -> slice:
        """Where `ago` of each of the R ticks is found in what `since(…, ticks)` gave."""
        begin = ticks - ago
        return slice(begin, begin + self.rows[-1] - self.rows[0] + 1, self.rows.step)


def evenly_spaced(rows: NDArray[np.intp], most: int) -> Iterator[range]:
    """Cut ascending rows into evenly spaced ranges, each across up to `most` ticks, in order."""
    begin = 0
    while begin < len(rows):
        first = int(rows[begin])
        steps = np.diff(rows[begin : np.searchsorted(rows, first + most)])
        step = int(steps[0]) if len(steps) else 1
        count = 1 + int(np.argmin(np.append(steps == step, [False])))
        yield range(first, first + step * count, step)
        begin += count


def _between(values: Floats, first: int, last: int) -> Floats:
    """Rows `first` to `last` (included); those before row 0 are NaN, else it is a view."""
    if first >= 0:
        return values[first : last + 1]
    inside = values[: max(last + 1, 0)]
    before = np.full((last + 1 - first - len(inside), values.shape[1]), np.nan, dtype=np.float32)
    return np.concatenate([before, inside])
