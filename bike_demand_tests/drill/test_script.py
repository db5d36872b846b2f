"""What happens in a drill, and when."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bike_demand.drill.script import BLOWS, CALM, LASTING, Kind, script

LENGTHS = st.integers(12, 2_880).map(lambda minutes: timedelta(minutes=minutes))
SEEDS = st.integers(0, 10_000)


@given(LENGTHS, SEEDS)
def test_one_thing_goes_wrong_at_a_time_and_the_end_is_calm(length, seed):
    faults = script(length, seed)
    for one, after in pairwise(faults):
        assert one.until < after.at
    assert faults[0].at > timedelta()
    assert faults[-1].until <= length * (1 - CALM) + timedelta(seconds=1)


@given(LENGTHS, SEEDS)
def test_everything_happens(length, seed):
    happened = [fault.kind for fault in script(length, seed)]
    assert sorted(happened) == sorted([*LASTING, *BLOWS])
    assert {*happened} == {*Kind}


@given(LENGTHS, SEEDS)
def test_a_seed_is_a_script(length, seed):
    assert script(length, seed) == script(length, seed)


def test_in_two_hours_the_daemon_is_away_for_forty_minutes():
    [stop] = [fault for fault in script(timedelta(hours=2), 1) if fault.kind is Kind.DAEMON]
    assert stop.lasts == timedelta(minutes=40)
