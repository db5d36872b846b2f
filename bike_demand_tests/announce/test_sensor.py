"""The announcement sensor, on a real instance, real tables and a real receiver."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import dagster as dg
import pytest

from bike_demand.announce import CATCH_UP, OVERLAP
from bike_demand.defs.monitoring.announcement_sensor import BUDGET_S, announcement_sensor_at
from bike_demand.resources import PostgresIOManager
from bike_demand_tests.announce.receiver import SECRET

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
TOKEN = "t0ken-of-the-server"  # noqa: S105


class Announcer:
    """The sensor's ticks, one after the other; its cursor is all that it remembers."""

    def __init__(self, url, warehouse, folder):
        self._folder, self._io_manager = folder, PostgresIOManager(url=url)
        self.warehouse, self.now, self.cursor, self.running = warehouse, NOON, None, 0.0
        self.restart()

    def restart(self):
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(self._folder))
        self._sensor = announcement_sensor_at(lambda: self.now, lambda: self.running)

    def tick(self, after=30 * SECOND):
        """What the tick says of itself; `forget` has Dagster lose what it was to keep."""
        self.now += after
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, resources={"io_manager": self._io_manager}
        )
        data = self._sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return data.skip_message

    def store(self, origin, issued=None, system="a", version="3", role="champion", count=2):
        """A forecast in the place of that of the same origin."""
        issued = issued or self.now
        with self.warehouse.connection() as connection:
            connection.execute(
                "DELETE FROM station_forecast WHERE system_id = %s AND origin_at = %s",
                (system, origin),
            )
            for number in range(count):
                for shown in {role, "challenger"}:
                    for hours in (1, 2):
                        connection.execute(
                            "INSERT INTO station_forecast (system_id, origin_at, station_id, "
                            "target_at, role, issued_at, late, model_version, horizon, in_service, "
                            "capacity, bikes, p10, p50, p90) "
                            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, true, 9, 1, 0, 1, 2)",
                            (
                                *(system, origin, f"s{number}", origin + hours * HOUR, shown),
                                *(issued, issued > origin + 30 * MINUTE, version, hours),
                            ),
                        )

    def change(self, kind, version, replaced, at=None, system="a"):
        """Something that was done about a champion."""
        with self.warehouse.connection() as connection:
            connection.execute(
                "INSERT INTO model_event (system_id, at, kind, model_version, replaced, "
                "trained_for, reason) VALUES (%s, %s, %s, %s, %s, %s, 'By hand.')",
                (system, at or self.now, kind, version, replaced, NOON),
            )


@pytest.fixture
def announcer(postgres_url, warehouse, monkeypatch, tmp_path, receiver):
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    monkeypatch.setenv("BIKE_DEMAND_FORECAST_WEBHOOK", f"{receiver.base}/hook/5ecre7c0ffee")
    monkeypatch.setenv("BIKE_DEMAND_FORECAST_WEBHOOK_SECRET", SECRET)
    (tmp_path / "settings.toml").write_text(
        '[[systems]]\nsystem_id = "a"\n[[systems]]\nsystem_id = "b"\n'
    )
    return Announcer(postgres_url, warehouse, tmp_path)


@pytest.fixture
def forecast_server(receiver, monkeypatch):
    """The server of forecasts is told at the same address."""
    monkeypatch.setenv("BIKE_DEMAND_SERVING_URL", receiver.base)
    monkeypatch.setenv("BIKE_DEMAND_SERVING_RELOAD_TOKEN", TOKEN)


def test_a_first_start_does_not_announce_the_past(announcer, receiver):
    announcer.store(NOON - HOUR)
    announcer.change("promotion", "3", "2", NOON - 2 * HOUR)
    announcer.tick()
    announcer.tick()
    assert receiver.events == []


def test_a_forecast_that_is_stored_is_told_once_with_all_that_is_to_be_known(announcer, receiver):
    announcer.tick()
    announcer.store(NOON, issued=NOON + 40 * SECOND, count=3)
    assert announcer.tick() == "1 of 1 events were told."
    assert announcer.tick() == "0 of 0 events were told."
    [(_, event)] = receiver.events
    assert event == {
        "type": "forecast.stored",
        "timestamp": "2026-05-01T12:00:40Z",
        "data": {
            "system_id": "a",
            "origin_at": "2026-05-01T12:00:00Z",
            "issued_at": "2026-05-01T12:00:40Z",
            "role": "champion",
            "model_version": "3",
            "late": False,
            "stations": 3,
        },
    }


def test_a_forecast_from_between_full_hours_is_told_too(announcer, receiver):
    announcer.tick()
    announcer.store(NOON - 15 * MINUTE, issued=NOON + 40 * SECOND)
    announcer.tick()
    [(_, event)] = receiver.events
    assert event["data"]["origin_at"] == "2026-05-01T11:45:00Z"


def test_a_champion_that_changes_is_told_and_what_changes_none_is_not(announcer, receiver):
    announcer.tick()
    announcer.change("promotion", "3", "2", NOON + 1 * SECOND)
    announcer.change("refusal", "4", None, NOON + 2 * SECOND)
    announcer.change("pin", "3", "3", NOON + 3 * SECOND)
    announcer.change("unpin", "3", None, NOON + 4 * SECOND)
    announcer.change("rollback", "2", "3", NOON + 5 * SECOND)
    announcer.change("pin", "1", "2", NOON + 6 * SECOND)
    announcer.tick()
    assert [kind for _, kind in receiver.told()] == ["promotion", "rollback", "pin"]
    assert receiver.events[1][1]["data"] == {
        "system_id": "a",
        "at": "2026-05-01T12:00:05Z",
        "kind": "rollback",
        "model_version": "2",
        "replaced": "3",
        "reason": "By hand.",
    }


def test_events_of_all_systems_and_kinds_are_told_in_order_of_time(announcer, receiver):
    announcer.tick()
    announcer.store(NOON, issued=NOON + 50 * SECOND, system="b")
    announcer.store(NOON, issued=NOON + 40 * SECOND, system="a")
    announcer.change("promotion", "4", "3", NOON + 45 * SECOND)
    announcer.store(NOON, issued=NOON + 41 * SECOND, system="elsewhere")
    announcer.tick()
    times = [event["timestamp"] for _, event in receiver.events]
    assert times == ["2026-05-01T12:00:40Z", "2026-05-01T12:00:45Z", "2026-05-01T12:00:50Z"]


def test_a_forecast_that_is_made_again_is_another_event(announcer, receiver):
    announcer.tick()
    announcer.store(NOON, role="simple", version=None)
    announcer.tick()
    announcer.store(NOON)
    announcer.tick()
    assert [event["data"]["role"] for _, event in receiver.events] == ["simple", "champion"]
    assert len({message for message, _ in receiver.events}) == 2


def test_what_was_refused_is_told_again_first_and_nothing_overtakes_it(announcer, receiver):
    announcer.tick()
    receiver.answers = [500, 503]
    announcer.store(NOON)
    announcer.change("promotion", "4", "3", NOON + MINUTE)
    announcer.tick()
    assert receiver.events == []
    announcer.restart()
    announcer.tick(MINUTE)
    announcer.restart()
    announcer.tick(MINUTE)
    assert receiver.told() == [
        ("forecast.stored", "2026-05-01T12:00:00Z"),
        ("champion.changed", "promotion"),
    ]
    tries = [headers["webhook-id"] for _, headers, _ in receiver.requests]
    assert tries[0] == tries[1] == tries[2] != tries[3]
    stamps = [headers["webhook-timestamp"] for _, headers, _ in receiver.requests]
    assert stamps[0] < stamps[1] < stamps[2]


def test_a_receiver_that_refuses_is_left_alone_longer_each_time(announcer, receiver):
    announcer.tick()
    announcer.store(NOON)
    receiver.answers = [500] * 1000
    asked = []
    for _ in range(5 * 120):
        announcer.tick()
        asked.append(len(receiver.requests))
    tries = [number for number, count in enumerate(asked) if count > ([0, *asked])[number]]
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 64, 120]
    assert set(waits[7:]) == {120}
    assert "1 events wait: the receiver is asked again at" in announcer.tick()


def test_a_receiver_is_left_alone_as_long_as_it_says_and_an_hour_at_most(announcer, receiver):
    announcer.tick()
    announcer.store(NOON)
    receiver.answers = [(503, {"Retry-After": "600"}), (503, {"Retry-After": "99999999"})]
    announcer.tick()
    announcer.tick(599 * SECOND)
    assert len(receiver.requests) == 1
    announcer.tick(SECOND)
    assert len(receiver.requests) == 2
    announcer.tick(59 * MINUTE)
    assert len(receiver.requests) == 2
    announcer.tick(MINUTE)
    assert len(receiver.events) == 1


def test_an_answer_that_is_lost_is_the_only_thing_that_doubles_an_event(announcer, receiver):
    announcer.tick()
    receiver.answers = ["lost"]
    announcer.store(NOON)
    announcer.tick()
    announcer.tick(MINUTE)
    [first, second] = receiver.events
    assert first == second


def test_a_tick_that_dagster_forgets_is_made_good_under_the_same_ids(announcer, receiver):
    announcer.tick()
    announcer.store(NOON)
    before = announcer.cursor
    announcer.tick()
    announcer.cursor = before  # the daemon was killed before it was stored
    announcer.restart()
    announcer.tick()
    [first, second] = receiver.events
    assert first == second


def test_an_event_that_is_stored_long_after_its_time_is_not_missed(announcer, receiver):
    announcer.tick()
    announcer.store(NOON)
    announcer.change("promotion", "4", "3", NOON + HOUR)
    announcer.tick()
    for _ in range(40):
        announcer.tick(HOUR / 2)
    late = announcer.now - OVERLAP + MINUTE
    announcer.change("rollback", "3", "4", late)
    receiver.answers = [500]
    announcer.tick()
    announcer.tick(MINUTE)
    assert [kind for _, kind in receiver.told()][1:] == ["promotion", "rollback"]
    announcer.tick()
    assert len(receiver.events) == 3


def test_whatever_the_order_of_commits_each_event_is_told_once(announcer, receiver):
    """Rows come hours late and receivers fail, by a script without an end."""
    announcer.tick()
    expected = set()
    for number in range(60):
        origin = NOON + number * HOUR
        lag = (number * 7 % 20) * HOUR
        announcer.now = max(announcer.now, origin)
        announcer.change("promotion", str(number), None, origin - lag + number * SECOND)
        expected.add(str(number))
        receiver.answers = [500] if number % 3 == 0 else []
        announcer.tick(HOUR / 2)
        announcer.tick(HOUR / 2)
    announcer.tick(HOUR)
    told = [event["data"]["model_version"] for _, event in receiver.events]
    assert sorted(told, key=int) == sorted(expected, key=int)


def test_after_days_the_receiver_is_told_what_it_missed_in_one_event(announcer, receiver):
    announcer.tick()
    receiver.answers = [500] * 10_000
    for hour in range(int(CATCH_UP / HOUR) + 5):
        announcer.store(NOON + hour * HOUR, issued=NOON + hour * HOUR + MINUTE, count=1)
    announcer.change("rollback", "2", "3", NOON + 2 * HOUR)
    announcer.now = NOON + CATCH_UP + 4 * HOUR
    announcer.tick()
    receiver.answers = []
    announcer.now = NOON + CATCH_UP + 5 * HOUR
    announcer.running = 0.0
    announcer.tick(timedelta(0))
    _, event = receiver.events[0]
    assert event["type"] == "events.skipped"
    assert event["data"] == {
        "since": "2026-05-01T12:01:00Z",
        "until": "2026-05-01T16:01:00Z",
        "forecasts": 5,
        "champions": 1,
    }
    assert receiver.told()[1] == ("forecast.stored", "2026-05-01T17:00:00Z")
    assert len(receiver.events) == 1 + int(CATCH_UP / HOUR)
    announcer.tick()
    announcer.tick(HOUR)
    assert len(receiver.events) == 1 + int(CATCH_UP / HOUR)


def test_a_daemon_that_was_down_for_an_afternoon_loses_nothing(announcer, receiver):
    announcer.tick()
    for hour in range(6):
        announcer.store(NOON + hour * HOUR, issued=NOON + hour * HOUR + MINUTE)
    announcer.restart()
    announcer.tick(6 * HOUR)
    assert len(receiver.events) == 6


def test_a_tick_ends_in_time_and_the_next_goes_on(announcer, receiver, monkeypatch):
    announcer.tick()
    for hour in range(3):
        announcer.store(NOON + hour * HOUR, issued=NOON + hour * HOUR + MINUTE)
    taken = receiver.take

    def slow(handler, body):
        announcer.running += BUDGET_S / 2
        taken(handler, body)

    monkeypatch.setattr(receiver, "take", slow)
    announcer.tick(3 * HOUR)
    assert len(receiver.events) == 2
    announcer.tick()
    assert len(receiver.events) == 3


def test_without_anybody_to_tell_it_says_so_and_does_nothing(announcer, receiver, monkeypatch):
    announcer.tick()
    before = announcer.cursor
    monkeypatch.delenv("BIKE_DEMAND_FORECAST_WEBHOOK")
    monkeypatch.delenv("BIKE_DEMAND_FORECAST_WEBHOOK_SECRET")
    announcer.store(NOON)
    assert announcer.tick().startswith("Nobody is told: the settings have neither")
    assert announcer.cursor == before
    assert receiver.requests == []


@pytest.mark.parametrize("cursor", ["{}", "no", "[]", '{"version": 1, "position": 3}', "null"])
def test_a_cursor_that_cannot_be_read_stops_nothing(announcer, receiver, cursor):
    announcer.cursor = cursor
    announcer.tick()
    announcer.store(NOON)
    announcer.tick()
    assert len(receiver.events) == 1


def test_the_server_is_told_before_the_webhook_and_only_of_what_is_new(
    announcer, receiver, forecast_server
):
    announcer.tick()
    assert receiver.requests == []
    announcer.store(NOON)
    announcer.tick()
    announcer.tick()
    paths = [path for path, _, _ in receiver.requests]
    assert paths == ["/model/reload", "/hook/5ecre7c0ffee"]
    assert receiver.requests[0][1]["authorization"] == f"Bearer {TOKEN}"


def test_a_server_that_is_down_holds_nothing_up(announcer, receiver, forecast_server):
    announcer.tick()
    announcer.store(NOON)
    receiver.answers = [500]
    assert "The server was not told" in announcer.tick()
    assert len(receiver.events) == 1
    announcer.tick()
    assert len(receiver.requests) == 2


def test_the_server_is_told_where_there_is_no_webhook(
    announcer, receiver, forecast_server, monkeypatch
):
    monkeypatch.delenv("BIKE_DEMAND_FORECAST_WEBHOOK")
    monkeypatch.delenv("BIKE_DEMAND_FORECAST_WEBHOOK_SECRET")
    announcer.tick()
    announcer.store(NOON)
    assert announcer.tick() == "The server was told."
    assert announcer.tick() == "Nothing is new."


def test_a_webhook_that_comes_later_is_not_told_of_what_was_before(
    announcer, receiver, forecast_server, monkeypatch
):
    with monkeypatch.context() as without:
        without.delenv("BIKE_DEMAND_FORECAST_WEBHOOK")
        without.delenv("BIKE_DEMAND_FORECAST_WEBHOOK_SECRET")
        announcer.tick()
        announcer.store(NOON)
        announcer.tick()
    announcer.tick()
    assert receiver.events == []
    announcer.store(NOON + HOUR, issued=NOON + HOUR)
    announcer.tick(HOUR)
    assert len(receiver.events) == 1


def test_neither_ticks_nor_cursor_nor_logs_hold_a_secret(
    announcer, receiver, forecast_server, capfd, caplog
):
    caplog.set_level("DEBUG")
    shown = [announcer.tick()]
    announcer.store(NOON)
    for answers in ([500, 500], ["lost"], [404], []):
        receiver.answers = answers
        announcer.change("pin", str(len(shown)), None)
        shown += [announcer.tick(2 * HOUR), announcer.cursor]
    assert receiver.events
    shown += [*capfd.readouterr(), caplog.text]
    for secret in ("5ecre7c0ffee", SECRET, SECRET[6:], TOKEN):
        assert secret not in "\n".join(shown)


def test_what_is_kept_stays_small(announcer, receiver):
    announcer.tick()
    for hour in range(24 * 5):
        announcer.now = NOON + hour * HOUR
        announcer.store(NOON + hour * HOUR, issued=announcer.now, count=1)
        announcer.tick()
    assert len(receiver.events) == 24 * 5
    kept = json.loads(announcer.cursor)
    assert len(kept["delivered"]) <= 25
    assert len(announcer.cursor) < 1000
