"""The models of a day: trained by Dagster from stored features, scored, recorded, registered."""

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from bike_demand.definitions import build_definitions
from bike_demand.defs.monitoring.model_watch import retraining_sensor_at
from bike_demand.forecasting.examples import NAMES
from bike_demand.forecasting.features import FEATURE_VERSION, Surroundings
from bike_demand.forecasting.promotion import GATED
from bike_demand.import_history import QUIET
from bike_demand.registry.store import EXPERIMENT
from bike_demand.resources import PostgresIOManager
from bike_demand_tests.defs.conftest import DAY, END, HOUR, store_features, store_status
from bike_demand_tests.forecasting.feature_examples import random_grid

KEY = f"{END - DAY:%Y-%m-%d}"
MODELS = ["lightgbm_model", "xgboost_model"]


def tiny(*names):
    """Run configuration of trainings that take a second."""
    config = {"rounds": 3, "threads": 1, "pairs_per_group": 1_000, "rows_per_leaf": 5}
    return {"ops": {name: {"config": config} for name in names}}


@pytest.fixture
def store(warehouse, system_id):
    """Store some days of status up to the end, and features of its last full hours."""

    def run(days, *, version=FEATURE_VERSION, skip=0):
        grid = random_grid(3, ticks=days * 96, holes=0.02, start=END - days * DAY)
        grid.installed[:], grid.renting[:] = 1, 1
        store_status(warehouse, system_id, grid)
        stations = pd.DataFrame(
            {"station_id": grid.station_ids, "lat": np.nan, "lon": np.nan, "capacity": 8}
        )
        around = Surroundings(stations, None, "America/New_York", None)
        begin = grid.start + skip * HOUR
        store_features(warehouse, system_id, grid, around, begin, version)

    return run


def test_both_models_are_trained_scored_recorded_and_registered(
    store, materialize, warehouse, system_id, tracking
):
    store(11)
    result = materialize([*MODELS, "champion_model"], KEY, config=tiny(*MODELS))
    assert result.success
    query = "SELECT * FROM model_evaluation WHERE system_id = %(system)s"
    rows = warehouse.frame(query, {"system": system_id})
    assert set(rows["algorithm"]) == {"lightgbm", "xgboost"}
    for _, own in rows.groupby("algorithm"):
        held, test = (own[own["split"] == split] for split in ("validation", "test"))
        assert sorted(held["horizon"]) == [*range(1, 25)]
        assert sorted(test["horizon"]) == [*GATED]
        assert (test["rmse"] > 0).all()
        assert test["pit_coverage_80"].between(0, 1).all()
        assert test["best_simple"].notna().all()
        # Two days of test, a day between, and the last target an hour before that.
        assert set(own["data_until"]) == {END - 3 * DAY - HOUR}
    registry = tracking.registry()
    versions = registry.versions(system_id)
    assert {version.version for version in versions} == set(rows["model_version"])
    assert {version.trained_for for version in versions} == {(END - DAY).date()}
    assert all(registry.load(version).data_until == version.data_until for version in versions)
    [decision] = warehouse.frame(
        "SELECT * FROM champion_decision WHERE system_id = %(system)s", {"system": system_id}
    ).to_dict("records")
    assert decision["challenger"] in {version.version for version in versions}

    with registry._store.client("Testing") as client:
        experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
        [parent] = client.search_runs([experiment], f"tags.dagster_run_id = '{result.run_id}'")
        of_parent = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
        children = client.search_runs([experiment], of_parent)
        assert parent.info.status == "FINISHED"
        assert {child.info.run_id for child in children} == set(rows["run_id"])
        for child in children:
            assert child.data.params["rounds"] == "3"
            assert child.data.params["feature_version"] == FEATURE_VERSION
            errors = client.get_metric_history(child.info.run_id, "test_rmse")
            assert sorted(error.step for error in errors) == [*GATED]
            files = {file.path for file in client.list_artifacts(child.info.run_id)}
            assert {"model.png", "importance.json", "card.json"} <= files
        for version in versions:
            told = client.get_model_version(version.name, version.version).description
            assert told.startswith(f"# {system_id}, version {version.version}")
            assert all(f"| {group} | 24 h |" in told for group in ("quiet", "middling", "busy"))

    page = result.asset_materializations_for_node("lightgbm_model")[0].metadata
    assert len(page[f"model {system_id}"].value) < 40_000


def test_the_same_data_gives_the_same_model(store, materialize, system_id, tracking):
    store(11)
    for _ in range(2):
        materialize(MODELS[1:], KEY, config=tiny(MODELS[1]))
    registry = tracking.registry()
    one, two = (registry.load(version) for version in registry.versions(system_id))
    features = np.random.default_rng(1).normal(size=(50, len(NAMES))).astype(np.float32)
    for group, other in zip(one.groups, two.groups, strict=True):
        for member, same in zip(group.members, other.members, strict=True):
            assert (member.change(features) == same.change(features)).all()


@pytest.mark.parametrize(
    ("days", "skip", "words"),
    [
        (9, 0, r"9\.0 days of features before 2026-03-29 UTC; 10 whole ones are needed"),
        (10, 1, r"10\.0 days of features before 2026-03-29 UTC; 10 whole ones are needed"),
    ],
)
def test_too_little_history_is_refused_with_how_much_there_is(
    store, materialize, system_id, tracking, days, skip, words
):
    store(days, skip=skip)
    with pytest.raises(dg.Failure, match=words) as error:
        materialize(MODELS, KEY, config=tiny(*MODELS))
    assert not error.value.allow_retries
    assert tracking.registry().versions(system_id) == []


def test_hours_without_features_are_not_taken_for_history(store, materialize, warehouse):
    store(11)
    with warehouse.connection() as connection:
        connection.execute(
            "DELETE FROM station_features WHERE observed_at BETWEEN %s AND %s",
            [END - 9 * DAY, END - 6 * DAY],
        )
    with pytest.raises(dg.Failure, match=r"features of 1\d\d full hours .* 240 are needed"):
        materialize(MODELS[:1], KEY, config=tiny(MODELS[0]))


def test_features_of_another_version_are_not_learnt_from(store, materialize):
    store(11, version="0")
    with pytest.raises(dg.Failure, match=r"features of version 0, .* materialise station_features"):
        materialize(MODELS[:1], KEY, config=tiny(MODELS[0]))


def test_a_day_without_any_feature_says_so(materialize, system_id):
    with pytest.raises(dg.Failure, match=r"0\.0 days of features before 2026-03-29"):
        materialize(MODELS[:1], KEY, config=tiny(MODELS[0]))


@pytest.mark.parametrize("name", MODELS)
def test_a_hyperparameter_that_cannot_be_is_not_tried_again(store, materialize, name):
    store(11)
    config = tiny(name)
    config["ops"][name]["config"] |= {"rows_per_tree": 7.0}
    with pytest.raises(dg.Failure, match=r"refuses to learn with .*rows_per_tree=7") as error:
        materialize([name], KEY, config=config)
    assert not error.value.allow_retries


def test_the_day_ends_with_its_last_target(store, materialize, warehouse, system_id):
    """Targets of the next day are not there yet, or must not be looked at."""
    store(12)
    key = f"{END - 2 * DAY:%Y-%m-%d}"
    config = tiny(MODELS[0])
    materialize(MODELS[:1], key, config=config)
    query = "SELECT * FROM model_evaluation WHERE system_id = %(system)s AND split = 'test'"
    before = warehouse.frame(query, {"system": system_id})
    with warehouse.connection() as connection:
        connection.execute(
            "UPDATE station_status SET num_bikes_available = 1 WHERE observed_at >= %s", [END - DAY]
        )
    materialize(MODELS[:1], key, config=config)
    after = warehouse.frame(query, {"system": system_id})
    scores = ["horizon", "rows", "rmse", "crps", "skill_rmse"]
    assert before[scores].equals(after[scores])
    assert set(after["data_until"]) == {END - DAY - 3 * DAY - HOUR}
    assert after["trained_for"].unique().tolist() == [END - 2 * DAY]


def test_of_fewer_days_learns_a_candidate_that_is_asked_for(
    store, materialize, warehouse, system_id, tracking
):
    store(13)
    config = tiny(MODELS[0])
    config["ops"][MODELS[0]]["config"]["recency"] = True
    result = materialize(MODELS[:1], KEY, config=config)
    assert result.success
    registry = tracking.registry()
    [version] = registry.versions(system_id)
    assert version.candidate == "recency"
    with registry._store.client("Testing") as client:
        run = client.get_run(version.run_id)
    assert run.data.params["recency_days"] == "7"  # of 10 days, two are held
    assert run.data.metrics["crps_of_7_days"] > 0
    begin = pd.Timestamp(run.data.params["trained_from"])
    assert begin == END - 3 * DAY - 7 * DAY
    model = registry.load(version)
    assert model.reference.counts["bikes"].sum() <= 7 * 24 * 6


def test_with_too_few_days_for_a_shorter_window_no_candidate_is_trained(
    store, materialize, system_id, tracking
):
    store(11)
    config = tiny(MODELS[0])
    config["ops"][MODELS[0]]["config"]["recency"] = True
    with pytest.raises(dg.Failure, match=r"to choose a shorter window, 9 are needed"):
        materialize(MODELS[:1], KEY, config=config)
    assert tracking.registry().versions(system_id) == []


def test_systems_that_are_not_asked_for_are_not_trained(store, materialize, system_id, tracking):
    store(11)
    config = tiny(MODELS[0])
    config["ops"][MODELS[0]]["config"]["systems"] = ["another"]
    with pytest.raises(dg.Failure, match="No model was made"):
        materialize(MODELS[:1], KEY, config=config)
    assert tracking.registry().versions(system_id) == []


def test_what_the_retraining_sensor_asks_for_makes_another_candidate_and_has_it_judged(
    store, warehouse, system_id, tracking, postgres_url
):
    store(13)
    now = END + HOUR
    query = "INSERT INTO model_event VALUES (%s, %s, 'retraining', '1', NULL, %s, '-', %s)"
    with warehouse.connection() as connection:
        connection.execute(query, [system_id, now, END, f'{{"day": "{KEY}"}}'])
    resources = {"io_manager": PostgresIOManager(url=postgres_url), "tracking": tracking}
    defs = build_definitions(resources)
    context = dg.build_sensor_context(
        repository_def=defs.get_repository_def(), resources={"io_manager": resources["io_manager"]}
    )
    [request] = retraining_sensor_at(lambda: now).evaluate_tick(context).run_requests
    for model in MODELS:  # the same, in seconds
        request.run_config["ops"][model]["config"] |= tiny(model)["ops"][model]["config"]
    result = defs.resolve_job_def("training_job").execute_in_process(
        run_config={**request.run_config, **QUIET},
        partition_key=request.partition_key,
        tags=request.tags,
    )
    assert result.success
    registry = tracking.registry()
    assert {version.candidate for version in registry.versions(system_id)} == {"recency"}
    decided = "SELECT challenger FROM champion_decision WHERE system_id = %(system)s"
    [challenger] = warehouse.frame(decided, {"system": system_id})["challenger"]
    assert registry.version(system_id, challenger).trained_for == (END - DAY).date()
