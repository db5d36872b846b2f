"""How good a day's model is: scores by horizon on rows held out, and what it looks at.

The rows of `model_evaluation`, without what only the registry knows; and how stations that much
happens at fare beside quiet ones.
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
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score a model at the gated horizons of its test, and by what its learning was stopped.

    Args:
        model: Learnt from `split`.
        joined: Features of the test's origins.
        grid: To the end of the split.
        split: As `splits.training_split` gives it.
        surroundings: Of the same system.

    Returns:
        `split` (`validation` or `test`), `horizon` [h], `rows`, `SCORES`, `best_simple`, and the
        skills; of the validation only the RMSE is known. And of the test by `group` (of
        `yardstick.ACTIVITIES`) and `horizon` [h]: `rmse` [bikes], `skill_rmse`.

    Raises:
        NothingToScoreError: The test has no row.
    """
    rows: list[dict[str, Any]] = [
        {"split": "validation", "horizon": horizon, "rows": count, "rmse": rmse}
        for horizon, (count, rmse) in model.validation().items()
    ]
    # Simple forecasts may learn the gap: they need no validation.
    tested = Split(split.start, split.train + GAP, split.test - GAP)
    yardstick, groups = Yardstick(joined, grid, tested, surroundings), list[dict[str, Any]]()
    for horizon in GATED:
        scored = yardstick.score(timedelta(hours=horizon), {"model": model}, "model", ("activity",))
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
        groups += [
            {
                "group": group,
                "horizon": horizon,
                "rmse": of_group["model"]["rmse"],
                "skill_rmse": of_group["skill_rmse"],
            }
            for group, of_group in scored["by_activity"].items()
        ]
    return pd.DataFrame(rows), pd.DataFrame(groups)


def importance(model: Model) -> "pd.Series[float]":
    """How much each feature has lowered the loss of predicted changes; shares, largest first."""
    gains = [member.change.gains() for group in model.groups for member in group.members]
    return pd.Series(np.mean(gains, axis=0), index=[*NAMES]).sort_values(ascending=False)
