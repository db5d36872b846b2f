"""What a backtest learns from and is scored on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bike_demand.forecasting.grid import Grid
from bike_demand.forecasting.splits import first_start, hourly_pairs

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TICKS = 9 * 96


@pytest.fixture
def grid():
    """Nine days of one station, always there."""
    ones = np.ones((TICKS, 1), dtype=np.float32)
    names = (
        *("bikes", "ebikes", "disabled", "docks", "docks_disabled"),
        *("installed", "renting", "returning", "report_age"),
    )
    return Grid(
        start=START,
        station_ids=np.array(["a"], dtype=object),
        fetched_at=np.full(TICKS, np.datetime64("2026-03-02")),
        **dict.fromkeys(names, ones),
    )


def pairs(grid):
    """Of the eighth day, three hours ahead: 21 origins."""
    return hourly_pairs(grid, START + 7 * DAY, START + 8 * DAY, 3 * HOUR)


def holed(grid, name, row, value):
    array = getattr(grid, name).copy()
    array[row] = value
    return replace(grid, **{name: array})


def test_origins_are_full_hours_with_a_target_before_the_end(grid):
    found = pairs(grid)
    assert found.origins.tolist() == [672 + 4 * hour for hour in range(21)]
    assert (found.targets - found.origins == 12).all()
    assert found.dropped == 0


@pytest.mark.parametrize("name", ["bikes", "installed", "renting"])
@pytest.mark.parametrize("row", [680, 692])
def test_a_station_has_to_be_known_at_origin_and_target(grid, name, row):
    found = pairs(holed(grid, name, row, np.nan))
    assert 680 not in found.origins
    assert 692 not in found.origins or row == 680


@pytest.mark.parametrize("name", ["installed", "renting"])
@pytest.mark.parametrize("row", [680, 692])
def test_a_station_has_to_be_in_service_at_origin_and_target(grid, name, row):
    assert 680 not in pairs(holed(grid, name, row, 0)).origins


@pytest.mark.parametrize("row", [692 - 96, 692 - 672])
def test_bikes_have_to_be_known_a_day_and_a_week_before_the_target(grid, row):
    found = pairs(holed(grid, "bikes", row, np.nan))
    assert 680 not in found.origins
    assert (len(found), found.dropped) == (20, 1)


def test_a_station_need_not_have_been_in_service_a_day_before(grid):
    assert len(pairs(holed(grid, "renting", 692 - 96, 0))) == 21


def test_a_span_shorter_than_the_horizon_has_no_pairs(grid):
    assert len(hourly_pairs(grid, START + 7 * DAY, START + 7 * DAY + HOUR, 3 * HOUR)) == 0


def test_a_horizon_beyond_a_day_is_refused_since_yesterday_would_be_the_future(grid):
    with pytest.raises(ValueError, match="a horizon is from"):
        hourly_pairs(grid, START + 7 * DAY, START + 8 * DAY, 25 * HOUR)


def test_the_first_start_is_a_midnight_with_a_full_week_before_it():
    assert first_start(START) == START + 7 * DAY
    assert first_start(START + timedelta(minutes=15)) == START + 8 * DAY
