from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bike_demand.simulation.weather import Weather

YEAR = pd.date_range("2026-01-01", "2027-01-01", freq="h", tz="UTC")
WEATHER = Weather(1, "Europe/Lisbon")
CODES = {0, 1, 2, 3, 45, 51, 53, 61, 63, 65, 71, 73, 75, 80, 81, 82, 95}


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    return WEATHER.observed(YEAR)


@settings(max_examples=20, deadline=None)
@given(
    seconds=st.lists(st.integers(1_500_000_000, 2_000_000_000), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_a_moment_has_the_same_weather_whatever_else_is_asked(seconds, seed):
    times = pd.DatetimeIndex(pd.to_datetime(seconds, unit="s", utc=True))
    together = Weather(seed, "Europe/Lisbon").observed(times)
    alone = [Weather(seed, "Europe/Lisbon").observed(times[[n]]) for n in range(len(times))]
    pd.testing.assert_frame_equal(together, pd.concat(alone), check_freq=False)


def test_another_seed_has_another_weather(year):
    assert not Weather(2, "Europe/Lisbon").observed(YEAR).equals(year)


def test_all_values_are_possible(year):
    assert year.notna().all(axis=None)
    for column in ("relative_humidity", "cloud_cover"):
        assert year[column].between(0, 100).all()
    for column in ("wind_speed", "precipitation", "rain", "snowfall", "visibility"):
        assert (year[column] >= 0).all()
    assert (year["wind_gusts"] >= year["wind_speed"]).all()
    assert year["pressure"].between(950, 1060).all()
    assert set(year["weather_code"]) <= CODES


def test_summers_are_warmer_than_winters_and_days_than_nights(year):
    temperature = year["temperature"]
    months = temperature.groupby(temperature.index.month).mean()
    hours = temperature.groupby(temperature.index.hour).mean()
    assert months[7] > months[1] + 5
    assert hours[15] > hours[4] + 3


def test_it_rains_now_and_then_and_for_hours(year):
    wet = year["precipitation"] > 0
    spells = (wet & ~wet.shift(fill_value=False)).sum()
    assert 0.03 < wet.mean() < 0.15
    assert 2 < wet.sum() / spells < 12


def test_what_falls_is_rain_or_snow(year):
    assert np.allclose(year["rain"] + year["snowfall"], year["precipitation"])


def test_a_code_of_rain_stands_where_it_rains(year):
    assert ((year["precipitation"] > 0) == (year["weather_code"] > 50)).all()


def test_a_forecast_of_now_is_the_truth():
    issued_at = datetime(2026, 5, 4, 10, tzinfo=UTC)
    times = pd.DatetimeIndex([issued_at])
    seen = WEATHER.forecast(issued_at, times)
    pd.testing.assert_frame_equal(
        seen.drop(columns="precipitation_probability"), WEATHER.observed(times)
    )


def errors(lead: timedelta) -> np.ndarray:
    """Of the temperature forecast so long before, through a year."""
    times = YEAR[:: 24 * 7]
    seen = [WEATHER.forecast((t - lead).to_pydatetime(), pd.DatetimeIndex([t])) for t in times]
    return pd.concat(seen)["temperature"] - WEATHER.observed(times)["temperature"]


def test_forecasts_are_worse_the_longer_before():
    sizes = [errors(timedelta(hours=hours)).abs().mean() for hours in (1, 6, 24, 72, 240)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.2
    assert sizes[-1] > 1


def test_two_issues_err_in_the_same_direction():
    near, far = errors(timedelta(hours=24)), errors(timedelta(hours=48))
    assert np.corrcoef(near, far)[0, 1] > 0.8


def test_the_probability_of_rain_is_what_comes_true(year):
    days = [stamp.to_pydatetime() for stamp in YEAR[::24]]
    seen = pd.concat(
        [WEATHER.forecast(day, pd.date_range(day, periods=24, freq="h")) for day in days]
    )["precipitation_probability"]
    rained = year["precipitation"].reindex(seen.index) > 0
    assert seen.between(0, 100).all()
    assert rained[seen >= 80].mean() > 0.7
    assert rained[seen <= 20].mean() < 0.1
