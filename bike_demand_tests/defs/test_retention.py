"""The asset `retention`: what it deletes, keeps and says."""

from datetime import UTC, date, datetime
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from bike_demand.defs.monitoring import retention as module
from bike_demand.registry import Version
from bike_demand.resources import PostgresIOManager
from bike_demand.storage.read import read
from bike_demand.storage.tables import STATION_STATUS
from bike_demand_tests.defs.conftest import DAY, QUIET, store_status
from bike_demand_tests.forecasting.feature_examples import random_grid

NOW = datetime(2026, 6, 1, 5, 40, tzinfo=UTC)
LIVE, RECORDED = (f"{kind}_{uuid4().hex[:8]}" for kind in ("live", "recorded"))
SETTINGS = f"""
[[systems]]
system_id = "{LIVE}"
url = "http://127.0.0.1:9/gbfs.json"
[[systems]]
system_id = "{RECORDED}"
[retention]
station_status = 100
station_features = 100
weather = 100
"""


@pytest.fixture
def instance(tmp_path):
    return dg.DagsterInstance.ephemeral(tempdir=str(tmp_path))


@pytest.fixture
def retain(warehouse, postgres_url, tracking, instance, tmp_path, monkeypatch):
    """Materialise it where days of two systems lie long back; gives its metadata."""
    from bike_demand.definitions import build_definitions

    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    (tmp_path / "settings.toml").write_text(SETTINGS)
    monkeypatch.setattr(module, "utc_now", lambda: NOW)
    for system_id in (LIVE, RECORDED):
        for ago in (120, 101, 99, 1):
            midnight = NOW.replace(hour=0, minute=0) - ago * DAY
            store_status(warehouse, system_id, random_grid(1, ticks=4, holes=0, start=midnight))

    def run():
        resources = {"io_manager": PostgresIOManager(url=postgres_url), "tracking": tracking}
        defs = build_definitions(resources)
        done = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey("retention")], run_config=QUIET, instance=instance
        )
        [event] = done.get_asset_materialization_events()
        return event.materialization.metadata

    return run


def days_ago(warehouse, system_id):
    rows = read(warehouse, STATION_STATUS, scope={"system_id": [system_id]})
    return sorted({(NOW - moment.to_pydatetime()).days for moment in rows["observed_at"]})


def test_old_rows_of_what_is_followed_live_go_and_a_recording_stays(warehouse, retain):
    told = retain()
    assert days_ago(warehouse, LIVE) == [1, 99]
    assert days_ago(warehouse, RECORDED) == [1, 99, 101, 120]
    assert told["rows deleted"].value == 2 * 4 * 6
    [row] = [
        record.data
        for record in told["deleted"].records
        if record.data["table"] == STATION_STATUS.name
    ]
    assert row["system"] == LIVE
    assert row["deleted before"] == "2026-02-21"
    assert not row["kept longer, for it is needed"]
    tables = {record.data["table"] for record in told["tables"].records}
    assert STATION_STATUS.name in tables


def test_what_the_champion_has_learnt_from_stays(warehouse, retain, monkeypatch):
    learnt = Version(
        name="x",
        version="1",
        system_id=LIVE,
        algorithm="lightgbm",
        trained_for=date(2026, 3, 10),
        data_until=NOW,
        feature_version="1",
        run_id="r",
        candidate="daily",
        tags={},
    )
    monkeypatch.setattr("bike_demand.registry.registry.Registry.champion", lambda *_: learnt)
    retain()
    assert days_ago(warehouse, LIVE) == [1, 99, 101, 120]


def test_while_a_backfill_goes_on_nothing_goes(warehouse, retain, instance):
    instance.add_backfill(
        PartitionBackfill(
            backfill_id="big",
            status=BulkActionStatus.REQUESTED,
            from_failure=False,
            tags={},
            backfill_timestamp=0.0,
            partition_names=["2026-01-01"],
        )
    )
    told = retain()
    assert told["backfills waited for"].value == 1
    assert days_ago(warehouse, LIVE) == [1, 99, 101, 120]


def test_partitions_without_rows_are_no_longer_materialised(warehouse, retain, instance):
    keys = [f"{NOW - ago * DAY:%Y-%m-%d}-00:00" for ago in (120, 99)]
    for key in keys:
        instance.report_runless_asset_event(
            dg.AssetMaterialization("station_status", partition=key)
        )
    retain()
    # Rows of the recording are left.
    assert instance.get_materialized_partitions(dg.AssetKey("station_status")) == {*keys}
    with warehouse.connection() as connection:
        connection.execute("DELETE FROM station_status WHERE system_id = %s", [RECORDED])
    retain()
    assert instance.get_materialized_partitions(dg.AssetKey("station_status")) == {keys[1]}
