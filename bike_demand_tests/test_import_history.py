"""`import-history`: a file becomes partitions, once, whatever happens meanwhile."""

import json
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta

import click
import dagster as dg
import pandas as pd
import pytest
from click.testing import CliRunner
from dagster import DagsterRunStatus

from bike_demand import import_history, settings
from bike_demand.cadence import STATUS
from bike_demand.cli import main
from bike_demand.definitions import build_definitions
from bike_demand.defs.ingestion.stations import station_status
from bike_demand.history.errors import RecordingError
from bike_demand.instance import alone, open_instance
from bike_demand.resources import PostgresIOManager
from bike_demand.resources.live_feed import LiveStationFeed
from bike_demand.resources.recorded_feed import RecordedStationFeed
from bike_demand.simulation.city import City
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.recording import write_recording
from bike_demand.simulation.server import CityServer
from bike_demand.storage import databases
from bike_demand.storage.read import read
from bike_demand.storage.tables import FEED_POLL, STATION_INFORMATION, STATION_STATUS
from bike_demand_tests.history.recordings import snapshot, snapshots

# In the days that the project has partitions for when no setting says otherwise.
NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PATIENCE_S = 300  # for a busy machine; an idle one needs a twentieth


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A data directory."""
    directory = tmp_path / "home"
    directory.mkdir()
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(directory))
    return directory


@pytest.fixture
def database(home, database_url, postgres_url, monkeypatch):
    """Databases of this test on the tests' server."""
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", postgres_url)
    yield
    dagster_url = databases.database_url(database_url, databases.Database.DAGSTER)
    with databases.connect(database_url.set(database="postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{dagster_url.database}" WITH (FORCE)')


@pytest.fixture
def feed(tmp_path):
    """Write records to a file, as a feed."""

    def make(records, system_id="sf", name="recorded.parquet", **options):
        records.to_parquet(tmp_path / name)
        return RecordedStationFeed(path=str(tmp_path / name), system_id=system_id, **options)

    return make


def run_days():
    """The days imported so far, and how each of their runs ended, oldest first."""
    with open_instance() as instance:
        return [
            (run.tags[import_history.DAY_TAG], run.status)
            for run in reversed(
                instance.get_runs(dg.RunsFilter(tags={import_history.SYSTEM_TAG: "sf"}))
            )
        ]


def stored(warehouse, declaration=STATION_STATUS, system_id="sf"):
    frame = read(warehouse, declaration, scope={"system_id": [system_id]})
    return frame.sort_values(list(declaration.key), ignore_index=True)


def hour(bikes, start=NOON):
    """Four ticks that say the same."""
    return pd.concat([snapshot(start + timedelta(minutes=15) * n, bikes) for n in range(4)])


SUCCESS = DagsterRunStatus.SUCCESS


def test_a_file_becomes_partitions_of_its_days_once(database, feed, warehouse, capsys):
    records = pd.concat(
        [snapshots(NOON, minutes=10, count=50), snapshots(NOON + 2 * DAY, minutes=10, count=9)]
    )
    recorded = feed(records)
    import_history.run(recorded)

    firsts = records.assign(tick=records["fetched_at"].dt.floor("15min"))
    firsts = firsts[firsts["fetched_at"] == firsts.groupby("tick")["fetched_at"].transform("min")]
    found = stored(warehouse)
    expected = firsts.groupby(["tick", "station_id"])["num_bikes_available"].first()
    assert found.groupby(["observed_at", "station_id"])[
        "num_bikes_available"
    ].first().to_dict() == (expected.to_dict())
    assert len(found) == len(expected)
    polls = stored(warehouse, FEED_POLL)
    assert polls["polled_at"].tolist() == records["fetched_at"].unique().tolist()
    assert set(polls["records"]) == {5}
    assert polls["http_status"].isna().all()
    with open_instance() as instance:
        partitions = instance.get_materialized_partitions(import_history.ASSET)
    # The gap's too, and none before or after the recording.
    assert min(partitions) == "2026-02-03-12:00"
    assert max(partitions) == "2026-02-05-13:15"
    assert len(partitions) == 48 + 96 + 54

    import_history.run(recorded)
    assert "3 of them imported before, 0 to import" in capsys.readouterr().out
    assert run_days() == [(f"2026-02-0{day}", SUCCESS) for day in (3, 4, 5)]


def test_a_changed_file_is_imported_anew_and_other_systems_stand(database, feed, warehouse, capsys):
    import_history.run(feed(hour([1, 2]), system_id="oakland", name="other.parquet"))
    before = stored(warehouse, system_id="oakland")
    first = feed(hour([1]))
    import_history.run(first)
    second = feed(hour([7]), name="second.parquet")
    import_history.run(second)
    assert stored(warehouse)["num_bikes_available"].tolist() == [7] * 4
    import_history.run(first)  # its own run of old is not the newest any more
    assert stored(warehouse)["num_bikes_available"].tolist() == [1] * 4
    pd.testing.assert_frame_equal(stored(warehouse, system_id="oakland"), before)

    capsys.readouterr()
    with open_instance() as instance:
        instance.wipe_assets([import_history.ASSET])
    import_history.run(first, dry_run=True)
    assert "1 to import" in capsys.readouterr().out


def test_a_run_that_fails_is_named_and_the_rest_is_done_later(database, feed, warehouse, capsys):
    recorded = feed(snapshots(NOON, minutes=60, count=60))

    class Stumbling:
        def __init__(self, inner):
            self.inner = inner

        def read(self, window):
            if window.start.date() == date(2026, 2, 4):
                raise dg.Failure("the disk is on fire", allow_retries=False)
            return self.inner.read(window)

    def project(inner):
        return build_definitions({"station_feed": Stumbling(inner)})

    with pytest.raises(click.ClickException, match="The run of 2026-02-04 failed"):
        import_history.run(recorded, project=project)
    capsys.readouterr()
    import_history.run(recorded)
    assert "1 of them imported before, 2 to import" in capsys.readouterr().out
    assert len(stored(warehouse)) == 60 * 5
    assert [day for day, status in run_days() if status is SUCCESS] == [
        "2026-02-03",
        "2026-02-04",
        "2026-02-05",
    ]


def test_a_change_log_becomes_every_tick_within_its_limit(database, feed, warehouse):
    log = pd.concat([snapshot(NOON, [1]), snapshot(NOON + timedelta(hours=2), [2])])
    import_history.run(feed(log, carry_seconds=3_600))
    found = stored(warehouse)
    assert found["observed_at"].tolist() == [
        *(NOON + timedelta(minutes=15) * number for number in range(5)),
        NOON + timedelta(hours=2),
    ]
    assert found["num_bikes_available"].tolist() == [1] * 5 + [2]


# Facts of stations


def information(path, **names):
    stations = [
        {"station_id": key, "name": name, "lat": 37.8, "lon": -122.4, "capacity": 19}
        for key, name in names.items()
    ]
    path.write_text(json.dumps({"last_updated": 1, "ttl": 60, "data": {"stations": stations}}))
    return path


def test_facts_of_stations_are_stored_and_do_not_overwrite_newer_ones(
    database, feed, warehouse, tmp_path
):
    recorded = feed(snapshots(NOON, minutes=30, count=3))
    import_history.run(recorded, information(tmp_path / "facts", s0="New", s1="Quay"))
    rows = stored(warehouse, STATION_INFORMATION).set_index("station_id")
    assert rows["name"].to_dict() == {"s0": "New", "s1": "Quay"}
    assert set(rows["first_seen"]) == {NOON}
    assert set(rows["last_seen"]) == {NOON + timedelta(hours=1)}
    assert rows["is_active"].all()

    older = feed(hour([1], NOON - DAY), name="older.parquet")
    import_history.run(older, information(tmp_path / "facts", s0="Old", s9="Gone"))
    rows = stored(warehouse, STATION_INFORMATION).set_index("station_id")
    assert rows["name"].to_dict() == {"s0": "New", "s1": "Quay", "s9": "Gone"}
    assert rows["is_active"].to_dict() == {"s0": True, "s1": True, "s9": False}


# What is refused, with nothing written


@pytest.fixture
def untouched(home):
    """The settings are as they were, and no server was started."""
    (home / settings.FILE_NAME).write_text("# mine\n")
    yield
    assert (home / settings.FILE_NAME).read_text() == "# mine\n"
    assert not (home / "postgres").exists()


def test_a_file_that_cannot_be_used_ends_with_a_line(home, untouched, tmp_path):
    (tmp_path / "bad.csv").write_text("fetched_at,station_id\n2026-02-03T12:00:00Z,a\n")
    arguments = ["import-history", str(tmp_path / "bad.csv"), "--system-id", "sf"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "has no column num_bikes_available" in result.output
    assert "Traceback" not in result.output


def test_facts_that_cannot_be_read_end_it_before_anything_is_written(
    home, untouched, feed, tmp_path
):
    (tmp_path / "facts").write_text("<html>")
    with pytest.raises(RecordingError, match="is no station_information"):
        import_history.run(feed(snapshot(NOON, [1])), tmp_path / "facts")


@pytest.mark.parametrize("arguments", [["--system-id", "San Francisco"], ["--change-log", "long"]])
def test_words_that_mean_nothing_are_refused(home, untouched, feed, arguments):
    path = feed(snapshot(NOON, [1])).path
    result = CliRunner().invoke(main, ["import-history", path, "--system-id", "sf", *arguments])
    assert result.exit_code == 2


def test_a_dry_run_says_what_it_would_do_and_does_nothing(database, untouched, feed):
    early = datetime(2025, 12, 30, tzinfo=UTC)
    path = feed(snapshots(early, minutes=30, count=100)).path
    result = CliRunner().invoke(main, ["import-history", path, "--system-id", "sf", "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "3 days, 0 of them imported before, 3 to import" in result.output
    assert "first_partition becomes 2025-12-30" in result.output
    assert run_days() == []


def test_two_imports_at_once_are_refused(home, untouched, feed):
    with (
        alone(home, "import-history"),
        pytest.raises(click.ClickException, match="Another import-history"),
    ):
        import_history.run(feed(snapshot(NOON, [1])))


# Settings


def settings_after(recorded):
    """First and last partition once they hold the file."""
    loaded = settings.load()
    changes = import_history._widened(loaded, recorded.recording())
    import_history._change(loaded.home / settings.FILE_NAME, changes)
    loaded = settings.load()
    return loaded.first_partition, loaded.last_partition


def test_first_and_last_partition_are_widened_and_the_rest_of_the_file_stays(home, feed):
    before = (
        "# ours\nfirst_partition = 2026-02-04  # a Wednesday\nlast_partition = 2026-02-04\n\n"
        '[[systems]]\nsystem_id = "sf"\ntimezone = "America/Los_Angeles" # the bay\n'
    )
    (home / settings.FILE_NAME).write_text(before)
    recorded = feed(snapshots(NOON, minutes=60, count=48))
    assert settings_after(recorded) == (date(2026, 2, 3), date(2026, 2, 5))
    assert (home / settings.FILE_NAME).read_text() == before.replace(
        "= 2026-02-04  #", "= 2026-02-03  #"
    ).replace("= 2026-02-04\n", "= 2026-02-05\n")


def test_a_setting_is_added_before_the_tables_of_the_file(home, feed):
    (home / settings.FILE_NAME).write_text('[[systems]]\nsystem_id = "sf"\n')
    recorded = feed(snapshot(datetime(2025, 12, 30, tzinfo=UTC), [1]))
    assert settings_after(recorded) == (date(2025, 12, 30), None)
    assert [system.system_id for system in settings.load().systems] == ["sf"]


def test_settings_that_hold_the_file_stay(home, feed):
    assert settings_after(feed(snapshot(NOON, [1]))) == (date(2026, 1, 1), None)
    assert not (home / settings.FILE_NAME).exists()


def test_a_setting_that_the_environment_fixes_is_named(home, feed, monkeypatch):
    monkeypatch.setenv("BIKE_DEMAND_FIRST_PARTITION", "2026-02-04")
    with pytest.raises(
        settings.InvalidSettingsError, match="BIKE_DEMAND_FIRST_PARTITION=2026-02-03"
    ):
        import_history.run(feed(snapshot(NOON, [1])))


def test_more_partitions_than_dagster_is_advised_to_hold_are_refused_with_the_remedy(
    home, untouched, feed
):
    recorded = feed(snapshots(datetime(2022, 1, 1, tzinfo=UTC), minutes=60, count=48))
    with pytest.raises(
        settings.InvalidSettingsError,
        match=r"first_partition = 2022-01-01\n  last_partition = 2022-01-02",
    ):
        import_history.run(recorded)


# Death


def test_killed_three_times_and_resumed_it_stores_what_one_go_stores(
    home, database, feed, warehouse
):
    recorded = feed(snapshots(NOON, minutes=25, count=130, stations=40))
    import_history.run(recorded.model_copy(update={"system_id": "whole"}))
    # Narrower than the file, so that a killed import may leave it changed.
    (home / settings.FILE_NAME).write_text("first_partition = 2026-02-04\n")

    def start():
        program = "from bike_demand.cli import main; main()"
        arguments = ["import-history", recorded.path, "--system-id", "sf"]
        return subprocess.Popen(
            [sys.executable, "-u", "-c", program, *arguments], stdout=subprocess.PIPE, text=True
        )

    chance = random.Random()  # noqa: S311
    for _ in range(3):
        with start() as process:
            assert recorded.path in process.stdout.readline()  # the file is read, it begins
            time.sleep(chance.uniform(0, 2.5))
            process.send_signal(signal.SIGKILL)
    with start() as process:
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, output

    assert settings.load().first_partition == date(2026, 2, 3)
    for table in (STATION_STATUS, FEED_POLL):
        pd.testing.assert_frame_equal(
            stored(warehouse, table).drop(columns="system_id"),
            stored(warehouse, table, "whole").drop(columns="system_id"),
        )
    ended = run_days()
    assert {status for _, status in ended} <= {SUCCESS, DagsterRunStatus.FAILURE}
    succeeded = [day for day, status in ended if status is SUCCESS]
    assert succeeded == [f"2026-02-0{day}" for day in range(3, 6)]  # none of them twice


def test_killed_imports_leave_their_places_in_the_pool_to_the_next(home, database, feed):
    tags = {import_history.SYSTEM_TAG: "sf", import_history.DAY_TAG: "2026-02-03"}
    with open_instance() as instance:
        job = build_definitions().resolve_implicit_global_asset_job_def()
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default(STATUS.pool)
        for _ in range(2):
            killed = instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags=tags)
            claim = storage.claim_concurrency_slot(STATUS.pool, killed.run_id, "station_status")
            assert claim.is_claimed
    import_history.run(feed(snapshot(NOON, [1])))
    assert [status for _, status in run_days()].count(DagsterRunStatus.FAILURE) == 2


# A city that was recorded and is followed


class FollowedFeed(LiveStationFeed):
    """A live feed at the time when the recording was made."""

    at: str

    def now(self):
        return datetime.fromisoformat(self.at)


def test_a_tick_is_the_same_rows_whether_it_was_recorded_or_fetched(
    home, database, warehouse, postgres_url, tmp_path
):
    plan = Plan(start=NOON.replace(hour=0), stations=40, timezone="America/New_York")
    path = tmp_path / "city.parquet"
    write_recording(plan, NOON + timedelta(hours=1), path)
    import_history.run(RecordedStationFeed(path=str(path), system_id="sf"))
    recorded = stored(warehouse)
    recorded = recorded[recorded["observed_at"] == NOON].reset_index(drop=True)
    assert len(recorded) == 40

    fetched_at = recorded["fetched_at"].iloc[0].to_pydatetime()
    with CityServer(City(plan), lambda: fetched_at) as server:
        (home / "settings.toml").write_text(
            f'[[systems]]\nsystem_id = "sf"\nurl = "{server.gbfs_url}"\n'
        )
        assert dg.materialize(
            [station_status],
            partition_key=NOON.strftime("%Y-%m-%d-%H:%M"),
            resources={
                "io_manager": PostgresIOManager(url=postgres_url),
                "station_feed": FollowedFeed(at=fetched_at.isoformat()),
            },
        ).success
    fetched = stored(warehouse)
    polls = stored(warehouse, FEED_POLL)
    assert polls[polls["polled_at"] == fetched_at]["http_status"].tolist() == [200]
    fetched = fetched[fetched["observed_at"] == NOON].reset_index(drop=True)
    pd.testing.assert_frame_equal(fetched, recorded)
