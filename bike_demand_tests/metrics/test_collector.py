"""A scrape, on real tables and Dagster's own storage."""

import logging
from types import SimpleNamespace

import dagster as dg
import pytest

from bike_demand import demo_city
from bike_demand.cadence import ASSET_TAG, STATUS
from bike_demand.definitions import defs
from bike_demand.metrics import collector, runs
from bike_demand.metrics.declared import METRICS
from bike_demand.storage.databases import connect
from bike_demand_tests.metrics.conftest import DAY, HOUR, run, sleeper

SOURCES = {*collector.TABLES, *collector.DAGSTER}


def up(found):
    return {source for (source,), value in found["up"].items() if value == 1}


def test_each_metric_has_a_name_of_its_own_and_a_meaning():
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    assert all(metric.meaning for metric in METRICS)


def test_nothing_stored_is_nothing_wrong(pipeline):
    found = pipeline.scrape()
    assert up(found) == SOURCES
    assert "data_age_seconds" not in found
    assert found["newest_rows"]["a", "station_forecast"] == 0


def test_there_is_a_number_of_every_metric(filled, monkeypatch):
    silent = SimpleNamespace(required=True, healthy=False)
    monkeypatch.setattr(filled.instance, "get_daemon_statuses", lambda: {"SCHEDULER": silent})
    found = filled.scrape()
    assert {f"bike_demand_{name}" for name in found} == {metric.name for metric in METRICS}
    assert found["daemon_up"] == {("scheduler",): 0}


def test_data_is_as_old_as_what_it_speaks_of_and_stale_only_where_it_is_followed(
    put, pipeline, now
):
    for system in ("a", "recorded"):
        put("station_status", system_id=system, observed_at=now - DAY, last_reported=now - HOUR)
    found = pipeline.scrape()
    for system in ("a", "recorded"):
        assert found["data_age_seconds"]["station_status", system] == pytest.approx(3600, abs=60)
    assert found["data_age_limit_seconds"] == {("station_status", "a"): 3600}


def test_missing_partitions_are_counted_by_whether_they_can_be_made(pipeline, now):
    first, gap = STATUS.newest(now) - 3 * HOUR, STATUS.newest(now) - 2 * HOUR
    for key in STATUS.keys(first, STATUS.newest(now)):
        if key != STATUS.key(gap):
            event = dg.AssetMaterialization("station_status", partition=key)
            pipeline.instance.report_runless_asset_event(event)
    found = pipeline.scrape()
    assert found["partitions_missing"]["station_status", "false"] == 1
    assert found["partitions_missing"]["station_status", "true"] == 0
    assert found["partitions_missing"]["station_features", "true"] > 0
    assert found["partitions_expected"][()] >= 12


def test_runs_of_the_last_hour_are_counted_by_asset_and_how_they_ended(pipeline, now):
    for tags in ({ASSET_TAG: "weather"}, {ASSET_TAG: "weather", "fails": "yes"}, {}):
        run(pipeline.instance, **tags)
    found = pipeline.scrape()
    assert found["runs"]["weather", "success"] == found["runs"]["weather", "failure"] == 1
    assert found["runs"]["sleeper", "success"] == 1
    assert found["runs"]["station_status", "failure"] == 0
    assert 0 < found["run_median_seconds"]["weather",] <= found["run_longest_seconds"]["weather",]
    later = runs.Storage(pipeline.instance, now + 2 * HOUR)
    assert not sum(one.value for one in runs.ended_and_not(later))


def test_what_waits_is_told_by_asset_also_where_nobody_has_tagged_it(pipeline):
    selected = (["weather"], ["station_risk", "station_forecast"], ["weather", "local_calendar"])
    job = defs.resolve_implicit_global_asset_job_def()
    for names in selected:
        keys = frozenset(map(dg.AssetKey, names))
        pipeline.instance.create_run_for_job(job, asset_selection=keys)
    pipeline.instance.create_run_for_job(sleeper)
    told = ("weather", "station_forecast", "several", "sleeper")
    waiting = {(asset, "not_started"): 1 for asset in told}
    assert pipeline.scrape()["runs_unfinished"] == waiting


def test_rows_are_those_of_the_newest_time(filled):
    found = filled.scrape()
    assert found["newest_rows"]["a", "station_status"] == 2
    assert found["newest_rows"]["a", "station_forecast"] == 4
    assert found["newest_rows"]["recorded", "station_status"] == 0
    assert found["table_bytes"]["station_status",] > 0


def test_polls_records_and_refusals_are_those_of_a_day(filled):
    found = filled.scrape()
    assert found["feed_polls"] == {("200", "a"): 2, ("none", "a"): 1}
    assert found["feed_records"] == {("a",): 4, ("recorded",): 0}
    assert found["rejected_records"] == {("negative", "station_status", "a"): 2}


def test_the_champion_is_who_was_made_one_last_and_not_who_was_refused(filled, now):
    found = filled.scrape()
    assert found["champion_info"] == {("a", "7"): 1}
    assert found["champion_reign_seconds"]["a",] == pytest.approx(3 * 86_400, abs=60)
    since_midnight = (now - now.replace(hour=0, minute=0, second=0)).total_seconds()
    age = found["champion_age_seconds"]["a",]
    assert age == pytest.approx(3 * 86_400 + since_midnight, abs=60)
    trained = found["training_age_seconds"]["lightgbm", "a"]
    assert trained == pytest.approx(since_midnight, abs=60)


def test_a_rollback_makes_a_champion_too(filled, put, now):
    put("model_event", at=now, kind="rollback", model_version="6", trained_for=now - 9 * DAY)
    assert filled.scrape()["champion_info"] == {("a", "6"): 1}


def test_who_made_the_newest_forecast_serves_and_who_is_compared_does_not(filled):
    assert filled.scrape()["serving_info"] == {("champion", "a", "7"): 1}


def test_a_simple_forecast_serves_without_a_version(put, pipeline, now):
    put("station_forecast", origin_at=now, role="simple", model_version=None)
    assert pipeline.scrape()["serving_info"] == {("simple", "a", ""): 1}


def test_scores_are_of_all_rows_in_the_window_together(filled):
    found = filled.scrape()
    day, week = (("3", "champion", "a", window) for window in ("24h", "7d"))
    assert found["forecasts_scored"] == {day: 4, week: 8}
    assert found["forecast_rmse"][day] == 1
    assert found["forecast_rmse"][week] == pytest.approx(2**0.5)
    assert found["forecast_skill_ratio"][day] == 0.5
    assert found["forecast_skill_ratio"][week] == pytest.approx(1 - 0.5**0.5)
    assert found["forecast_coverage_ratio"][week] == pytest.approx(0.8)
    assert found["forecast_brier_skill_ratio"] == {
        ("empty", *day): 0.5,
        ("empty", *week): 0.5,
    }


def test_what_persistence_forecasts_without_an_error_has_no_skill_to_tell(put, pipeline, hour):
    put("forecast_accuracy", target_at=hour, horizon=1, role="simple", rows=2)
    found = pipeline.scrape()
    assert found["forecast_rmse"]["1", "simple", "a", "7d"] == 0
    assert "forecast_skill_ratio" not in found
    assert up(found) == SOURCES


def test_drift_is_that_of_the_newest_hour(filled):
    found = filled.scrape()
    assert found["feature_psi"] == {("bikes", "a"): 0.3}
    assert found["drift_features"]["critical", "a"] == 1
    assert found["drift_features"]["unknown", "a"] == 1
    assert found["drift_features"]["none", "a"] == 0
    assert 0 <= found["drift_age_seconds"]["a",] < 3660


def test_findings_are_those_of_the_newest_window_and_a_rule_that_holds_has_none(filled):
    found = filled.scrape()
    assert found["data_quality_rows"] == {
        ("gaps", "critical", "a"): 5,
        ("ranges", "warning", "a"): 0,
    }


def test_without_the_warehouse_the_rest_is_told_and_no_secret(
    pipeline, monkeypatch, closed_port, caplog
):
    url = f"postgresql://nobody:secret-word@127.0.0.1:{closed_port}/none"
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", url)
    with caplog.at_level(logging.WARNING):
        found = pipeline.scrape()
    assert up(found) == {*collector.DAGSTER}
    assert "No numbers of the warehouse: Postgres at 127.0.0.1" in caplog.text
    assert "secret-word" not in caplog.text


def test_without_dagsters_storage_the_rest_is_told_until_it_is_back(filled):
    working = filled.open

    def broken():
        raise OSError("postgresql://nobody:secret-word@127.0.0.1/none")

    filled.open = broken
    found = filled.scrape()
    assert up(found) == {*collector.TABLES}
    assert "champion_info" in found
    filled.open = working
    assert up(filled.scrape()) == SOURCES


def test_a_table_that_cannot_be_read_costs_its_own_numbers_only(filled, warehouse):
    with warehouse.connection() as connection:
        connection.execute("DROP TABLE feature_drift")
    found = filled.scrape()
    assert up(found) == SOURCES - {"drift"}
    assert "data_quality_rows" in found


def test_a_query_that_takes_too_long_is_given_up(filled, database_url, monkeypatch):
    monkeypatch.setattr(collector, "TIMEOUT", "2s")
    with connect(database_url) as another:
        another.execute("LOCK TABLE data_quality")
        found = filled.scrape()
    # Neither its size nor the age of what it holds can be told.
    assert up(found) == SOURCES - {"quality", "sizes", "ages"}


def test_the_simulated_city_is_told_of_beside_a_dev_without_settings(put, pipeline, tmp_path, now):
    (tmp_path / "settings.toml").unlink()
    demo_city.folder(tmp_path).mkdir()
    put("station_status", system_id=demo_city.SYSTEM_ID, observed_at=now, last_reported=now)
    assert ("station_status", demo_city.SYSTEM_ID) in pipeline.scrape()["data_age_seconds"]
