"""Which origins and targets a backtest learns from and is scored on. No forecasts, no scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bike_demand.forecasting.grid import TICK, Grid

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """A time to learn from and the time after it to be scored on.

    Attributes:
        start: S, UTC. What was before it serves lags only.
        train: From S to T0.
        test: From T0 to T1.
    """

    start: datetime
    train: timedelta
    test: timedelta

    @property
    def train_end(self) -> datetime:
        """T0, where the test begins."""
        return self.start + self.train

    @property
    def end(self) -> datetime:
        """T1, where it ends."""
        return self.train_end + self.test


TRAINING: Final = 28 * DAY
"""How much of the past a day's models are made of."""

GAP: Final = DAY
"""Between what a model has looked at and what it is tested on."""

LEAST_HISTORY: Final = 10 * DAY
"""That a model is made of."""


class TooLittleHistoryError(ValueError):
    """There is not enough to learn from."""


def training_split(first: datetime, end: datetime) -> Split:
    """What models of a day learn from, and after a gap what they are tested on.

    Of the last 28 days, or of as many as there are, a seventh is the test, in whole days. Models
    are not fitted again on it: the one that was tested is the one that serves.

    Args:
        first: From when on there are features, UTC.
        end: The end of the day, UTC.

    Returns:
        A split; the first `GAP` of its test is not scored.

    Raises:
        TooLittleHistoryError: There are less than `LEAST_HISTORY`.
    """
    start = max(end - TRAINING, _midnight(first))
    if end - start < LEAST_HISTORY:
        raise TooLittleHistoryError(
            f"There are {max(end - first, timedelta()) / DAY:.1f} days of features before "
            f"{end:%Y-%m-%d} UTC; {LEAST_HISTORY.days} whole ones are needed."
        )
    test = max(2, round((end - start) / DAY / 7)) * DAY
    return Split(start, end - start - GAP - test, GAP + test)


def first_start(first: datetime) -> datetime:
    """The first midnight (UTC) with a full week of data before it, if data begins at a time."""
    return _midnight(first + WEEK)


def _midnight(instant: datetime) -> datetime:
    """The first midnight (UTC) from an instant on."""
    instant = instant.astimezone(UTC)
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == instant else midnight + DAY


@dataclass(frozen=True, eq=False)
class Pairs:
    """Rows to learn from or to score: N stations, each at an origin and a target.

    Attributes:
        origins: Rows of the grid, shape (N,); ascending.
        targets: Likewise, all one horizon later.
        stations: Columns of the grid; ascending for each origin.
        dropped: How many of the stations and origins in question are not among them.
    """

    origins: Indices
    targets: Indices
    stations: Indices
    dropped: int

    def __len__(self) -> int:
        return len(self.origins)

    def of(self, array: NDArray[np.float32], lag: timedelta | None = None) -> NDArray[np.float64]:
        """Values of an array of the grid at the targets, or some time before them."""
        rows = self.targets if lag is None else self.targets - lag // TICK
        return array[rows, self.stations].astype(np.float64)

    def at_origin(self, array: NDArray[np.float32]) -> NDArray[np.float64]:
        """Values of an array of the grid at the origins."""
        return array[self.origins, self.stations].astype(np.float64)

    def where(self, kept: NDArray[np.bool_]) -> "Pairs":
        """Some of them; the others are dropped."""
        return Pairs(
            self.origins[kept],
            self.targets[kept],
            self.stations[kept],
            self.dropped + int((~kept).sum()),
        )


def in_service(grid: Grid) -> NDArray[np.bool_]:
    """Which stations are on the street and give bikes out, by tick and station."""
    serves: NDArray[np.bool_] = (grid.installed == 1) & (grid.renting == 1)
    return serves


def hourly_origins(grid: Grid, begin: datetime, end: datetime) -> Indices:
    """Rows of the grid at full hours in `[begin, end)`; both are full hours."""
    return np.arange(grid.index(begin), grid.index(end), HOUR // TICK)


def hourly_pairs(
    grid: Grid,
    begin: datetime,
    end: datetime,
    horizon: timedelta,
    lags: Sequence[timedelta] = (DAY, WEEK),
) -> Pairs:
    """Pairs with the origin at a full hour, `begin ≤ origin` and `target < end`.

    A station and origin is in question if both are on the grid. It counts iff the station is
    installed and renting at origin and target, and its bikes are known at both, and some times
    before the target: by default a day and a week, which simple forecasts need.

    Args:
        grid: From a week before `begin` on.
        begin: A full hour.
        end: Another.
        horizon: Whole ticks, up to a day: with more, what was a day before the target would
            lie after the origin.
        lags: How long before the target bikes have to be known.
    """
    if not TICK <= horizon <= DAY:
        raise ValueError(f"a horizon is from {TICK} to {DAY}, not {horizon}")
    origins = hourly_origins(grid, begin, max(begin, end - horizon))
    targets = origins + horizon // TICK
    if len(targets) and targets[0] < max((lag // TICK for lag in lags), default=0):
        raise ValueError(f"the grid from {grid.start} on lacks what is {max(lags)} before a target")
    known, serves = ~np.isnan(grid.bikes), in_service(grid)
    counts = serves[origins] & serves[targets] & known[origins] & known[targets]
    for lag in lags:
        counts &= known[targets - lag // TICK]
    rows, stations = np.nonzero(counts)
    return Pairs(origins[rows], targets[rows], stations, counts.size - len(rows))


def apart(
    origins: Indices, targets: Indices, begin: int, end: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of N rows lie within some time, and which have nothing in common with it, shapes (N,).

    Args:
        origins: Rows of the grid, shape (N,).
        targets: Likewise.
        begin: The first row of the time.
        end: That after the last.
    """
    held = (origins >= begin) & (targets < end)
    return held, (targets < begin) | (origins >= end)


def sample(pairs: Pairs, most: int, seed: int) -> Pairs:
    """Leave out whole origins by chance where there are more pairs than wanted.

    Args:
        pairs: Of one horizon.
        most: About how many are wanted.
        seed: The same leaves out the same.
    """
    if len(pairs) <= most:
        return pairs
    origins = pairs.origins[np.diff(pairs.origins, prepend=-1) > 0]
    count = max(1, -(-len(origins) * most // len(pairs)))
    kept = np.random.default_rng(seed).permutation(origins)[:count]
    return pairs.where(np.isin(pairs.origins, kept))
