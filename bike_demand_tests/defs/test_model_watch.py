"""What is done about champions, hour by hour: on real tables and a real registry."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from bike_demand import accuracy, reign
from bike_demand.defs.monitoring import model_watch
from bike_demand.defs.monitoring.model_watch import retraining_sensor_at
from bike_demand.forecasting.promotion import GATED
from bike_demand.registry import APPOINTED_AT
from bike_demand.resources import PostgresIOManager
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import FEATURE_DRIFT, FORECAST_ACCURACY, STATION_FORECAST
from bike_demand.storage.windows import Window
from bike_demand_tests.defs.conftest import DAY, END, HOUR

MINUTE = timedelta(minutes=1)
WATCHING = ["forecast_accuracy", "model_watch"]


@pytest.fixture
def at(materialize, monkeypatch):
    """Let an hour's run be, a minute after its begin."""

    def run(hour, assets=("model_watch",)):
        monkeypatch.setattr(model_watch, "utc_now", lambda: hour + MINUTE)
        result = materialize([*assets], f"{hour:%Y-%m-%d-%H:%M}")
        [told] = result.asset_materializations_for_node("model_watch")
        return {name: entry.value for name, entry in told.metadata.items()}

    return run


@pytest.fixture
def events(warehouse, city):
    def read(*columns):
        query = "SELECT * FROM model_event WHERE system_id = %(system)s ORDER BY at"
        rows = warehouse.frame(query, {"system": city.system_id}).to_dict("records")
        return [tuple(row[name] for name in columns) for row in rows] if columns else rows

    return read


@pytest.fixture
def reigns(publish, tracking):
    """Make a model champion, long ago or at some time."""
    registry = tracking.registry()

    def appoint(appointed=END - 20 * DAY, *, after=None, day=END - 9 * DAY):
        version = publish(day.date(), data_until=day)
        version = registry.appoint(version, after and after.version)
        with registry._store.client("Testing") as client:
            client.set_model_version_tag(
                version.name, version.version, APPOINTED_AT, appointed.isoformat()
            )
        return registry.version(version.system_id, version.version)

    return appoint


@pytest.fixture
def forecasts(warehouse, city):
    """Store forecasts of every hour: what came, off by so many bikes."""

    def store(begin, end, **versions):
        grid, frames = city.grid, []
        for number in range((end - begin) // HOUR):
            origin = begin + number * HOUR
            row = grid.index(origin)
            for role, (version, off) in versions.items():
                for horizon in GATED:
                    target = min(row + 4 * horizon, len(grid) - 1)
                    truth = np.nan_to_num(grid.bikes[target]) + off
                    whole = np.rint(truth).astype(int)
                    frames.append(
                        pd.DataFrame(
                            {
                                "station_id": grid.station_ids,
                                "origin_at": origin,
                                "target_at": origin + horizon * HOUR,
                                "horizon": horizon,
                                "role": role,
                                "model_version": version,
                                "bikes": truth.astype(np.float32),
                                "p10": whole,
                                "p50": whole,
                                "p90": whole,
                            }
                        )
                    )
        shared = {
            "system_id": city.system_id,
            "issued_at": begin,
            "late": False,
            "in_service": True,
            "capacity": 9,
            "p_empty": np.float32(0),
            "p10_inside": np.float32(0.8),
            "p90_inside": np.float32(0.8),
        }
        frame = pd.concat(frames).assign(**shared).reindex(columns=[*STATION_FORECAST.columns])
        covers = {"system_id": [city.system_id], "role": [*versions]}
        replace(warehouse, STATION_FORECAST, [Window(begin, end)], Rows(frame, covers))

    return store


@pytest.fixture
def came_due(warehouse, city):
    """Let forecasts of an hour have come due, as the asset does it."""

    def store(hour):
        rows = accuracy.due(warehouse, city.system_id, hour)
        rows = rows.assign(system_id=city.system_id, target_at=hour)
        window = Window(hour, hour + HOUR)
        covers = {"system_id": [city.system_id]}
        replace(warehouse, FORECAST_ACCURACY, [window], Rows(rows, covers))

    return store


@pytest.fixture
def moved(warehouse, city):
    """Say how far features have moved."""

    def store(hour, version, **indices):
        rows = [
            {
                "system_id": city.system_id,
                "hour": hour,
                "feature": feature,
                "model_version": version.version,
                "psi": psi,
                "band": "critical" if psi >= 0.25 else "none",
                "rows": 99,
                "hours": 24,
            }
            for feature, psi in indices.items()
        ]
        covers = {"system_id": [city.system_id]}
        rows = Rows(pd.DataFrame(rows), covers)
        replace(warehouse, FEATURE_DRIFT, [Window(hour, hour + HOUR)], rows)

    return store


@pytest.fixture
def fared(warehouse, city):
    """Say how a champion fared in some hours."""

    def store(version, begin, end, skill):
        sums = dict.fromkeys(FORECAST_ACCURACY.columns[5:], 1.0)
        rows = [
            {
                **sums,
                "system_id": city.system_id,
                "target_at": begin + number * HOUR,
                "horizon": horizon,
                "role": "champion",
                "model_version": version.version,
                "rows": 9,
                "rows_full": 9,
                "squared_error": 100 * (1 - skill) ** 2,
                "persistence_squared_error": 100.0,
            }
            for number in range((end - begin) // HOUR)
            for horizon in GATED
        ]
        frame = pd.DataFrame(rows).reindex(columns=[*FORECAST_ACCURACY.columns])
        covers = {"system_id": [city.system_id]}
        replace(warehouse, FORECAST_ACCURACY, [Window(begin, end)], Rows(frame, covers))

    return store


@pytest.fixture
def sensor(postgres_url):
    """What the sensor asks for, at some time."""

    from bike_demand.definitions import defs

    def evaluate(now):
        context = dg.build_sensor_context(
            repository_def=defs.get_repository_def(),
            resources={"io_manager": PostgresIOManager(url=postgres_url)},
        )
        return retraining_sensor_at(lambda: now).evaluate_tick(context).run_requests

    return evaluate


def test_a_bad_champion_that_was_forced_in_is_rolled_back_once_within_its_two_days(
    at, city, reigns, forecasts, events, tracking, came_due
):
    registry, start = tracking.registry(), END - 3 * DAY
    good = reigns()
    bad = reigns(start - MINUTE, after=good, day=END - 8 * DAY)
    forecasts(
        start - DAY, END, champion=(bad.version, 3), predecessor=(good.version, 1)
    )  # of the day before, too: it does not count
    champions = []
    for number in range(1, 29):
        hour = start + number * HOUR
        if number < 20:  # too few to judge by, as another test shows
            came_due(hour)
        else:
            at(hour, WATCHING)
        champions.append(registry.champion(city.system_id).version)
    when = champions.index(good.version)
    assert 23 <= when <= 26
    assert set(champions[:when]) == {bad.version}
    assert set(champions[when:]) == {good.version}
    [event] = events()
    assert (event["kind"], event["model_version"], event["replaced"]) == (
        "rollback",
        good.version,
        bad.version,
    )
    assert json.loads(event["figures"])["gain"] < -0.5
    assert "above its predecessor's" in event["reason"]


def test_a_healthy_champion_stays_through_its_probation(
    at, city, reigns, forecasts, events, tracking, came_due
):
    start = END - 3 * DAY
    good = reigns()
    better = reigns(start - MINUTE, after=good, day=END - 8 * DAY)
    forecasts(start - DAY, END, champion=(better.version, 1), predecessor=(good.version, 1))
    for number in range(1, 48):
        hour = start + number * HOUR
        came_due(hour)
        if number % 4 == 3:
            assert "not worse" in at(hour)[city.system_id]
    assert tracking.registry().champion(city.system_id).version == better.version
    assert events() == []


def test_destroyed_skill_starts_one_retraining_and_not_two(at, city, reigns, fared, events, sensor):
    version, start = reigns(), END - 7 * HOUR
    fared(version, start - 6 * DAY, start, -0.1)
    for number in range(4):
        at(start + number * HOUR)
    [event] = events()
    assert (event["kind"], event["model_version"]) == ("retraining", version.version)
    assert "no skill 1 h (-10.0%)" in event["reason"]
    day = f"{END - 2 * DAY:%Y-%m-%d}"
    assert json.loads(event["figures"])["day"] == day
    [first], [second] = sensor(start + HOUR), sensor(start + 2 * HOUR)
    assert first.run_key == second.run_key == f"retraining {city.system_id} {day}"
    assert first.partition_key == day
    assert first.run_config["ops"]["xgboost_model"]["config"] == {
        "systems": [city.system_id],
        "recency": True,
    }
    assert sensor(start + 2 * DAY) == []


def test_inputs_that_moved_start_a_retraining(at, city, reigns, moved, events):
    version, hour = reigns(), END - 7 * HOUR
    moved(hour, version, bikes=0.1, activity=0.4)
    assert "activity (0.40)" in at(hour)[city.system_id]
    [event] = events()
    assert json.loads(event["figures"])["drift"] == {"activity": 0.4}


def test_drift_from_another_champion_is_not_looked_at(at, city, reigns, moved, events):
    first = reigns()
    reigns(after=first)
    moved(END - 7 * HOUR, first, activity=0.4)
    assert "does well" in at(END - 7 * HOUR)[city.system_id]
    assert events() == []


def test_where_the_same_was_learnt_before_nothing_starts_and_the_event_says_so(
    at, city, reigns, publish, moved, events, sensor
):
    version, hour = reigns(), END - 7 * HOUR
    publish((END - 2 * DAY).date(), candidate="recency")
    for number in range(2):
        moved(hour + number * HOUR, version, activity=0.4)
        at(hour + number * HOUR)
    assert events("kind") == [("nothing_new",)]
    assert "nothing new to learn from" in events()[0]["reason"].lower()
    assert sensor(hour) == []


def test_before_the_newest_days_own_models_the_day_before_is_learnt_again(
    at, city, reigns, moved, events
):
    """Made for one system, the newest day would count as made, and no other system get a model."""
    version, hour = reigns(), END + HOUR
    moved(hour, version, activity=0.4)
    at(hour)
    [(figures,)] = events("figures")
    assert json.loads(figures)["day"] == f"{END - 2 * DAY:%Y-%m-%d}"


def test_where_that_was_learnt_the_newest_days_own_models_are_waited_for(
    at, city, reigns, publish, moved, events
):
    version, hour = reigns(), END + HOUR
    publish((END - 2 * DAY).date(), candidate="recency")
    moved(hour, version, activity=0.4)
    assert "own models come first" in at(hour)[city.system_id]
    assert events() == []
    publish((END - DAY).date())
    moved(hour + HOUR, version, activity=0.4)
    at(hour + HOUR)
    [(kind, figures)] = events("kind", "figures")
    assert (kind, json.loads(figures)["day"]) == ("retraining", f"{END - DAY:%Y-%m-%d}")


def test_the_newest_days_own_models_are_not_waited_for_when_they_are_overdue(
    at, city, reigns, publish, moved, events
):
    version, hour = reigns(), END + 5 * HOUR
    publish((END - 2 * DAY).date(), candidate="recency")
    moved(hour, version, activity=0.4)
    at(hour)
    [(kind, figures)] = events("kind", "figures")
    assert (kind, json.loads(figures)["day"]) == ("retraining", f"{END - DAY:%Y-%m-%d}")


def test_without_features_of_the_day_there_is_nothing_new(
    at, city, reigns, moved, events, warehouse
):
    version, hour = reigns(), END - 7 * HOUR
    with warehouse.connection() as connection:
        connection.execute("DELETE FROM station_features WHERE observed_at >= %s", [END - 2 * DAY])
    moved(hour, version, activity=0.4)
    at(hour)
    assert events("kind") == [("nothing_new",)]


def test_a_champion_that_does_well_is_left_alone(at, city, reigns, fared, events):
    version, hour = reigns(), END - 7 * HOUR
    fared(version, hour - 6 * DAY, hour, 0.1)
    assert "does well" in at(hour)[city.system_id]
    assert events() == []


def test_a_pinned_champion_is_left_alone(
    at, city, reigns, fared, events, tracking, monkeypatch, postgres_url
):
    version, hour = reigns(), END - 7 * HOUR
    fared(version, hour - 6 * DAY, hour, -0.1)
    monkeypatch.setattr(reign, "open_registry", lambda _: tracking.registry())
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", postgres_url)
    reign.pin(version.version, None)
    assert "is pinned" in at(hour)[city.system_id]
    reign.unpin(None)
    assert "no skill" in at(hour)[city.system_id]
    assert events("kind") != []
    assert {kind for (kind,) in events("kind")} == {"pin", "unpin", "retraining"}


def test_an_hour_that_is_over_moves_nothing(at, materialize, monkeypatch, reigns, moved, events):
    version, hour = reigns(), END - 7 * HOUR
    moved(hour, version, activity=0.4)
    monkeypatch.setattr(model_watch, "utc_now", lambda: hour + HOUR)
    assert materialize(["model_watch"], f"{hour:%Y-%m-%d-%H:%M}").success
    assert events() == []


def test_without_a_champion_there_is_nothing_to_watch(at, city, events):
    assert at(END - 7 * HOUR)[city.system_id] == "Nothing: there is no champion."
    assert events() == []


def test_the_run_that_is_asked_for_can_be_launched():
    from bike_demand.definitions import defs

    request = model_watch.retraining("city", datetime(2026, 3, 5, tzinfo=UTC).date())
    job = defs.resolve_job_def("training_job")
    assert dg.validate_run_config(job, request.run_config)
