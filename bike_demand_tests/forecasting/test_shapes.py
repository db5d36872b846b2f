"""Distributions of changes, counted."""

import numpy as np
import pytest

from bike_demand.forecasting.scores import pit_coverage
from bike_demand.forecasting.shapes import PER_BIN, Shapes


def rows(count, seed):
    """Stations with more spread change more, by chance, around what was predicted."""
    random = np.random.default_rng(seed)
    spread = random.choice([0.5, 3.0], count)
    predicted = random.normal(0, 2, count)
    changes = np.rint(predicted + random.normal(0, spread)).astype(int)
    return spread, predicted, changes


@pytest.fixture(scope="module")
def shapes():
    return Shapes.learn(*rows(60_000, 1))


def test_a_little_more_than_80_percent_of_what_is_alike_lies_in_the_middle_80_percent(shapes):
    spread, predicted, changes = rows(10_000, 2)
    bikes, room = np.full(10_000, 50), np.full(10_000, 100)
    found = shapes.around(spread, predicted, bikes, room)
    after = (bikes + changes).astype(float)
    coverage = pit_coverage(found.below(after), found.below(after + 1))
    for kind in (0.5, 3.0):
        assert 0.8 < coverage[spread == kind].mean() < 0.9


def test_a_station_that_is_steadier_has_a_narrower_distribution(shapes):
    steady, restless = (
        shapes.around(np.array([spread]), np.zeros(1), np.array([50]), np.array([100]))
        for spread in (0.5, 3.0)
    )
    width = [float(np.diff(each.quantiles([0.1, 0.9]))[0, 0]) for each in (steady, restless)]
    assert width[0] < width[1] / 2


def test_what_lies_beyond_the_ends_is_put_there(shapes):
    found = shapes.around(np.array([3.0, 3.0]), np.zeros(2), np.array([0, 4]), np.array([9, 4]))
    assert found.cumulative[:, -1].tolist() == [1, 1]
    assert found.empty()[0] > 0.3
    assert found.full()[1] > 0.3


def test_a_spread_that_is_not_known_is_the_widest(shapes):
    bikes, room = np.array([50, 50]), np.array([100, 100])
    found = shapes.around(np.array([np.nan, 3.0]), np.zeros(2), bikes, room)
    assert (found.cumulative[0] == found.cumulative[1]).all()


def test_a_few_rows_of_equal_spread_are_enough():
    changes = np.array([0, 1, -1, 0])
    shapes = Shapes.learn(np.full(4, np.nan), np.zeros(4), changes)
    found = shapes.around(np.array([7.0]), np.array([5.0]), np.array([2]), np.array([4]))
    # A change of one bike is widened to 1.15, which one and two share.
    expected = [0.25 * 0.15, 0.25, 0.75, 1 - 0.25 * 0.15, 1]
    assert found.cumulative[0] == pytest.approx(expected)


def test_a_station_at_rest_stays_so():
    changes = np.array([0] * 18 + [1, -1])
    shapes = Shapes.learn(np.ones(20), np.zeros(20), changes)
    found = shapes.around(np.ones(1), np.zeros(1), np.array([5]), np.array([20]))
    assert np.diff(found.cumulative[0])[4] == pytest.approx(0.9)


def test_many_rows_of_the_same_spread_share_their_distribution():
    _, predicted, changes = rows(20 * PER_BIN, 3)
    shapes = Shapes.learn(np.zeros(len(changes)), predicted, changes)
    found = shapes.around(np.zeros(1), np.zeros(1), np.array([9]), np.array([20]))
    assert found.cumulative[0, -1] == 1
