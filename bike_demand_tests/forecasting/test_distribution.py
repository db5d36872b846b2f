"""A distribution over counts, and what is told of it."""

import numpy as np
import pytest

from bike_demand.forecasting.distribution import Distribution


@pytest.fixture
def two():
    """One over 0 … 3, and one over 0 … 1."""
    masses = np.array([[0.1, 0.2, 0.3, 0.4], [3.0, 1.0, 0, 0]])
    return Distribution.of_masses(masses, np.array([3, 1]))


def test_it_has_a_mean(two):
    assert two.mean() == pytest.approx([2.0, 0.25])


def test_a_quantile_is_the_lowest_count_that_reaches_its_level(two):
    assert two.quantiles([0.1, 0.3, 0.31, 0.9]).tolist() == [[0, 1, 2, 3], [0, 0, 0, 1]]


def test_it_tells_how_probable_fewer_bikes_are(two):
    assert two.below(np.array([0.0, 0.0])).tolist() == [0, 0]
    assert two.below(np.array([2.0, 99.0])) == pytest.approx([0.3, 1])


def test_it_tells_how_probable_empty_and_full_are(two):
    assert two.empty() == pytest.approx([0.1, 0.75])
    assert two.full() == pytest.approx([0.4, 0.25])


def test_a_station_without_room_is_empty_and_full():
    none = Distribution.of_masses(np.ones((1, 1)), np.array([0]))
    assert (none.empty(), none.full()) == (1, 1)


def test_it_can_be_moved_to_another_mean_within_what_is_possible(two):
    moved = two.moved_to(np.array([1.2, 0.6]))
    assert moved.mean() == pytest.approx([1.2, 0.6], abs=1e-3)
    assert moved.cumulative[1].tolist() == pytest.approx([0.4, 1, 1, 1], abs=1e-3)


def test_it_stays_where_it_is_if_that_is_its_mean(two):
    assert two.moved_to(two.mean()).cumulative == pytest.approx(two.cumulative)


def test_a_certain_count_is_not_moved():
    certain = Distribution.of_masses(np.array([[0.0, 1.0, 0.0]]), np.array([2]))
    assert certain.moved_to(np.array([2.0])).mean() == pytest.approx([1.0])


def test_a_skewed_one_is_moved_far():
    # Regression: Newton's steps alone overshot, and came to rest at the other end.
    masses = np.append(np.full(20, 1e-4), 1.0)[None]
    both = Distribution.of_masses(np.concatenate([masses, masses[:, ::-1]]), np.array([20, 20]))
    assert both.moved_to(np.array([2.0, 18.0])).mean() == pytest.approx([2, 18], abs=0.01)


def test_a_small_station_is_moved_beside_one_of_thousands_of_docks():
    # Regression: weights of counts that the small one cannot have overflowed to NaN.
    masses = np.zeros((2, 5001))
    masses[0, :21] = np.append(1.0, np.full(20, 1e-4))
    masses[1] = 1
    both = Distribution.of_masses(masses, np.array([20, 5000]))
    moved = both.moved_to(np.array([3.0, 2500.0]))
    assert moved.mean() == pytest.approx([3.0, 2500.0], abs=0.01)


def test_ends_and_mean_can_be_given(two):
    given = two.with_ends(np.array([1.4, 0.3]), np.array([0.3, 0.7]), np.array([0.2, np.nan]))
    assert given.empty() == pytest.approx([0.3, 0.7], abs=1e-3)
    assert given.full() == pytest.approx([0.2, 0.3], abs=1e-3)
    assert given.mean() == pytest.approx([1.4, 0.3], abs=1e-3)


def test_between_its_ends_it_keeps_the_shape_it_has():
    masses = np.array([[1.0, 4, 2, 1, 1]])
    plain = Distribution.of_masses(masses, np.array([4]))
    between = (4 + 2 * 2 + 3) / 7  # their mean stays
    given = plain.with_ends(np.array([0.5 * between + 0.1 * 4]), np.array([0.4]), np.array([0.1]))
    found = np.diff(given.cumulative[0], prepend=0)
    assert found == pytest.approx([0.4, *(0.5 * masses[0, 1:4] / 7), 0.1], abs=1e-3)


def test_ends_that_are_not_known_stay(two):
    nothing = np.full(2, np.nan)
    given = two.with_ends(two.mean(), nothing, nothing)
    assert given.cumulative == pytest.approx(two.cumulative, abs=1e-3)


def test_ends_that_leave_nothing_for_the_rest_are_scaled():
    masses = np.array([[0.5, 0, 0, 0.5], [0.2, 0.5, 0.3, 0]])
    both = Distribution.of_masses(masses, np.array([3, 2]))
    given = both.with_ends(np.array([1.5, 1.0]), np.array([0.8, 1.0]), np.array([0.8, 1.0]))
    assert given.empty() == pytest.approx(given.full(), abs=1e-3)
    assert given.mean() == pytest.approx([1.5, 1.0], abs=0.01)


def test_a_station_without_room_keeps_its_only_count():
    none = Distribution.of_masses(np.ones((1, 1)), np.array([0]))
    assert none.with_ends(np.zeros(1), np.array([0.2]), np.array([0.2])).empty() == 1
