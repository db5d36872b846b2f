"""How far values have moved: bins, shares and the index."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bike_demand.forecasting.drift import BINS, HOURS, Reference, band, psi

RNG = np.random.default_rng(1)


def learnt(values, hours=None):
    values = np.asarray(values, dtype=np.float32)
    reference = Reference.empty({"x": values}, {})
    reference.add("x", values, np.zeros(len(values), int) if hours is None else np.asarray(hours))
    return reference


def at(*pairs):
    rows = np.zeros(HOURS, dtype=np.int64)
    for hour, count in pairs:
        rows[hour] = count
    return rows


def index(reference, values, rows, independent=10**9):
    values = np.asarray(values, dtype=np.float32)
    return psi(reference.expected("x", rows), reference.count({"x": values})["x"], independent)


def test_what_was_learnt_has_not_moved():
    values = RNG.normal(size=5_000)
    assert index(learnt(values), values, at((0, 5_000))) == pytest.approx(0, abs=1e-12)


def test_the_index_is_the_formula():
    reference = learnt(np.repeat([0, 1], [60, 40]))
    moved = index(reference, np.repeat([0, 1], [30, 70]), at((0, 100)))
    by_hand = (0.3 - 0.6) * np.log(0.3 / 0.6) + (0.7 - 0.4) * np.log(0.7 / 0.4)
    assert moved == pytest.approx(by_hand)


def test_a_normal_that_moved_by_a_deviation_is_critical_and_by_a_tenth_is_not():
    values = RNG.normal(size=20_000)
    reference = learnt(values)
    assert band(index(reference, values + 1, at((0, 1)))) == "critical"
    assert band(index(reference, values + 0.1, at((0, 1)))) == "none"


def test_what_is_seldom_above_the_least_is_seen_to_become_common():
    """As e-bikes, or bikes out of order, in a system that has few."""
    reference = learnt(np.repeat([0, 1, 5], [950, 30, 20]))
    moved = index(reference, np.repeat([0, 1, 5], [500, 300, 200]), at((0, 1_000)))
    by_hand = (0.5 - 0.95) * np.log(0.5 / 0.95) + (0.5 - 0.05) * np.log(0.5 / 0.05)
    assert moved == pytest.approx(by_hand)
    assert band(moved) == "critical"


def test_hours_are_compared_with_the_same_hours():
    night, day = RNG.normal(0, 1, 5_000), RNG.normal(5, 1, 5_000)
    reference = learnt([*night, *day], [3] * 5_000 + [15] * 5_000)
    assert index(reference, night, at((3, 5_000))) < 0.01
    assert index(reference, day, at((15, 5_000))) < 0.01
    assert index(reference, [*night, *day], at((3, 5_000), (15, 5_000))) < 0.01
    assert index(reference, night, at((15, 5_000))) > 1


def test_what_chance_makes_of_few_stations_is_taken_off():
    values = RNG.normal(size=20_000)
    reference = learnt(values)
    few = [
        index(reference, RNG.choice(values, 40), at((0, 40)), independent=40) for _ in range(200)
    ]
    raw = [index(reference, RNG.choice(values, 40), at((0, 40))) for _ in range(200)]
    assert np.mean(raw) > 0.2
    assert np.median(few) < 0.1


def test_values_that_are_not_known_do_not_count():
    values = RNG.normal(size=1_000)
    reference = learnt([*values, *[np.nan] * 500])
    assert index(reference, [*values, *[np.nan] * 900], at((0, 1_000))) == pytest.approx(0)
    assert np.isnan(index(reference, [np.nan] * 10, at((0, 10))))


def test_at_hours_that_nothing_was_learnt_of_nothing_is_known():
    reference = learnt(RNG.normal(size=100))
    assert np.isnan(index(reference, [0.0], at((7, 1))))


def test_what_was_never_known_has_no_index():
    reference = learnt([np.nan] * 10)
    assert np.isnan(index(reference, [1.0], at((0, 1))))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (0, "none"),
        (0.099, "none"),
        (0.1, "minor"),
        (0.15, "moderate"),
        (0.249, "moderate"),
        (0.25, "critical"),
        (float("nan"), "unknown"),
    ],
)
def test_bands(value, name):
    assert band(value) == name


floats = st.floats(-1e6, 1e6, width=32) | st.just(float("nan"))


@given(st.lists(floats, min_size=1, max_size=200), st.lists(floats, max_size=200))
def test_every_row_is_in_one_bin(values, others):
    reference = learnt(values)
    counts = reference.count({"x": np.asarray(others, dtype=np.float32)})["x"]
    assert counts.shape == (BINS + 1,)
    assert counts.sum() == len(others)
    assert counts[-1] == np.isnan(np.asarray(others, dtype=np.float32)).sum()
    known = np.asarray(values, dtype=np.float32)
    share = reference.expected("x", at((0, len(values))))
    if np.isnan(known).all():
        assert np.isnan(share).all()
    else:
        assert share.sum() == pytest.approx(1)
        assert share[0] > 0


@given(st.lists(floats, min_size=1, max_size=100), st.lists(floats, min_size=1, max_size=100))
def test_the_index_is_never_negative(values, others):
    moved = index(learnt(values), others, at((0, len(others))))
    assert np.isnan(moved) or moved >= 0
