"""The recording as a feed in Dagster."""

from datetime import timedelta

import pytest

from bike_demand.failures import PermanentFailure
from bike_demand.resources.recorded_feed import RecordedStationFeed
from bike_demand.storage.tables import FEED_POLL, REJECTED_RECORD, STATION_STATUS
from bike_demand.storage.windows import Window
from bike_demand_tests.history.recordings import NOON, snapshot, snapshots

TICK = timedelta(minutes=15)


@pytest.fixture
def feed(tmp_path, monkeypatch):
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    snapshots(NOON, minutes=10, count=20).to_parquet(tmp_path / "file")
    return RecordedStationFeed(path=str(tmp_path / "file"), system_id="sf")


def test_it_speaks_for_its_system_in_the_columns_of_the_tables(feed):
    reading = feed.read(Window(NOON, NOON + TICK))
    assert reading.answered == reading.asked == ("sf",)
    assert set(reading.rows["system_id"]) == {"sf"}
    assert len(reading.rows) == 5
    assert len(reading.polls) == 2
    for frame, table in (
        (reading.rows, STATION_STATUS),
        (reading.polls, FEED_POLL),
        (reading.rejected, REJECTED_RECORD),
    ):
        assert tuple(frame.columns) == table.columns


@pytest.mark.parametrize("ticks", [(-1, 1), (12, 15), (-500, -499)])
def test_a_window_that_it_does_not_cover_is_refused(feed, ticks):
    start, end = (NOON + TICK * number for number in ticks)
    with pytest.raises(PermanentFailure, match="covers"):
        feed.read(Window(start, end))


def test_a_file_that_cannot_be_used_is_a_permanent_failure(feed, tmp_path):
    (tmp_path / "file").write_text("a,b\n1,2\n")
    with pytest.raises(PermanentFailure, match="has no column"):
        feed.read(Window(NOON, NOON + TICK))


def test_a_file_that_changes_is_read_anew(feed, tmp_path):
    assert len(feed.read(Window(NOON, NOON + TICK)).rows) == 5
    snapshot(NOON, [1, 2]).to_parquet(tmp_path / "file")
    assert len(feed.read(Window(NOON, NOON + TICK)).rows) == 2
