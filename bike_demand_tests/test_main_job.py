"""Which days the demo learns from."""

from datetime import UTC, datetime, timedelta

from bike_demand.main_job import Past

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
LAST_TICK = MIDNIGHT - timedelta(minutes=15)


def past(now: datetime) -> Past:
    days = [MIDNIGHT - timedelta(days=back) for back in (3, 2, 1)]
    return Past(days[0], LAST_TICK, MIDNIGHT - timedelta(hours=1), days, now)


def test_a_day_with_all_its_ticks_is_not_whole_before_midnight():
    assert past(MIDNIGHT - timedelta(minutes=1)).end == MIDNIGHT - timedelta(days=1)


def test_a_recording_that_ends_with_a_day_has_that_day():
    assert past(MIDNIGHT + timedelta(days=100)).end == MIDNIGHT
    assert past(MIDNIGHT + timedelta(days=100)).whole_days()[-1] == MIDNIGHT - timedelta(days=1)
