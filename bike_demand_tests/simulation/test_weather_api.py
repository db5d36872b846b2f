"""The city's weather in Open-Meteo's shape."""

import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from bike_demand.simulation.weather import Weather
from bike_demand.simulation.weather_api import BadRequestError, archive, forecast

NOW = datetime(2026, 5, 1, 12, 50, tzinfo=UTC)
PLACE = {"latitude": "38.7", "longitude": "-9.1"}
WATER = ["precipitation", "rain", "showers", "snowfall"]


@pytest.fixture
def weather():
    return Weather(1, "Europe/Lisbon")


class Steady(Weather):
    """Snow, rain and showers that do not change."""

    def __init__(self, **values):
        self._values = values

    def observed(self, times):
        usual = dict.fromkeys(Weather(1, "UTC").observed(times).columns, 0.0)
        return pd.DataFrame({**usual, **self._values}, index=times)

    def forecast(self, issued_at, times):
        return self.observed(times).assign(precipitation_probability=30.0)


def test_an_answer_looks_as_a_recorded_one_does(weather, shared_data):
    lines = (shared_data / "weather" / "openmeteo_current_recorded.jsonl").read_text().splitlines()
    recorded = json.loads(lines[1])
    names = [name for name in recorded["current"] if name not in {"time", "interval"}]
    answer = forecast(weather, NOW, PLACE | {"current": ",".join(names)})
    assert answer.keys() == recorded.keys()
    assert answer["current_units"] == recorded["current_units"]
    assert {name: type(value) for name, value in answer["current"].items()} == {
        name: type(value) for name, value in recorded["current"].items()
    }


def test_hours_look_as_recorded_ones_do(weather, shared_data):
    path = shared_data / "weather" / "openmeteo_nyc_forecast_14d_2026-08-22_1400.json"
    recorded = json.loads(path.read_text())
    units = {"temperature_unit": "fahrenheit", "wind_speed_unit": "mph"}
    names = ["temperature_2m", "precipitation_probability", "rain", "snowfall", "surface_pressure"]
    query = PLACE | units | {"precipitation_unit": "inch", "hourly": ",".join(names)}
    answer = forecast(weather, NOW, query | {"forecast_days": "14"})
    assert answer.keys() == recorded.keys()
    for name in ["time", *names]:
        assert answer["hourly_units"][name] == recorded["hourly_units"][name]
        assert len(answer["hourly"][name]) == len(recorded["hourly"][name])
        assert type(answer["hourly"][name][0]) is type(recorded["hourly"][name][0])


def test_the_current_weather_is_that_of_the_last_quarter(weather):
    current = forecast(weather, NOW, PLACE | {"current": "temperature_2m"})["current"]
    quarter = pd.DatetimeIndex(["2026-05-01T12:45Z"])
    assert current == {
        "time": "2026-05-01T12:45",
        "interval": 900,
        "temperature_2m": weather.observed(quarter)["temperature"].iloc[0],
    }


def test_current_amounts_fell_in_a_quarter_and_hourly_ones_in_an_hour():
    wet = Steady(precipitation=8.0, rain=6.0, snowfall=2.0, weather_code=63)
    names = ",".join(WATER)
    answer = forecast(wet, NOW, PLACE | {"current": names, "hourly": names, "forecast_hours": "1"})
    assert [answer["current"][name] for name in WATER] == [2.0, 1.5, 0.0, 0.35]
    assert [answer["hourly"][name] for name in WATER] == [[8.0], [6.0], [0.0], [1.4]]


def test_what_falls_in_showers_is_no_rain():
    wet = Steady(precipitation=6.0, rain=6.0, weather_code=81)
    answer = forecast(wet, NOW, PLACE | {"hourly": ",".join(WATER), "forecast_hours": "1"})
    assert [answer["hourly"][name] for name in WATER] == [[6.0], [0.0], [6.0], [0.0]]


@pytest.mark.parametrize(
    ("unit", "name", "expected"),
    [
        ({}, "temperature_2m", ("°C", 20.0)),
        ({"temperature_unit": "fahrenheit"}, "temperature_2m", ("°F", 68.0)),
        ({}, "wind_speed_10m", ("km/h", 36.0)),
        ({"wind_speed_unit": "ms"}, "wind_speed_10m", ("m/s", 10.0)),
        ({"wind_speed_unit": "mph"}, "wind_speed_10m", ("mp/h", 22.4)),
        ({"wind_speed_unit": "kn"}, "wind_speed_10m", ("kn", 19.4)),
        ({}, "rain", ("mm", 25.4)),
        ({"precipitation_unit": "inch"}, "rain", ("inch", 1.0)),
        ({}, "snowfall", ("cm", 17.78)),
        ({"precipitation_unit": "inch"}, "snowfall", ("inch", 7.0)),
        ({}, "pressure_msl", ("hPa", 1013.0)),
        ({}, "surface_pressure", ("hPa", 1010.6)),
        ({}, "relative_humidity_2m", ("%", 81)),
        ({}, "weather_code", ("wmo code", 63)),
        ({}, "visibility", ("m", 9000)),
    ],
)
def test_a_value_is_in_the_unit_that_was_asked_for(unit, name, expected):
    steady = Steady(
        temperature=20.0,
        wind_speed=10.0,
        rain=25.4,
        snowfall=25.4,
        pressure=1013.0,
        relative_humidity=81.0,
        weather_code=63,
        visibility=9000.0,
    )
    answer = forecast(steady, NOW, PLACE | unit | {"hourly": name, "forecast_hours": "1"})
    assert (answer["hourly_units"][name], answer["hourly"][name][0]) == expected


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ({}, "2026-05-01T00:00", "2026-05-07T23:00"),
        ({"forecast_days": "2", "past_days": "1"}, "2026-04-30T00:00", "2026-05-02T23:00"),
        ({"forecast_hours": "3"}, "2026-05-01T12:00", "2026-05-01T14:00"),
        ({"forecast_hours": "1", "past_hours": "2"}, "2026-05-01T10:00", "2026-05-01T12:00"),
        (
            {"start_date": "2026-05-02", "end_date": "2026-05-03"},
            "2026-05-02T00:00",
            "2026-05-03T23:00",
        ),
        (
            {"start_hour": "2026-05-02T05:00", "end_hour": "2026-05-02T05:00"},
            "2026-05-02T05:00",
            "2026-05-02T05:00",
        ),
    ],
)
def test_hours_are_those_that_were_asked_for(weather, query, first, last):
    hours = forecast(weather, NOW, PLACE | {"hourly": "cloud_cover"} | query)["hourly"]
    assert (hours["time"][0], hours["time"][-1]) == (first, last)
    assert len(hours["cloud_cover"]) == len(hours["time"])


def test_the_past_is_as_it_was_and_the_days_to_come_as_they_are_foreseen(weather):
    hours = forecast(weather, NOW, PLACE | {"hourly": "temperature_2m"})["hourly"]
    times = pd.to_datetime(pd.Index(hours["time"]), utc=True)
    truth = weather.observed(pd.DatetimeIndex(times))["temperature"].tolist()
    assert hours["temperature_2m"][:13] == truth[:13]
    assert hours["temperature_2m"][-24:] != truth[-24:]


def test_times_may_be_seconds(weather):
    query = PLACE | {"timeformat": "unixtime", "hourly": "rain", "current": "rain"}
    answer = forecast(weather, NOW, query)
    assert answer["hourly"]["time"][0] == datetime(2026, 5, 1, tzinfo=UTC).timestamp()
    assert answer["current"]["time"] == datetime(2026, 5, 1, 12, 45, tzinfo=UTC).timestamp()
    assert answer["hourly_units"]["time"] == answer["current_units"]["time"] == "unixtime"


def test_the_archive_holds_the_past_and_nothing_of_the_last_two_days(weather):
    query = PLACE | {"start_date": "2026-04-28", "end_date": "2026-05-01"}
    hours = archive(weather, NOW, query | {"hourly": "temperature_2m"})["hourly"]
    known = [value is not None for value in hours["temperature_2m"]]
    assert known == [
        datetime.fromisoformat(time).replace(tzinfo=UTC) <= NOW - timedelta(days=2)
        for time in hours["time"]
    ]
    assert known.count(True) == 37


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"latitude": ""}, "'latitude' is one number"),
        ({"latitude": "38,39"}, "'latitude' is one number"),
        ({"latitude": "91"}, "Latitude must be in range of -90 to 90°"),
        ({"longitude": "nan"}, "Longitude must be in range"),
        ({"timezone": "auto"}, "'auto'"),
        ({"hourly": "mood"}, "invalid String value mood"),
        ({"current": "precipitation_probability"}, "precipitation_probability"),
        ({"temperature_unit": "kelvin"}, "'kelvin'"),
        ({"timeformat": "rfc"}, "'rfc'"),
        ({"hourly": "rain", "forecast_days": "17"}, "Forecast days is invalid. Allowed range 0 to"),
        ({"hourly": "rain", "past_hours": "-1"}, "Past hours is invalid"),
        ({"hourly": "rain", "start_date": "2026-05-01"}, "Invalid date format in 'end_date'"),
        (
            {"hourly": "rain", "start_date": "2026-05-03", "end_date": "2026-05-02"},
            "End-date must be larger",
        ),
        (
            {"hourly": "rain", "start_date": "2026-05-03", "end_date": "2026-05-30"},
            "'end_date' is out of allowed range from 2026-01-29 to 2026-05-16",
        ),
        (
            {
                "start_date": "2026-05-03",
                "end_date": "2026-05-03",
                "past_days": "1",
                "hourly": "rain",
            },
            "'past_days' is mutually exclusive",
        ),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_with_a_reason(weather, query, reason):
    with pytest.raises(BadRequestError) as error:
        forecast(weather, NOW, PLACE | query)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({}, "must be set"),
        ({"start_date": "2026-05-01", "end_date": "2026-05-02"}, "'end_date' is out of allowed"),
        ({"start_date": "1940-01-01", "end_date": "2026-05-01"}, "at most 3660 days"),
    ],
)
def test_the_archive_refuses_what_it_cannot_have(weather, query, reason):
    with pytest.raises(BadRequestError) as error:
        archive(weather, NOW, PLACE | {"hourly": "rain"} | query)
    assert reason in str(error.value)


def test_a_refusal_reaches_the_asker_as_open_meteo_sends_it(get):
    answer = get("/v1/forecast?latitude=38.7&longitude=-9.1&hourly=mood")
    assert answer.status_code == 400
    assert answer.json()["error"] is True
    assert "mood" in answer.json()["reason"]


def test_variables_may_be_listed_one_by_one(get):
    answer = get("/v1/forecast?latitude=38.7&longitude=-9.1&hourly=rain&hourly=visibility")
    assert answer.json()["hourly"].keys() == {"time", "rain", "visibility"}


def test_the_archive_is_served(get):
    answer = get(
        "/v1/archive?latitude=38.7&longitude=-9.1&hourly=rain"
        "&start_date=2026-04-01&end_date=2026-04-02"
    )
    assert len(answer.json()["hourly"]["rain"]) == 48
