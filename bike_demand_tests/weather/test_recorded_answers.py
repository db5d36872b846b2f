"""Answers of the services as they were recorded; those in their folder, and values by hand."""

import json
from datetime import UTC, datetime

import pandas as pd
import pytest

from bike_demand.weather.answers import Answer
from bike_demand.weather.errors import InvalidWeatherError
from bike_demand.weather.open_meteo_answers import hours, observation
from bike_demand.weather.openweathermap_answers import read_current
from bike_demand.weather.report import COLUMNS, frame
from bike_demand_tests.weather.payloads import NOW, known

DAY = "openmeteo_nyc_day_2023-10-08.json"
FORTNIGHT_2023 = "openmeteo_nyc_forecast_14d_2023-10-01.json"
FORTNIGHT_2026 = "openmeteo_nyc_forecast_14d_2026-08-22_1400.json"
SYSTEMS = {"standard(K)": "standard", "metric": "metric", "imperial": "imperial"}


@pytest.fixture
def folder(shared_data):
    return shared_data / "weather"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def answer(content):
    return Answer(json.dumps(content).encode(), "recorded", NOW)


def hourly(path):
    content = json.loads(path.read_text())
    return frame(("forecast", hour) for hour in hours(content, answer(content)))


@pytest.fixture
def open_meteo(folder):
    """The recorded `current` answers, without the one from before there was a `current`."""
    contents = lines(folder / "openmeteo_current_recorded.jsonl")[:4]
    return [known_measures(observation(content, answer(content))) for content in contents]


@pytest.fixture
def openweathermap(folder):
    contents = lines(folder / "openweathermap_current_recorded.jsonl")
    return [
        known_measures(
            read_current(answer(content), SYSTEMS[content.pop("_units").partition(";")[0]])
        )
        for content in contents
    ]


def known_measures(moment):
    [row] = frame([("observation", moment)]).to_dict("records")
    return known(row)


def test_every_file_of_the_folder_is_read_here(folder):
    assert {path.name for path in folder.iterdir()} == {
        DAY,
        FORTNIGHT_2023,
        FORTNIGHT_2026,
        "openmeteo_current_recorded.jsonl",
        "openweathermap_current_recorded.jsonl",
    }


@pytest.mark.parametrize(
    ("name", "rows", "without_probability", "without_pressure"),
    [(DAY, 24, 0, 24), (FORTNIGHT_2023, 336, 100, 336), (FORTNIGHT_2026, 336, 0, 336)],
)
def test_recorded_hours_are_read(folder, name, rows, without_probability, without_pressure):
    got = hourly(folder / name)
    assert list(got.columns) == list(COLUMNS)
    missing = got.isna().sum()
    assert (len(got), missing["precipitation_probability"], missing["pressure"]) == (
        rows,
        without_probability,
        without_pressure,
    )
    for column in ("temperature", "wind_speed", "rain", "snowfall", "cloud_cover"):
        assert missing[column] == 0


def test_an_hour_in_fahrenheit_miles_and_local_time_by_hand(folder):
    row = known(hourly(folder / DAY).iloc[0])
    # Midnight in New York, EDT; 52.1 °F, 46.8 °F, 9.6 mp/h, 26.8 mp/h.
    assert row["valid_at"] == pd.Timestamp("2023-10-08T04:00Z")
    assert row["temperature"] == pytest.approx(11.1667, abs=1e-4)
    assert row["apparent_temperature"] == pytest.approx(8.2222, abs=1e-4)
    assert row["wind_speed"] == pytest.approx(4.2916, abs=1e-4)
    assert row["wind_gusts"] == pytest.approx(11.9807, abs=1e-4)
    assert (row["relative_humidity"], row["cloud_cover"], row["rain"]) == (78, 0, 0)


@pytest.mark.parametrize("name", [FORTNIGHT_2023, FORTNIGHT_2026])
def test_inches_of_rain_and_showers_are_millimetres_of_rain(folder, name):
    raw = json.loads((folder / name).read_text())["hourly"]
    inches = pd.Series(raw["rain"]) + pd.Series(raw["showers"])
    assert inches.max() > 0.1
    assert list(hourly(folder / name)["rain"]) == pytest.approx(list(inches * 25.4))


def test_a_current_in_kilometres_per_hour_by_hand(open_meteo):
    gulf = open_meteo[0]
    assert gulf["valid_at"] == pd.Timestamp("2024-05-21T00:30Z")
    assert (gulf["temperature"], gulf["wind_speed"]) == (30.1, pytest.approx(6.5))
    assert (gulf["weather_text"], gulf["precipitation"]) == ("Mainly clear", 0)


def test_a_current_of_florence_is_at_its_time_in_utc(open_meteo):
    assert open_meteo[1]["valid_at"] == pd.Timestamp("2026-08-21T11:15Z")
    assert open_meteo[1]["weather_text"] == "Light rain showers"


def test_a_current_that_states_the_pressure_at_the_ground_has_none_at_sea_level(open_meteo):
    assert "pressure" not in open_meteo[2]
    assert open_meteo[2]["wind_gusts"] == pytest.approx(5.6944, abs=1e-4)


def test_a_current_of_two_measures_has_two(open_meteo):
    texas = open_meteo[3]
    assert texas["temperature"] == pytest.approx(22.0556, abs=1e-4)
    measures = set(texas) - {"kind", "valid_at", "weather_code", "weather_text"}
    assert measures == {"temperature"}


def test_a_current_without_units_from_2023_is_refused(folder):
    content = lines(folder / "openmeteo_current_recorded.jsonl")[4]
    with pytest.raises(InvalidWeatherError, match="`current` is None"):
        observation(content, answer(content))


def test_every_recorded_openweathermap_is_read(openweathermap):
    texts = [row["weather_text"] for row in openweathermap]
    assert texts == [
        "Rain",
        "Light rain",
        "Light rain",
        "Snow",
        "Snow",
        "Fog",
        "Light rain showers",
        "Partly cloudy",
    ]
    assert all("temperature" in row and "precipitation" in row for row in openweathermap)


def test_rain_and_snow_together_by_hand(openweathermap):
    row = openweathermap[0]
    assert row["valid_at"] == pd.Timestamp(datetime(2019, 12, 1, 19, 56, 23, tzinfo=UTC))
    assert row["temperature"] == pytest.approx(-0.21)
    assert (row["rain"], row["snowfall"]) == (0.95, 1.32)
    assert row["precipitation"] == pytest.approx(2.27)
    assert (row["visibility"], row["pressure"], row["cloud_cover"]) == (4828, 1007, 90)
    assert "apparent_temperature" not in row
    assert "precipitation_probability" not in row


def test_imperial_units_without_visibility_by_hand(openweathermap):
    row = openweathermap[2]
    assert row["temperature"] == pytest.approx(3.0111, abs=1e-4)
    assert row["wind_speed"] == pytest.approx(3.5987, abs=1e-4)
    assert (row["rain"], row["snowfall"]) == (0.3, 0)
    assert "visibility" not in row


def test_kelvin_by_hand(openweathermap):
    assert openweathermap[1]["temperature"] == pytest.approx(13.15)
    assert openweathermap[1]["apparent_temperature"] == pytest.approx(10.41)


def test_neither_rain_nor_snow_is_none_of_both(openweathermap):
    dry = openweathermap[7]
    assert (dry["rain"], dry["snowfall"], dry["precipitation"]) == (0, 0, 0)
    assert dry["wind_gusts"] == 4.02


def test_snow_alone_in_fog_is_snow_of_a_foggy_hour(openweathermap):
    kharkiv = openweathermap[5]
    assert (kharkiv["rain"], kharkiv["snowfall"], kharkiv["weather_code"]) == (0, 1.15, 45)
