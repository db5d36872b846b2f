"""The plain model, on made-up stations."""

import numpy as np
import pytest

from bike_demand.forecasting.plain_lightgbm import Examples, PlainLightGBM
from bike_demand.forecasting.scores import pit_coverage


def examples(count, seed):
    """Bikes leave by the first feature, and the target knows it but for chance."""
    random = np.random.default_rng(seed)
    capacity = random.integers(5, 30, count)
    bikes = random.integers(0, capacity + 1)
    pull = random.normal(0, 3, count)
    after = np.clip(bikes + np.round(pull + random.normal(0, 1, count)), 0, capacity)
    features = np.column_stack([pull, bikes, capacity]).astype(np.float32)
    return Examples(features, bikes, capacity, random.random(count)), after


@pytest.fixture(scope="module")
def model():
    return PlainLightGBM(*examples(3_000, 1), *examples(20_000, 2))


@pytest.fixture(scope="module")
def forecast(model):
    return model.forecast(examples(2_000, 3)[0])


def test_a_forecast_stays_between_0_and_the_capacity(forecast):
    masses = np.diff(forecast.cumulative, axis=1, prepend=0)
    assert (masses >= -1e-12).all()
    beyond = np.arange(masses.shape[1]) > forecast.capacity[:, None]
    assert not masses[beyond].any()


def test_it_knows_more_than_persistence(forecast):
    rows, after = examples(2_000, 3)
    error = np.mean((forecast.mean() - after) ** 2)
    assert error < 0.3 * np.mean((rows.bikes - after) ** 2)


def test_80_percent_of_what_comes_lies_in_the_middle_80_percent(forecast):
    _, after = examples(2_000, 3)
    coverage = pit_coverage(forecast.below(after), forecast.below(after + 1))
    assert coverage.mean() == pytest.approx(0.8, abs=0.05)


def test_two_models_of_the_same_rows_are_the_same(model):
    again = PlainLightGBM(*examples(3_000, 1), *examples(20_000, 2))
    rows, _ = examples(100, 4)
    assert (again.forecast(rows).cumulative == model.forecast(rows).cumulative).all()


def test_stations_as_active_as_one_another_and_few_rows_are_enough():
    def alike(seed):
        rows, after = examples(5, seed)
        return Examples(rows.features, rows.bikes, rows.capacity, np.zeros(5)), after

    model = PlainLightGBM(*alike(1), *alike(2))
    rows = examples(5, 3)[0]  # of activities that it has not seen
    assert model.forecast(rows).cumulative[:, -1] == pytest.approx(1)
