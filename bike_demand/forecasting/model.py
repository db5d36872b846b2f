"""A model: distributions of bikes at all stations, 1 to 24 hours ahead, learnt by one algorithm.

Horizons are learnt in groups. For each group two members are fitted, and stopped early on different
days (`VALIDATION`); what they say is averaged. A member has three functions of a row: the change of
bikes, and the probabilities of an empty and of a full station. `shapes` tells how far changes
stray from what is predicted, counted on the days that a member has not seen. What is learnt of
paths, not of targets, is `risk`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bike_demand.forecasting.distribution import Distribution
from bike_demand.forecasting.drift import Reference
from bike_demand.forecasting.examples import Examples, Joined, concatenated
from bike_demand.forecasting.grid import TICK, Grid
from bike_demand.forecasting.learners import Learner, Learnt, Objective, Target
from bike_demand.forecasting.risk import (
    FEATURES_AHEAD,
    RiskModel,
    events_of,
    hourly_paths,
    learn_risk,
)
from bike_demand.forecasting.shapes import Shapes
from bike_demand.forecasting.splits import (
    DAY,
    HOUR,
    Pairs,
    TooLittleHistoryError,
    apart,
    hourly_pairs,
    sample,
)

HORIZONS: Final = tuple(range(1, 25))
"""Hours."""

GROUPS: Final = (
    (1,),
    (2, 3),
    (4, 5, 6),
    (7, 8, 9, 10, 11, 12),
    tuple(range(13, 24)),
    (24,),  # a day later at the same time of day, unlike all before
)
"""Horizons that learn from each other [hours]."""

PARTS: Final = len(GROUPS) + 1
"""That `train` learns one after the other: the groups, and the risk."""

VALIDATION: Final = (3 / 7, 6 / 7)
"""Of the span that is learnt from, where that begins which each member is stopped early on.

It is a seventh of the span. The last one tells how well what is to come is forecast; the other
leaves a member the newest days.
"""

LEAST_VALIDATION: Final = timedelta(hours=36)
"""A horizon of 24 h leaves half a day of origins in it."""

PAIRS_PER_GROUP: Final = 400_000
"""To learn from: 2.4 million in all, and two where single hours have fewer, if there are."""

LEAST_EVENTS: Final = 50
"""Empty (full) stations among a member's rows, without which its probability is not learnt."""

LEAST_DAYS: Final = timedelta(days=7)
"""To learn from."""

_ROWS: Final = 10_000
"""That are forecast at a time: distributions are as wide as the largest station."""


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
        held: By hours ahead, rows that a member was stopped on, shape (25,).
        error: By hours ahead, the mean squared error of their changes, as predicted by the member
            that has not learnt from them, shape (25,) [bikes²].
    """

    scale: NDArray[np.float64]
    members: tuple[Member, ...]
    shapes: Shapes
    pairs: int
    held: NDArray[np.int64]
    error: NDArray[np.float64]

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
        risk: Of being empty or full for an hour.
        data_until: The last target that was looked at in learning, UTC.
        feature_version: Of the features that it expects.
        reference: What it has learnt from, to tell drift by; None of models that were made before
            that was kept.
    """

    algorithm: str
    groups: tuple[GroupModel, ...]
    risk: RiskModel
    data_until: datetime
    feature_version: str
    reference: Reference | None = None

    @property
    def error(self) -> float:
        """What algorithms are chosen by: the geometric mean of horizons' `validation` [bikes]."""
        return float(np.exp(np.mean([np.log(rmse) for _, rmse in self.validation().values()])))

    def validation(self) -> dict[int, tuple[int, float]]:
        """By hours ahead, how many rows were held out and their RMSE [bikes]."""
        return {
            hour: (int(group.held[hour]), float(np.sqrt(group.error[hour])))
            for hours, group in zip(GROUPS, self.groups, strict=True)
            for hour in hours
            if group.held[hour]
        }

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
) -> Iterator[dict[str, GroupModel | RiskModel]]:
    """Learn each group of horizons with each algorithm, from the same rows, and then the risk.

    Pairs have full hours as origins, `begin ≤ origin` and `target < end`, and the station installed
    and renting at both; of a risk the rows are `risk.hourly_paths`. Where there are more than asked
    for, whole origins are left out by chance.

    Args:
        joined: Features of the origins.
        grid: What they are of.
        begin: A full hour.
        end: Another.
        learners: The algorithms.
        pairs_per_group: Wanted; as many of the risk.

    Yields:
        `PARTS` times what was learnt, by the learner's name.

    Raises:
        TooLittleHistoryError: There are less than `LEAST_DAYS`, or no rows.
    """
    if end - begin < LEAST_DAYS:
        raise TooLittleHistoryError(
            f"{(end - begin) / DAY:.1f} days to learn from, {begin:%Y-%m-%d %H:%M} to "
            f"{end:%Y-%m-%d %H:%M} UTC; {LEAST_DAYS.days} are needed."
        )
    blocks = _blocks(grid, begin, end)
    stations_hours = len(grid.station_ids) * ((end - begin) // HOUR)
    most = _most([len(hours) * stations_hours for hours in GROUPS], pairs_per_group)
    for hours in GROUPS:
        rows = _rows(joined, grid, begin, end, hours, most)
        yield {learner.name: _learn(learner, rows, blocks, hours) for learner in learners}
    paths = sample(joined.of(hourly_paths(grid, begin, end)), pairs_per_group, seed=0)
    examples, events = joined.examples(paths, FEATURES_AHEAD), events_of(grid, paths)
    yield {
        learner.name: learn_risk(learner, examples, paths, events, blocks) for learner in learners
    }


def put_together(
    parts: Sequence[dict[str, GroupModel | RiskModel]],
    algorithm: str,
    end: datetime,
    feature_version: str,
) -> Model:
    """The model of one algorithm, of what `train` has learnt to the `end`."""
    learnt = [part[algorithm] for part in parts]
    groups = tuple(part for part in learnt if isinstance(part, GroupModel))
    [risk] = (part for part in learnt if isinstance(part, RiskModel))
    return Model(algorithm, groups, risk, end - HOUR, feature_version)


@dataclass(frozen=True, eq=False)
class _Sampled:
    """Rows to learn from, with what came of them; shapes (N,)."""

    examples: Examples
    origins: NDArray[np.int64]
    targets: NDArray[np.int64]
    change: NDArray[np.float64]
    empty: NDArray[np.float64]
    full: NDArray[np.float64]


def _blocks(grid: Grid, begin: datetime, end: datetime) -> list[tuple[int, int]]:
    """Of rows of the grid, those that members are stopped early on."""
    span = (end - begin) // HOUR
    length = max(round(span * (1 - VALIDATION[-1])), LEAST_VALIDATION // HOUR)
    starts = [min(round(span * share), span - length) for share in VALIDATION]
    first, each = grid.index(begin), HOUR // TICK
    return [(first + start * each, first + (start + length) * each) for start in starts]


def _most(available: Sequence[int], wanted: int) -> int:
    """Pairs of a group, at most: more than wanted where single hours have not that many."""
    most, needed = wanted, (len(available) - 1) * wanted
    while sum(min(number, most) for number in available) < min(needed, sum(available)):
        most += max(wanted // 20, 1)
    return most


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
        pairs = sample(pairs, most // len(hours), seed=ahead)
        if len(pairs):
            parts.append(joined.examples(pairs, horizon))
            chosen.append(pairs)
    if not parts:
        raise TooLittleHistoryError(
            f"Nothing to learn of {hours[0]} to {hours[-1]} hours ahead, from "
            f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC: a station has to be installed "
            "and renting, and its bikes known, at an hour and some hours later. A flag that was "
            "never told counts as no."
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


def _learn(
    learner: Learner,
    rows: _Sampled,
    blocks: Sequence[tuple[int, int]],
    hours: Sequence[int],
) -> GroupModel:
    scale, horizon = np.ones(max(HORIZONS) + 1), rows.examples.horizons
    for ahead in hours:
        of_horizon = rows.change[horizon == ahead]
        if of_horizon.any():
            scale[ahead] = of_horizon.std() or 1.0
    unit = scale[horizon]
    used = np.zeros(len(unit), dtype=bool)
    predicted = np.full(len(unit), np.nan)
    members = []
    for begin, end in blocks:
        held, fitted = apart(rows.origins, rows.targets, begin, end)
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
    change, spread, ahead = rows.change[held], rows.examples.spread[held], horizon[held]
    count = np.bincount(ahead, minlength=len(scale))
    squared = np.bincount(ahead, (change - predicted[held]) ** 2, minlength=len(scale))
    return GroupModel(
        scale,
        tuple(members),
        Shapes.learn(spread, predicted[held], change.astype(np.int64)),
        int(used.sum()),
        count,
        np.where(count > 0, squared / np.maximum(count, 1), np.nan),
    )


def _member(
    learner: Learner,
    rows: _Sampled,
    unit: NDArray[np.float64],
    fitted: NDArray[np.bool_],
    held: NDArray[np.bool_],
) -> Member:
    features = rows.examples.features

    def learn(values: Sequence[NDArray[np.float64]], kinds: Sequence[Objective]) -> list[Learnt]:
        known = ~np.isnan(values[0])
        fit, stop = fitted & known, held & known
        targets = [
            Target(each[fit], each[stop], kind) for each, kind in zip(values, kinds, strict=True)
        ]
        return learner.fit(features[fit], features[stop], targets)

    def seen(values: NDArray[np.float64]) -> bool:
        return bool(np.nansum(values[fitted]) >= LEAST_EVENTS and np.nansum(values[held]))

    # All of the same rows at once; docks are not told by every station.
    wanted: dict[str, tuple[NDArray[np.float64], Objective]] = {
        "change": (rows.change / unit, "mean")
    }
    wanted |= {
        event: (values, "probability")
        for event, values in (("empty", rows.empty), ("full", rows.full))
        if seen(values)
    }
    learnt: dict[str, Learnt] = {}
    for whole in (True, False):
        names = [name for name, (values, _) in wanted.items() if whole != np.isnan(values).any()]
        if names:
            found = learn(*zip(*(wanted[name] for name in names), strict=True))
            learnt |= dict(zip(names, found, strict=True))
    return Member(learnt["change"], learnt.get("empty"), learnt.get("full"))


def _mean(functions: Sequence[Learnt | None], features: NDArray[np.float32]) -> NDArray[np.float64]:
    known = [function(features) for function in functions if function is not None]
    return np.mean(known, axis=0) if known else np.full(len(features), np.nan)
