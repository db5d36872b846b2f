"""Past days as examples, worked out by hand."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bike_demand.forecasting.features import Surroundings, target_features
from bike_demand.forecasting.grid import SOURCES, TICK, Grid
from bike_demand.forecasting.profile_features import BANDWIDTH, UNLIKE

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LISBON = "Europe/Lisbon"


def station(start, days, seen, timezone=LISBON):
    """A grid of one station with what was seen of it: bikes by time, UTC; 20 docks in all."""
    ticks = days * DAY // TICK
    arrays = {name: np.full((ticks, 1), np.nan, dtype=np.float32) for name in (*SOURCES, "x")}
    fetched = np.full(ticks, np.datetime64("NaT", "us"))
    for time, bikes in seen.items():
        row = (time - start) // TICK
        arrays["bikes"][row], arrays["docks"][row] = bikes, 20 - bikes
        fetched[row] = np.datetime64(time.replace(tzinfo=None), "us")
    arrays["report_age"] = arrays.pop("x")
    grid = Grid(start, np.array(["a"], dtype=object), fetched, **arrays)
    places = pd.DataFrame({"station_id": ["a"], "lat": [0.0], "lon": [0.0], "capacity": [20]})
    return grid, Surroundings(places, None, timezone, None)


def profile(start, days, seen, origin, horizon=HOUR, timezone=LISBON):
    grid, around = station(start, days, seen, timezone)
    frame = target_features(grid, [grid.index(origin)], horizon, around)
    return frame.iloc[0]


START = datetime(2026, 5, 4, tzinfo=UTC)
"""A Monday, as the tenth day after it is a Thursday; Lisbon is an hour ahead of UTC."""

NOON = START + 10 * DAY + 12 * HOUR


def test_the_changes_of_past_days_are_averaged():
    seen = {NOON: 5}
    for days, (before, after) in {1: (4, 8), 2: (6, 6)}.items():
        seen |= {NOON - days * DAY: before, NOON - days * DAY + HOUR: after}
    found = profile(START, 11, seen, NOON)
    assert found["target_change_days"] == found["target_change_alike"] == 2
    assert found["target_deviation_alike"] == 2
    assert found["target_bikes_days"] == found["target_bikes_alike"] == 7
    assert found["target_bikes_before_alike"] == 5


def test_changes_that_began_an_hour_earlier_or_later_count_too():
    yesterday = NOON - DAY
    seen = {NOON: 5, **{yesterday + hours * HOUR: 2 ** (hours + 1) for hours in range(-1, 3)}}
    found = profile(START, 11, seen, NOON)
    assert found["target_change_days"] == pytest.approx((1 + 2 + 4) / 3)


def test_days_of_another_kind_are_told_apart():
    sunday = NOON - 4 * DAY
    yesterday = NOON - DAY
    seen = {NOON: 5, sunday: 5, sunday + HOUR: 0, yesterday: 5, yesterday + HOUR: 8}
    found = profile(START, 11, seen, NOON)
    assert found["target_change_alike"] == 3
    assert found["target_change_days"] == -1
    assert found["target_empty_alike"] == 0
    assert found["target_empty_near"] == pytest.approx(UNLIKE / (1 + UNLIKE))


def test_a_day_is_of_the_same_kind_if_the_target_is_on_the_same_kind_of_day():
    friday = datetime(2026, 5, 15, 12, tzinfo=UTC)
    seen = {friday: 5, friday - DAY: 5, friday - 7 * DAY: 5, friday - 6 * DAY: 9}
    found = profile(START, 12, seen, friday, DAY)
    assert found["target_change_alike"] == 4
    assert found["target_change_days"] == 2  # with Thursday's, which is nought


def test_days_with_as_many_bikes_weigh_more():
    seen = {NOON: 5}
    for days, (before, after) in {1: (5, 6), 2: (13, 16)}.items():
        seen |= {NOON - days * DAY: before, NOON - days * DAY + HOUR: after}
    found = profile(START, 11, seen, NOON)
    far = np.exp(-((8 / BANDWIDTH) ** 2) / 2)
    assert found["target_weight_near"] == pytest.approx(1 + far)
    assert found["target_change_near"] == pytest.approx((1 + 3 * far) / (1 + far))


def test_shares_of_empty_and_full_are_of_the_targets_time():
    seen = {NOON: 5}
    for days, after in {1: 0, 2: 20, 3: 7, 4: 0}.items():
        seen |= {NOON - days * DAY: 5, NOON - days * DAY + HOUR: after}
    found = profile(START, 11, seen, NOON)
    assert found["target_empty_alike"] == pytest.approx(1 / 3)  # the fourth day is a Sunday
    assert found["target_full_alike"] == pytest.approx(1 / 3)


def test_what_is_not_known_is_null():
    found = profile(START, 11, {NOON: 5}, NOON)
    assert found[[name for name in found.index if "_alike" in name or "_days" in name]].isna().all()
    assert np.isnan(found["target_change_near"])
    assert found["target_weight_near"] == 0


def test_the_same_time_is_the_same_on_the_local_clock():
    # New York put its clocks forward on 8 March 2026: noon was at 17:00 UTC, and then at 16:00.
    start = datetime(2026, 3, 2, tzinfo=UTC)
    wednesday = datetime(2026, 3, 11, 16, tzinfo=UTC)
    friday = datetime(2026, 3, 6, 17, tzinfo=UTC)
    seen = {wednesday: 5, friday: 3, friday + HOUR: 10}
    found = profile(start, 11, seen, wednesday, timezone="America/New_York")
    assert found["target_change_alike"] == 7
