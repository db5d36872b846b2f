import json
from datetime import UTC, datetime, timedelta

import pytest

from bike_demand.download.errors import PermanentFeedError, TransientFeedError
from bike_demand.weather.errors import InvalidWeatherError
from bike_demand.weather.open_meteo import OpenMeteo
from bike_demand.weather.openweathermap import OpenWeatherMap
from bike_demand_tests.weather.payloads import (
    HERE,
    NOW,
    QUICK,
    Clock,
    open_meteo,
    openweathermap_current,
    openweathermap_forecast,
)

FORECAST = "/v1/forecast"
ARCHIVE = "/v1/archive"
WEATHER = "/data/2.5/weather"
STEPS = "/data/2.5/forecast"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def meteo(server, clock):
    """Open-Meteo as played by the server."""
    server.serve(FORECAST, json.dumps(open_meteo()).encode())
    server.serve(ARCHIVE, json.dumps(open_meteo()).encode())
    return OpenMeteo(
        url=server.base, archive_url=server.base + "/", limits=QUICK, clock=clock, sleep=clock.sleep
    )


@pytest.fixture
def openweather(server, clock):
    """OpenWeatherMap as played by the server."""
    server.serve(WEATHER, json.dumps(openweathermap_current()).encode())
    server.serve(STEPS, json.dumps(openweathermap_forecast()).encode())
    return OpenWeatherMap(
        f" {KEY}\n", url=server.base, limits=QUICK, clock=clock, sleep=clock.sleep
    )


# Open-Meteo


def test_open_meteo_tells_the_present(meteo):
    report = meteo.present(HERE)
    assert (report.source, report.fetched_at) == ("open-meteo", NOW)
    assert list(report.rows["kind"]) == ["observation", "forecast"]


def test_open_meteo_is_asked_in_our_units_for_all_measures(meteo, server):
    meteo.present(HERE)
    [asked] = server.asked[FORECAST]
    measures = set(open_meteo()["current"]) - {"time", "interval"}
    assert set(asked.pop("current").split(",")) == measures
    assert set(asked.pop("hourly").split(",")) == {*measures, "precipitation_probability"}
    assert asked == {
        "latitude": "40.7400",
        "longitude": "-73.9700",
        "wind_speed_unit": "ms",
        "timeformat": "unixtime",
        "timezone": "GMT",
        "forecast_hours": "50",
    }


def test_the_past_is_asked_for_by_its_days(meteo, server):
    start = datetime(2026, 2, 1, 23, tzinfo=UTC)
    meteo.past(HERE, start, start + timedelta(days=2, hours=1))
    [asked] = server.asked[ARCHIVE]
    assert (asked["start_date"], asked["end_date"]) == ("2026-02-01", "2026-02-03")
    assert "showers" not in asked["hourly"]


def test_days_to_come_are_not_asked_for(meteo, server):
    meteo.past(HERE, NOW - timedelta(days=1), NOW + timedelta(days=5))
    assert server.asked[ARCHIVE][0]["end_date"] == f"{NOW:%Y-%m-%d}"


def test_a_past_that_is_all_to_come_is_empty_and_not_asked_for(meteo, server):
    report = meteo.past(HERE, NOW + timedelta(hours=1), NOW + timedelta(hours=2))
    assert (len(report.rows), report.fetched_at, server.asked[ARCHIVE]) == (0, NOW, [])


def test_the_past_is_reanalysis(meteo):
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    rows = meteo.past(HERE, start, start + timedelta(hours=1)).rows
    assert list(rows["kind"]) == ["reanalysis"]


@pytest.mark.parametrize(
    ("start", "end"),
    [(NOW, NOW), (NOW, NOW - timedelta(hours=1)), (NOW.replace(tzinfo=None), NOW)],
)
def test_a_past_that_is_no_window_is_refused(meteo, start, end):
    with pytest.raises(ValueError, match="no window"):
        meteo.past(HERE, start, end)


def test_a_refusal_says_the_reason_of_the_service(meteo, server):
    body = json.dumps({"error": True, "reason": "Parameter 'x' is\nout of range.\x1b[1m"}).encode()
    server.serve(FORECAST, server.answer(400, body))
    with pytest.raises(
        PermanentFeedError, match=r"HTTP 400: Parameter 'x' is out of range\.\?\[1m\. "
    ) as caught:
        meteo.present(HERE)
    assert caught.value.http_status == 400


def test_a_long_reason_is_cut(meteo, server):
    body = json.dumps({"error": True, "reason": "x" * 5000}).encode()
    server.serve(FORECAST, server.answer(400, body))
    with pytest.raises(PermanentFeedError) as caught:
        meteo.present(HERE)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"reason": 7}', b'{"reason": " "}'])
def test_a_refusal_without_a_reason_is_told_without(meteo, server, body):
    server.serve(FORECAST, server.answer(400, body))
    with pytest.raises(PermanentFeedError, match=r"answered HTTP 400\. "):
        meteo.present(HERE)


def test_a_passing_failure_is_tried_again(meteo, server, clock):
    good = json.dumps(open_meteo()).encode()
    server.serve(FORECAST, server.answer(503), server.answer(429), good)
    assert len(meteo.present(HERE).rows) == 2
    assert clock.now > NOW


def test_a_failure_that_does_not_pass_is_transient(meteo, server):
    server.serve(FORECAST, server.answer(500, b"out of order"))
    with pytest.raises(TransientFeedError) as caught:
        meteo.present(HERE)
    assert caught.value.http_status == 500


def test_a_useless_answer_is_not_tried_again_and_says_what_it_is(meteo, server):
    url = server.serve(FORECAST, b'{"error": true, "reason": "out of order"}')
    with pytest.raises(InvalidWeatherError, match="it says out of order") as caught:
        meteo.present(HERE)
    assert (caught.value.feed, caught.value.http_status) == (f"{url}?…", 200)
    assert len(server.asked[FORECAST]) == 1


def test_a_useless_answer_is_not_brought_back_by_a_304(meteo, server):
    good = json.dumps(open_meteo()).encode()
    server.serve(FORECAST, server.answer(200, b"{}", etag='"1"'), good)
    with pytest.raises(InvalidWeatherError):
        meteo.present(HERE)
    meteo.present(HERE)
    assert "if-none-match" not in server.seen[FORECAST][1]


# OpenWeatherMap


def test_openweathermap_tells_the_present(openweather):
    report = openweather.present(HERE)
    assert (report.source, report.fetched_at) == ("openweathermap", NOW)
    assert list(report.rows["kind"]) == ["observation"] + ["forecast"] * 16


def test_openweathermap_is_asked_with_the_key_in_metric_units(openweather, server):
    openweather.present(HERE)
    query = {"lat": "40.7400", "lon": "-73.9700", "units": "metric", "appid": KEY}
    assert server.asked[WEATHER] == [query]
    assert server.asked[STEPS] == [{**query, "cnt": "17"}]


def test_a_refused_key_names_the_variable_to_correct(openweather, server):
    server.serve(WEATHER, server.answer(401, b'{"cod": 401, "message": "Invalid API key."}'))
    with pytest.raises(PermanentFeedError, match=r"401: Invalid API key\. ") as caught:
        openweather.present(HERE)
    assert "OPENWEATHER_API_KEY" in caught.value.remedy


def test_without_a_forecast_there_is_no_report(openweather, server):
    server.serve(STEPS, b'{"cod": "404", "message": "Internal error"}')
    with pytest.raises(InvalidWeatherError, match="'404', Internal error"):
        openweather.present(HERE)


@pytest.mark.parametrize("key", ["", "  ", "short", "with space0", "0123456789ab&x=1", "ключключ"])
def test_what_cannot_be_a_key_is_refused_without_showing_it(key):
    with pytest.raises(ValueError, match="OPENWEATHER_API_KEY") as caught:
        OpenWeatherMap(key)
    assert not key.strip() or key not in str(caught.value)
