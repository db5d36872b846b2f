"""Of how many newest days to learn, when older ones tell of another city: found by backtest."""

from typing import Final

import numpy as np

from bike_demand.forecasting.examples import Joined
from bike_demand.forecasting.grid import Grid
from bike_demand.forecasting.learners import Learner
from bike_demand.forecasting.model import LEAST_DAYS, put_together, train
from bike_demand.forecasting.promotion import GATED
from bike_demand.forecasting.splits import DAY, HOUR, Split, TooLittleHistoryError
from bike_demand.forecasting.yardstick import crps_by_origin

WINDOWS: Final = (7, 10, 14)
"""Days, of which the best is taken."""

HELD: Final = 2 * DAY
"""The newest days of what may be learnt, which windows are compared on."""

PAIRS: Final = 60_000
"""Of each group of horizons, to compare windows by."""


def choose(
    joined: Joined, grid: Grid, split: Split, learner: Learner, feature_version: str
) -> dict[int, float]:
    """What models are worth that have learnt some days, on the two days after.

    Args:
        joined: Features of the origins.
        grid: What they are of.
        split: What may be learnt; its test is not looked at.
        learner: The algorithm.
        feature_version: Of the features.

    Returns:
        By days, CRPS on the held days: the geometric mean of gated horizons [bikes]. The lowest is
        the best.

    Raises:
        TooLittleHistoryError: There are not as many days as the shortest window takes.
    """
    end = split.train_end - HELD
    windows = [days for days in WINDOWS if end - days * DAY >= split.start]
    if not windows:
        raise TooLittleHistoryError(
            f"There are {split.train / DAY:.0f} days to learn from; to choose a shorter window, "
            f"{(LEAST_DAYS + HELD) / DAY:.0f} are needed."
        )
    found = {}
    for days in windows:
        parts = [*train(joined, grid, end - days * DAY, end, [learner], PAIRS)]
        models = {"model": put_together(parts, learner.name, end, feature_version)}
        scores = [
            crps_by_origin(models, joined, grid, end, split.train_end, hours * HOUR)[1]["model"]
            for hours in GATED
        ]
        found[days] = float(np.exp(np.mean([np.log(each.mean()) for each in scores])))
    return found
