"""When something is done about a champion: the conditions, in the order of numbers. No Dagster.

Which numbers there are, stands in `accuracy` and `forecasting.watched`; what is done, in the asset
`model_watch`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.promotion import GATED, MARGIN, gain

WEEK: Final = timedelta(days=7)
"""Over which the skill of a champion must be above 0."""

LEAST_HOURS: Final = 5 * 24
"""Of the week at a horizon, without which its skill says nothing."""

LEAST_BESIDE: Final = 24
"""Hours that a champion and its predecessor have both forecast, before one is judged."""

LEAST_OF_HORIZON: Final = 12
"""Of these, at a horizon, for it to count."""


@dataclass(frozen=True)
class Reason:
    """Why something is done.

    Attributes:
        told: In a sentence.
        figures: The numbers.
    """

    told: str
    figures: dict[str, Any]


def worse(losses: pd.DataFrame) -> Reason | None:
    """Whether a champion on probation is worse than its predecessor; None if it is not, or too few.

    Its loss has to be higher by more than a promotion asks for, and for sure: with 95 %, blocks of
    hours drawn with replacement, which are days if there are three, and a quarter of a day before.

    Args:
        losses: From `accuracy.beside`.
    """
    by_horizon = {hours: losses[losses["horizon"] == hours] for hours in GATED}
    together = len(by_horizon[GATED[0]])
    if together < LEAST_BESIDE:
        return None
    counted = {hours: of for hours, of in by_horizon.items() if len(of) >= LEAST_OF_HORIZON}
    days = {hours: _hours(of) // 24 for hours, of in counted.items()}
    many = len(np.unique(np.concatenate([*days.values()]))) > 2
    blocks = days if many else {hours: _hours(of) // 6 for hours, of in counted.items()}
    mine, other = (
        {hours: of[name].to_numpy(dtype=np.float64) for hours, of in counted.items()}
        for name in ("champion", "predecessor")
    )
    found = gain(mine, other, blocks)
    if found.gain >= -MARGIN or found.high >= 0:
        return None
    told = (
        f"Its loss is {-found.gain:.1%} above its predecessor's (90 % interval {-found.high:.1%} "
        f"to {-found.low:.1%}) on the same rows of {together} hours."
    )
    figures = {"gain": found.gain, "low": found.low, "high": found.high, "margin": MARGIN}
    return Reason(told, {**figures, "hours": together})


def no_skill(week: pd.DataFrame) -> Reason | None:
    """Whether a champion is no better than persistence; None if it is, or too little came due.

    Where persistence made no error, as while a feed stands still, there is no skill to speak of.

    Args:
        week: From `accuracy.skill`, of a week.
    """
    enough = week[week.index.isin(GATED) & (week["hours"] >= LEAST_HOURS)]
    skills = enough["skill_rmse"].astype(np.float64).dropna()
    behind = skills[skills <= 0]
    if behind.empty:
        return None
    told = ", ".join(f"{hours} h ({skill:+.1%})" for hours, skill in behind.items())
    figures = {str(hours): float(skill) for hours, skill in skills.items()}
    return Reason(f"Over a week it has no skill {told} ahead.", {"skill": figures})


def drifted(rows: pd.DataFrame) -> Reason | None:
    """Whether what a champion is asked has moved too far.

    Args:
        rows: Of `feature_drift`, of one hour.
    """
    far = rows[rows["band"] == "critical"].sort_values("psi", ascending=False)
    if far.empty:
        return None
    figures = dict(zip(far["feature"].astype(str), far["psi"].astype(float), strict=True))
    told = ", ".join(f"{name} ({index:.2f})" for name, index in [*figures.items()][:5])
    return Reason(f"What it is asked has moved: {told}.", {"drift": figures})


def _hours(losses: pd.DataFrame) -> NDArray[np.int64]:
    """Of the targets, counted from any midnight, shape (N,)."""
    since = losses["target_at"] - pd.Timestamp(0, tz="UTC")
    return np.asarray(since // pd.Timedelta(hours=1), dtype=np.int64)
