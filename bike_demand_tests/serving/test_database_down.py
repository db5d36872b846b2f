"""Postgres killed under load, and back."""

import os
import signal

import pytest

from bike_demand.serving.database import CONNECTIONS
from bike_demand.settings import Settings
from bike_demand.storage import databases, embedded
from bike_demand.storage.errors import DatabaseUnavailableError
from bike_demand.storage.migrations import migrate
from bike_demand_tests.serving.city import (
    HOUR,
    NOW,
    Clock,
    configured,
    fill,
    forecast_again,
    running,
)
from bike_demand_tests.serving.test_follow import Load
from bike_demand_tests.serving.test_refusals import is_a_problem

OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bike_demand_serving'"


@pytest.fixture
def postgres(tmp_path):
    """A server of this test alone, which may be killed."""
    directory = tmp_path / "postgres"
    embedded.ensure_running(directory)
    yield directory
    embedded.stop(directory)


@pytest.fixture
def own_url(postgres):
    url = embedded.ensure_running(postgres).url("city")
    databases.create_if_missing(url)
    migrate(url)
    fill(url, NOW)
    return url


def kill(directory):
    pid = int((directory / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)


def answers(url):
    try:
        databases.connect(url).close()
    except DatabaseUnavailableError:
        return False
    return True


def connections(url):
    with databases.connect(url) as connection:
        return connection.execute(OURS).fetchone()[0]


def test_killed_under_load_it_costs_what_needs_it_and_nothing_for_longer_than_that(
    tmp_path, postgres, own_url
):
    paths = ["/history/s0017", "/accuracy", "/model"] * 5
    with running(configured(tmp_path, own_url), Clock(NOW)) as api:
        database = api.app.state.serving.database
        with Load(api, *paths, "/forecast", "/stations/s0017/forecast") as load:
            api.until(lambda: len(load.answers) > 100, "some answers")
            assert connections(own_url) <= CONNECTIONS
            kill(postgres)
            api.until(lambda: load.answers[-1][1] == 503, "a refusal")
            ready = api.get("/ready")
            assert (ready.status_code, ready.json()["database"]) == (503, False)
            assert ready.json()["systems"][0]["champion"] == "7"
            assert api.get("/health").status_code == 200
            assert api.reload().status_code == 503
            answer = api.get("/metrics")
            assert 'bike_demand_up{source="accuracy"} 0.0' in answer.text
            embedded.ensure_running(postgres)
            api.until(lambda: answers(own_url), "Postgres to let us in")
            for path in ("/history/s0017", "/accuracy", "/model", "/ready"):
                api.until(lambda path=path: api.get(path).status_code == 200, f"{path} again")
            done = len(load.answers)
            api.until(lambda: len(load.answers) > done + 100, "some answers more")
            assert connections(own_url) <= CONNECTIONS
        refused = [(path, answer) for path, status, answer in load.answers if status != 200]
        for path, answer in refused:
            assert path in paths
            assert answer.status_code == 503
            assert is_a_problem(answer)["type"] == "/problems#database-unavailable"
            assert int(answer.headers["Retry-After"]) > 0
            assert "127.0.0.1" not in answer.text
        # One may be had by the follower, for a moment.
        api.until(lambda: database._slots._value == CONNECTIONS, "every place to be given back")
        assert len(database._idle) <= CONNECTIONS
        # What came meanwhile is found, too.
        forecast_again(own_url, NOW + HOUR, version="9")
        api.until(lambda: api.get("/forecast").json()["model_version"] == "9", "the new forecast")
    api.until(lambda: connections(own_url) == 0, "no connection to be left")


def test_a_server_that_starts_before_its_database_serves_once_that_answers(
    tmp_path, postgres, own_url
):
    embedded.stop(postgres)
    with running(configured(tmp_path, own_url), Clock(NOW)) as api:
        for path in ("/forecast", "/systems", "/stations", "/history/s0017"):
            answer = api.get(path)
            assert answer.status_code == 503
            assert is_a_problem(answer)["type"] == "/problems#database-unavailable"
        assert api.get("/ready").json() == {
            "status": "not_ready",
            "database": False,
            "systems": [],
        }
        embedded.ensure_running(postgres)
        api.until(lambda: api.get("/forecast").status_code == 200, "the forecast")


def test_a_query_that_takes_too_long_is_given_up_and_its_connection_kept(
    tmp_path, own_url, monkeypatch
):
    monkeypatch.setattr("bike_demand.serving.database.SESSION", "-c statement_timeout=2s")
    with running(configured(tmp_path, own_url), Clock(NOW), every_s=3600) as api:
        with databases.connect(own_url) as another:
            another.execute("LOCK TABLE forecast_accuracy")
            before = connections(own_url)
            answer = api.get("/accuracy")
            assert answer.status_code == 503
            assert "too long" in is_a_problem(answer)["detail"]
        assert api.get("/accuracy").status_code == 200
        assert connections(own_url) == before


def test_who_finds_no_connection_free_is_refused_in_time(tmp_path, own_url, monkeypatch):
    monkeypatch.setattr("bike_demand.serving.database.WAIT_S", 0.05)
    with running(configured(tmp_path, own_url), Clock(NOW), every_s=3600) as api:
        database = api.app.state.serving.database
        for _ in range(CONNECTIONS):
            assert database._slots.acquire(timeout=1)
        answer = api.get("/accuracy")
        assert "busy" in is_a_problem(answer)["detail"]
        assert api.get("/forecast").status_code == 200
        for _ in range(CONNECTIONS):
            database._slots.release()
        assert api.get("/accuracy").status_code == 200


def test_where_there_is_no_database_none_is_made(tmp_path):
    given = Settings(home=tmp_path / "nowhere")
    with running(given, Clock(NOW)) as api:
        assert api.get("/forecast").status_code == 503
    assert not (tmp_path / "nowhere").exists()


def test_why_there_is_no_database_stands_in_the_log_and_no_password(tmp_path, closed_port, caplog):
    hidden = f"postgresql://me:hidden-word@127.0.0.1:{closed_port}/city"
    for url, why in (
        (None, f"There is no database in {tmp_path}"),
        (hidden, f"Postgres at 127.0.0.1:{closed_port}/city cannot be reached"),
        (hidden.replace(f":{closed_port}", ":port"), "The Postgres URL cannot be read"),
    ):
        caplog.clear()
        with running(Settings(home=tmp_path, postgres_url=url), Clock(NOW)) as api:
            answer = api.get("/forecast")
        assert answer.status_code == 503
        assert why in caplog.text
        assert str(closed_port) not in answer.text
        assert "hidden" not in caplog.text


def test_an_embedded_server_that_is_down_is_started(tmp_path, postgres, own_url):
    with databases.connect(own_url.set(database="postgres"), autocommit=True) as connection:
        connection.execute("ALTER DATABASE city RENAME TO bike_demand")
    embedded.stop(postgres)
    systems = ({"system_id": "citibike_nyc"},)
    with running(Settings(home=tmp_path, systems=systems), Clock(NOW)) as api:
        assert api.get("/forecast").status_code == 200
        kill(postgres)
        api.until(lambda: api.get("/history/s0017").status_code == 200, "the server's return")
