"""The pipeline runs by itself: whole days, and what goes wrong in them."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from bike_demand import cadence as cadences
from bike_demand import data_times
from bike_demand.cadence import CADENCES
from bike_demand.defs.monitoring import alert_sensor
from bike_demand.failures import PermanentFailure
from bike_demand.freshness import TRIES
from bike_demand_tests.automation.days import DAY, HOUR, MINUTE, Days, World

START = datetime(2026, 3, 6, 0, tzinfo=UTC)
MADE_LATER = (cadences.FEATURES, cadences.DEMAND, cadences.FORECAST)


@pytest.fixture
def drive(tmp_path, postgres_url, monkeypatch, request, record_property):
    """A pipeline that has run for two hours; what came of the days is told after the tests."""
    driven = []

    def begin(world, start):
        systems = "".join(
            f'[[systems]]\nsystem_id = "{name}"\nurl = "http://127.0.0.1:9"\n'
            for name in world.systems
        )
        (tmp_path / "settings.toml").write_text(systems)
        monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
        days = Days(world, start, tmp_path, postgres_url)
        monkeypatch.setattr(data_times, "ages", world.ages)
        monkeypatch.setattr(alert_sensor, "channels", lambda _: [days.channel])
        days.were_made("station_status", {start - number * 15 * MINUTE for number in range(1, 9)})
        driven.append(days)
        return days

    yield begin
    [days] = driven
    name = request.node.name.removeprefix("test_").replace("_", " ")
    record_property("days", {"what": name, **days.account()})


def between(first, last, *assets):
    """Assets fail for good from one hour of the day to another."""

    def trouble(asset, start, now):
        if asset in assets and START + first * HOUR <= now < START + last * HOUR:
            raise PermanentFailure(f"{asset} cannot be had")

    return trouble


def no_more_than_allowed(days):
    """None was made twice or asked for more than once and three times; what could be made is."""
    assert max(days.asked.values()) <= 1 + TRIES
    made = {key: number for key, number in days.world.succeeded.items() if number > 1}
    assert made == {}
    for cadence in CADENCES:
        assert days.makeable(cadence) == [], cadence.name


def told_and_over(incident):
    return [("opened", incident), ("recovered", incident)]


def test_an_ordinary_day_makes_each_partition_once(drive):
    days = drive(World(), START)
    days.were_made("station_features", {START - hours * HOUR for hours in range(2, 28 * 24)})
    days.pass_time(START + DAY + 40 * MINUTE)
    for cadence in CADENCES:
        assert days.missing(cadence) == [], cadence.name
    no_more_than_allowed(days)
    assert set(days.asked.values()) == {1}
    assert days.failed() == 0
    of_the_day = Counter(name for name, key in days.asked if key.startswith("2026-03-06"))
    assert [of_the_day[cadence.name] for cadence in CADENCES[:5]] == [96, 48, 24, 24, 24]
    assert days.asked["lightgbm_model", "2026-03-05"] == 1
    assert days.channel.told() == []


def test_a_missed_snapshot_stays_a_gap_and_costs_nothing_else(drive):
    days = drive(World(between(1.2, 1.5, "station_status")), START)
    days.pass_time(START + 3 * HOUR + 40 * MINUTE)
    assert days.missing(cadences.STATUS) == ["2026-03-06-01:15"]
    for cadence in MADE_LATER:
        assert days.missing(cadence) == []
    no_more_than_allowed(days)
    assert 1 < days.asked["station_status", "2026-03-06-01:15"] <= 1 + TRIES
    assert days.channel.told() == told_and_over("station_status failing")


def test_an_hour_whose_first_snapshot_is_missing_is_forecast_from_the_next(drive):
    days = drive(World(between(1, 1.25, "station_status")), START)
    days.pass_time(START + HOUR + 14 * MINUTE)
    assert ("station_forecast", "2026-03-06-01:00") not in days.asked
    days.pass_time(START + HOUR + 20 * MINUTE)
    assert days.asked["station_forecast", "2026-03-06-01:00"] == 1
    days.pass_time(START + 2 * HOUR + 40 * MINUTE)
    assert days.missing(cadences.FORECAST) == []
    no_more_than_allowed(days)
    assert days.channel.told() == told_and_over("station_status failing")


def test_six_hours_without_the_feed_leave_a_gap_of_six_hours_and_no_other(drive):
    days = drive(World(between(1, 7, "station_status")), START)
    days.pass_time(START + 8 * HOUR + 40 * MINUTE)
    assert len(days.missing(cadences.STATUS)) == 24
    hours = [f"2026-03-06-{hour:02}:00" for hour in range(1, 7)]
    assert days.missing(cadences.FEATURES) == hours
    assert days.missing(cadences.FORECAST) == hours
    no_more_than_allowed(days)
    assert days.channel.told() == told_and_over("station_status failing")


def test_twelve_hours_without_the_daemon_are_made_good_as_far_as_can_be(drive):
    days = drive(World(), START)
    days.pass_time(START + 1 * HOUR + 20 * MINUTE)
    days.pass_time(START + 13 * HOUR + 20 * MINUTE, daemon=False)
    days.pass_time(START + 15 * HOUR + 40 * MINUTE)
    lost = days.missing(cadences.STATUS)
    assert (lost[0], lost[-1], len(lost)) == ("2026-03-06-01:30", "2026-03-06-13:00", 47)
    # The hour that the daemon ended in has two snapshots: no features, but demand.
    assert "2026-03-06-01:00" not in days.missing(cadences.DEMAND)
    # The hour that it came back in is forecast from the snapshot that it came back to.
    assert days.missing(cadences.FORECAST)[-1] == "2026-03-06-12:00"
    no_more_than_allowed(days)
    assert days.channel.told() == [("notice", "Nobody looked for 12 h 5 min")]


def test_what_failed_when_its_condition_asked_is_made_by_the_sensor(drive):
    days = drive(World(between(1, 1.1, "station_features")), START)
    days.pass_time(START + 2 * HOUR + 40 * MINUTE)
    assert days.missing(cadences.FEATURES) == []
    assert days.asked["station_features", "2026-03-06-00:00"] == 2
    no_more_than_allowed(days)
    assert days.channel.told() == told_and_over("station_features failing")


def test_without_the_weather_everything_else_goes_on(drive):
    days = drive(World(between(1, 3, "weather")), START)
    days.pass_time(START + 3 * HOUR + 40 * MINUTE)
    assert len(days.missing(cadences.WEATHER)) == 4
    for cadence in (cadences.STATUS, *MADE_LATER):
        assert days.missing(cadence) == []
    no_more_than_allowed(days)
    assert days.channel.told() == told_and_over("weather failing")


def test_a_training_that_fails_is_tried_three_times_more_and_given_up(drive):
    world = World(between(0, 24, "lightgbm_model"))
    features = {START - number * HOUR for number in range(1, 28 * 24)}
    days = drive(world, START + HOUR)
    days.were_made("station_features", features)
    days.pass_time(START + 6 * HOUR + 40 * MINUTE)
    assert days.asked["lightgbm_model", "2026-03-05"] == 1 + TRIES
    assert any("given up after 3 tries" in line for line in days.lines)
    no_more_than_allowed(days)
    assert days.channel.told() == [("opened", "lightgbm_model failing")]


def test_a_backfill_of_last_month_makes_nothing_look_fresh(drive):
    days = drive(World(between(0.5, 24, "station_status")), START)
    days.pass_time(START + HOUR)
    month = {START - 30 * DAY + number * 15 * MINUTE for number in range(96)}
    days.were_made("station_status", month)
    days.pass_time(START + 2 * HOUR + 10 * MINUTE)
    assert "2026-03-06-02:00" in days.missing(cadences.STATUS)
    assert 1 < days.asked["station_status", "2026-03-06-01:45"] <= 1 + TRIES
    assert days.channel.told() == [("opened", "station_status failing")]


@pytest.mark.parametrize(
    "day", [datetime(2026, 3, 8, 6, tzinfo=UTC), datetime(2026, 11, 1, 5, tzinfo=UTC)]
)
def test_a_night_on_which_clocks_change_is_a_night_like_any_other(day, drive):
    days = drive(World(), day)
    days.pass_time(day + 2 * HOUR + 40 * MINUTE)
    for cadence in CADENCES[:5]:
        assert days.missing(cadence) == [], cadence.name
    assert set(days.asked.values()) == {1}
    assert days.failed() == 0
    assert days.channel.told() == []


def test_one_system_of_two_that_is_down_costs_the_other_nothing(drive):
    def silent(asset, now):
        down = asset == "station_status" and START + HOUR <= now < START + 4 * HOUR
        return {"b"} if down else ()

    days = drive(World(silent=silent, systems=("a", "b")), START)
    days.pass_time(START + 6 * HOUR + 40 * MINUTE)
    for cadence in CADENCES[:5]:
        assert days.missing(cadence) == [], cadence.name
    hours = {system: days.world.made["station_features", system] for system in ("a", "b")}
    assert hours["a"] - hours["b"] == {START + number * HOUR for number in (1, 2, 3)}
    assert set(days.asked.values()) == {1}
    assert days.failed() == 0
    assert days.channel.told() == told_and_over("station_status b stale")
