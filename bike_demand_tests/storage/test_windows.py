"""Windows and the arithmetic on them."""

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bike_demand.storage.windows import Reach, Window, describe, merge
from bike_demand_tests.storage.examples import MIDNIGHT, tick, ticks

HOUR = timedelta(hours=1)
WINDOWS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 9)).map(
        lambda pair: Window(MIDNIGHT + pair[0] * HOUR, MIDNIGHT + sum(pair) * HOUR)
    )
)


def instants(windows):
    return {
        hour
        for hour in range(60)
        if any(window.start <= MIDNIGHT + hour * HOUR < window.end for window in windows)
    }


@given(WINDOWS)
def test_merging_keeps_every_instant_in_disjoint_windows_in_order(windows):
    merged = merge(windows)
    assert instants(merged) == instants(windows)
    assert all(one.end < other.start for one, other in pairwise(merged))


def test_windows_that_touch_are_merged_and_windows_apart_are_not():
    assert merge([*ticks(0, 4), *ticks(6, 8)]) == (
        Window(tick(0).start, tick(4).start),
        Window(tick(6).start, tick(8).start),
    )


def test_bounds_in_another_zone_are_the_same_window_in_utc():
    nepal = timezone(timedelta(hours=5, minutes=45))
    window = Window(MIDNIGHT.astimezone(nepal), tick().end)
    assert window == tick()
    assert str(window) == "[2024-03-10T00:00:00Z, 2024-03-10T00:15:00Z)"


@pytest.mark.parametrize("end", [MIDNIGHT, MIDNIGHT - HOUR])
def test_a_window_without_an_instant_is_refused(end):
    with pytest.raises(ValueError, match="ends after it starts"):
        Window(MIDNIGHT, end)


def test_a_naive_bound_is_refused():
    with pytest.raises(ValueError, match="tz-aware"):
        Window(datetime(2024, 1, 1), MIDNIGHT)  # noqa: DTZ001  # the fault itself


def test_a_lookback_reads_the_stretch_before_and_the_same_ticks_weeks_ago():
    week = timedelta(weeks=1)
    reach = Reach(lookback=((24 * HOUR, timedelta(0)), (week, week), (2 * week, 2 * week)))
    assert reach.of([tick()]) == (
        Window(tick().start - 2 * week, tick().end - 2 * week),
        Window(tick().start - week, tick().end - week),
        Window(tick().start - 24 * HOUR, tick().end),
    )


def test_a_lookahead_reads_past_the_end():
    assert Reach(lookahead=HOUR).of([tick()]) == (Window(tick().start, tick().end + HOUR),)


def test_no_windows_reach_nothing():
    assert Reach(lookback=((HOUR, timedelta(0)),), lookahead=HOUR).of([]) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"lookback": ((HOUR, 2 * HOUR),)},
        {"lookback": ((HOUR, -HOUR),)},
        {"lookahead": -HOUR},
    ],
)
def test_a_reach_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="look"):
        Reach(**wrong)


def test_many_windows_are_described_by_the_first_and_their_number():
    assert describe(ticks(0, 5)).endswith("and 2 more")
