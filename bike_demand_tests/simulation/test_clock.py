"""The city's clock."""

from datetime import UTC, datetime, timedelta

import pytest

from bike_demand.simulation.clock import Clock

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Wall:
    def __init__(self):
        self.shows = NOON

    def __call__(self):
        return self.shows


def test_a_clock_shows_the_walls_time_unless_told_another():
    assert Clock(wall=Wall())() == NOON


def test_a_clock_starts_where_it_is_told_and_goes_on_from_there():
    wall = Wall()
    clock = Clock(datetime(2020, 2, 29, 23, tzinfo=UTC), wall=wall)
    wall.shows += timedelta(hours=2)
    assert clock() == datetime(2020, 3, 1, 1, tzinfo=UTC)


def test_a_clock_goes_as_many_times_as_fast_as_it_is_told():
    wall = Wall()
    clock = Clock(NOON, 60, wall)
    wall.shows += timedelta(seconds=5)
    assert clock() == NOON + timedelta(minutes=5)


def test_a_clock_stands_when_the_wall_clock_is_put_back():
    wall = Wall()
    clock = Clock(wall=wall)
    wall.shows += timedelta(minutes=1)
    before = clock()
    wall.shows -= timedelta(hours=1)
    assert clock() == before


def test_a_clock_that_is_given_another_offset_shows_utc():
    assert Clock(datetime.fromisoformat("2026-05-01T14:00+02:00"), wall=Wall())() == NOON
    assert Clock(datetime.fromisoformat("2026-05-01T14:00+02:00"), wall=Wall())().tzinfo is UTC


@pytest.mark.parametrize("factor", [0, -1])
def test_a_clock_that_stands_or_runs_back_is_refused(factor):
    with pytest.raises(ValueError, match="above 0"):
        Clock(factor=factor)
