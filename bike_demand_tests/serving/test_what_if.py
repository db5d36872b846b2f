"""`POST /predict`: what is refused, and what is asked of the process."""

import json
import socket
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from bike_demand.serving import what_if
from bike_demand_tests.serving.city import NOW, SYSTEM, configured, running
from bike_demand_tests.serving.stand_in import stand_in


@pytest.fixture
def worker():
    return stand_in()


@pytest.fixture
def api(tmp_path, city_url, clock, worker):
    """The city's server, with a process that stands in."""
    with running(configured(tmp_path, city_url), clock, worker=worker) as found:
        yield found


def at(minutes=0):
    return (NOW - timedelta(minutes=minutes)).isoformat()


def question(**changes):
    observation = {"observed_at": at(), "num_bikes_available": 3}
    return {"station_id": "s0007", "observations": [observation], **changes}


def observed(**changes):
    return question(observations=[{"observed_at": at(), "num_bikes_available": 3, **changes}])


def test_an_answer_is_that_of_the_declared_form_and_is_kept_by_nobody(api):
    answer = api.post("/predict", json=question())
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    told = what_if.WhatIf.model_validate(answer.json())
    assert (told.system_id, told.role, told.what_if) == (SYSTEM, "champion", True)
    asked = json.loads(told.name)
    assert asked["observations"] == [
        {
            "observed_at": "2026-05-01T12:12:00Z",
            "num_bikes_available": 3,
            "num_ebikes_available": None,
            "num_docks_available": None,
        }
    ]
    assert (asked["system_id"], asked["station_id"], asked["hours"]) == (SYSTEM, "s0007", 24)


REFUSED = {
    "nothing": ({}, 422, "body.station_id"),
    "no observation": (question(observations=[]), 422, "body.observations"),
    "too many": (
        question(observations=observed()["observations"] * (what_if.ROWS + 1)),
        422,
        "body.observations",
    ),
    "a misspelt field": (question(hour=3), 422, "body.hour"),
    "too far": (question(hours=25), 422, "body.hours"),
    "less than none": (
        observed(num_bikes_available=-1),
        422,
        "body.observations.0.num_bikes_available",
    ),
    "no time": (observed(observed_at="noon"), 422, "body.observations.0.observed_at"),
    "a time without an offset": (
        observed(observed_at="2026-05-01T12:00:00"),
        422,
        "body.observations.0.observed_at",
    ),
    "the future": (observed(observed_at=at(-1)), 422, "body.observations.0.observed_at"),
    "long before the newest": (
        question(
            observations=[
                {"observed_at": at(), "num_bikes_available": 3},
                {"observed_at": at(24 * 60 + 1), "num_bikes_available": 3},
            ]
        ),
        422,
        "body.observations.1.observed_at",
    ),
    "more e-bikes than bikes": (
        observed(num_ebikes_available=4),
        422,
        "body.observations.0.num_ebikes_available",
    ),
    "no such station": (question(station_id="x"), 404, None),
    "no such system": (question(system_id="x"), 404, None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused_with_its_place(standing, name):
    body, status, location = REFUSED[name]
    answer = standing.post("/predict", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    if location:
        assert location in [error["location"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("hours", "status", "kind"),
    [
        (20, 503, "no-champion"),
        (21, 422, "invalid-request"),
        (22, 503, "database-unavailable"),
        (23, 503, "what-if-failed"),
    ],
)
def test_what_the_process_cannot_answer_is_a_problem(standing, hours, status, kind):
    answer = standing.post("/predict", json=question(hours=hours))
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems#{kind}")
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert standing.post("/predict", json=question()).status_code == 200


def test_a_body_that_is_too_large_is_not_read(standing):
    large = json.dumps(question(station_id="x" * what_if.BODY)).encode()
    told = standing.post("/predict", data=large)

    def drops():
        for begin in range(0, len(large), 1000):
            yield large[begin : begin + 1000]

    untold = standing.post("/predict", data=drops())
    for answer in (told, untold):
        assert (answer.status_code, answer.json()["type"]) == (413, "/problems#too-large")


def test_a_body_as_large_as_may_be_is_read(standing):
    body = json.dumps(question()).encode()
    answer = standing.post(
        "/predict",
        data=body + b" " * (what_if.BODY - len(body)),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"a": NaN}'])
def test_a_body_that_is_none_is_a_problem(standing, body):
    answer = standing.post("/predict", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("media", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_a_body_that_is_not_called_json_is_refused_for_that(standing, media):
    body = json.dumps(question()).encode()
    headers = {} if media is None else {"Content-Type": media}  # as curl and requests send it
    answer = standing.post("/predict", data=body, headers=headers)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error == {"location": "header.Content-Type", "message": "must be application/json"}


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "application/vnd.x+json"])
def test_a_body_may_be_called_json_as_http_has_it(standing, media):
    body = json.dumps(question()).encode()
    answer = standing.post("/predict", data=body, headers={"Content-Type": media})
    assert answer.status_code == 200, answer.text


def test_who_goes_away_before_the_end_is_no_failure_of_ours(api, caplog):
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
            b'Content-Length: 1000\r\n\r\n{"station_id'
        )
    counted = 'requests_total{method="POST",route="/predict",status="0"} 1.0'
    api.until(lambda: counted in api.get("/metrics").text, "the end of it")
    assert not caplog.records


def test_who_comes_when_too_many_wait_is_told_when_to_ask_again(api, worker):
    for _ in range(5):
        worker._places.acquire()
    answer = api.post("/predict", json=question())
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems#busy")
    assert answer.headers["Retry-After"] == "10"


def test_a_process_that_takes_too_long_is_a_timeout(api, worker, monkeypatch):
    monkeypatch.setattr(worker, "_seconds", 0.0)
    answer = api.post("/predict", json=question())
    assert (answer.status_code, answer.json()["type"]) in (
        (504, "/problems#too-slow"),
        (503, "/problems#busy"),
    )


def test_the_process_ends_with_the_server(tmp_path, city_url, clock, worker):
    with running(configured(tmp_path, city_url), clock, worker=worker) as api:
        api.post("/predict", json=question())
        assert worker.pid is not None
    assert worker.pid is None


def test_the_limits_are_declared(standing):
    schema = standing.get("/openapi.json").json()
    route = schema["paths"]["/predict"]["post"]
    assert {"200", "401", "404", "413", "422", "429", "503", "504"} <= set(route["responses"])
    assert "256 KiB" in route["description"]
    fields = schema["components"]["schemas"]["Question"]["properties"]
    assert fields["observations"]["maxItems"] == what_if.ROWS
    assert fields["hours"]["maximum"] == 24
