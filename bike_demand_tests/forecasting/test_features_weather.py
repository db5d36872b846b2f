"""Which weather counts: what had been issued, of the time it speaks of."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bike_demand.forecasting.weather_features import WEATHER_AHEAD, weather_ahead, weather_now
from bike_demand_tests.forecasting.feature_examples import MEASURES

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
KNOWN_AT = NOON + MINUTE


def table(*rows):
    """Rows of (kind, issued, valid, temperature), times from noon on."""
    return pd.DataFrame(
        [
            {
                **dict.fromkeys(MEASURES, np.nan),
                "kind": kind,
                "issued_at": pd.Timestamp(NOON + issued),
                "valid_at": pd.Timestamp(NOON + valid),
                "temperature": temperature,
            }
            for kind, issued, valid, temperature in rows
        ]
    )


def index(time):
    return pd.DatetimeIndex([time])


def now(*rows):
    found = weather_now(index(NOON), index(KNOWN_AT), table(*rows) if rows else None)
    return found["temperature"][0], bool(found["weather_is_reanalysis"][0])


def ahead(*rows, at=6 * HOUR):
    found = weather_ahead(index(NOON + at), index(NOON), index(KNOWN_AT), table(*rows))
    return found["temperature"][0]


def observed(issued, valid, temperature=20):
    return "observation", issued, valid, temperature


def reanalysed(valid, temperature=10):
    return "reanalysis", valid, valid, temperature


def forecast(issued, valid, temperature):
    return "forecast", issued, valid, temperature


@pytest.mark.parametrize("rows", [[], [forecast(-HOUR, 0 * HOUR, 9)]])
def test_weather_that_nobody_observed_is_unknown(rows):
    temperature, is_reanalysis = now(*rows)
    assert np.isnan(temperature)
    assert not is_reanalysis


def test_the_observation_of_the_latest_time_counts_as_it_was_issued_last():
    rows = observed(MINUTE, -HOUR, 1), observed(-HOUR, -MINUTE, 2), observed(0 * HOUR, -MINUTE, 3)
    assert now(*rows) == (3, False)


def test_an_observation_counts_from_its_issue_on():
    assert now(observed(MINUTE, MINUTE)) == (20, False)
    assert np.isnan(now(observed(MINUTE + timedelta(microseconds=1), -MINUTE))[0])


def test_an_observation_counts_for_two_hours():
    assert now(observed(-HOUR, -2 * HOUR)) == (20, False)
    assert np.isnan(now(observed(-HOUR, -2 * HOUR - timedelta(microseconds=1)))[0])


def test_a_reanalysis_stands_in_for_an_observation_and_says_so():
    assert now(reanalysed(-15 * MINUTE)) == (10, True)
    assert now(reanalysed(0 * HOUR), observed(-HOUR, -HOUR)) == (20, False)
    assert now(reanalysed(0 * HOUR), observed(-3 * HOUR, -3 * HOUR)) == (10, True)


@pytest.mark.parametrize("valid", [-HOUR, MINUTE])
def test_a_reanalysis_of_another_hour_does_not(valid):
    temperature, is_reanalysis = now(reanalysed(valid))
    assert np.isnan(temperature)
    assert not is_reanalysis


def test_only_the_latest_forecast_known_at_the_origin_counts():
    old, new = forecast(-7 * HOUR, 6 * HOUR, 1), forecast(-HOUR, 6 * HOUR, 2)
    assert ahead(old, new, forecast(2 * MINUTE, 6 * HOUR, 3)) == 2
    assert np.isnan(ahead(old, forecast(-HOUR, 9 * HOUR, 2)))


def test_a_forecast_of_the_nearest_hour_counts_and_of_two_the_earlier():
    rows = forecast(-HOUR, 5 * HOUR, 1), forecast(-HOUR, 6 * HOUR, 2)
    assert [ahead(*rows, at=5 * HOUR + minutes * MINUTE) for minutes in (15, 30, 45)] == [1, 1, 2]


def test_a_forecast_of_an_hour_too_far_off_says_nothing():
    row = forecast(-HOUR, 6 * HOUR, 2)
    assert ahead(row, at=7.5 * HOUR) == 2
    assert np.isnan(ahead(row, at=7.75 * HOUR))


def test_a_forecast_of_more_than_a_day_ago_says_nothing():
    assert ahead(forecast(-24 * HOUR, 6 * HOUR, 2)) == 2
    assert np.isnan(ahead(forecast(-24.25 * HOUR, 6 * HOUR, 2)))


@pytest.mark.parametrize("kind", ["observation", "reanalysis"])
def test_only_a_forecast_speaks_of_a_target(kind):
    assert np.isnan(ahead((kind, 0 * HOUR, 6 * HOUR, 2)))
    assert {feature.name for feature in WEATHER_AHEAD} == set(MEASURES)


def test_a_snapshot_that_is_missing_knows_no_weather():
    nothing = pd.DatetimeIndex([pd.NaT]).tz_localize("UTC")
    found = weather_now(index(NOON), nothing, table(observed(-HOUR, -HOUR)))
    assert np.isnan(found["temperature"][0])
