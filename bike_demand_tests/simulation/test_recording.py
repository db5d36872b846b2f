from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow.parquet
import pytest

from bike_demand.history.recording import open_recording
from bike_demand.simulation import recording
from bike_demand.simulation.city import City
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.recording import write_recording

START = datetime(2026, 3, 2, tzinfo=UTC)
PLAN = Plan(START, stations=25, seed=5)
TICK = timedelta(minutes=15)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "history.parquet"
    rows = write_recording(PLAN, START + timedelta(hours=30), path)
    assert rows == 25 * 120
    return path


def test_it_holds_what_the_city_reports_at_each_tick(file):
    frame = pd.read_parquet(file)
    city = City(PLAN)
    for at, rows in frame.groupby("fetched_at"):
        tick = at.floor("15min").to_pydatetime()
        city.advance(tick)
        now = city.snapshot()
        assert rows["station_id"].tolist() == city.stations["station_id"].tolist()
        for name in frame.columns.drop(["fetched_at", "station_id", "last_reported"]):
            assert (rows[name].to_numpy() == getattr(now, name)).all(), name
        reported = pd.to_datetime(now.last_reported, unit="s", utc=True)
        assert (rows["last_reported"].to_numpy() == reported.to_numpy()).all()


def test_it_is_polled_a_moment_after_every_tick_before_the_end(file):
    fetched = pd.read_parquet(file, columns=["fetched_at"])["fetched_at"].unique()
    ticks = pd.date_range(START, periods=120, freq="15min") + pd.Timedelta(seconds=5)
    assert (fetched == ticks).all()


def test_it_can_be_imported(file, tmp_path):
    read = open_recording(file, tmp_path, now=START + timedelta(days=9))
    window = read.days()[0]
    assert read.rows == 25 * 120
    assert len(read.read(window).status) == 25 * 96
    assert read.read(window).rejected.empty


def test_its_rows_are_written_in_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "_ROWS_PER_GROUP", 100)
    path = tmp_path / "history.parquet"
    write_recording(PLAN, START + 10 * TICK, path)
    metadata = pyarrow.parquet.ParquetFile(path).metadata
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert groups == [100, 100, 50]


def test_a_recording_that_fails_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "history.parquet"
    path.write_text("the one before")

    def fail(*_):
        raise RuntimeError("the lights went out")

    monkeypatch.setattr(City, "snapshot", fail)
    with pytest.raises(RuntimeError, match="lights"):
        write_recording(PLAN, START + TICK, path)
    assert [each.read_text() for each in tmp_path.iterdir()] == ["the one before"]


def test_a_recording_must_not_end_before_it_begins(tmp_path):
    with pytest.raises(ValueError, match="cannot end"):
        write_recording(PLAN, START, tmp_path / "history.parquet")
    assert not list(tmp_path.iterdir())
