"""Who becomes champion: gates, unseen rows, and a comparison that days are drawn for."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bike_demand.forecasting.promotion import (
    GATED,
    LEAST_UNSEEN,
    MARGIN,
    Gain,
    compared,
    enough,
    gain,
    gates,
    unseen,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
END = datetime(2026, 3, 29, tzinfo=UTC)
GOOD = dict.fromkeys(GATED, 0.1), dict.fromkeys(GATED, 0.8)


def losses(factor=1.0, days=4, rows=50, seed=1):
    drawn = np.random.default_rng(seed)
    each = {hours: drawn.gamma(2, size=days * rows) * factor for hours in GATED}
    return each, {hours: np.repeat(np.arange(days), rows) for hours in GATED}


def test_nothing_stands_against_a_model_that_beats_all_and_is_calibrated():
    assert gates(*GOOD) is None


@pytest.mark.parametrize("hours", GATED)
@pytest.mark.parametrize("skill", [0.0, -0.01, float("nan")])
def test_a_model_that_a_simple_forecast_equals_anywhere_is_refused(hours, skill):
    refusal = gates({**GOOD[0], hours: skill}, GOOD[1])
    assert refusal is not None
    assert not refusal.promoted
    assert refusal.reason == "not_better_than_simple"
    assert f" {hours} h" in refusal.detail


@pytest.mark.parametrize("hours", GATED)
@pytest.mark.parametrize("coverage", [0.7599, 0.8401, float("nan")])
def test_a_model_that_is_too_sure_or_too_unsure_anywhere_is_refused(hours, coverage):
    refusal = gates(GOOD[0], {**GOOD[1], hours: coverage})
    assert refusal is not None
    assert refusal.reason == "not_calibrated"
    assert f" {hours} h" in refusal.detail


@pytest.mark.parametrize("coverage", [0.76, 0.84])
def test_the_ends_of_what_is_calibrated_belong_to_it(coverage):
    assert gates(GOOD[0], dict.fromkeys(GATED, coverage)) is None


def test_equal_models_gain_nothing_for_sure():
    each, days = losses()
    assert gain(each, each, days) == Gain(0, 0, 0)


def test_a_tenth_less_loss_everywhere_is_a_gain_of_a_tenth_for_sure():
    each, days = losses()
    found = gain({hours: values * 0.9 for hours, values in each.items()}, each, days)
    assert (found.gain, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_horizons_count_alike_however_large_their_losses():
    each, days = losses()
    better = {**each, 1: each[1] * 0.5}
    assert gain(better, each, days).gain == pytest.approx(0.1)


def test_a_gain_of_one_day_alone_is_not_for_sure():
    each, days = losses()
    better = {
        hours: np.where(days[hours] == 0, values * 0.7, values) for hours, values in each.items()
    }
    found = gain(better, each, days)
    assert found.gain > MARGIN
    assert found.low <= 0


@given(st.floats(0.5, 1.5), st.integers(2, 9), st.integers(0, 99))
def test_a_gain_lies_in_its_interval_and_is_the_same_each_time(factor, days, seed):
    new, number = losses(factor, days, seed=seed)
    old, _ = losses(1.0, days, seed=seed + 1)
    found = gain(new, old, number)
    assert found.low <= found.gain <= found.high
    assert found == gain(new, old, number)


@pytest.mark.parametrize(
    ("found", "promoted"),
    [
        (Gain(0.02, 0.01, 0.03), True),
        (Gain(MARGIN, 0.001, 0.03), True),
        (Gain(MARGIN - 0.001, 0.001, 0.03), False),
        (Gain(0.02, 0.0, 0.03), False),
        (Gain(0.02, -0.01, 0.05), False),
        (Gain(-0.02, -0.03, -0.01), False),
    ],
)
def test_a_champion_is_replaced_for_a_margin_that_is_more_than_chance(found, promoted):
    decision = compared(found)
    assert decision.promoted is promoted
    assert decision.reason == ("better" if promoted else "not_better")
    assert decision.gain == found


def test_rows_are_unseen_a_day_after_what_any_model_has_looked_at():
    seen = END - 4 * DAY - HOUR
    assert unseen(END - 5 * DAY, END, seen) == (END - 3 * DAY - HOUR, END)


def test_unseen_rows_begin_at_a_full_hour():
    seen = END - 4 * DAY - timedelta(minutes=10)
    assert unseen(END - 5 * DAY, END, seen) == (END - 3 * DAY, END)


def test_rows_from_before_the_days_held_out_are_not_looked_at():
    assert unseen(END - 5 * DAY, END, END - 40 * DAY) == (END - 5 * DAY, END)


@pytest.mark.parametrize(("hours", "enough"), [(48, True), (47, False), (-100, False)])
def test_two_days_of_unseen_rows_are_enough(hours, enough):
    assert timedelta(hours=48) == LEAST_UNSEEN
    found = unseen(END - 5 * DAY, END, END - DAY - hours * HOUR)
    assert (found is not None) is enough


@pytest.mark.parametrize(
    ("origins", "suffices"),
    [
        (range(72), True),
        (range(60), True),
        (range(59), False),
        (range(49), False),
        ([*range(24), *range(48, 72)], False),
        ([*range(24), *range(48, 72), *range(96, 108)], True),
        ([5] * 10_000, False),
    ],
)
def test_a_comparison_wants_two_days_of_hours_from_three_days(origins, suffices):
    assert enough(np.array(origins)) == suffices
