"""The alert sensor, on a real instance and real tables: what is told, when, and what is not."""

import json
from datetime import UTC, datetime, timedelta
from itertools import product

import dagster as dg
import pandas as pd
import pytest
from dagster import DagsterRunStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
)

from bike_demand.announce import Progress
from bike_demand.cadence import FEATURES, MODELS, STATUS
from bike_demand.defs.monitoring import alert_sensor as module
from bike_demand.defs.monitoring.alert_sensor import alert_sensor_at
from bike_demand.failures import PermanentFailure
from bike_demand.made import BY_TAG, SENSOR
from bike_demand.resources import PostgresIOManager
from bike_demand.storage.frames import empty_frame
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import STATION_DEMAND, STATION_STATUS
from bike_demand.storage.windows import Window
from bike_demand_tests.automation.channel import Channel

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Watch:
    """The sensor's ticks, one after the other."""

    def __init__(self, url, channel, instance):
        self.instance = instance
        self.channel = channel
        self.now, self._cursor = datetime.now(UTC), None
        self._sensor = alert_sensor_at(lambda: self.now)
        self._io_manager = PostgresIOManager(url=url)

    def tick(self):
        """What is told at a tick: kinds and keys."""
        before = len(self.channel.messages)
        context = dg.build_sensor_context(
            self.instance, cursor=self._cursor, resources={"io_manager": self._io_manager}
        )
        self._cursor = self._sensor.evaluate_tick(context).cursor
        return self.channel.told()[before:]

    def later(self, span):
        """What is told in the time that passes, looked at every ten minutes."""
        end, told = self.now + span, []
        while self.now < end:
            self.now = min(self.now + 10 * MINUTE, end)
            told += self.tick()
        return told

    def announced(self, progress):
        """What the sensor that tells programs has kept."""
        location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__")
        data = SensorInstigatorData(cursor=progress.written())
        state = InstigatorState(
            location.get_instigator_origin("announcement_sensor"),
            InstigatorType.SENSOR,
            InstigatorStatus.RUNNING,
            data,
        )
        known = self.instance.all_instigator_state()
        (self.instance.update_instigator_state if known else self.instance.add_instigator_state)(
            state
        )

    def key(self, cadence, hours, minutes=0):
        """Of the partition that began so many full hours ago, and some minutes."""
        hour = self.now.replace(minute=0, second=0, microsecond=0) - hours * HOUR
        return cadence.key(hour + minutes * MINUTE)

    def run(self, cadence, key, error=None, tags=None):
        """A run of the cadence's first asset that ends well, or does not."""

        @dg.asset(name=cadence.name, partitions_def=cadence.partitions)
        def stand_in():
            if error:
                raise error

        self.materialize([stand_in], key, cadence.tags(5) if tags is None else tags)

    def materialize(self, assets, key, tags, selection=None):
        """A run of some assets, whether it ends well or not."""
        dg.materialize(
            assets,
            partition_key=key,
            selection=selection,
            instance=self.instance,
            tags=tags,
            raise_on_error=False,
            run_config=QUIET,
        )


@pytest.fixture
def channel(monkeypatch, tmp_path):
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    (tmp_path / "settings.toml").write_text(
        '[[systems]]\nsystem_id = "a"\nurl = "http://127.0.0.1:9/a"\n'
        '[[systems]]\nsystem_id = "b"\nurl = "http://127.0.0.1:9/b"\n'
    )
    channel = Channel()
    monkeypatch.setattr(module, "channels", lambda _: [channel])
    return channel


@pytest.fixture
def watch(postgres_url, channel, tmp_path):
    return Watch(postgres_url, channel, dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)))


@pytest.fixture
def watch_with_sensors(postgres_url, channel):
    """On an instance that keeps what sensors keep, which takes longer to make."""
    with dg.instance_for_test() as instance:
        yield Watch(postgres_url, channel, instance)


def test_a_run_that_fails_is_told_once_and_once_when_it_is_made(watch):
    for hour, minute in product((11, 12), (0, 15, 30)):
        watch.run(STATUS, f"2026-03-06-{hour}:{minute:02}")
    watch.tick()
    for key in ("2026-03-06-11:00", "2026-03-06-12:00"):
        watch.run(FEATURES, key, PermanentFailure("Two snapshots are missing: wait.\nMore."))
    assert watch.tick() == [("opened", "station_features failing")]
    [message] = watch.channel.messages
    for words in ("2026-03-06-12:00", "Two snapshots are missing", "tried again by itself", "UTC"):
        assert words in message.text
    assert "wait. More." in message.text
    assert "/runs/" in message.link
    assert watch.tick() == []
    watch.run(FEATURES, "2026-03-06-11:00")  # an older one
    assert watch.tick() == []
    watch.run(FEATURES, "2026-03-06-12:00")
    assert watch.tick() == [("recovered", "station_features failing")]
    assert watch.tick() == []


def test_a_failure_that_a_later_partition_left_behind_is_over(watch):
    watch.tick()
    watch.run(STATUS, "2026-03-06-12:00", OSError("cut off"))
    assert watch.tick() == [("opened", "station_status failing")]
    assert "cut off" in watch.channel.messages[-1].text
    watch.run(STATUS, "2026-03-06-12:15")
    assert watch.tick() == [("recovered", "station_status failing")]


def test_of_an_older_partition_that_fails_is_told_when_it_is_given_up(watch):
    for minute in (0, 15, 30, 45):
        watch.run(STATUS, watch.key(STATUS, hours=3, minutes=minute))
    watch.run(FEATURES, watch.key(FEATURES, hours=2))
    watch.tick()
    for _ in range(3):
        assert watch.tick() == []
        tags = {**FEATURES.tags(-5), BY_TAG: SENSOR}
        watch.run(FEATURES, watch.key(FEATURES, hours=3), PermanentFailure("No."), tags)
    assert watch.tick() == [("opened", "station_features given up")]
    assert watch.key(FEATURES, hours=3) in watch.channel.messages[-1].text
    watch.run(FEATURES, watch.key(FEATURES, hours=3), tags={})
    assert watch.tick() == [("recovered", "station_features given up")]


def test_a_webhook_that_takes_no_events_is_told_after_an_hour_and_once(
    watch_with_sensors, monkeypatch
):
    watch = watch_with_sensors
    monkeypatch.setenv("BIKE_DEMAND_FORECAST_WEBHOOK", "http://127.0.0.1:9/hook")
    monkeypatch.setenv("BIKE_DEMAND_FORECAST_WEBHOOK_SECRET", f"whsec_{'A' * 43}=")
    progress = Progress(position=watch.now - 3 * HOUR)  # the daemon was away
    for _ in range(3):
        progress = progress.refused(watch.now, None)
        watch.announced(progress)
        assert watch.later(19 * MINUTE) == []
    assert watch.later(3 * MINUTE) == [("opened", "announcement_sensor webhook")]
    assert "refused what it was told, 3 times in a row" in watch.channel.messages[-1].text
    watch.announced(progress.refused(watch.now, None))
    assert watch.later(20 * MINUTE) == []
    watch.announced(progress.taken())
    assert watch.tick() == [("recovered", "announcement_sensor webhook")]


def test_a_webhook_that_nobody_tells_any_more_is_not_told_of(watch_with_sensors, monkeypatch):
    watch = watch_with_sensors
    progress = Progress().refused(watch.now - 3 * HOUR, None)
    watch.announced(progress.refused(watch.now, None))
    assert watch.tick() == []  # it stands in the settings no more
    monkeypatch.setenv("BIKE_DEMAND_FORECAST_WEBHOOK", "http://127.0.0.1:9/hook")
    monkeypatch.setenv("BIKE_DEMAND_FORECAST_WEBHOOK_SECRET", f"whsec_{'A' * 43}=")
    assert watch.tick() == [("opened", "announcement_sensor webhook")]
    assert watch.later(4 * HOUR)[0] == ("recovered", "announcement_sensor webhook")


def test_the_asset_that_failed_is_named_and_not_the_first_of_its_cadence(watch):
    watch.tick()

    def run(xgboost):
        @dg.asset(partitions_def=MODELS.partitions)
        def lightgbm_model():
            pass

        @dg.asset(partitions_def=MODELS.partitions)
        def xgboost_model():
            if not xgboost:
                raise PermanentFailure("Too little memory.")

        @dg.asset(partitions_def=MODELS.partitions, deps=[lightgbm_model, xgboost_model])
        def champion_model():
            pass

        watch.materialize(
            [lightgbm_model, xgboost_model, champion_model],
            "2026-03-05",
            MODELS.tags(5),
            selection=None if not xgboost else [xgboost_model, champion_model],
        )

    watch.instance.report_runless_asset_event(
        dg.AssetMaterialization("station_features", partition="2026-03-05-23:00")
    )
    for hour in range(240):
        at = datetime(2026, 3, 5, 22, tzinfo=UTC) - hour * HOUR
        watch.instance.report_runless_asset_event(
            dg.AssetMaterialization("station_features", partition=FEATURES.key(at))
        )
    run(xgboost=False)
    assert watch.tick() == [("opened", "xgboost_model failing")]
    assert "The run of xgboost_model for 2026-03-05 failed: Too little memory." in (
        watch.channel.messages[-1].text
    )
    run(xgboost=True)
    assert watch.tick() == [("recovered", "xgboost_model failing")]


def test_what_is_fetched_along_with_the_snapshot_is_told_by_its_own_name(watch):
    watch.tick()

    def run(information):
        @dg.asset(partitions_def=STATUS.partitions)
        def station_status():
            pass

        @dg.asset
        def station_information():
            if not information:
                raise PermanentFailure("It is gone.")

        key = watch.key(STATUS, hours=1)
        watch.materialize([station_status, station_information], key, STATUS.tags(10))

    run(information=False)
    assert watch.tick() == [("opened", "station_information failing")]
    run(information=False)
    assert watch.tick() == []
    run(information=True)
    assert watch.tick() == [("recovered", "station_information failing")]


@pytest.mark.parametrize("cursor", ["{}", "no", "[]", '{"version": 2, "at": "then"}'])
def test_a_cursor_that_cannot_be_read_stops_nothing(watch, cursor):
    watch._cursor = cursor
    assert watch.tick() == []
    watch.run(STATUS, "2026-03-06-12:00", OSError("cut off"))
    assert watch.tick() == [("opened", "station_status failing")]


def test_a_run_of_a_partition_that_there_is_not_any_more_stops_nothing(watch):
    watch.tick()
    run = watch.instance.create_run_for_job(
        _job(), tags={**STATUS.tags(10), "dagster/partition": "2026-03-06"}
    )
    watch.instance.report_run_failed(run, "gone")
    assert watch.tick() == []


def test_a_run_that_was_launched_by_hand_is_not_told(watch):
    watch.tick()
    watch.run(FEATURES, "2026-03-06-11:00", OSError("cut off"), tags={})
    assert watch.tick() == []


def test_a_run_whose_process_was_killed_is_told(watch):
    watch.tick()
    run = watch.instance.create_run_for_job(
        _job(), tags={**STATUS.tags(5), "dagster/partition": "2026-03-06-12:00"}
    )
    watch.instance.report_run_failed(run, "gone")
    assert watch.instance.get_run_by_id(run.run_id).status == DagsterRunStatus.FAILURE
    assert watch.tick() == [("opened", "station_status failing")]
    assert "its process ended" in watch.channel.messages[-1].text


def _job():
    @dg.job
    def nothing():
        pass

    return nothing


def stored(warehouse, table, at, *systems):
    """One row of each system, of some moment."""
    start = pd.Timestamp(at).floor("15min")
    times = {"observed_at": start, "hour": start.floor("h"), "fetched_at": pd.Timestamp(at)}
    rows = pd.DataFrame(
        {
            "system_id": [*systems],
            "station_id": "s1",
            "last_reported": pd.Timestamp(at),
            "feature_version": "2",
            "intervals": 4,
            "departures": 0,
            "arrivals": 0,
            "coverage": 1.0,
            "num_bikes_available": 3,
            **times,
        }
    )
    rows = rows.reindex(columns=[*table.columns]).astype(empty_frame(table).dtypes)
    first = times[table.time].to_pydatetime()
    replace(
        warehouse, table, [Window(first, first + MINUTE)], Rows(rows, {"system_id": [*systems]})
    )


def test_one_system_that_falls_silent_is_told_and_the_other_is_not(watch, warehouse):
    stored(warehouse, STATION_STATUS, watch.now, "a", "b")
    assert watch.tick() == []
    assert watch.later(45 * MINUTE) == []
    stored(warehouse, STATION_STATUS, watch.now, "b")
    assert watch.later(30 * MINUTE) == [("opened", "station_status a stale")]
    stored(warehouse, STATION_STATUS, watch.now, "a")
    assert watch.tick() == [("recovered", "station_status a stale")]


def test_what_is_old_for_want_of_something_that_is_told_of_is_not_told(watch, warehouse):
    stored(warehouse, STATION_STATUS, watch.now, "a")
    stored(warehouse, STATION_DEMAND, watch.now - HOUR, "a")
    assert watch.tick() == []
    assert watch.later(3 * HOUR) == [("opened", "station_status a stale")]


def test_what_followed_from_something_else_has_time_to_be_made_again(watch, warehouse):
    stored(warehouse, STATION_STATUS, watch.now, "a")
    stored(warehouse, STATION_DEMAND, watch.now - HOUR, "a")
    watch.tick()
    watch.later(3 * HOUR)
    told = []
    for _ in range(16):
        stored(warehouse, STATION_STATUS, watch.now, "a")
        told += watch.later(10 * MINUTE)
    assert told == [
        ("recovered", "station_status a stale"),
        ("opened", "station_demand a stale"),
    ]


def test_what_is_made_of_something_else_that_is_there_is_told_after_an_hour(watch, warehouse):
    stored(warehouse, STATION_DEMAND, watch.now - HOUR, "a")
    watch.tick()
    told = {}
    for minutes in range(0, 180, 10):
        stored(warehouse, STATION_STATUS, watch.now, "a")
        if new := watch.later(10 * MINUTE):
            told[minutes] = new
    [(minutes, new)] = told.items()
    assert new == [("opened", "station_demand a stale")]
    assert 70 <= minutes <= 150


def test_a_daemon_that_was_down_is_told_once_and_nothing_that_follows_from_it(watch, warehouse):
    stored(warehouse, STATION_STATUS, watch.now, "a")
    watch.tick()
    watch.now += 12 * HOUR
    assert watch.tick() == [("notice", "Nobody looked for 12 h 0 min")]
    assert watch.channel.messages[0].asset is None
    assert watch.later(30 * MINUTE) == []


def test_a_run_that_lacked_what_it_is_made_from_is_not_told(watch):
    watch.tick()
    watch.run(STATUS, "2026-03-06-11:00")
    watch.run(FEATURES, "2026-03-06-11:00", PermanentFailure("One snapshot of four."))
    assert watch.tick() == []


def test_what_never_was_there_is_not_stale(watch):
    watch.tick()
    assert watch.later(5 * HOUR) == []


def decided(warehouse, day, applied):
    with warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO champion_decision (system_id, trained_for, decision, reason, detail, "
            "applied, challenger, algorithm, figures) VALUES ('a', %s, 'promoted', 'better', "
            "'It is better.', %s, '3', 'xgboost', '{}')",
            (day, applied),
        )


def test_a_promotion_is_told_once_and_those_before_the_first_look_are_not(watch, warehouse):
    midnight = watch.now.replace(hour=0, minute=0, second=0, microsecond=0)
    decided(warehouse, midnight - 24 * HOUR, applied=True)
    assert watch.tick() == []
    decided(warehouse, midnight, applied=False)
    assert watch.tick() == [("notice", "a")]
    title = watch.channel.messages[-1].title
    assert f"{midnight:%Y-%m-%d} was refused (better)" in title
    assert watch.tick() == []
    with warehouse.connection() as connection:  # a rerun of the day
        connection.execute("UPDATE champion_decision SET applied = true")
    assert watch.tick() == [("notice", "a")]
    assert "was promoted" in watch.channel.messages[-1].title


def found(warehouse, count, at):
    with warehouse.connection() as connection:
        for system, rule, severity in (
            ("a", "feed_frozen", "critical"),
            ("a", "ticks_missing", "error"),
            ("b", "ids_replaced", "critical"),
        ):
            connection.execute(
                "INSERT INTO data_quality VALUES (%s, %s, %s, %s, %s, 16, 0.5, '[]')",
                (system, at, rule, severity, count if system == "a" else 0),
            )


def test_a_critical_finding_is_told_once_and_once_when_the_newest_window_is_without(
    watch, warehouse
):
    start = watch.now.replace(minute=0, second=0, microsecond=0) - 8 * HOUR
    found(warehouse, 0, start)
    assert watch.tick() == []
    found(warehouse, 8, start + HOUR)
    assert watch.tick() == [("opened", "data_quality a feed_frozen")]
    assert "8 of 16 rows of a break the rule feed_frozen" in watch.channel.messages[-1].text
    found(warehouse, 16, start + 2 * HOUR)
    assert watch.tick() == []
    found(warehouse, 0, start + 3 * HOUR)
    assert watch.tick() == [("recovered", "data_quality a feed_frozen")]
    assert watch.tick() == []


def test_a_channel_that_is_down_fails_no_tick_and_loses_nothing(watch):
    watch.tick()
    watch.channel.down = True
    watch.run(STATUS, "2026-03-06-12:00", OSError("cut off"))
    assert watch.tick() == []
    watch.run(STATUS, "2026-03-06-12:15")
    assert watch.tick() == []
    assert len(json.loads(watch._cursor)["outbox"]["kept"]) == 2
    watch.channel.down = False
    assert [kind for kind, _ in watch.tick()] == ["opened", "recovered"]
