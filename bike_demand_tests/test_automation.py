"""Schedules ask for the present partition, once, and for no other."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest

from bike_demand import settings
from bike_demand.automation import closed_partition, present_partition
from bike_demand.cadence import ASSET_TAG, MODELS, STATUS, WEATHER
from bike_demand.definitions import defs
from bike_demand.defs.ingestion.stations import stations_job
from bike_demand.defs.ingestion.weather import weather_job
from bike_demand.defs.training.job import trouble
from bike_demand.partitions import quarter_hourly_partitions
from bike_demand.storage.windows import Window

TICK = datetime(2026, 3, 1, 12, 15, tzinfo=UTC)


@pytest.fixture
def configured(tmp_path):
    return settings.load(tmp_path)


@pytest.fixture
def evaluate(configured):
    """What the schedule of the stations asks for at a tick, looked at some time after it."""

    def run(tick, late=timedelta(0), **changes):
        changed = configured.model_copy(update=changes)
        cadence = replace(STATUS, partitions=quarter_hourly_partitions(changed))
        schedule = present_partition(stations_job.name, cadence, changed, now=lambda: tick + late)
        context = dg.build_schedule_context(
            scheduled_execution_time=tick, repository_def=defs.get_repository_def()
        )
        return schedule.evaluate_tick(context)

    return run


@pytest.mark.parametrize("late", [timedelta(seconds=1), timedelta(minutes=14, seconds=59)])
def test_a_tick_asks_for_its_own_partition_under_a_key_of_its_own(evaluate, late):
    [request] = evaluate(TICK, late).run_requests
    assert request.partition_key == request.run_key == "2026-03-01-12:15"


def test_a_tick_that_the_scheduler_comes_to_when_it_is_over_is_skipped_and_says_why(evaluate):
    tick = evaluate(TICK, timedelta(minutes=15))
    assert not tick.run_requests
    assert "2026-03-01-12:15 is over" in tick.skip_message


def test_a_tick_after_the_last_partition_is_skipped(evaluate):
    tick = evaluate(TICK, last_partition=date(2026, 2, 28))
    assert "outside first_partition and last_partition" in tick.skip_message


def test_schedules_start_as_the_settings_say(configured):
    for word in ("stopped", "running"):
        changed = configured.model_copy(update={"schedules": word})
        schedule = present_partition(weather_job.name, WEATHER, changed)
        assert schedule.default_status.value == word.upper()


def test_schedules_of_the_project_are_stopped_until_somebody_starts_them():
    schedules = defs.get_repository_def().schedule_defs
    assert {schedule.name: schedule.cron_schedule for schedule in schedules} == {
        "stations_job_schedule": "*/15 * * * *",
        "weather_job_schedule": "*/30 * * * *",
        "training_job_schedule": "0 2 * * *",
        "freshness_job_schedule": "25 * * * *",
        "retention_job_schedule": "40 5 * * *",
    }
    assert {schedule.default_status for schedule in schedules} == {dg.DefaultScheduleStatus.STOPPED}


def test_training_asks_for_the_day_that_closed_unless_something_it_needs_is_down(configured):
    trouble = []
    schedule = closed_partition(
        "training_job", MODELS, configured, lambda *_: ", ".join(trouble) or None
    )

    def tick(moment):
        return schedule.evaluate_tick(
            dg.build_schedule_context(
                scheduled_execution_time=moment, repository_def=defs.get_repository_def()
            )
        )

    [request] = tick(datetime(2026, 3, 1, 2, tzinfo=UTC)).run_requests
    assert request.partition_key == "2026-02-28"
    assert request.tags["bike_demand/asset"] == "lightgbm_model"
    trouble.append("registry: it does not answer")
    assert "does not answer" in tick(datetime(2026, 3, 1, 2, tzinfo=UTC)).skip_message


def test_training_of_a_day_that_has_its_models_is_not_asked_for(tmp_path):
    instance = dg.DagsterInstance.ephemeral(tempdir=str(tmp_path))
    day = datetime(2026, 2, 28, tzinfo=UTC)
    window = Window(day, day + timedelta(days=1))

    def against():
        return trouble(SimpleNamespace(instance=instance), window)

    assert against() == "nothing of station_features is there"
    for asset in MODELS.assets:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition="2026-02-28"))
    assert against() == "it is made."


def test_training_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("BIKE_DEMAND_TRAINING_CRON", "30 4 * * *")
    schedule = closed_partition("training_job", MODELS, settings.load(tmp_path), lambda *_: None)
    assert schedule.cron_schedule == "30 4 * * *"
    monkeypatch.setenv("BIKE_DEMAND_TRAINING_CRON", "daily")
    with pytest.raises(settings.InvalidSettingsError, match="time of each day"):
        settings.load(tmp_path)


@pytest.mark.parametrize("name", ["freshness_report", "retention"])
def test_a_run_beside_the_cadences_is_tagged_so_that_its_failure_is_told(name):
    [schedule] = [
        schedule for schedule in defs.schedules or [] if schedule.tags.get(ASSET_TAG) == name
    ]
    assert defs.resolve_job_def(schedule.job_name).asset_layer.selected_asset_keys == {
        dg.AssetKey(name)
    }
