"""A model that has learnt noise: real in all but what it knows, and made in a second."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from bike_demand.forecasting.examples import NAMES, Examples
from bike_demand.forecasting.features import FEATURE_VERSION
from bike_demand.forecasting.grid import TICK
from bike_demand.forecasting.learners import LightGBM, XGBoost
from bike_demand.forecasting.model import HORIZONS, put_together, train
from bike_demand_tests.forecasting.feature_examples import DAY, random_grid

HOUR = timedelta(hours=1)
LEARNERS = (LightGBM(rounds=5, threads=1), XGBoost(rounds=5, threads=1))


class Noise:
    """Stands for the features of a grid: quicker than making them."""

    def of(self, pairs):
        return pairs

    def examples(self, pairs, horizon):
        return examples(len(pairs), horizon // HOUR)


def examples(count, hours=None):
    """Rows of one horizon, or of all by turns; some stations do not tell their docks."""
    rng = np.random.default_rng(count)
    features = rng.normal(size=(count, len(NAMES))).astype(np.float32)
    features[rng.random(features.shape) < 0.1] = np.nan
    bikes = rng.integers(0, 9, count)
    horizons = np.resize(HORIZONS if hours is None else hours, count)
    features[:, NAMES.index("bikes")], features[:, -1] = bikes, horizons
    room = bikes + rng.integers(0, 9, count)
    return Examples(features, bikes, room, rng.random(count) < 0.9, horizons)


def small_models():
    """By algorithm."""
    grid = random_grid(1, ticks=9 * DAY, holes=0.01)
    always = np.ones_like(grid.bikes)
    grid = replace(grid, installed=always, renting=always)
    end = grid.start + 9 * DAY * TICK
    parts = [*train(Noise(), grid, grid.start, end, LEARNERS, 500)]
    names = [learner.name for learner in LEARNERS]
    return {name: put_together(parts, name, end, FEATURE_VERSION) for name in names}
