"""A what-if question from HTTP to the champion and back, by the real process."""

import os
import signal
from uuid import uuid4

import pytest
import requests

from bike_demand import settings
from bike_demand.resources.tracking import Tracking
from bike_demand.serving import what_if
from bike_demand.serving.what_if_process import Worker
from bike_demand.storage.reader import admit
from bike_demand_tests.defs.test_station_forecast import ORIGIN, forecast, reigns
from bike_demand_tests.defs.test_what_if import known, stored
from bike_demand_tests.serving.city import Clock, running

__all__ = ["forecast", "reigns", "stored"]
PATIENCE_S = 300.0  # for a busy machine


@pytest.fixture
def tracking(postgres_url, tmp_path):
    """MLflow beside this test's warehouse, where the settings have it."""
    return Tracking(home=str(tmp_path), url=postgres_url)


@pytest.fixture
def worker():
    found = Worker(seconds=PATIENCE_S)
    yield found
    found.close()


@pytest.fixture
def api(city, database_url, postgres_url, warehouse, worker, monkeypatch):
    """The server, which may do no more than read."""
    role = f"reader_{uuid4().hex}"
    admit(warehouse, "a word", role)
    reads = database_url.set(username=role, password="a word")  # noqa: S106
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", postgres_url)
    told = reads.render_as_string(hide_password=False)
    monkeypatch.setenv("BIKE_DEMAND_SERVING_POSTGRES_URL", told)
    with running(settings.load(), Clock(ORIGIN), worker=worker) as found:
        yield found


def predict(api, body):
    return requests.post(f"{api.url}/predict", json=body, timeout=PATIENCE_S)


def test_a_question_is_answered_by_the_champion_and_by_a_new_process_if_one_was_killed(
    forecast, reigns, stored, city, api, worker
):
    station_id = known(city)[0]
    body = {
        "station_id": station_id,
        "observations": [
            {
                "observed_at": one.observed_at.isoformat(),
                "num_bikes_available": one.bikes,
                "num_docks_available": one.docks,
            }
            for one in stored(station_id)
        ],
    }
    refused = predict(api, body)
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems#no-champion")

    worker.close()  # of champions it knows for half a minute
    worker._closed = False
    version = reigns()
    forecast()
    api.until(
        lambda: api.get(f"/stations/{station_id}/forecast").status_code == 200, "it is served"
    )
    served = api.get(f"/stations/{station_id}/forecast").json()
    answer = predict(api, body)
    assert answer.status_code == 200, answer.text
    told = what_if.WhatIf.model_validate(answer.json())
    assert (told.model_version, told.origin_at, told.name) == (version.version, ORIGIN, "Elm St")
    assert answer.json()["forecast"] == served["forecast"]

    first = worker.pid
    os.kill(first, signal.SIGKILL)
    worker._process.wait()
    assert predict(api, body).json()["forecast"] == served["forecast"]
    assert worker.pid not in (first, None)

    body["observations"][-1] |= {"num_bikes_available": 900}
    refused = predict(api, body)
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert error["location"] == f"body.observations.{len(body['observations']) - 1}"
