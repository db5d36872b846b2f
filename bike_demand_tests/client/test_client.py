"""The client, over the real server and a filled database."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from bike_demand.client import (
    AnswerError,
    Client,
    ClientError,
    Observation,
    ProblemError,
    TransientProblemError,
)
from bike_demand.client import client as module
from bike_demand_tests.serving.city import (
    CLOSED,
    EMPTY,
    FULL,
    NOW,
    SYSTEM,
    TIMEZONE,
    UNPLACED,
    Clock,
    configured,
    fill,
    running,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ORIGIN = NOW.replace(minute=0)


def test_importing_it_brings_no_heavy_library_along():
    program = (
        "import sys, bike_demand.client; print([name for name in "
        "('dagster', 'mlflow', 'pandas', 'numpy', 'sqlalchemy', 'psycopg', 'fastapi') "
        "if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_systems_are_told(client):
    [system] = client.systems()
    assert (system.system_id, system.timezone, system.stale) == (SYSTEM, TIMEZONE, False)
    assert system.origin_at == ORIGIN
    assert system.origin_at.tzinfo is not None


def test_all_stations_come_in_order_whatever_the_pages(client, monkeypatch):
    whole = list(client.stations())
    monkeypatch.setattr(module, "PAGE", 7)
    assert [*client.stations()] == whole
    ids = [station.station_id for station in whole]
    assert ids == sorted(ids)
    assert len(ids) == 39  # one of forty has left


def test_stations_are_found_by_name_and_place(client):
    named = [*client.stations(q="broadway")]
    assert named
    assert all("Broadway" in (station.name or "") for station in named)
    placed = [*client.stations(bbox=(-74.0, 40.72, -73.99, 40.73))]
    assert placed
    assert all(-74.0 <= (station.lon or 0) <= -73.99 for station in placed)


@pytest.mark.parametrize("side", [0.00005, -1e-9, 0.1 + 0.2 - 0.3])
def test_a_box_may_have_a_side_near_the_meridian(client, side):
    wide = [*client.stations(bbox=(-74.5, 40.0, side, 41.0))]
    assert [station.station_id for station in wide] == [
        station.station_id for station in client.stations() if station.lon is not None
    ]


def test_one_station_is_told_with_its_newest_snapshot(client):
    station = client.station(CLOSED)
    assert station.in_service is False
    assert station.observed_at == NOW.replace(minute=0)
    assert client.station(UNPLACED).lat is None


def test_a_forecast_is_typed(client):
    forecast = client.forecast("s0007", hours=6)
    assert (forecast.station_id, forecast.role, forecast.model_version) == (
        "s0007",
        "champion",
        "7",
    )
    assert (forecast.stale, forecast.age_seconds) == (False, None)
    assert [hour.target_at for hour in forecast.forecast] == [
        ORIGIN + ahead * HOUR for ahead in range(1, 7)
    ]
    assert all(hour.p10 <= hour.p50 <= hour.p90 <= hour.capacity for hour in forecast.forecast)
    assert all(hour.p_full is None for hour in client.forecast(UNPLACED).forecast)


def test_the_city_is_told_at_one_hour(client):
    city = client.city(at=ORIGIN + 3 * HOUR)
    assert (city.horizon, city.target_at) == (3, ORIGIN + 3 * HOUR)
    assert len(city.stations) == 39
    inside = client.city(bbox=(-74.0, 40.72, -73.99, 40.73))
    assert 0 < len(inside.stations) < 39
    assert inside.horizon == 1


def test_a_city_of_several_pages_is_of_one_forecast(client, monkeypatch):
    get, turns = Client._get, []

    def paged(self, path, **parameters):
        told = get(self, path, **parameters, limit=15)
        turns.append(parameters.get("after"))
        if len(turns) == 2:  # a newer forecast has come in between
            told["issued_at"] = "2026-05-01T12:30:00Z"
        return told

    whole = client.city()
    monkeypatch.setattr(Client, "_get", paged)
    assert client.city() == whole
    assert turns == [None, "s0016", None, "s0016", "s0031"]
    monkeypatch.setattr(
        Client, "_get", lambda self, path, after=None, **rest: {"next": "x", "issued_at": after}
    )
    with pytest.raises(AnswerError, match="changed between pages"):
        client.city()


def test_the_risks_come_worst_first(client):
    risks = client.risks(hours=12, kind="empty", limit=5)
    assert (risks.kind, risks.hours, len(risks.risks)) == ("empty", 12, 5)
    assert risks.risks[0].station_id == EMPTY
    assert client.risks(kind="full").risks[0].station_id == FULL


def test_the_past_is_told_between_two_times(client):
    past = client.history("s0007", ORIGIN - 3 * HOUR, ORIGIN)
    assert past.station_id == "s0007"
    assert (past.begin, past.end) == (ORIGIN - 3 * HOUR, ORIGIN)
    assert len(past.observations) == 13
    assert len(client.history("s0007").observations) > 90


def test_accuracy_and_model_are_told(client):
    accuracy = client.accuracy(days=3)
    assert [one.horizon for one in accuracy.horizons] == [*range(1, 25)]
    assert accuracy.horizons[0].skill_rmse > 0
    model = client.model()
    assert model.champion.model_version == "7"
    assert model.champion.trained_for == NOW.replace(hour=0, minute=0) - 6 * DAY
    assert len(model.evaluation) == 24
    assert model.events[0].kind == "refusal"


def test_a_what_if_is_told(client):
    told = client.predict("s0007", [Observation(observed_at=NOW, num_bikes_available=3)], hours=1)
    assert (told.station_id, told.origin_at) == ("s0007", ORIGIN)
    assert told.forecast[0].bikes == 3.25
    with pytest.raises(ProblemError, match="too many") as refused:
        client.predict("s0007", [Observation(observed_at=NOW, num_bikes_available=3)], hours=21)
    assert refused.value.errors[0].location == "body.observations.0"


def test_a_problem_is_an_exception_that_says_all(client):
    with pytest.raises(ProblemError) as refused:
        client.forecast("no such")
    problem = refused.value
    assert (problem.status, problem.type) == (404, "/problems#unknown-station")
    assert problem.request_id
    assert not isinstance(problem, TransientProblemError)
    with pytest.raises(ProblemError) as refused:
        client.forecast("s0007", hours=25)
    assert refused.value.errors[0].location == "query.hours"
    assert "query.hours" in str(refused.value)


@pytest.mark.parametrize("station_id", ["a/b", "a?b", "é", "..a", "a b", "%2e"])
def test_an_id_is_taken_as_it_is(client, station_id):
    with pytest.raises(ProblemError) as refused:
        client.station(station_id)
    assert refused.value.type == "/problems#unknown-station"


def test_a_time_without_a_zone_is_refused_before_it_is_asked(client):
    with pytest.raises(ValueError, match="tz-aware"):
        client.city(at=datetime(2026, 5, 1))  # noqa: DTZ001


def test_another_system_is_asked_for_by_name(standing):
    elsewhere = Client(standing.url, system_id="elsewhere")
    with elsewhere, pytest.raises(ProblemError) as refused:
        elsewhere.model()
    assert refused.value.type == "/problems#unknown-system"


def test_a_key_is_sent_where_one_is_wanted(tmp_path, database_url):
    from bike_demand.serving import security

    fill(database_url, NOW)
    keys = {"tests": security.hashed("the-key")}
    with running(configured(tmp_path, database_url, api_keys=keys), Clock(NOW)) as api:
        with Client(api.url) as client, pytest.raises(ProblemError) as refused:
            client.systems()
        assert refused.value.status == 401
        with Client(api.url, api_key="the-key") as client:
            assert len(client.systems()) == 1
            assert "the-key" not in repr(client)


def test_where_nothing_is_forecast_yet_it_may_be_later(tmp_path, database_url):
    fill(database_url, NOW, forecast=False)
    with (
        running(configured(tmp_path, database_url), Clock(NOW)) as api,
        Client(api.url) as client,
    ):
        waits = []
        client._exchange._sleep = waits.append
        with pytest.raises(TransientProblemError) as refused:
            client.forecast("s0007")
    assert refused.value.type == "/problems#no-forecast"
    assert waits == [refused.value.retry_after] * 3


def test_an_answer_that_has_not_changed_is_not_sent_again(client, monkeypatch):
    statuses = []
    once = client._exchange._once

    def watched(*arguments):
        answer = once(*arguments)
        statuses.append(answer.status_code)
        return answer

    monkeypatch.setattr(client._exchange, "_once", watched)
    first = client.city()
    assert client.city() == first
    assert client.forecast("s0007") == client.forecast("s0007")
    assert statuses == [200, 304, 200, 304]


def test_an_address_that_is_none_is_refused():
    with pytest.raises(ValueError, match="http://"):
        Client("127.0.0.1:8000")


def test_what_answers_and_is_not_the_api_is_told(standing):
    with Client(f"{standing.url}/page") as client, pytest.raises(ClientError):
        client.systems()


def test_times_are_utc(client):
    assert client.forecast("s0007").issued_at.utcoffset() == timedelta(0)
    assert client.forecast("s0007").origin_at == ORIGIN.astimezone(UTC)
