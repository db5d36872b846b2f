import math
from datetime import timedelta

import pandas as pd
import pytest

from bike_demand.weather.report import (
    COLUMNS,
    FORECAST,
    OBSERVATION,
    POSSIBLE,
    Moment,
    Place,
    frame,
    is_ahead,
    is_current,
)
from bike_demand_tests.weather.payloads import NOW, known


def moment(valid_at=NOW, code=None, **measures):
    return Moment(valid_at, measures, code)


@pytest.mark.parametrize(("lat", "lon"), [(90.1, 0), (0, -180.1), (math.nan, 0), (0, math.inf)])
def test_a_place_off_the_globe_is_none(lat, lon):
    with pytest.raises(ValueError, match="no place on Earth"):
        Place(lat, lon)


def test_the_columns_stand_in_the_agreed_order():
    assert list(COLUMNS) == [
        "kind",
        "valid_at",
        "temperature",
        "apparent_temperature",
        "relative_humidity",
        "wind_speed",
        "wind_gusts",
        "precipitation",
        "rain",
        "snowfall",
        "precipitation_probability",
        "cloud_cover",
        "pressure",
        "visibility",
        "weather_code",
        "weather_text",
    ]


@pytest.mark.parametrize("moments", [[], [(OBSERVATION, moment(code=61, temperature=4.5))]])
def test_a_frame_has_the_types_of_its_columns_even_if_empty(moments):
    rows = frame(moments)
    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == dict(COLUMNS)
    assert len(rows) == len(moments)


def test_a_row_says_what_is_known_and_nothing_else():
    [row] = frame([(FORECAST, moment(code=61, temperature=4.5, rain=0.0))]).to_dict("records")
    assert known(row) == {
        "kind": "forecast",
        "valid_at": pd.Timestamp(NOW),
        "temperature": 4.5,
        "rain": 0.0,
        "weather_code": 61,
        "weather_text": "Light rain",
    }
    assert row["weather_text"] is not None
    assert row["weather_code"] is not None


def test_a_code_without_a_text_of_ours_stays():
    [row] = frame([(FORECAST, moment(code=42))]).to_dict("records")
    assert (row["weather_code"], row["weather_text"]) == (42, None)


@pytest.mark.parametrize("name", POSSIBLE)
def test_the_greatest_and_least_possible_values_stay(name):
    least, greatest = POSSIBLE[name]
    rows = frame([(FORECAST, moment(**{name: value})) for value in (least, greatest)])
    assert list(rows[name]) == [least, greatest]


@pytest.mark.parametrize("name", POSSIBLE)
@pytest.mark.parametrize("beyond", [-1, 1])
def test_a_value_that_cannot_be_true_is_null(name, beyond):
    value = POSSIBLE[name][0 if beyond < 0 else 1] + beyond * 0.01
    [row] = frame([(FORECAST, moment(code=3, **{name: value}))]).to_dict("records")
    assert name not in known(row)


def test_a_row_of_which_nothing_is_known_is_left_out():
    assert frame([(FORECAST, moment(temperature=999.0, rain=None))]).empty


def test_an_observation_without_a_temperature_counts():
    assert len(frame([(OBSERVATION, moment(wind_speed=3.0))])) == 1


@pytest.mark.parametrize(
    ("minutes", "current"), [(5, True), (5.1, False), (0, True), (-360, True), (-360.1, False)]
)
def test_an_observation_is_of_now_if_it_is_neither_old_nor_to_come(minutes, current):
    assert is_current(moment(NOW + timedelta(minutes=minutes)), NOW) is current


@pytest.mark.parametrize(("hours", "ahead"), [(0, False), (0.1, True), (48, True), (48.1, False)])
def test_a_forecast_is_of_the_next_48_hours(hours, ahead):
    assert is_ahead(moment(NOW + timedelta(hours=hours)), NOW) is ahead
