"""Station status and facts, from real HTTP through Dagster into Postgres."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from pydantic import Field

from bike_demand.defs.ingestion.stations import station_information, station_status, stations_job
from bike_demand.resources import PostgresIOManager
from bike_demand.resources.live_feed import LiveStationFeed
from bike_demand.storage.read import read
from bike_demand.storage.tables import (
    FEED_POLL,
    REJECTED_RECORD,
    STATION_INFORMATION,
    STATION_STATUS,
)
from bike_demand_tests.feed_server import FeedServer

NOON = datetime(2026, 3, 1, 12, 0, 4, tzinfo=UTC)
TICK = "2026-03-01-12:00"


def _noon() -> list[str]:
    return [NOON.isoformat()]


class ClockedFeed(LiveStationFeed):
    """A live feed whose clock shows given times, one after the other, the last for ever."""

    times: list[str] = Field(default_factory=_noon)

    def now(self) -> datetime:
        return datetime.fromisoformat(self.times.pop(0) if len(self.times) > 1 else self.times[0])


@pytest.fixture
def feeds() -> Iterator[FeedServer]:
    server = FeedServer()
    yield server
    server.stop()


@pytest.fixture
def follow(tmp_path, monkeypatch, feeds):
    """Write settings that follow these systems at the feed server."""
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))

    def write(*system_ids, extra=""):
        text = "".join(
            f'[[systems]]\nsystem_id = "{system_id}"\n{extra}'
            f'feeds.station_status = "{feeds.base}/{system_id}/status"\n'
            f'feeds.station_information = "{feeds.base}/{system_id}/information"\n'
            for system_id in system_ids
        )
        (tmp_path / "settings.toml").write_text(text)

    return write


@pytest.fixture
def materialize(postgres_url):
    def run(*assets, partition=None, times=(NOON,), raise_on_error=True):
        feed = ClockedFeed(times=[time.isoformat() for time in times])
        return dg.materialize(
            list(assets),
            partition_key=partition,
            resources={
                "io_manager": PostgresIOManager(url=postgres_url),
                "station_feed": feed,
            },
            raise_on_error=raise_on_error,
        )

    return run


def status_feed(*stations, last_reported=NOON - timedelta(seconds=60), **common):
    records = [
        {
            "station_id": station,
            "num_bikes_available": bikes,
            "num_docks_available": 10 - bikes if isinstance(bikes, int) else 0,
            "is_installed": 1,
            "is_renting": 1,
            "is_returning": 1,
            "last_reported": int(last_reported.timestamp()),
        }
        for station, bikes in stations
    ]
    return document({"stations": records}, **common)


def information_feed(*stations):
    return document(
        {
            "stations": [
                {
                    "station_id": station,
                    "name": station.upper(),
                    "lat": 40.0,
                    "lon": -74.0,
                    "capacity": 10,
                }
                for station in stations
            ]
        }
    )


def document(data, version="2.3", last_updated=NOON):
    envelope = {"last_updated": int(last_updated.timestamp()), "ttl": 60, "version": version}
    return json.dumps({**envelope, "data": data}).encode()


def test_a_tick_is_stored_with_its_poll(follow, feeds, materialize, warehouse):
    follow("nyc")
    feeds.serve("/nyc/status", status_feed(("a", 0), ("b", 10), ("c", 4)))
    result = materialize(station_status, partition=TICK)

    frame = read(warehouse, STATION_STATUS).set_index("station_id").sort_index()
    assert frame["num_bikes_available"].to_dict() == {"a": 0, "b": 10, "c": 4}
    assert set(frame["observed_at"]) == {NOON.replace(second=0)}
    assert set(frame["fetched_at"]) == {NOON}
    [poll] = read(warehouse, FEED_POLL).to_dict("records")
    assert (poll["http_status"], poll["records"], poll["rejected"]) == (200, 3, 0)
    [event] = result.get_asset_materialization_events()
    figures = event.materialization.metadata
    assert figures["bikes"].value == 14
    assert figures["share_empty"].value == 0.3333
    assert figures["share_full"].value == 0.3333
    assert figures["report_age_s"].value == 60
    assert figures["fill"].value.count("![fill](data:image/svg+xml;base64,") == 1


def test_a_rerun_within_the_tick_replaces_the_snapshot(follow, feeds, materialize, warehouse):
    follow("nyc")
    feeds.serve("/nyc/status", status_feed(("a", 1), ("b", 1)), status_feed(("a", 2)))
    materialize(station_status, partition=TICK)
    materialize(station_status, partition=TICK)
    assert read(warehouse, STATION_STATUS)["num_bikes_available"].tolist() == [2]


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (NOON + timedelta(minutes=15), "is over, and a live feed only tells what is there now"),
        (NOON - timedelta(minutes=15), "not a tick of 15 minutes that has begun"),
    ],
)
def test_a_live_feed_refuses_another_tick_than_the_present_one(
    follow, feeds, materialize, warehouse, now, message
):
    follow("nyc")
    with pytest.raises(dg.Failure, match=message):
        materialize(station_status, partition=TICK, times=[now])
    assert feeds.seen == {}


def test_an_answer_that_comes_after_the_tick_is_stored_under_no_key(
    follow, feeds, materialize, warehouse
):
    follow("nyc")
    feeds.serve("/nyc/status", status_feed(("a", 1)))
    late = NOON + timedelta(minutes=15)
    with pytest.raises(dg.Failure, match="the answer came at 12:15:04 UTC, after"):
        materialize(station_status, partition=TICK, times=[NOON, late])
    assert feeds.seen["/nyc/status"]
    with warehouse.connection() as connection:
        assert connection.execute("SELECT count(*) FROM station_status").fetchone() == (0,)


def test_a_system_that_fails_is_named_and_its_rows_stand_while_the_others_are_stored(
    follow, feeds, materialize, warehouse
):
    follow("nyc", "bos")
    feeds.serve("/nyc/status", status_feed(("a", 1)), status_feed(("a", 2)))
    feeds.serve("/bos/status", status_feed(("z", 1)), feeds.answer(404))
    materialize(station_status, partition=TICK)
    result = materialize(station_status, partition=TICK)

    frame = read(warehouse, STATION_STATUS).set_index("station_id")
    assert frame["num_bikes_available"].to_dict() == {"a": 2, "z": 1}
    answered, *_ = result.get_asset_check_evaluations()
    assert not answered.passed
    assert answered.metadata["failures"].value.startswith("bos: ")
    polls = read(warehouse, FEED_POLL).set_index("system_id")["http_status"]
    assert polls.to_dict() == {"nyc": 200, "bos": 404}


def test_a_frozen_feed_is_named_by_a_check_of_a_green_run(follow, feeds, materialize):
    follow("nyc", "bos")
    feeds.serve("/nyc/status", status_feed(("a", 1)))
    hour_ago = NOON - timedelta(minutes=61)
    feeds.serve("/bos/status", status_feed(("z", 1), last_reported=hour_ago))
    result = materialize(station_status, partition=TICK)
    answered, reports, _ = result.get_asset_check_evaluations()
    assert answered.passed
    assert not reports.passed
    assert reports.metadata["silent since"].value == "bos: 2026-03-01 10:59 UTC"


def many(first, count=20):
    return status_feed(*((f"s{number}", 1) for number in range(first, first + count)))


def test_a_snapshot_whose_ids_were_replaced_is_not_stored_until_they_stay_so(
    follow, feeds, materialize, warehouse
):
    follow("nyc")
    feeds.serve("/nyc/status", many(0), many(100))
    materialize(station_status, partition=TICK)
    for minutes in (15, 120):
        later = NOON + timedelta(minutes=minutes)
        with pytest.raises(dg.Failure, match="0 of 20 stations are among the 20") as failure:
            materialize(station_status, partition=f"{later:%Y-%m-%d-%H:%M}", times=[later])
        assert not failure.value.allow_retries
    assert len(read(warehouse, STATION_STATUS)) == 20
    assert len(read(warehouse, FEED_POLL)) == 3
    later = NOON + timedelta(minutes=135)
    materialize(station_status, partition=f"{later:%Y-%m-%d-%H:%M}", times=[later])
    assert len(read(warehouse, STATION_STATUS)) == 40


def test_a_system_that_replaced_its_ids_fails_the_run_and_the_others_are_stored(
    follow, feeds, materialize, warehouse
):
    follow("nyc", "bos")
    feeds.serve("/nyc/status", many(0))
    feeds.serve("/bos/status", many(0), many(100))
    materialize(station_status, partition=TICK)
    later = NOON + timedelta(minutes=15)
    result = materialize(
        station_status, partition="2026-03-01-12:15", times=[later], raise_on_error=False
    )
    assert not result.success
    *_, kept = result.get_asset_check_evaluations()
    assert kept.blocking
    assert kept.metadata["refused"].value.startswith("bos: 0 of 20 stations")
    stored = read(warehouse, STATION_STATUS)
    assert set(stored[stored["observed_at"] > NOON]["system_id"]) == {"nyc"}


def test_where_no_system_answers_the_run_fails_and_the_polls_are_stored(
    follow, feeds, materialize, warehouse
):
    follow("nyc")
    with pytest.raises(dg.Failure, match="No system answered") as failure:
        materialize(station_status, partition=TICK)
    assert not failure.value.allow_retries
    assert read(warehouse, FEED_POLL)["http_status"].tolist() == [404]


def test_some_bad_records_are_quarantined_with_their_reason(follow, feeds, materialize, warehouse):
    follow("nyc")
    feeds.serve("/nyc/status", status_feed(("a", 1), ("b", 2), ("c", -1)))
    result = materialize(station_status, partition=TICK)
    assert sorted(read(warehouse, STATION_STATUS)["station_id"]) == ["a", "b"]
    [refused] = read(warehouse, REJECTED_RECORD).to_dict("records")
    assert (refused["source"], refused["ordinal"]) == ("station_status", 2)
    assert json.loads(refused["record"])["station_id"] == "c"
    [event] = result.get_asset_materialization_events()
    assert event.materialization.metadata["rejected"].value == {refused["reason"]: 1}


def test_mostly_bad_records_fail_the_system_and_are_stored_first(
    follow, feeds, materialize, warehouse
):
    follow("nyc")
    feeds.serve("/nyc/status", status_feed(("a", 1)), status_feed(("a", -1), ("b", -1), ("c", 1)))
    materialize(station_status, partition=TICK)
    with pytest.raises(dg.Failure, match="2 of 3 records are invalid"):
        materialize(station_status, partition=TICK)
    assert read(warehouse, STATION_STATUS)["station_id"].tolist() == ["a"]
    assert len(read(warehouse, REJECTED_RECORD)) == 2


def test_a_station_that_leaves_stays_and_is_not_active(follow, feeds, materialize, warehouse):
    follow("nyc")
    feeds.serve("/nyc/information", information_feed("a", "b"), information_feed("b"))
    materialize(station_information)
    materialize(station_information, times=[NOON + timedelta(days=1)])
    frame = read(warehouse, STATION_INFORMATION).set_index("station_id").sort_index()
    assert frame["is_active"].to_dict() == {"a": False, "b": True}
    assert set(frame["first_seen"]) == {NOON}
    assert frame["last_seen"]["b"] == NOON + timedelta(days=1)
    assert frame["name"].to_dict() == {"a": "A", "b": "B"}


def test_a_dead_information_feed_costs_no_snapshot(follow, feeds, materialize, warehouse):
    follow("nyc")
    feeds.serve("/nyc/status", status_feed(("a", 1)))
    result = materialize(station_status, station_information, partition=TICK, raise_on_error=False)
    assert not result.success
    assert read(warehouse, STATION_STATUS)["station_id"].tolist() == ["a"]


def test_a_header_comes_from_the_environment_and_a_missing_variable_is_named(
    follow, feeds, materialize, monkeypatch
):
    follow("nyc", extra='headers.X-Api-Key = "NYC_KEY"\n')
    feeds.serve("/nyc/status", status_feed(("a", 1)))
    with pytest.raises(dg.Failure, match="environment variable NYC_KEY, which is not set"):
        materialize(station_status, partition=TICK)
    monkeypatch.setenv("NYC_KEY", "hidden-word")
    materialize(station_status, partition=TICK)
    assert feeds.seen["/nyc/status"][-1]["x-api-key"] == "hidden-word"


def test_a_system_that_was_only_recorded_does_not_stop_the_others(
    follow, feeds, materialize, warehouse, tmp_path
):
    follow("nyc")
    file = tmp_path / "settings.toml"
    file.write_text(file.read_text() + '[[systems]]\nsystem_id = "recorded"\n')
    feeds.serve("/nyc/status", status_feed(("a", 1)))
    materialize(station_status, partition=TICK)
    assert read(warehouse, FEED_POLL)["system_id"].tolist() == ["nyc"]


def test_the_job_holds_both_assets_and_neither_waits_for_the_other():
    assert stations_job.selection == dg.AssetSelection.assets(
        "station_status", "station_information"
    )
    for asset in (station_status, station_information):
        assert not asset.asset_deps[asset.key]
