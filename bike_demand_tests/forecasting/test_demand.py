"""Trips that can be seen in the counts of an hour."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bike_demand.forecasting.demand import demand
from bike_demand.forecasting.grid import TICK
from bike_demand_tests.forecasting.feature_examples import ARRAYS, random_grid

START = datetime(2024, 5, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
NONE = np.nan


def of(bikes, docks=None, hour=START):
    """Demand at one station whose counts stand from 8:00 on."""
    grid = random_grid(0, stations=1, ticks=len(bikes), start=START)
    grid.bikes[:, 0] = bikes
    grid.docks[:, 0] = [9] * len(bikes) if docks is None else docks
    return demand(grid, [hour]).iloc[0]


def test_departures_and_arrivals_are_the_net_changes_between_ticks():
    found = of([5, 3, 4, 4, 7])
    assert (found["departures"], found["arrivals"], found["intervals"]) == (2, 4, 4)


def test_the_last_interval_ends_with_the_first_tick_of_the_next_hour():
    assert of([5, 5, 5, 5, 2, 0])["departures"] == 3


def test_an_interval_is_known_if_both_its_ends_are():
    found = of([5, NONE, 4, 1, 2])
    assert (found["departures"], found["arrivals"], found["intervals"]) == (3, 1, 2)


def test_minutes_empty_and_full_are_of_the_known_intervals_that_began_so():
    found = of([0, 0, NONE, 0, 5], docks=[3, 0, 0, 0, 0])
    assert (found["minutes_empty"], found["minutes_full"]) == (30, 15)


def test_of_an_hour_of_which_nothing_is_known_nothing_is_said():
    grid = random_grid(0, stations=2, ticks=5, start=START)
    grid.bikes[:, 0] = [5, NONE, 3, NONE, 2]
    grid.bikes[:, 1] = [5, 5, 3, 3, 2]
    assert demand(grid, [START])["station_id"].tolist() == ["s001"]


def test_a_station_that_does_not_tell_its_docks_is_not_said_to_be_full():
    found = of([5, 5, 5, 5, 5], docks=[NONE] * 5)
    assert np.isnan(found["minutes_full"])
    assert found["minutes_empty"] == 0


@pytest.mark.parametrize(("hour", "intervals"), [(-1, []), (0, [4]), (1, [1]), (2, [])])
def test_what_lies_beyond_the_grid_is_unknown(hour, intervals):
    grid = random_grid(0, stations=1, ticks=6, start=START)
    grid.bikes[:] = 5
    assert demand(grid, [START + hour * HOUR])["intervals"].tolist() == intervals


def test_hours_and_stations_come_in_order_with_their_types():
    grid = random_grid(1, stations=2, ticks=9, start=START)
    frame = demand(grid, [START, START + HOUR])
    assert frame["station_id"].tolist() == ["s000", "s001"] * 2
    assert frame["hour"].tolist() == [START] * 2 + [START + HOUR] * 2
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "hour": "datetime64[us, UTC]",
        "station_id": "object",
        "departures": "float32",
        "arrivals": "float32",
        "minutes_empty": "float32",
        "minutes_full": "float32",
        "intervals": "int16",
    }


def test_no_hours_give_no_rows():
    assert demand(random_grid(1, ticks=5), []).empty


def test_an_hour_has_the_same_demand_alone_and_among_others():
    grid = random_grid(2, ticks=24 * 4 + 1, holes=0.3, start=START)
    hours = [START + number * HOUR for number in range(24)]
    alone = demand(grid.between(40, 45), [hours[10]])
    among = demand(grid, hours)
    among = among[among["hour"] == hours[10]].reset_index(drop=True)
    assert among.equals(alone)


def test_nothing_after_the_next_hours_first_tick_counts():
    grid = random_grid(3, ticks=12, holes=0, start=START)
    before = demand(grid, [START])
    for name in ARRAYS:
        getattr(grid, name)[5:] = 99
    assert demand(grid, [START]).equals(before)


def test_an_hour_off_the_ticks_is_refused():
    with pytest.raises(ValueError, match="no tick"):
        demand(random_grid(4, ticks=8, start=START), [START + TICK / 2])
