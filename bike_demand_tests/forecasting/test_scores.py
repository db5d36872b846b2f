"""Scores, by hand and by what is known of them."""

import numpy as np
import pytest

from bike_demand.forecasting.distribution import Distribution
from bike_demand.forecasting.scores import (
    LEVELS,
    brier,
    crps,
    losses_of_distributions,
    losses_of_numbers,
    pinball,
    pit_coverage,
    skills,
    summary,
)


def test_a_quantile_loses_by_its_level_above_and_by_the_rest_below():
    assert pinball(np.array([5.0, 1.0]), np.array([3.0, 3.0]), 0.9) == pytest.approx([1.8, 0.2])


def test_the_crps_of_a_number_is_its_absolute_error():
    quantiles = np.full((2, len(LEVELS)), 4.0)
    assert crps(np.array([1.0, 6.0]), quantiles) == pytest.approx([3, 2])


def test_the_crps_of_a_distribution_is_its_integral_but_for_the_coarse_levels():
    masses = np.array([[0.1, 0.2, 0.4, 0.2, 0.1]])
    quantiles = Distribution.of_masses(masses, np.array([4])).quantiles(LEVELS)
    integral = sum((f - (k >= 1)) ** 2 for k, f in enumerate(np.cumsum(masses)))
    assert crps(np.array([1.0]), quantiles) == pytest.approx([integral], abs=0.05)


@pytest.mark.parametrize(
    ("below", "upto", "share"),
    [
        (0.2, 0.4, 1),  # inside
        (0.0, 0.2, 0.5),  # half of it
        (0.0, 1.0, 0.8),  # all there is
        (0.95, 1.0, 0),  # outside
        (0.5, 0.5, 1),  # no probability, inside
        (1.0, 1.0, 0),  # nor outside
    ],
)
def test_coverage_is_the_share_of_the_observations_probability_in_the_centre(below, upto, share):
    assert pit_coverage(np.array([below]), np.array([upto])) == pytest.approx([share])


def test_a_calibrated_forecast_of_coarse_counts_covers_80_percent():
    random = np.random.default_rng(1)
    masses = np.tile([0.55, 0.3, 0.1, 0.05], (20_000, 1))
    observed = random.choice(4, p=masses[0], size=len(masses)).astype(float)
    forecast = Distribution.of_masses(masses, np.full(len(masses), 3))
    none = np.zeros(len(masses))
    scores = summary(losses_of_distributions(observed, none, none, forecast))
    assert scores["pit_coverage_80"] == pytest.approx(0.8, abs=0.01)
    assert scores["closed_coverage_80"] > 0.9


def test_the_brier_score_is_the_squared_error_of_a_probability():
    assert brier(np.array([1.0, 0.0]), np.array([0.8, 0.5])) == pytest.approx([0.04, 0.25])


def test_a_summary_averages_and_leaves_out_what_is_not_known():
    observed = np.array([4.0, 1.0])
    forecast = {"bikes": np.array([1.0, 1.0]), "empty": np.zeros(2), "full": np.array([0.5, 0.5])}
    losses = losses_of_numbers(observed, np.zeros(2), np.array([1, np.nan]), forecast)
    assert summary(losses) == pytest.approx(
        {
            "rmse": 4.5**0.5,
            "mae": 1.5,
            "wape": 0.6,
            "crps": 1.5,
            "brier_empty": 0,
            "brier_full": 0.25,
        }
    )


def test_a_distribution_loses_by_its_mean_and_by_its_median():
    forecast = Distribution.of_masses(np.array([[0.6, 0, 0, 0, 0.4]]), np.array([4]))
    zero = np.zeros(1)
    losses = losses_of_distributions(np.array([0.0]), zero + 1, zero, forecast).iloc[0]
    assert losses["squared"] == pytest.approx(1.6**2)
    assert losses["absolute"] == 0
    assert losses["width"] == 4
    assert losses["brier_empty"] == pytest.approx(0.16)
    assert losses["brier_full"] == pytest.approx(0.16)


def test_skill_is_what_the_best_simple_forecast_leaves():
    names = ("rmse", "mae", "crps", "brier_empty", "brier_full")
    simple = {"a": dict.fromkeys(names, 4.0), "b": dict.fromkeys(names, 2.0)}
    model = dict.fromkeys(names, 1.5)
    assert skills(model, simple) == {f"skill_{name}": 0.25 for name in names}


def test_where_a_simple_forecast_is_perfect_there_is_no_skill():
    names = ("rmse", "mae", "crps", "brier_empty", "brier_full")
    perfect = {"a": dict.fromkeys(names, 0.0)}
    assert np.isnan([*skills(dict.fromkeys(names, 1.0), perfect).values()]).all()
