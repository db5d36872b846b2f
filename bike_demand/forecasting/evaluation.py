"""How good a day's model is: scores by horizon on rows held out, and what it looks at.

The rows of `model_evaluation`, without what only the registry knows.
"""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from bike_demand.forecasting.examples import NAMES, Joined
from bike_demand.forecasting.features import Surroundings
from bike_demand.forecasting.grid import Grid
from bike_demand.forecasting.model import Model
from bike_demand.forecasting.promotion import GATED
from bike_demand.forecasting.splits import GAP, Split
from bike_demand.forecasting.yardstick import Yardstick

SCORES = ("rmse", "mae", "wape", "crps", "brier_empty", "brier_full", "pit_coverage_80")


def evaluation(
    model: Model, joined: Joined, grid: Grid, split: Split, surroundings: Surroundings
) -> pd.DataFrame:
    """Score a model at the gated horizons of its test, and by what its learning was stopped.

    Args:
        model: Learnt from `split`.
        joined: Features of the test's origins.
        grid: To the end of the split.
        split: As `splits.training_split` gives it.
        surroundings: Of the same system.

    Returns:
        `split` (`validation` or `test`), `horizon` [h], `rows`, `SCORES`, `best_simple`, and the
        skills; of the validation only the RMSE is known.

    Raises:
        NothingToScoreError: The test has no row.
    """
    rows: list[dict[str, Any]] = [
        {"split": "validation", "horizon": horizon, "rows": count, "rmse": rmse}
        for horizon, (count, rmse) in model.validation().items()
    ]
    # Simple forecasts may learn the gap: they need no validation.
    tested = Split(split.start, split.train + GAP, split.test - GAP)
    yardstick = Yardstick(joined, grid, tested, surroundings)
    for horizon in GATED:
        scored = yardstick.score(timedelta(hours=horizon), {"model": model}, "model")
        simple = scored["simple"]
        rows.append(
            {
                "split": "test",
                "horizon": horizon,
                "rows": scored["n"],
                **{name: scored["model"][name] for name in SCORES},
                "best_simple": min(simple, key=lambda name: simple[name]["rmse"]),
                **{name: value for name, value in scored.items() if name.startswith("skill_")},
            }
        )
    return pd.DataFrame(rows)


def importance(model: Model) -> "pd.Series[float]":
    """How much each feature has lowered the loss of predicted changes; shares, largest first."""
    gains = [member.change.gains() for group in model.groups for member in group.members]
    return pd.Series(np.mean(gains, axis=0), index=[*NAMES]).sort_values(ascending=False)
