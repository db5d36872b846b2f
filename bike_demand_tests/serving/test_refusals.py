"""What cannot be meant is refused with a problem, and never breaks anything."""

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bike_demand.serving.city import City

PATHS = (
    "/systems",
    "/stations",
    "/stations/{id}",
    "/stations/{id}/forecast",
    "/forecast",
    "/risks",
    "/history/{id}",
    "/accuracy",
    "/model",
    "/health",
    "/ready",
    "/metrics",
    "/page/settings.json",
)


def is_a_problem(answer):
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == answer.status_code
    assert told["title"]
    assert told["detail"]
    assert set(told) <= {"type", "title", "status", "detail", "instance", "errors"}
    if answer.status_code == 422:
        assert all(one["location"] and one["message"] for one in told["errors"])
    return told


@pytest.mark.parametrize(
    ("query", "location"),
    [
        ("/forecast?at=2026-05-01T13:00:00", "query.at"),
        ("/forecast?at=1777640400", "query.at"),
        ("/forecast?at=tomorrow", "query.at"),
        ("/forecast?at=2026-13-01T00:00:00Z", "query.at"),
        ("/forecast?at=9999-12-31T23:59:59-23:59", "query.at"),
        ("/forecast?at=2026-05-01T13:00:00%00Z", "query.at"),
        ("/forecast?bbox=1,2,3", "query.bbox"),
        ("/forecast?bbox=nan,nan,nan,nan", "query.bbox"),
        ("/forecast?bbox=-inf,-90,inf,90", "query.bbox"),
        ("/forecast?bbox=1,2,0,3", "query.bbox"),
        ("/forecast?bbox=0,3,1,2", "query.bbox"),
        ("/forecast?bbox=-181,0,1,2", "query.bbox"),
        ("/forecast?bbox=0,0,1,91", "query.bbox"),
        ("/stations?bbox=1e400,0,1,2", "query.bbox"),
        ("/forecast?limit=0", "query.limit"),
        ("/forecast?limit=5001", "query.limit"),
        ("/forecast?limit=9" + 400 * "9", "query.limit"),
        ("/forecast?limit=1&limit=2", "query.limit"),
        ("/forecast?after=" + 256 * "x", "query.after"),
        ("/forecast?hours=3", "query.hours"),
        ("/forecast?system_id=" + 64 * "x", "query.system_id"),
        ("/stations?q=" + 101 * "x", "query.q"),
        ("/stations/s0001/forecast?hours=25", "query.hours"),
        ("/stations/s0001/forecast?hours=-1", "query.hours"),
        ("/stations/s0001/forecast?hours=%D9%A3x", "query.hours"),
        ("/risks?kind=both", "query.kind"),
        ("/risks?limit=501", "query.limit"),
        ("/accuracy?days=61", "query.days"),
        ("/accuracy?days=", "query.days"),
        ("/model?version=7", "query.version"),
        ("/history/s0001?from=2026-05-01", "query.from"),
        ("/health?deep=yes", "query.deep"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused_by_its_name(standing, query, location):
    answer = standing.get(query)
    assert answer.status_code == 422, answer.text
    assert is_a_problem(answer)["errors"][0]["location"] == location


@pytest.mark.parametrize(
    ("query", "message"),
    [
        # As it is written in an address bar: a plus is a space there.
        ("at=2026-05-01T15:00:00+02:00", "send %2B"),
        ("at=2026-05-01 13:00:00Z", "with its offset from UTC"),
        ("bbox=-74.0, 40.7, -73.9, 40.8", "four numbers: min_lon,min_lat,max_lon,max_lat"),
    ],
)
def test_what_is_often_mistaken_is_said_as_it_should_be(standing, query, message):
    answer = standing.get(f"/forecast?{query}")
    assert answer.status_code == 422
    assert message in is_a_problem(answer)["detail"]


@pytest.mark.parametrize(
    "station", ["nope", "%00", "s0001%00", "x" * 5000, "%F0%9F%9A%B2", "%ff%fe", "'; DROP TABLE x"]
)
def test_a_station_that_cannot_be_is_unknown(standing, station):
    for path in ("/stations/{}", "/stations/{}/forecast", "/history/{}"):
        answer = standing.get(path.format(station))
        assert answer.status_code == 404
        assert is_a_problem(answer)["type"] == "/problems#unknown-station"


def test_there_is_nothing_at_other_paths_and_by_other_methods(standing):
    inside = ("/page/../app.py", "/page/%2e%2e%2fapp.py")
    for path in ("/nope", "/docs", "/redoc", *inside, "//", "/risks/", "/history"):
        answer = standing.get(path)
        assert answer.status_code == 404, path
        is_a_problem(answer)
    answer = standing.post("/forecast")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET"
    is_a_problem(answer)
    assert standing.get("/model/reload").status_code == 405


# Whatever may stand in a URL; `requests` would take a surrogate for a mistake of its own.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAMES = st.sampled_from(
    ["system_id", "at", "bbox", "limit", "after", "hours", "kind", "from", "to", "q", "days"]
)
VALUES = TEXT | st.integers().map(str) | st.floats().map(str) | st.datetimes().map(str)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(PATHS), station=TEXT, query=st.dictionaries(NAMES | TEXT, VALUES))
def test_whatever_is_asked_is_answered_or_refused(standing, path, station, query):
    answer = standing.get(path.format(id=quote(station, safe="")), params=query)
    assert answer.status_code in {200, 404, 422}, (answer.url, answer.text)
    if answer.status_code != 200:
        is_a_problem(answer)


def test_a_failure_of_ours_is_told_without_saying_what(api, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("the hidden word")

    monkeypatch.setattr(City, "one_station", broken)
    answer = api.get("/stations/s0001")
    assert answer.status_code == 500
    assert "hidden" not in answer.text
    assert answer.headers["X-Request-ID"] in is_a_problem(answer)["detail"]
    assert api.get("/stations/s0001/forecast").status_code == 200
