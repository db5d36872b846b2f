"""Which partitions are missing, and which of them are asked for."""

from datetime import UTC, datetime, timedelta

import pytest

from bike_demand import freshness
from bike_demand.cadence import (
    ACCURACY,
    CADENCES,
    DEMAND,
    FEATURES,
    FORECAST,
    MODELS,
    QUALITY,
    STATUS,
    WATCH,
    WEATHER,
)
from bike_demand.storage.windows import Window
from bike_demand_tests.test_docs import ROOT

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)


class Store:
    """Partitions that are there."""

    def __init__(self):
        self.keys = {asset: set() for cadence in CADENCES for asset in cadence.assets}

    def fill(self, cadence, start, end, *, but=()):
        while start < end:
            for asset in cadence.assets:
                if cadence.key(start) not in but:
                    self.keys[asset].add(cadence.key(start))
            start += cadence.period

    def begun(self, asset):
        [cadence] = [one for one in CADENCES if asset in one.assets]
        first = min(self.keys[asset], default=None)
        return first and cadence.partitions.time_window_for_partition_key(first).start

    def __call__(self, asset, keys):
        return self.keys[asset] & set(keys)


@pytest.fixture
def store():
    """Everything that is due at noon."""
    full = Store()
    full.fill(STATUS, NOON - 40 * DAY, NOON + HOUR / 4)
    full.fill(WEATHER, NOON - 3 * DAY, NOON + HOUR / 2)
    for cadence in (FEATURES, DEMAND, QUALITY):
        full.fill(cadence, NOON - 40 * DAY, NOON)
    for cadence in (FORECAST, ACCURACY, WATCH):
        full.fill(cadence, NOON - 3 * DAY, NOON + HOUR)
    full.fill(MODELS, NOON - 5 * DAY - 12 * HOUR, NOON - 12 * HOUR)
    return full


def plan(store, now=NOON + timedelta(minutes=40), going_on=(), tried=None, waiting=0):
    expected, missing = freshness.missing(CADENCES, now, store, store.begun)
    return freshness.plan(expected, missing, now, going_on, tried or {}, waiting)


def drop(store, cadence, *hours):
    for hour in hours:
        for asset in cadence.assets:
            store.keys[asset].discard(cadence.key(NOON - hour * HOUR))


def names(done):
    return [item.name for item in done.ask]


def test_where_all_is_there_nothing_is_asked_for(store):
    store.fill(STATUS, NOON, NOON + HOUR)
    store.fill(WEATHER, NOON, NOON + HOUR)
    done = plan(store)
    assert (done.ask, done.left, done.tries) == ([], {}, {})
    assert done.told() == f"All {done.expected} partitions that should exist do."


def test_what_can_be_made_is_asked_for_newest_first(store):
    drop(store, FEATURES, 1, 5, 30)
    drop(store, FORECAST, 3)
    done = plan(store, NOON + timedelta(minutes=12))
    assert names(done) == [
        "station_features 2026-03-06-11:00",
        "station_forecast 2026-03-06-09:00",
        "station_features 2026-03-06-07:00",
        "station_features 2026-03-05-06:00",
    ]
    [forecast] = [item for item in done.ask if item.cadence is FORECAST]
    assert forecast.assets == ("station_forecast", "station_risk")


def test_only_the_models_that_are_missing_are_asked_for(store):
    store.keys["champion_model"].discard("2026-03-05")
    [item] = plan(store, NOON + timedelta(minutes=12)).ask
    assert item.assets == ("champion_model",)


def test_what_is_not_due_yet_is_not_missing(store):
    drop(store, FEATURES, 1)
    assert names(plan(store, NOON + timedelta(minutes=9))) == []
    assert names(plan(store, NOON + timedelta(minutes=10))) == ["station_features 2026-03-06-11:00"]


def test_what_is_older_than_two_days_is_nobodys(store):
    drop(store, FEATURES, 48, 49, 50)
    assert names(plan(store, NOON + timedelta(minutes=12))) == ["station_features 2026-03-04-12:00"]


def test_a_live_source_is_asked_for_its_present_alone(store):
    store.fill(STATUS, NOON + HOUR / 2, NOON + HOUR / 2)
    done = plan(store, NOON + timedelta(minutes=34))
    assert names(done) == ["station_status 2026-03-06-12:30"]
    assert done.left["station_status 2026-03-06-12:15"] == freshness.OVER


def test_before_the_first_snapshot_nothing_is_missing_but_the_present():
    done = plan(Store(), NOON + timedelta(minutes=34))
    assert names(done) == ["station_status 2026-03-06-12:30"]
    assert done.left == {}
    assert done.expected == 1


def test_what_lacks_what_it_is_made_from_is_left_with_the_reason(store):
    drop(store, FEATURES, 1)
    for quarter in (0.25, 0.5):
        drop(store, STATUS, quarter)
    done = plan(store, NOON + timedelta(minutes=12))
    assert names(done) == []
    told = done.left["station_features 2026-03-06-11:00"]
    assert told == "station_status is there 2 times of 3 needed"


def test_what_reaches_back_before_the_first_snapshot_is_not_expected():
    store = Store()
    store.fill(STATUS, NOON - HOUR / 2, NOON + HOUR)
    store.fill(WEATHER, NOON - HOUR / 2, NOON + HOUR)
    store.fill(FEATURES, NOON - 40 * HOUR, NOON)
    now = NOON + timedelta(minutes=40)
    _, missing = freshness.missing(CADENCES, now, store, store.begun)
    assert {item.name for item in missing} == {
        "station_forecast 2026-03-06-12:00",
        "station_forecast 2026-03-06-11:00",  # from half past
        "station_demand 2026-03-06-11:00",
        "data_quality 2026-03-06-08:00",
    }


def test_a_run_that_goes_on_is_not_joined_by_another(store):
    drop(store, FORECAST, 2)
    on = {("station_risk", "2026-03-06-10:00")}
    done = plan(store, NOON + timedelta(minutes=12), on)
    assert names(done) == []
    assert done.left == {"station_forecast 2026-03-06-10:00": "a run is at it"}


def test_a_hopeless_partition_is_tried_three_times_and_given_up(store):
    drop(store, FEATURES, 2)
    tried, asked = {}, {}
    for minutes in (12, 13, 16, 17, 18, 76, 77, 78, 140, 400):
        done = plan(store, NOON + timedelta(minutes=minutes), tried=tried)
        tried = done.tries
        if "station_features 2026-03-06-10:00" in names(done):
            asked[minutes] = done.told()
    assert [*asked] == [12, 17, 77]
    assert "station_features 2026-03-06-10:00 (given up after 3 tries)" in done.told()


def test_what_was_made_is_forgotten(store):
    drop(store, FEATURES, 2)
    tried = plan(store, NOON + timedelta(minutes=12)).tries
    assert tried == {"station_features 2026-03-06-10:00": (1, NOON + timedelta(minutes=12))}
    store.fill(FEATURES, NOON - 2 * HOUR, NOON - HOUR)
    assert plan(store, NOON + timedelta(minutes=12), tried=tried).tries == {}


def test_no_more_than_some_are_asked_for_at_a_time(store):
    drop(store, FEATURES, *range(1, 21))
    done = plan(store, NOON + timedelta(minutes=12))
    assert len(done.ask) == freshness.AT_ONCE
    assert [*done.left.values()] == ["next time"] * (20 - freshness.AT_ONCE)
    assert len(plan(store, NOON + timedelta(minutes=12), waiting=5).ask) == freshness.AT_ONCE - 5


def test_a_training_that_lacks_history_says_how_much_there_is_and_is_needed():
    store, window = Store(), Window(NOON - 36 * HOUR, NOON - 12 * HOUR)

    def lack():
        return freshness.lacking(MODELS, window, CADENCES, store)

    assert lack() == "nothing of station_features is there"
    store.fill(FEATURES, window.end - 239 * HOUR, window.end)
    assert lack() == "station_features is there 239 times of 240 needed"
    store.fill(FEATURES, window.end - 240 * HOUR, window.end)
    assert lack() is None


def test_models_of_a_day_before_the_newest_are_not_missed(store):
    """They would never become champion, and take both cores for a quarter of an hour."""

    def asked():
        return [item.window for item in plan(store).ask if item.cadence is MODELS]

    [newest] = MODELS.windows(NOON)
    older = Window(newest.start - DAY, newest.start)
    for asset in MODELS.assets:
        store.keys[asset].discard(MODELS.key(older.start))
    assert asked() == []
    store.keys["champion_model"].discard(MODELS.key(newest.start))
    assert asked() == [newest]
    night = NOON.replace(hour=3)  # models of the day that closed are not due yet
    assert MODELS.newest(night) == newest.start
    assert MODELS.windows(night) == []


def test_the_document_shows_the_cadences():
    lines = (ROOT / "docs" / "automation.md").read_text().splitlines()

    def minutes(duration):
        return f"{duration // timedelta(minutes=1)} min"

    words = {
        "0:15:00": "15 min",
        "0:30:00": "30 min",
        "1:00:00": "hour",
        "4:00:00": "4 hours",
        "1 day, 0:00:00": "day",
    }
    for cadence in CADENCES:
        cells = [
            ", ".join(f"`{asset}`" for asset in cadence.assets),
            words[str(cadence.period)],
            cadence.trigger,
            minutes(cadence.grace),
            minutes(cadence.max_runtime),
            f"`{cadence.pool}`" if cadence.pool else "",
        ]
        assert "| " + " | ".join(cells).strip() + " |" in lines
