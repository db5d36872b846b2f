"""What Dagster forgets of old runs, and what it goes on knowing; on its real storage."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable

from bike_demand.purge import forget_partitions, purge_runs
from bike_demand.storage.databases import connect, create_if_missing

HOURS = dg.HourlyPartitionsDefinition(datetime(2026, 1, 1, tzinfo=UTC), timezone="UTC")
KEYS = [f"2026-01-01-0{hour}:00" for hour in range(3)]


@dg.asset(partitions_def=HOURS, check_specs=[dg.AssetCheckSpec("good", asset="hourly")])
def hourly(context):
    context.log.info("made")
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset
def whole():
    return None


@pytest.fixture
def instance(database_url, tmp_path):
    url = database_url.set(
        database=f"{database_url.database}_dagster", drivername="postgresql+psycopg2"
    )
    create_if_missing(url)
    address = url.render_as_string(hide_password=False)
    overrides = {
        "storage": {"postgres": {"postgres_url": address}},
        "compute_logs": {
            "module": "dagster._core.storage.local_compute_log_manager",
            "class": "LocalComputeLogManager",
            "config": {"base_dir": str(tmp_path / "logs")},
        },
    }
    with dg.instance_for_test(overrides=overrides, temp_dir=str(tmp_path)) as made:
        yield made
    with connect(database_url.set(database="postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{url.database}" WITH (FORCE)')


def make(instance, *keys):
    for key in keys:
        dg.materialize([hourly], instance=instance, partition_key=key)
        dg.materialize([whole], instance=instance)


def events(instance):
    with instance.event_log_storage.index_connection() as connection:
        query = sa.text("SELECT count(*) FROM event_logs")
        return connection.execute(query).scalar_one()


def now():
    return datetime.now(UTC)


def test_of_old_runs_the_materialisations_stay_and_all_else_goes(instance):
    make(instance, *KEYS)
    before = events(instance)
    assert purge_runs(instance, now() + timedelta(minutes=1)) == 6
    assert instance.get_runs() == []
    assert instance.get_materialized_partitions(dg.AssetKey("hourly")) == set(KEYS)
    assert instance.get_latest_materialization_event(dg.AssetKey("whole")) is not None
    # Three materialisations of partitions, one of the whole, and the newest result of the check.
    assert events(instance) == 5 < before
    assert purge_runs(instance, now() + timedelta(minutes=1)) == 0


def test_of_each_check_the_newest_result_stays(instance):
    make(instance, *KEYS)
    purge_runs(instance, now() + timedelta(minutes=1))
    key = dg.AssetCheckKey(dg.AssetKey("hourly"), "good")
    [newest] = instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
    assert newest.status.value == "SUCCEEDED"
    with instance.event_log_storage.index_connection() as connection:
        found = connection.execute(sa.select(AssetCheckExecutionsTable.c.id)).fetchall()
    assert len(found) == 1


def test_runs_of_late_stay_with_all_that_they_left(instance):
    make(instance, *KEYS)
    before = events(instance)
    assert purge_runs(instance, now() - timedelta(minutes=1)) == 0
    assert events(instance) == before
    assert len(instance.get_runs()) == 6


def test_a_run_that_goes_on_stays_however_old(instance):
    run = instance.create_run_for_job(
        dg.Definitions([whole]).resolve_implicit_global_asset_job_def(),
        status=dg.DagsterRunStatus.STARTED,
    )
    assert purge_runs(instance, now() + timedelta(minutes=1)) == 0
    assert instance.get_run_by_id(run.run_id)


def test_the_output_of_old_runs_goes(instance, tmp_path):
    make(instance, KEYS[0])
    for run in instance.get_runs():
        (tmp_path / "logs" / run.run_id).mkdir(parents=True, exist_ok=True)
    (tmp_path / "logs" / "another").mkdir()
    purge_runs(instance, now() + timedelta(minutes=1))
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["another"]


def test_partitions_whose_rows_are_gone_are_no_longer_materialised(instance):
    make(instance, *KEYS)
    key = dg.AssetKey("hourly")
    assert instance.get_status_by_partition(key, KEYS, HOURS)
    assert forget_partitions(instance, "hourly", KEYS[2])
    assert instance.get_materialized_partitions(key) == {KEYS[2]}
    found = instance.get_status_by_partition(key, KEYS, HOURS)
    assert [found.get(each) is not None for each in KEYS] == [False, False, True]
