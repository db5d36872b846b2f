"""The local clock across the year's two odd days."""

from datetime import UTC, datetime, timedelta

import pytest

from bike_demand.forecasting.local_calendar import local_calendar


def new_york(start, hours):
    return local_calendar("America/New_York", start, start + timedelta(hours=hours))


def test_an_hour_shows_the_date_weekday_and_offset_of_the_local_clock():
    row = new_york(datetime(2024, 1, 1, 3, tzinfo=UTC), 1).iloc[0]
    assert row["hour"] == datetime(2024, 1, 1, 3, tzinfo=UTC)
    assert (row["local_date"].isoformat(), row["local_hour"]) == ("2023-12-31", 22)
    assert (row["weekday"], row["utc_offset"]) == (7, -5 * 3600)


@pytest.mark.parametrize(
    ("midnight", "hours", "clock"),
    [
        (datetime(2024, 3, 10, 5, tzinfo=UTC), 23, [0, 1, 3, 4]),
        (datetime(2024, 11, 3, 4, tzinfo=UTC), 25, [0, 1, 1, 2]),
    ],
)
def test_the_day_of_a_clock_change_has_its_own_hours(midnight, hours, clock):
    frame = new_york(midnight, hours)
    assert frame["local_hour"].tolist()[:4] == clock
    assert frame["local_date"].nunique() == 1
    assert frame["hour"].is_unique


def test_hours_that_began_before_the_start_are_left_out():
    start = datetime(2024, 1, 1, 3, 30, tzinfo=UTC)
    assert [str(hour) for hour in new_york(start, 1)["hour"]] == ["2024-01-01 04:00:00+00:00"]


def test_a_zone_off_the_full_hour_shows_its_offset():
    start = datetime(2024, 1, 1, tzinfo=UTC)
    row = local_calendar("Asia/Kathmandu", start, start + timedelta(hours=1)).iloc[0]
    assert (row["local_hour"], row["utc_offset"]) == (5, 20_700)
