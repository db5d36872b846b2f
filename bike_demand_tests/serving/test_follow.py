"""What is new is served soon, without a restart, and nobody is refused meanwhile."""

import threading

from bike_demand.storage import databases
from bike_demand_tests.serving.city import (
    HOUR,
    NOW,
    TICK,
    configured,
    fill,
    forecast_again,
    note,
    running,
    snapshot_again,
)


class Load:
    """Threads that ask all the time."""

    def __init__(self, api, *paths):
        self._api = api
        self._paths = paths
        self._stop = threading.Event()
        self.answers = []
        self._threads = [threading.Thread(target=self._ask, args=(path,)) for path in paths]

    def _ask(self, path):
        import requests

        with requests.Session() as session:
            while not self._stop.is_set():
                answer = session.get(f"{self._api.url}{path}", timeout=30)
                self.answers.append((path, answer.status_code, answer))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_a_new_forecast_and_its_champion_are_served_and_no_request_is_dropped(api, city_url, clock):
    with Load(api, "/forecast", "/stations/s0017/forecast", "/risks", "/model") as load:
        clock.now = NOW + HOUR
        note(city_url, clock.now, "promotion", "9", "7", "It is better.")
        forecast_again(city_url, clock.now, version="9")
        api.until(lambda: api.get("/forecast").json()["model_version"] == "9", "the new forecast")
        found = api.get("/ready").json()["systems"][0]
        assert (found["champion"], found["origin_at"]) == ("9", "2026-05-01T13:00:00Z")
        assert api.get("/model").json()["champion"]["model_version"] == "9"
        api.until(lambda: len(load.answers) > 200, "some answers more")
    assert {status for _, status, _ in load.answers} == {200}
    # Never a mixture: whose version it is and what it is made from belong together.
    served = {
        (answer.json()["model_version"], answer.json()["origin_at"])
        for path, _, answer in load.answers
        if path != "/model"
    }
    assert served == {("7", "2026-05-01T12:00:00Z"), ("9", "2026-05-01T13:00:00Z")}


def test_a_rollback_reaches_the_server_before_its_forecast_does(api, city_url):
    note(city_url, NOW, "rollback", "5", "7")
    api.until(lambda: api.get("/ready").json()["systems"][0]["champion"] == "5", "the old champion")
    assert api.get("/forecast").json()["model_version"] == "7"


def test_a_forecast_that_is_made_again_is_served_again(api, city_url):
    forecast_again(city_url, NOW + TICK / 3, version=None)
    api.until(lambda: api.get("/forecast").json()["role"] == "simple", "the forecast made again")


def test_risks_that_are_stored_after_their_forecast_are_served_when_they_are(api, city_url):
    def move(hours):
        with databases.connect(city_url) as connection:
            connection.execute(
                "UPDATE station_risk SET origin_at = origin_at + %s * interval '1 hour'", [hours]
            )

    def known():
        return api.get("/risks").json()["risks"][0]["p_hour"] is not None

    move(-1)
    api.until(lambda: not known(), "no risks")
    move(1)
    api.until(known, "risks")


def test_a_new_snapshot_is_served_and_the_forecast_is_not_read_again(api, city_url, monkeypatch):
    def read(*_):
        raise AssertionError

    monkeypatch.setattr("bike_demand.serving.queries.forecast", read)
    snapshot_again(city_url, NOW + TICK, bikes_everywhere=4)
    api.until(
        lambda: api.get("/stations/s0017").json()["station"]["num_bikes_available"] == 4,
        "the new snapshot",
    )
    assert api.get("/stations").json()["observed_at"] == "2026-05-01T12:15:00Z"
    assert api.get("/forecast").status_code == 200


def test_a_station_that_leaves_is_not_listed_any_more(api, city_url):
    with databases.connect(city_url) as connection:
        connection.execute(
            "UPDATE station_information SET is_active = is_active AND station_id <> 's0010',"
            " last_seen = last_seen + interval '1 day' * (station_id <> 's0010')::int"
        )
    api.until(lambda: api.get("/systems").json()["systems"][0]["stations"] == 38, "one less")
    assert "s0010" not in api.get("/stations").text


def test_the_impatient_need_not_wait(tmp_path, city_url, clock):
    with running(configured(tmp_path, city_url), clock, every_s=3600) as api:
        forecast_again(city_url, NOW + HOUR, version="9")
        assert api.get("/forecast").json()["model_version"] == "7"
        assert api.reload().json()["systems"][0]["model_version"] == "9"
        assert api.get("/forecast").json()["model_version"] == "9"


def test_what_cannot_be_read_today_may_be_tomorrow(api, city_url, monkeypatch):
    with monkeypatch.context() as patch:
        broken = []

        def fails(*_):
            broken.append(1)
            raise ZeroDivisionError

        patch.setattr("bike_demand.serving.queries.states", fails)
        api.until(lambda: len(broken) > 2, "some looks")
        assert api.get("/forecast").status_code == 200
    forecast_again(city_url, NOW, version="9")
    api.until(lambda: api.get("/forecast").json()["model_version"] == "9", "the new forecast")


def test_the_simulated_city_is_served_where_it_stands_in(tmp_path, database_url, clock):
    from bike_demand import demo_city
    from bike_demand.settings import Settings

    (tmp_path / demo_city.SYSTEM_ID).mkdir()
    fill(database_url, NOW, system=demo_city.SYSTEM_ID, stations=10)
    given = Settings(home=tmp_path, postgres_url=database_url.render_as_string(hide_password=False))
    with running(given, clock) as api:
        [found] = api.get("/systems").json()["systems"]
        assert (found["system_id"], found["timezone"]) == (demo_city.SYSTEM_ID, "Europe/Lisbon")


def test_tables_that_come_later_are_found(tmp_path, server, clock):
    from uuid import uuid4

    from bike_demand.storage.migrations import migrate

    url = server.url(f"test_{uuid4().hex}")
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{url.database}"')
    with running(configured(tmp_path, url), clock) as api:
        answer = api.get("/forecast")
        assert answer.status_code == 503
        assert answer.json()["type"] == "/problems#database-unavailable"
        migrate(url)
        fill(url, NOW, stations=5)
        api.until(lambda: api.get("/forecast").status_code == 200, "the first forecast")
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{url.database}" WITH (FORCE)')
