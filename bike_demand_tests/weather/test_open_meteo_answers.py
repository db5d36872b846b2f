import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from bike_demand.weather.errors import InvalidWeatherError
from bike_demand.weather.open_meteo_answers import hours, observation, read_past, read_present
from bike_demand_tests.weather.payloads import HOUR, NOW, answer, known, open_meteo


def present(**changes):
    return read_present(answer(open_meteo(**changes))).rows


def now(**changes):
    return known(present(**changes).iloc[0])


def test_an_answer_is_the_observation_and_the_hours_to_come():
    rows = present()
    assert list(rows["kind"]) == ["observation", "forecast"]
    assert list(rows["valid_at"]) == list(pd.to_datetime([HOUR, HOUR + 3600], unit="s", utc=True))


def test_every_measure_of_an_hour_is_read():
    row = known(present().drop(columns=["kind", "valid_at"]).iloc[1])
    assert row == pytest.approx(
        {
            "temperature": 4.5,
            "apparent_temperature": 1.0,
            "relative_humidity": 80,
            "wind_speed": 3.0,
            "wind_gusts": 7.5,
            "precipitation": 0.6,
            "rain": 0.3,
            "snowfall": 0.3,
            "precipitation_probability": 30,
            "cloud_cover": 100,
            "pressure": 1003.2,
            "visibility": 9000,
            "weather_code": 61,
            "weather_text": "Light rain",
        }
    )


def test_what_fell_in_a_quarter_of_an_hour_is_told_per_hour():
    got = now()
    assert [got[name] for name in ("precipitation", "rain", "snowfall")] == pytest.approx(
        [2.4, 1.2, 1.2]
    )


@pytest.mark.parametrize("interval", [..., 0, -900, "soon"])
def test_a_sum_over_an_unknown_time_is_null(interval):
    assert "precipitation" not in now(current={"interval": interval})


@pytest.mark.parametrize(
    ("name", "column", "value", "unit", "expected"),
    [
        ("temperature_2m", "temperature", 50, "°F", 10.0),
        ("wind_speed_10m", "wind_speed", 36, "km/h", 10.0),
        ("wind_speed_10m", "wind_speed", 10, "mp/h", 4.4704),
        ("wind_speed_10m", "wind_speed", 10, "mph", 4.4704),
        ("wind_gusts_10m", "wind_gusts", 36, "kn", 18.52),
        ("precipitation", "precipitation", 0.1, "inch", 10.16),
        ("snowfall", "snowfall", 0.7, "cm", 4.0),
        ("snowfall", "snowfall", 0.7, "inch", 10.16),
        ("visibility", "visibility", 1000, "ft", 304.8),
    ],
)
def test_a_value_is_converted_from_the_unit_that_is_stated(name, column, value, unit, expected):
    got = now(current={name: value}, units={name: unit})
    assert got[column] == pytest.approx(expected)


@pytest.mark.parametrize("unit", ["°R", "hands", ..., None, 7, ["°C"]])
def test_an_unknown_unit_is_named_not_guessed(unit):
    with pytest.raises(InvalidWeatherError, match=r"temperature_2m` is in the unknown unit"):
        present(units={"temperature_2m": unit})


def test_a_series_of_nulls_needs_no_unit():
    assert "visibility" not in now(
        current={"visibility": None}, hourly={"visibility": ...}, units={"visibility": "undefined"}
    )


def test_old_names_are_read():
    old = {"wind_speed_10m": "windspeed_10m", "cloud_cover": "cloudcover"}
    got = now(
        current={"wind_speed_10m": ..., "cloud_cover": ..., "windspeed_10m": 9, "cloudcover": 12},
        units=dict.fromkeys(old, "?") | {"windspeed_10m": "km/h", "cloudcover": "%"},
        hourly={"wind_speed_10m": ..., "cloud_cover": ...},
    )
    assert (got["wind_speed"], got["cloud_cover"]) == (2.5, 12)


def test_local_times_are_moved_by_the_offset_stated():
    content = open_meteo(
        current={"time": "2026-03-01T07:00"},
        hourly={"time": ["2026-03-01T07:00", "2026-03-01T08:00"]},
        units={"time": "iso8601"},
        utc_offset_seconds=-5 * 3600,
    )
    rows = read_present(answer(content)).rows
    assert list(rows["valid_at"]) == list(pd.to_datetime([HOUR, HOUR + 3600], unit="s", utc=True))


def test_times_in_seconds_are_not_moved_by_the_offset():
    assert present(utc_offset_seconds=-5 * 3600)["valid_at"][0].timestamp() == HOUR


def test_rain_without_showers_is_all_rain():
    got = now(current={"showers": ...}, hourly={"showers": ...})
    assert got["rain"] == pytest.approx(0.8)


def test_rain_is_null_where_one_part_of_it_is():
    rows = present(hourly={"time": [HOUR + 3600, HOUR + 7200], "showers": [None, 0.5]})
    assert [pd.isna(value) for value in rows["rain"][1:]] == [True, False]


def test_the_pressure_at_the_ground_is_not_the_pressure_at_sea_level():
    changes = {"pressure_msl": ..., "surface_pressure": 990}
    assert "pressure" not in now(current=changes, hourly={"pressure_msl": ...})


def test_a_missing_measure_is_null_not_zero():
    assert "precipitation" not in now(
        current={"precipitation": None}, hourly={"precipitation": ...}
    )


@pytest.mark.parametrize("value", ["4.5", True, [4.5], {"a": 1}, 10**400, -999])
def test_a_value_that_is_no_possible_number_is_null(value):
    assert "temperature" not in now(current={"temperature_2m": value})


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_is_null(constant):
    body = json.dumps(open_meteo(current={"temperature_2m": 77777})).replace("77777", constant)
    rows = read_present(answer(body.encode())).rows
    assert pd.isna(rows["temperature"][0])


def test_an_old_observation_is_left_out():
    rows = present(current={"time": HOUR - 7 * 3600})
    assert list(rows["kind"]) == ["forecast"]


def test_hours_that_have_begun_or_are_too_far_are_left_out():
    count = 60
    times = [HOUR + 3600 * hour for hour in range(count)]
    content = open_meteo(hourly={"time": times})
    content["hourly"] = {
        name: values if name == "time" else values[:1] * count
        for name, values in content["hourly"].items()
    }
    rows = read_present(answer(content)).rows.query("kind == 'forecast'")
    assert len(rows) == 48
    assert rows["valid_at"].min() == pd.Timestamp(HOUR + 3600, unit="s", tz="UTC")
    assert rows["valid_at"].max() == pd.Timestamp(HOUR + 48 * 3600, unit="s", tz="UTC")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"current": ...}, "`current` is None"),
        ({"hourly": ...}, "`hourly` is None"),
        ({"hourly": [1]}, "`hourly` is .1. instead of a JSON object"),
        ({"current_units": ...}, "`current_units` is None"),
        ({"hourly_units": "si"}, "`hourly_units` is 'si'"),
        ({"error": True, "reason": "Cannot initialize"}, "it says Cannot initialize"),
    ],
)
def test_an_answer_without_its_parts_says_what_is_missing(changes, problem):
    content = {**open_meteo(), **changes}
    with pytest.raises(InvalidWeatherError, match=problem):
        read_present(answer({name: part for name, part in content.items() if part is not ...}))


@pytest.mark.parametrize(
    ("hourly", "problem"),
    [
        ({"rain": [0.0]}, "2 times and 1 values of `rain`"),
        ({"rain": 0.0}, "`hourly.rain` is 0.0 instead of a list"),
        ({"time": ...}, "`hourly.time` is None"),
        ({"time": [HOUR, "noon"]}, "'noon', which is no time"),
        ({"time": [HOUR, True]}, "True, which is no time"),
        ({"time": [HOUR, 10**30]}, "which is no time"),
        ({"time": [HOUR, HOUR]}, "2026-03-01T12:00Z follows 2026-03-01T12:00Z"),
        ({"time": [HOUR, HOUR - 1]}, "follows"),
    ],
)
def test_a_series_that_is_none_is_an_error(hourly, problem):
    with pytest.raises(InvalidWeatherError, match=problem):
        present(hourly=hourly)


@pytest.mark.parametrize(
    "stated", ["2026-03-01", "2026-W09-7T12:00", "2026-13-01T12:00", "2026-03-01T12:00Z", 7]
)
def test_a_local_time_in_another_shape_is_no_time(stated):
    with pytest.raises(InvalidWeatherError, match="no time"):
        present(current={"time": stated}, units={"time": "iso8601"})


@pytest.mark.parametrize("offset", [..., None, "0", 10**9])
def test_local_times_without_a_believable_offset_are_an_error(offset):
    with pytest.raises(InvalidWeatherError, match="utc_offset_seconds"):
        present(
            current={"time": "2026-03-01T07:00"},
            units={"time": "iso8601"},
            utc_offset_seconds=offset,
        )


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "instead of a JSON object"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"current": {"time"', "broken off"),
    ],
)
def test_an_answer_that_is_no_json_object_is_an_error(body, problem):
    with pytest.raises(InvalidWeatherError, match=problem):
        read_present(answer(body))


def test_of_a_key_that_stands_twice_the_last_counts():
    body = b'{"error": true, "error": false}'
    with pytest.raises(InvalidWeatherError, match="`current` is None"):
        read_present(answer(body))


# the past


def past(start, end, fetched_at=NOW + timedelta(days=9), **hourly):
    content = open_meteo(hourly=hourly)
    del content["current"], content["current_units"]
    return read_past(answer(content, fetched_at), start, end).rows


START = datetime.fromtimestamp(HOUR, UTC)


def test_the_past_is_reanalysis_from_the_start_to_before_the_end():
    rows = past(START, START + timedelta(hours=1))
    assert list(rows["kind"]) == ["reanalysis"]
    assert list(rows["valid_at"]) == [pd.Timestamp(START)]


def test_hours_that_the_archive_does_not_have_yet_give_no_row():
    content = open_meteo()
    nothing = {name: [None, None] for name in content["hourly"] if name != "time"}
    assert past(START, START + timedelta(hours=2), **nothing).empty


def test_hours_to_come_are_no_past():
    assert len(past(START, START + timedelta(hours=2), fetched_at=NOW)) == 1


def test_parts_of_an_answer_can_be_read_alone():
    read = answer(open_meteo())
    assert observation(open_meteo(), read).measures["temperature"] == 4.5
    assert len(hours(open_meteo(), read)) == 2
