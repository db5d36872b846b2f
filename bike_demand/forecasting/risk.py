"""The risk that a station is empty, or full, for an hour: an event of a path, not of a moment.

From an origin to 6 hours after it, both included, there are 25 ticks. The event is a run of at
least 5 ticks in a row, 60 minutes, at which the station has no bike (no free dock); what was before
the origin does not count. It has happened if there is such a run of ticks that are known. It has
not if there would be none though every tick that is unknown were one without a bike (a free dock).
Otherwise, and where 5 ticks in a row are unknown, it is not known, and the row does not count.

How probable the event is, is learnt as such: hours of a station resemble each other far too much
for their probabilities to be multiplied. Distributions of bikes at a time are the business of
`model`, and scores that of `yardstick`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import and_, or_
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bike_demand.forecasting.examples import Examples
from bike_demand.forecasting.grid import TICK, Grid
from bike_demand.forecasting.learners import Learner, Learnt, Target
from bike_demand.forecasting.splits import HOUR, Indices, Pairs, apart, hourly_origins, in_service

AHEAD: Final = 6 * HOUR
"""From the origin to the end of the path."""

LASTING: Final = HOUR
"""From the first to the last tick of the shortest run that counts."""

FEATURES_AHEAD: Final = 3 * HOUR
"""The horizon of the features that the event is learnt from: the middle of the path."""

LEAST_EVENTS: Final = 400
"""Rows that a member learns at which it happens, without which it is not learnt.

Half a dozen origins in a row see the same event. What was learnt from fewer lost to persistence.
"""

EVENTS: Final = ("empty", "full")

Events = dict[str, NDArray[np.float64]]
"""By `EVENTS`: 1 where it has happened, 0 where it has not, NaN where that is not known."""


@dataclass(frozen=True, eq=False)
class RiskModel:
    """What was learnt of both events; what their members say is averaged.

    An event without members was too rare to learn: its forecast is persistence, 1 at a station that
    is empty (full) at the origin, otherwise 0.

    Attributes:
        empty: Probabilities of an hour without a bike.
        full: Probabilities of an hour without a free dock.
    """

    empty: tuple[Learnt, ...] = ()
    full: tuple[Learnt, ...] = ()

    def forecast(self, examples: Examples) -> dict[str, NDArray[np.float64]]:
        """Probabilities of the events.

        Args:
            examples: N rows, the horizon being `FEATURES_AHEAD`.

        Returns:
            `p_empty_hour` and `p_full_hour`, shape (N,); `p_full_hour` is NaN where docks are not
            told.

        Raises:
            ValueError: The horizon is another.
        """
        if (examples.horizons != FEATURES_AHEAD // HOUR).any():
            raise ValueError(f"risks are forecast from features {FEATURES_AHEAD // HOUR} h ahead")
        empty = _mean(self.empty, examples.features, examples.bikes == 0)
        full = _mean(self.full, examples.features, examples.bikes == examples.room)
        return {"p_empty_hour": empty, "p_full_hour": np.where(examples.docked, full, np.nan)}


def hourly_paths(grid: Grid, begin: datetime, end: datetime) -> Pairs:
    """Paths from a full hour, `begin ≤ origin` and `origin + AHEAD < end`; targets are their ends.

    A station counts iff it is installed and renting, and its bikes are known, at the origin.

    Args:
        grid: To the `end`, or further.
        begin: A full hour.
        end: Another.
    """
    origins = hourly_origins(grid, begin, max(begin, end - AHEAD))
    counts = in_service(grid)[origins] & ~np.isnan(grid.bikes[origins])
    rows, stations = np.nonzero(counts)
    starts = origins[rows]
    return Pairs(starts, starts + AHEAD // TICK, stations, counts.size - len(rows))


def events_of(grid: Grid, paths: Pairs) -> Events:
    """What happened on N paths, shapes (N,).

    `full` counts where docks are known at the origin.
    """
    origins, place = np.unique(paths.origins, return_inverse=True)
    events = {}
    for event, counts in zip(EVENTS, (grid.bikes, grid.docks), strict=True):
        none, unknown = counts == 0, np.isnan(counts)
        happened, possible, hidden = (
            _with_a_run(ticks, origins)[place, paths.stations]
            for ticks in (none, none | unknown, unknown)
        )
        # A path that hides an hour never counts: it could only be known to have happened.
        known = (happened | ~possible) & ~hidden & ~unknown[paths.origins, paths.stations]
        events[event] = np.where(known, happened.astype(np.float64), np.nan)
    return events


def learn_risk(
    learner: Learner,
    examples: Examples,
    paths: Pairs,
    events: Events,
    blocks: Sequence[tuple[int, int]],
) -> RiskModel:
    """Learn both events; for each a member is stopped early on each block of time.

    A member does not learn a path that overlaps with its block.

    Args:
        learner: The algorithm.
        examples: N rows, the horizon being `FEATURES_AHEAD`.
        paths: What they are of.
        events: What happened on them.
        blocks: Rows of the grid, first and after the last.
    """

    def members(values: NDArray[np.float64]) -> tuple[Learnt, ...]:
        learnt, known = list[Learnt](), ~np.isnan(values)
        for begin, end in blocks:
            held, fitted = (
                known & chosen for chosen in apart(paths.origins, paths.targets, begin, end)
            )
            if values[fitted].sum() >= LEAST_EVENTS and values[held].any():
                target = Target(values[fitted], values[held], "probability")
                features = examples.features
                learnt += learner.fit(features[fitted], features[held], [target])
        return tuple(learnt)

    return RiskModel(**{event: members(events[event]) for event in EVENTS})


def _with_a_run(ticks: NDArray[np.bool_], origins: Indices) -> NDArray[np.bool_]:
    """Which paths have a run of ticks that is long enough.

    Args:
        ticks: Of the grid, shape (T, S).
        origins: Rows of the grid, shape (R,).

    Returns:
        Shape (R, S).
    """
    later = LASTING // TICK
    first = len(ticks) - later
    runs = reduce(and_, (ticks[more : first + more] for more in range(later + 1)))
    starts = AHEAD // TICK - later
    found: NDArray[np.bool_] = reduce(or_, (runs[origins + more] for more in range(starts + 1)))
    return found


def _mean(
    members: Sequence[Learnt], features: NDArray[np.float32], otherwise: NDArray[np.bool_]
) -> NDArray[np.float64]:
    said = [member(features) for member in members] or [otherwise.astype(np.float64)]
    return np.asarray(np.mean(said, axis=0))
