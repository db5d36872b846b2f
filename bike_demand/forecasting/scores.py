"""How good forecasts were: losses of single rows, what they average to, and skill. Formulas only.

What is forecast is a count, the bikes at a station. A forecast of it is a number, or a
`distribution.Distribution`; both have the same losses, so that they can be compared. Which rows
are scored is told in `splits` and `yardstick`.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.distribution import Distribution

Numbers = NDArray[np.float64]

LEVELS: Final = np.arange(1, 20) / 20
"""Of the quantiles that the CRPS is made of: 0.05, 0.10 … 0.95."""

CENTRE: Final = (0.1, 0.9)
"""The middle 80 % of a distribution."""

SKILLS: Final = ("rmse", "mae", "crps", "brier_empty", "brier_full")
"""Scores that a skill is told of. All scores but coverages are better when lower."""


def pinball(observed: Numbers, quantile: Numbers, level: float) -> Numbers:
    """Loss of a quantile: `level·(y - q)` where y ≥ q, `(1 - level)·(q - y)` where y < q.

    Koenker & Bassett, Regression Quantiles, Econometrica 46 (1978).
    """
    error = observed - quantile
    loss: Numbers = np.maximum(level * error, (level - 1) * error)
    return loss


def crps(observed: Numbers, quantiles: Numbers) -> Numbers:
    """Continuous ranked probability score from quantiles: twice their mean pinball loss.

    It is the integral of twice the pinball loss over all levels (Gneiting & Ranjan, Comparing
    Density Forecasts Using Threshold- and Quantile-Weighted Scoring Rules, JBES 29, 2011); here
    over `LEVELS`.
    For a number instead of a distribution, all quantiles are equal and it is |y - number|.

    Args:
        observed: Shape (N,).
        quantiles: Shape (N, 19).
    """
    losses = [pinball(observed, quantiles[:, i], level) for i, level in enumerate(LEVELS)]
    return np.asarray(2 * np.mean(losses, axis=0))


def pit_coverage(below: Numbers, upto: Numbers) -> Numbers:
    """How much of the observation's probability lies in `CENTRE`.

    The share of [F(y - 1), F(y)] that overlaps [0.1, 0.9]; its mean is 0.8 if the forecasts are
    calibrated, however coarse the counts. It is the non-randomised PIT of Czado, Gneiting & Held,
    Predictive Model Assessment for Count Data, Biometrics 65 (2009), between 0.1 and 0.9. Where y
    had no probability, F(y) = F(y - 1) is inside or it is not.

    Args:
        below: F(y - 1), the probability of fewer bikes than observed.
        upto: F(y).
    """
    low, high = CENTRE
    overlap = np.clip(np.minimum(upto, high) - np.maximum(below, low), 0, None)
    width = upto - below
    inside = ((upto >= low) & (upto <= high)).astype(np.float64)
    share: Numbers = np.divide(overlap, width, out=inside, where=width > 0)
    return share


def brier(event: Numbers, probability: Numbers) -> Numbers:
    """Squared error of a probability: `(p - event)²`; NaN where the event is not known.

    Brier, Verification of Forecasts Expressed in Terms of Probability, Mon. Weather Rev. 78 (1950).

    Args:
        event: 1 where it happened, 0 where it did not.
        probability: That was given to it.
    """
    return (probability - event) ** 2


def losses_of_numbers(
    observed: Numbers, empty: Numbers, full: Numbers, forecast: Mapping[str, Numbers]
) -> pd.DataFrame:
    """Losses of a forecast that is a number, row by row.

    Args:
        observed: Bikes.
        empty: 1 where there were none, 0 where there were.
        full: 1 where no dock was free, 0 where one was; NaN where the row does not count for it.
        forecast: `bikes`, and the probabilities `empty` and `full`.
    """
    error = np.abs(observed - forecast["bikes"])
    return pd.DataFrame(
        {
            "observed": observed,
            "squared": error**2,
            "absolute": error,
            "crps": error,
            "brier_empty": brier(empty, forecast["empty"]),
            "brier_full": brier(full, forecast["full"]),
        }
    )


def losses_of_distributions(
    observed: Numbers, empty: Numbers, full: Numbers, forecast: Distribution
) -> pd.DataFrame:
    """Losses of a forecast that is a distribution, row by row; arguments as for numbers.

    Squared error is that of the mean, absolute error that of the median. `closed` tells whether
    y was in the closed interval of the quantiles at `CENTRE`; it covers more than 80 % of counts
    even when all is well, because an end of it has probability of its own.
    """
    quantiles = forecast.quantiles(LEVELS)
    low, high = forecast.quantiles(CENTRE).T
    return pd.DataFrame(
        {
            "observed": observed,
            "squared": (observed - forecast.mean()) ** 2,
            "absolute": np.abs(observed - quantiles[:, len(LEVELS) // 2]),
            "crps": crps(observed, quantiles),
            "pit": pit_coverage(forecast.below(observed), forecast.below(observed + 1)),
            "closed": ((low <= observed) & (observed <= high)).astype(np.float64),
            "width": high - low,
            "brier_empty": brier(empty, forecast.empty()),
            "brier_full": brier(full, forecast.full()),
        }
    )


def summary(losses: pd.DataFrame) -> dict[str, float]:
    """Scores of rows: what their losses average to; NaN where no row has one.

    RMSE = √mean (y - mean)², MAE = mean |y - median|, WAPE = Σ |y - median| / Σ y.
    """
    if losses[["squared", "absolute", "crps", "brier_empty"]].isna().any(axis=None):
        raise ValueError("a row without a loss would be left out of the score, and of no other's")
    mean = losses.mean()
    bikes = float(losses["observed"].sum())
    scores = {
        "rmse": float(np.sqrt(mean["squared"])),
        "mae": float(mean["absolute"]),
        "wape": float(losses["absolute"].sum()) / bikes if bikes else np.nan,
        "crps": float(mean["crps"]),
    }
    if "pit" in losses:
        scores["pit_coverage_80"] = float(mean["pit"])
        scores["closed_coverage_80"] = float(mean["closed"])
        scores["width_80"] = float(mean["width"])
    return scores | {name: float(mean[name]) for name in ("brier_empty", "brier_full")}


def skills(
    model: Mapping[str, float], simple: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """`1 - model / lowest simple` of each of `SKILLS`: above 0 it beats all, at 1 it is perfect.

    NaN where a score is not known, or the simple forecasts made no error.
    """
    skill = {}
    for name in SKILLS:
        lowest = min(scores[name] for scores in simple.values())
        skill[f"skill_{name}"] = 1 - model[name] / lowest if lowest > 0 else np.nan
    return skill
