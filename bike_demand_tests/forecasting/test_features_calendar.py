"""What the local calendar shows."""

import pandas as pd
import pytest

from bike_demand.forecasting.calendar_features import CALENDAR, calendar, country_of


def at(time, timezone="America/New_York", country=None):
    ticks = pd.DatetimeIndex([pd.Timestamp(time, tz=timezone)]).tz_convert("UTC")
    return {name: values[0] for name, values in calendar(ticks, timezone, country).items()}


def test_the_local_clock_counts_and_not_utc():
    found = at("2024-12-31 23:45")
    assert {name: int(value) for name, value in found.items()} == {
        "hour": 23,
        "quarter_hour": 3,
        "weekday": 2,
        "weekend": 0,
        "month": 12,
        "day_of_year": 366,
        "holiday": 0,
        "morning_rush": 0,
        "evening_rush": 0,
    }
    assert [*found] == [feature.name for feature in CALENDAR]


@pytest.mark.parametrize(
    ("time", "morning", "evening"),
    [
        ("2024-05-02 06:45", False, False),
        ("2024-05-02 07:00", True, False),
        ("2024-05-02 09:45", True, False),
        ("2024-05-02 10:00", False, False),
        ("2024-05-02 16:00", False, True),
        ("2024-05-02 19:00", False, False),
        ("2024-05-04 08:00", False, False),  # a Saturday
        ("2024-07-04 08:00", False, False),  # a Thursday
    ],
)
def test_rush_hours_are_of_working_days(time, morning, evening):
    found = at(time)
    assert (found["morning_rush"], found["evening_rush"]) == (morning, evening)


@pytest.mark.parametrize(
    ("day", "timezone", "country", "holiday"),
    [
        ("2024-07-04", "America/New_York", None, True),
        ("2024-07-14", "Europe/Paris", None, True),
        ("2024-07-14", "America/New_York", None, False),
        ("2024-07-14", "America/New_York", "FR", True),
        ("2024-03-31", "America/Los_Angeles", None, False),
        ("2023-03-31", "America/Los_Angeles", "US-CA", True),  # Cesar Chavez Day
        ("2023-01-02", "America/New_York", None, True),  # observed a day late
        ("2024-12-25", "UTC", None, False),
        ("2024-12-25", "US/Pacific", None, False),  # an old name
        ("2024-12-25", "UTC", "ZZ", False),
    ],
)
def test_holidays_are_those_of_the_country_or_of_the_time_zone(day, timezone, country, holiday):
    assert at(f"{day} 12:00", timezone, country)["holiday"] == holiday


def test_a_time_zone_tells_its_country():
    zones = "Europe/Oslo", "Asia/Taipei", "America/Sao_Paulo", "Etc/UTC"
    assert [country_of(zone) for zone in zones] == ["NO", "TW", "BR", None]
