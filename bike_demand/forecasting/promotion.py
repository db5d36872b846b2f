"""Whether a challenger becomes champion: gates, and a comparison on rows that neither has seen.

Formulas and the order of reasons stand here. Where models and rows come from, and what becomes of
a decision, does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

GATED: Final = (1, 3, 6, 12, 24)
"""Horizons that a champion has to be good at [hours]."""

CALIBRATED: Final = (0.76, 0.84)
"""Probability that the middle 80 % of a champion's distributions may hold of what came."""

MARGIN: Final = 0.005
"""Least gain in CRPS for which a champion is replaced."""

LEAST_UNSEEN: Final = timedelta(hours=48)
"""Of origins that neither model has seen."""

LEAST_DAYS: Final = 3
"""That such origins are of, half a day at least of each: of fewer, chance cannot be told."""

DRAWS: Final = 2_000
INTERVAL: Final = (5, 95)
"""Percentiles of the gain over draws."""

_SEED: Final = 20_260_301

Reason = Literal[
    "first",
    "better",
    "other_features",
    "rolled_back",
    "not_better_than_simple",
    "unreadable",
    "not_calibrated",
    "not_enough_unseen_data",
    "not_better",
    "on_probation",
    "pinned",
]


@dataclass(frozen=True)
class Gain:
    """What a challenger's CRPS is below the champion's: 1 - one over the other.

    Attributes:
        gain: The mean of horizons.
        low: The lower end of its interval.
        high: The upper end.
    """

    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Decision:
    """What is done about a challenger, and why.

    Attributes:
        promoted: It is to be champion.
        reason: In a stable word.
        detail: In a sentence.
        gain: Over the champion, where the two were compared.
    """

    promoted: bool
    reason: Reason
    detail: str
    gain: Gain | None = None


Losses = Mapping[int, NDArray[np.float64]]
"""By hours ahead, a loss of each row, shape (N,)."""


def gain(challenger: Losses, champion: Losses, days: Mapping[int, NDArray[np.int64]]) -> Gain:
    """Compare two models on the same rows.

    The losses of a day go together, for a day's weather or holiday is in all of them: days are
    drawn with replacement, as many as there are (a cluster bootstrap; Cameron, Gelbach & Miller,
    Bootstrap-Based Improvements for Inference with Clustered Errors, Rev. Econ. Stat. 90, 2008).

    Args:
        challenger: Losses, lower is better.
        champion: Likewise, of the same rows.
        days: Of the same rows' origins, any numbers; its horizons are those compared.
    """
    numbers = np.unique(np.concatenate([*days.values()]))
    new, old = (
        np.stack([_by_day(losses[hours], of, numbers) for hours, of in days.items()], axis=1)
        for losses in (challenger, champion)
    )  # shape (days, horizons)
    drawn = np.random.default_rng(_SEED).integers(len(numbers), size=(DRAWS, len(numbers)))
    gains = _gain(new[drawn].sum(axis=1), old[drawn].sum(axis=1))
    low, high = np.percentile(gains, INTERVAL)
    [whole] = _gain(new.sum(axis=0, keepdims=True), old.sum(axis=0, keepdims=True))
    return Gain(float(whole), float(low), float(high))


def unseen(begin: datetime, end: datetime, seen: datetime) -> tuple[datetime, datetime] | None:
    """Of the origins and targets held out, those that no model has seen; None if too little.

    Args:
        begin: From which on rows are held out.
        end: To which.
        seen: The last target that any of the models has looked at.
    """
    first = max(begin, seen + timedelta(days=1))
    hour = first.replace(minute=0, second=0, microsecond=0)
    first = hour if hour == first else hour + timedelta(hours=1)
    return (first, end) if end - first >= LEAST_UNSEEN else None


def enough(origins: NDArray[np.int64]) -> bool:
    """Whether rows are of as many hours and days as a comparison asks for.

    Args:
        origins: Of the rows, shape (N,) [h], counted from any midnight.
    """
    hours = np.unique(origins)
    _, of_day = np.unique(hours // 24, return_counts=True)
    return len(hours) >= LEAST_UNSEEN // timedelta(hours=1) and (of_day >= 12).sum() >= LEAST_DAYS


def gates(skill: Mapping[int, float], coverage: Mapping[int, float]) -> Decision | None:
    """What stands against a challenger by itself; None if nothing does.

    Args:
        skill: By hours ahead, 1 - its RMSE / the lowest of the simple forecasts.
        coverage: By hours ahead, what the middle 80 % of its distributions held.
    """
    if behind := [hours for hours in GATED if not skill[hours] > 0]:
        told = ", ".join(f"{hours} h ({skill[hours]:+.1%})" for hours in behind)
        return Decision(
            promoted=False,
            reason="not_better_than_simple",
            detail=f"A simple forecast has the lower RMSE {told} ahead: skill must be above 0.",
        )
    low, high = CALIBRATED
    if off := [hours for hours in GATED if not low <= coverage[hours] <= high]:
        told = ", ".join(f"{hours} h ({coverage[hours]:.1%})" for hours in off)
        return Decision(
            promoted=False,
            reason="not_calibrated",
            detail=f"The middle 80 % of its distributions hold too much or too little {told} "
            f"ahead: {low:.0%} to {high:.0%} is asked for.",
        )
    return None


def compared(found: Gain) -> Decision:
    """What a comparison with the champion leads to."""
    told = (
        f"Its CRPS is {found.gain:+.2%} below the champion's (90 % interval {found.low:+.2%} to "
        f"{found.high:+.2%}); a gain of {MARGIN:.1%} or more, and above 0 with 95 %, is asked for."
    )
    better = found.gain >= MARGIN and found.low > 0
    return Decision(better, "better" if better else "not_better", told, found)


def _by_day(
    losses: NDArray[np.float64], days: NDArray[np.int64], numbers: NDArray[np.int64]
) -> NDArray[np.float64]:
    sums = np.bincount(np.searchsorted(numbers, days), losses, minlength=len(numbers))
    return np.asarray(sums, dtype=np.float64)


def _gain(new: NDArray[np.float64], old: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of sums of losses, shape (…, horizons). Without any loss at all there is nothing to gain."""
    ratio = np.divide(new, old, out=np.ones_like(new), where=old > 0)
    return np.asarray(1 - ratio.mean(axis=1))
