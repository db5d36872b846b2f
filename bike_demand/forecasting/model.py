"""A model: distributions of bikes at all stations, 1 to 24 hours ahead, learnt by one algorithm.

Horizons are learnt in groups. For each group two members are fitted, and stopped early on different
days (`VALIDATION`); what they say is averaged. A member has three functions of a row: the change of
bikes, and the probabilities of an empty and of a full station. `shapes` tells how far changes
stray from what is predicted, counted on the days that a member has not seen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bike_demand.forecasting.distribution import Distribution
from bike_demand.forecasting.examples import Examples, Joined, concatenated
from bike_demand.forecasting.grid import Grid
from bike_demand.forecasting.learners import Learner, Learnt, Objective, Rows
from bike_demand.forecasting.shapes import Shapes
from bike_demand.forecasting.splits import DAY, HOUR, Pairs, hourly_pairs

HORIZONS: Final = tuple(range(1, 25))
"""Hours."""

GROUPS: Final = (
    (1, 2),
    (3, 4, 5, 6),
    (7, 8, 9, 10, 11, 12),
    (13, 14, 15, 16, 17, 18),
    (19, 20, 21, 22, 23, 24),
)
"""Horizons that learn from each other [hours]."""

VALIDATION: Final = ((3 / 7, 4 / 7), (6 / 7, 1))
"""Of the span that is learnt from, what each member is stopped early on.

One tells how well what is to come is forecast; the other leaves a member the newest days.
"""

PAIRS_PER_GROUP: Final = 400_000
"""To learn from, where there are that many: 2 million in all."""

LEAST_EVENTS: Final = 50
"""Empty (full) stations among a member's rows, without which its probability is not learnt."""

LEAST_DAYS: Final = timedelta(days=10)
"""To learn from."""

_ROWS: Final = 10_000
"""That are forecast at a time: distributions are as wide as the largest station."""


class TooLittleHistoryError(ValueError):
    """There is not enough to learn from."""


@dataclass(frozen=True, eq=False)
class Member:
    """Three functions of rows.

    Attributes:
        change: Of bikes until the target, over the deviation of such changes at its horizon.
        empty: Probability of no bike; None if that was too rare to learn.
        full: Probability of no free dock; likewise, and where docks are not told.
    """

    change: Learnt
    empty: Learnt | None
    full: Learnt | None


@dataclass(frozen=True, eq=False)
class GroupModel:
    """What was learnt of a group of horizons.

    Attributes:
        scale: By hours ahead, the deviation of changes, shape (25,) [bikes].
        members: Whose mean counts.
        shapes: Around the predicted change, in bikes.
        pairs: Rows that its members have learnt from or were stopped on.
        error: Mean squared error of changes that their member had not learnt from, over the
            squared deviation of changes at their horizon.
    """

    scale: NDArray[np.float64]
    members: tuple[Member, ...]
    shapes: Shapes
    pairs: int
    error: float

    def forecast(self, examples: Examples) -> Distribution:
        """Of rows of these horizons."""
        features, scale = examples.features, self.scale[examples.horizons]
        change = np.mean([member.change(features) for member in self.members], axis=0) * scale
        empty, full = (
            _mean([getattr(member, event) for member in self.members], features)
            for event in ("empty", "full")
        )
        around = self.shapes.around(examples.spread, change, examples.bikes, examples.room)
        return around.with_ends(
            examples.bikes + change, empty, np.where(examples.docked, full, np.nan)
        )


@dataclass(frozen=True, eq=False)
class Model:
    """What was learnt of a system.

    Attributes:
        algorithm: The learner's name.
        groups: As `GROUPS`.
        data_until: The last target that was looked at in learning, UTC.
        feature_version: Of the features that it expects.
    """

    algorithm: str
    groups: tuple[GroupModel, ...]
    data_until: datetime
    feature_version: str

    @property
    def error(self) -> float:
        """Of the groups' `error`, the mean by horizon: what algorithms are chosen by."""
        counts = [len(group) for group in GROUPS]
        return float(np.average([group.error for group in self.groups], weights=counts))

    @property
    def pairs(self) -> int:
        """Rows that it was learnt from."""
        return sum(group.pairs for group in self.groups)

    def forecast(self, examples: Examples) -> Iterator[tuple[NDArray[np.intp], Distribution]]:
        """Distributions of bikes at the targets, a number of rows at a time.

        Yields:
            Which rows, and their distributions. Small stations come first: a distribution is as
            wide as the largest station among them.
        """
        for hours, group in zip(GROUPS, self.groups, strict=True):
            rows = np.flatnonzero(np.isin(examples.horizons, hours))
            rows = rows[np.argsort(examples.room[rows], kind="stable")]
            for start in range(0, len(rows), _ROWS):
                part = rows[start : start + _ROWS]
                yield part, group.forecast(examples.part(part))


def train(
    joined: Joined,
    grid: Grid,
    begin: datetime,
    end: datetime,
    learners: Sequence[Learner],
    pairs_per_group: int,
) -> Iterator[dict[str, GroupModel]]:
    """Learn each group of horizons with each algorithm, from the same rows.

    Pairs have full hours as origins, `begin ≤ origin` and `target < end`, and the station installed
    and renting at both. Where there are more than asked for, whole origins are left out by chance.

    Args:
        joined: Features of the origins.
        grid: What they are of.
        begin: A full hour.
        end: Another.
        learners: The algorithms.
        pairs_per_group: Wanted.

    Yields:
        For each of `GROUPS` what was learnt, by the learner's name.

    Raises:
        TooLittleHistoryError: There are less than `LEAST_DAYS`, or no rows.
    """
    if end - begin < LEAST_DAYS:
        raise TooLittleHistoryError(
            f"{(end - begin) / DAY:.1f} days to learn from, {begin:%Y-%m-%d %H:%M} to "
            f"{end:%Y-%m-%d %H:%M} UTC; {LEAST_DAYS.days} are needed."
        )
    blocks = [tuple(_at(grid, begin, end, share) for share in block) for block in VALIDATION]
    for hours in GROUPS:
        rows = _rows(joined, grid, begin, end, hours, pairs_per_group)
        yield {learner.name: _learn(learner, rows, blocks, hours) for learner in learners}


def put_together(
    groups: Sequence[dict[str, GroupModel]], algorithm: str, end: datetime, feature_version: str
) -> Model:
    """The model of one algorithm, of what `train` has learnt to the `end`."""
    learnt = tuple(group[algorithm] for group in groups)
    return Model(algorithm, learnt, end - HOUR, feature_version)


@dataclass(frozen=True, eq=False)
class _Sampled:
    """Rows to learn from, with what came of them; shapes (N,)."""

    examples: Examples
    origins: NDArray[np.int64]
    targets: NDArray[np.int64]
    change: NDArray[np.float64]
    empty: NDArray[np.float64]
    full: NDArray[np.float64]


def _at(grid: Grid, begin: datetime, end: datetime, share: float) -> int:
    return grid.index(begin + round((end - begin) / HOUR * share) * HOUR)


def _rows(
    joined: Joined,
    grid: Grid,
    begin: datetime,
    end: datetime,
    hours: Sequence[int],
    most: int,
) -> _Sampled:
    parts: list[Examples] = []
    chosen: list[Pairs] = []
    for ahead in hours:
        horizon = ahead * HOUR
        pairs = joined.of(hourly_pairs(grid, begin, end, horizon, lags=()))
        pairs = _sample(pairs, most // len(hours), seed=ahead)
        if len(pairs):
            parts.append(joined.examples(pairs, horizon))
            chosen.append(pairs)
    if not parts:
        raise TooLittleHistoryError(
            f"Nothing to learn of {hours[0]} to {hours[-1]} hours ahead, from "
            f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC: a station has to be installed "
            "and renting, and its bikes known, at an hour and some hours later."
        )

    def joint(values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.concatenate(values)

    bikes = joint([pairs.of(grid.bikes) for pairs in chosen])
    docks = joint([pairs.of(grid.docks) for pairs in chosen])
    examples = concatenated(parts)
    return _Sampled(
        examples,
        np.concatenate([pairs.origins for pairs in chosen]),
        np.concatenate([pairs.targets for pairs in chosen]),
        bikes - examples.bikes,
        (bikes == 0).astype(np.float64),
        np.where(np.isnan(docks), np.nan, docks == 0),
    )


def _sample(pairs: Pairs, most: int, seed: int) -> Pairs:
    """Leave out whole origins by chance where there are more pairs than wanted."""
    if len(pairs) <= most:
        return pairs
    origins = np.unique(pairs.origins)
    count = max(1, -(-len(origins) * most // len(pairs)))
    kept = np.random.default_rng(seed).permutation(origins)[:count]
    return pairs.where(np.isin(pairs.origins, kept))


def _learn(
    learner: Learner,
    rows: _Sampled,
    blocks: Sequence[tuple[int, ...]],
    hours: Sequence[int],
) -> GroupModel:
    scale = np.ones(max(HORIZONS) + 1)
    for ahead in hours:
        of_horizon = rows.change[rows.examples.horizons == ahead]
        if of_horizon.any():
            scale[ahead] = of_horizon.std() or 1.0
    unit = scale[rows.examples.horizons]
    used = np.zeros(len(unit), dtype=bool)
    predicted = np.full(len(unit), np.nan)
    members = []
    for begin, end in blocks:
        held = (rows.origins >= begin) & (rows.targets < end)
        fitted = (rows.targets < begin) | (rows.origins >= end)
        if held.any() and fitted.any():
            member = _member(learner, rows, unit, fitted, held)
            predicted[held] = member.change(rows.examples.features[held]) * unit[held]
            members.append(member)
            used |= held | fitted
    if not members:
        raise TooLittleHistoryError(
            f"No rows to stop early on, {hours[0]} to {hours[-1]} hours ahead: too much of what "
            "there is to learn from is unknown."
        )
    held = ~np.isnan(predicted)
    change, spread = rows.change[held], rows.examples.spread[held]
    return GroupModel(
        scale,
        tuple(members),
        Shapes.learn(spread, predicted[held], change.astype(np.int64)),
        int(used.sum()),
        float(np.mean(((change - predicted[held]) / unit[held]) ** 2)),
    )


def _member(
    learner: Learner,
    rows: _Sampled,
    unit: NDArray[np.float64],
    fitted: NDArray[np.bool_],
    held: NDArray[np.bool_],
) -> Member:
    def learn(values: NDArray[np.float64], objective: Objective) -> Learnt:
        known = ~np.isnan(values)
        fit, stop = (
            Rows(rows.examples.features[chosen & known], values[chosen & known])
            for chosen in (fitted, held)
        )
        return learner.fit(fit, stop, objective)

    def event(values: NDArray[np.float64]) -> Learnt | None:
        seen = np.nansum(values[fitted]), np.nansum(values[held])
        return learn(values, "probability") if seen[0] >= LEAST_EVENTS and seen[1] else None

    return Member(learn(rows.change / unit, "mean"), event(rows.empty), event(rows.full))


def _mean(functions: Sequence[Learnt | None], features: NDArray[np.float32]) -> NDArray[np.float64]:
    known = [function(features) for function in functions if function is not None]
    return np.mean(known, axis=0) if known else np.full(len(features), np.nan)
