import pandas as pd
import pytest

from bike_demand.weather.errors import InvalidWeatherError
from bike_demand.weather.openweathermap_answers import read_current, read_forecast, report
from bike_demand_tests.weather.payloads import (
    HOUR,
    NOW,
    answer,
    conditions,
    known,
    openweathermap_current,
    openweathermap_forecast,
    step,
)


def current(system="metric", **changes):
    return read_current(answer(openweathermap_current(**changes)), system)


def now(system="metric", **changes):
    """The row of an observation, without nulls."""
    [row] = report(NOW, current(system, **changes), []).rows.to_dict("records")
    return known(row)


def test_every_measure_of_an_observation_is_read():
    row = now()
    assert row.pop("kind") == "observation"
    assert row.pop("valid_at") == pd.Timestamp(HOUR, unit="s", tz="UTC")
    assert row == pytest.approx(
        {
            "temperature": 4.5,
            "apparent_temperature": 1.0,
            "relative_humidity": 80,
            "wind_speed": 3.0,
            "wind_gusts": 7.5,
            "precipitation": 0.0,
            "rain": 0.0,
            "snowfall": 0.0,
            "cloud_cover": 75,
            "pressure": 1003,
            "visibility": 10000,
            "weather_code": 2,
            "weather_text": "Partly cloudy",
        }
    )


@pytest.mark.parametrize(
    ("system", "temperature", "wind_speed"),
    [("metric", 10.0, 10.0), ("standard", -263.15, 10.0), ("imperial", -12.2222, 4.4704)],
)
def test_values_are_in_the_units_that_were_asked_for(system, temperature, wind_speed):
    got = current(system, main={"temp": 10}, wind={"speed": 10}).measures
    assert (got["temperature"], got["wind_speed"]) == pytest.approx(
        (temperature, wind_speed), abs=1e-4
    )


@pytest.mark.parametrize(
    ("parts", "rain", "snow"),
    [
        ({"rain": {"1h": 1.5}}, 1.5, 0.0),
        ({"rain": {"3h": 1.5}}, 0.5, 0.0),
        ({"snow": {"1h": 0.75}}, 0.0, 0.75),
        ({"rain": {"1h": 0.95}, "snow": {"1h": 1.32}}, 0.95, 1.32),
        ({"rain": {"1h": 3.0, "3h": 3.0}}, 3.0, 0.0),
        ({}, 0.0, 0.0),
    ],
)
def test_rain_and_snow_are_told_per_hour_and_what_is_missing_did_not_fall(parts, rain, snow):
    got = current(**parts).measures
    assert (got["rain"], got["snowfall"], got["precipitation"]) == (rain, snow, rain + snow)


@pytest.mark.parametrize(
    ("ids", "unknown"),
    [
        ([501], {"rain", "precipitation"}),
        ([701, 601], {"snowfall", "precipitation"}),
        ([616], {"rain", "snowfall", "precipitation"}),
        ([999], {"rain", "snowfall", "precipitation"}),
        ([], {"rain", "snowfall", "precipitation"}),
    ],
)
def test_an_amount_missing_though_it_falls_or_nobody_knows_is_null(ids, unknown):
    got = current(weather=conditions(*ids)).measures
    names = {"rain", "snowfall", "precipitation"}
    assert {name for name in names if got[name] is None} == unknown


@pytest.mark.parametrize("part", [{}, {"1h": "much"}, {"1h": None}, 0.5, "rain", [1]])
def test_a_part_without_a_readable_amount_is_null(part):
    assert current(rain=part).measures["rain"] is None


def test_of_several_conditions_the_first_is_the_code():
    assert current(weather=conditions(741, 601)).code == 45


@pytest.mark.parametrize(
    "weather", [..., None, [], {}, "rain", [7], [{}], conditions(999), conditions("500")]
)
def test_conditions_that_cannot_be_read_are_no_code(weather):
    assert current(weather=weather).code is None


def test_the_probability_is_a_percentage():
    [moment] = read_forecast(answer(openweathermap_forecast(step(pop=0.32))), "metric")
    assert moment.measures["precipitation_probability"] == pytest.approx(32)


def test_the_pressure_is_that_at_sea_level():
    main = {"pressure": 933, "sea_level": 1015, "grnd_level": 933}
    assert now(main=main)["pressure"] == 1015


@pytest.mark.parametrize("part", ["main", "wind", "clouds", "visibility"])
def test_a_missing_part_is_null(part):
    measures = current(**{part: ...}).measures
    names = {
        "main": "temperature",
        "wind": "wind_speed",
        "clouds": "cloud_cover",
        "visibility": "visibility",
    }
    assert measures[names[part]] is None


def test_a_report_holds_the_observation_and_the_steps_of_48_hours():
    ahead = read_forecast(answer(openweathermap_forecast()), "metric")
    rows = report(NOW, current(), ahead).rows
    assert list(rows["kind"]) == ["observation"] + ["forecast"] * 16
    assert rows["valid_at"].iloc[-1] == pd.Timestamp(HOUR + 48 * 3600, unit="s", tz="UTC")


def test_an_old_observation_is_left_out():
    assert report(NOW, current(dt=HOUR - 7 * 3600), []).rows.empty


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"cod": "404", "message": "city not found"}, "it says '404', city not found"),
        ({"cod": 500, "message": None}, "it says 500, None"),
        ({"cod": [200]}, r"it says \[200\]"),
        ({"dt": ...}, "`dt` is None"),
        ({"dt": "noon"}, "`dt` is 'noon'"),
        ({"dt": 1e40}, "`dt` is 1e"),
    ],
)
def test_an_answer_that_is_no_weather_is_an_error(changes, problem):
    with pytest.raises(InvalidWeatherError, match=problem):
        current(**changes)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (openweathermap_forecast(list=...), "`list` is None"),
        (openweathermap_forecast(list=[7]), "an entry of `list` is 7"),
        (openweathermap_forecast(step(), step()), "follows"),
        (openweathermap_forecast(cod="401", message="Invalid API key"), "Invalid API key"),
    ],
)
def test_a_forecast_that_is_none_is_an_error(content, problem):
    with pytest.raises(InvalidWeatherError, match=problem):
        read_forecast(answer(content), "metric")
