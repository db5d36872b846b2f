import subprocess
import sys
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bike_demand.simulation.city import City, Snapshot
from bike_demand.simulation.plan import STEP, Plan
from bike_demand.simulation.weather import Weather

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
PLAN = Plan(START, stations=60, seed=3)

plans = st.builds(
    Plan,
    start=st.integers(0, 3_000).map(lambda day: datetime(2020, 1, 1, tzinfo=UTC) + day * 24 * HOUR),
    stations=st.integers(2, 80),
    seed=st.integers(0, 2**32),
    timezone=st.sampled_from(["Europe/Lisbon", "America/New_York", "Asia/Kathmandu"]),
)


def values(snapshot: Snapshot) -> dict:
    return {
        field.name: np.asarray(getattr(snapshot, field.name)).tolist()
        for field in fields(snapshot)
        if field.name != "at"
    }


def bikes_everywhere(city: City) -> int:
    """At stations, under way and in trucks."""
    now = city.snapshot()
    parked = now.num_bikes_available.sum() + now.num_bikes_disabled.sum()
    return int(parked + city._arriving.sum() + city._trucks.cargo.sum())


def lived(plan: Plan, hours: int) -> list[Snapshot]:
    """A snapshot after each step."""
    city, snapshots = City(plan), []
    for step in range(1, hours * 12 + 1):
        city.advance(plan.start + step * STEP)
        snapshots.append(city.snapshot())
    return snapshots


@pytest.fixture(scope="module")
def two_days() -> list[Snapshot]:
    return lived(replace(PLAN, stations=150), 48)


@settings(max_examples=8, deadline=None)
@given(plan=plans)
def test_bikes_are_neither_made_nor_lost(plan):
    city = City(plan)
    for step in range(100):
        city.advance(plan.start + step * STEP)
        assert bikes_everywhere(city) == city.fleet


@settings(max_examples=8, deadline=None)
@given(plan=plans, hours=st.integers(0, 14))
def test_what_stands_at_a_station_adds_up_to_its_capacity(plan, hours):
    city = City(plan)
    city.advance(plan.start + hours * HOUR)
    now = city.snapshot()
    total = (
        now.num_bikes_available
        + now.num_bikes_disabled
        + now.num_docks_available
        + now.num_docks_disabled
    )
    assert (total == city.stations["capacity"]).all()


@settings(max_examples=8, deadline=None)
@given(plan=plans, hours=st.integers(0, 14))
def test_no_count_is_negative_and_electric_bikes_are_bikes(plan, hours):
    city = City(plan)
    city.advance(plan.start + hours * HOUR)
    now = city.snapshot()
    for field in fields(now):
        if field.name.startswith("num_"):
            assert (getattr(now, field.name) >= 0).all(), field.name
    assert (now.num_ebikes_available <= now.num_bikes_available).all()


@pytest.fixture(scope="module")
def half_a_day() -> City:
    city = City(PLAN)
    city.advance(START + 12 * HOUR)
    return city


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 720), max_size=5).map(sorted))
def test_advancing_in_parts_is_advancing_in_one_go(half_a_day, cuts):
    in_parts = City(PLAN)
    for minutes in [*cuts, 720]:
        in_parts.advance(START + timedelta(minutes=minutes))
    assert values(in_parts.snapshot()) == values(half_a_day.snapshot())


def test_a_city_lives_alike_in_every_process(half_a_day):
    script = (
        "from datetime import *; from bike_demand.simulation.city import *\n"
        "city = City(Plan(datetime(2026, 3, 2, tzinfo=UTC), 60, 3))\n"
        "city.advance(city.now + timedelta(hours=12))\n"
        "print(city.snapshot().num_bikes_available.tolist(), city.fleet)"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    here = half_a_day.snapshot().num_bikes_available.tolist()
    assert elsewhere == f"{here} {half_a_day.fleet}\n"


@pytest.mark.parametrize("change", [{"seed": 4}, {"start": START - 24 * HOUR}])
def test_another_plan_is_another_city(change):
    here, there = City(PLAN), City(replace(PLAN, **change))
    assert values(here.snapshot()) != values(there.snapshot())


def test_another_start_finds_the_same_streets():
    here, there = City(PLAN), City(replace(PLAN, start=START - 24 * HOUR))
    assert here.stations.equals(there.stations)


def test_its_life_begins_at_the_start_of_the_plan():
    assert City(PLAN).now == START


def test_it_advances_to_the_last_step_before_a_time():
    city = City(PLAN)
    city.advance(START + timedelta(minutes=14, seconds=59))
    assert city.now == START + 2 * STEP


def test_it_does_not_go_back():
    city = City(PLAN)
    city.advance(START + HOUR)
    with pytest.raises(ValueError, match="does not go back"):
        city.advance(START)


def test_a_snapshot_stays_as_it_was():
    city = City(PLAN)
    snapshot = city.snapshot()
    before = values(snapshot)
    city.advance(START + 12 * HOUR)
    assert values(snapshot) == before


def test_asking_changes_nothing():
    asked, left_alone = City(PLAN), City(PLAN)
    for hour in range(10):
        asked.advance(START + hour * HOUR)
        asked.snapshot()
    left_alone.advance(START + 9 * HOUR)
    assert values(asked.snapshot()) == values(left_alone.snapshot())


@pytest.mark.parametrize("count", [2, 3, 60, 2_500])
def test_names_and_ids_are_unique(count):
    stations = City(replace(PLAN, stations=count)).stations
    assert len(stations) == count
    assert all(stations[name].is_unique for name in ("station_id", "name", "short_name"))


def test_neighbours_are_a_short_walk_apart():
    city = City(replace(PLAN, stations=900))
    lat, lon = (city.stations[name].to_numpy() for name in ("lat", "lon"))
    north = (lat[:, None] - lat) * 111.2
    east = (lon[:, None] - lon) * 111.2 * np.cos(np.radians(38.5))
    apart = np.hypot(north, east)
    np.fill_diagonal(apart, np.inf)
    assert np.quantile(apart.min(axis=1), 0.01) > 0.1
    assert np.quantile(apart.min(axis=1), 0.99) < 0.55


def test_stations_are_as_large_as_real_ones():
    capacity = City(replace(PLAN, stations=900)).stations["capacity"]
    assert capacity.between(11, 45).all()
    assert 19 <= capacity.median() <= 24


def test_a_weekday_has_two_peaks():
    bikes = np.stack([each.num_bikes_available for each in lived(replace(PLAN, stations=300), 24)])
    moved = np.abs(np.diff(bikes, axis=0)).sum(axis=1)
    hours = [(START + step * STEP).astimezone(ZoneInfo(PLAN.timezone)).hour for step in range(288)]
    by_hour = np.bincount(hours[1:], moved, minlength=24)
    assert by_hour[2:5].max() < by_hour[11:15].mean() < min(by_hour[8], by_hour[17])


def test_rain_makes_riders_stay_home(monkeypatch):
    def wanted(millimetres):
        observed = Weather.observed

        def wet(self, times):
            return observed(self, times).assign(precipitation=millimetres)

        with monkeypatch.context() as patch:
            patch.setattr(Weather, "observed", wet)
            city = City(PLAN)
            city.advance(START + 12 * HOUR)
            return city._wanted_until[-1]

    assert wanted(4.0) < 0.6 * wanted(0.0)


def test_a_silent_station_is_frozen(two_days):
    reported = np.stack([each.last_reported for each in two_days])
    bikes = np.stack([each.num_bikes_available for each in two_days])
    silent = reported[1:] == reported[:-1]
    assert silent.any()
    assert (bikes[1:] == bikes[:-1])[silent].all()


def test_nobody_rides_from_or_to_a_closed_station(two_days):
    renting = np.stack([each.is_renting for each in two_days])
    bikes = np.stack([each.num_bikes_available for each in two_days])
    closed = ~renting[1:] & ~renting[:-1]
    coming = np.diff(bikes, axis=0)[closed]
    assert closed.any()
    assert (coming == 0).all()


def test_no_report_is_of_the_future_and_none_older_than_the_last(two_days):
    reported = np.stack([each.last_reported for each in two_days])
    at = np.array([each.at.timestamp() for each in two_days])
    assert (reported <= at[:, None]).all()
    assert (np.diff(reported, axis=0) >= 0).all()


def test_things_break_and_are_mended(two_days):
    for name in ("num_bikes_disabled", "num_docks_disabled"):
        change = np.diff(np.stack([getattr(each, name) for each in two_days]), axis=0)
        assert (change > 0).any(), name
        assert (change < 0).any(), name


def test_a_rider_to_a_full_station_leaves_the_bike_nearby():
    city = City(replace(PLAN, stations=2))
    full, other = 0, 1
    city._bikes[:] = 0
    city._disabled[:] = 0
    city._broken_docks[:] = 0
    city._bikes[0, full] = city._capacity[full]
    city._arriving[:] = 0
    city._open[:] = True
    city._arriving[5, 1, full] = 1
    city._arrive(5)
    city._arrive(6)
    assert city._bikes[1].tolist() == [0, 1]
    assert city._arriving.sum() == 0
    assert city._bikes[0, other] == 0


def test_a_rider_circles_where_no_dock_is_free():
    city = City(replace(PLAN, stations=2))
    city._disabled[:] = 0
    city._broken_docks[:] = 0
    city._bikes[:] = [city._capacity, [0, 0]]
    city._arriving[:] = 0
    city._arriving[5, 1, 0] = 1
    city._arrive(5)
    assert city._arriving.sum() == 1


def test_a_rider_at_an_empty_station_gets_no_bike():
    city = City(replace(PLAN, stations=2))
    city._open[:] = True
    city._bikes[:] = [[0, 1], [0, 1]]
    found, _ = city._rent(np.array([0, 1, 1, 1]))
    assert found.tolist() == [False, True, True, False]


def test_trucks_bring_bikes_to_where_there_are_too_few():
    city = City(replace(PLAN, stations=2))
    city._open[:] = True
    city._disabled[:] = 0
    city._broken_docks[:] = 0
    city._arriving[:] = 0
    capacity = city._capacity
    city._bikes[:] = [[capacity[0], 0], [0, 0]]
    room = np.array([0, capacity[1]])
    for _ in range(100):
        city._trucks.work(12, city._bikes, room, capacity / 2, capacity, city._open)
    assert city._bikes[:, 1].sum() > 0.25 * capacity[1]


def test_trucks_rest_at_night():
    city = City(PLAN)
    bikes, capacity = city._bikes.copy(), city._capacity
    for _ in range(50):
        city._trucks.work(3, city._bikes, capacity, capacity * 0.9, capacity, city._open)
    assert (city._bikes == bikes).all()
