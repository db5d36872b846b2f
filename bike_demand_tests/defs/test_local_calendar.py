"""The asset `local_calendar` through Dagster and the database."""

import dagster as dg

from bike_demand.definitions import build_definitions
from bike_demand.resources import PostgresIOManager
from bike_demand.storage.read import read
from bike_demand.storage.tables import LOCAL_CALENDAR


def test_a_day_of_every_system_is_stored_once_however_often_it_is_made(
    warehouse, postgres_url, tmp_path, monkeypatch
):
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    (tmp_path / "settings.toml").write_text(
        '[[systems]]\nsystem_id = "paris"\ntimezone = "Europe/Paris"\n'
        '[[systems]]\nsystem_id = "tokyo"\ntimezone = "Asia/Tokyo"\n'
    )
    defs = build_definitions({"io_manager": PostgresIOManager(url=postgres_url)})
    for _ in range(2):
        job = defs.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(
            partition_key="2026-03-29", asset_selection=[dg.AssetKey(LOCAL_CALENDAR.name)]
        ).success
    frame = read(warehouse, LOCAL_CALENDAR)
    assert frame.groupby("system_id").size().to_dict() == {"paris": 24, "tokyo": 24}
    assert set(frame.loc[frame["system_id"] == "paris", "utc_offset"]) == {3600, 7200}
