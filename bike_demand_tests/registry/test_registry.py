"""Models in MLflow: published, found, appointed, loaded; and what cannot be loaded says why."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import mlflow
import numpy as np
import pandas as pd
import pytest

from bike_demand.forecasting.examples import NAMES
from bike_demand.forecasting.outlook import DESCRIBED
from bike_demand.registry import RegistryError, stored_model
from bike_demand.registry.pyfunc import to_frame
from bike_demand.registry.registry import CHAMPION, Registry
from bike_demand.registry.store import Store
from bike_demand_tests.registry.small_model import examples

DAY = date(2026, 3, 4)


@pytest.fixture
def publish(registry, run_id, system_id, model):
    def publish(model=model, *, system_id=system_id, trained_for=DAY):
        return registry.publish(
            model,
            system_id=system_id,
            trained_for=trained_for,
            examples=examples(30),
            run_id=run_id,
        )

    return publish


@pytest.fixture
def fresh(place):
    """Another registry of the same place, which has loaded nothing yet."""
    return Registry(Store(None, place.revealed_postgres_url(), place.home))


@pytest.fixture
def client(registry):
    with registry._store.client("Testing") as client:
        yield client


def file_of(client, version):
    place = client.get_model_version_download_uri(version.name, version.version)
    folder = Path(url2pathname(urlsplit(place).path))
    return folder / "data" / stored_model.FILE_NAME


def told(model, rows):
    """All that a model says of some rows, as one array for each."""
    found = {}
    for numbers, distribution in model.forecast(rows):
        for number, row in zip(numbers, distribution.cumulative, strict=True):
            found[int(number)] = row
    return [found[number] for number in range(len(rows))]


def test_a_system_of_which_nothing_was_published_has_no_champion(registry, system_id):
    assert registry.champion(system_id) is None
    assert registry.versions(system_id) == []
    assert registry.newest_trained_for(system_id) is None


def test_a_version_says_what_it_is(registry, publish, model, run_id, system_id):
    version = publish()
    assert version == registry.version(system_id, "1") == registry.versions(system_id)[0]
    assert version.name == f"bike_demand.{system_id}"
    assert (version.version, version.system_id, version.run_id) == ("1", system_id, run_id)
    assert (version.algorithm, version.feature_version) == ("lightgbm", model.feature_version)
    assert (version.trained_for, version.data_until) == (DAY, model.data_until)
    assert version.data_until.tzinfo is UTC
    assert "lightgbm==" in version.tags["packages"]
    assert str(version) == f"version 1 of bike_demand.{system_id}"


def test_a_version_knows_the_revision_of_the_code_that_has_made_it(publish):
    root = Path(stored_model.__file__).parents[2]
    known = publish().tags.get("git_revision", "")
    assert len(known) == 40 if (root / ".git").exists() else known == ""


@pytest.mark.parametrize("system_id", ["A", "x..y", "gbfs.example.org", "0_a-b.c", "Z" * 63])
def test_every_name_that_a_system_can_have_is_one_for_its_models(registry, publish, system_id):
    version = publish()
    assert registry.appoint(version, None) == registry.champion(system_id)


@pytest.mark.parametrize("algorithm", ["lightgbm", "xgboost"])
def test_a_loaded_model_forecasts_exactly_as_it_did(fresh, publish, models, algorithm):
    rows = examples(100)
    loaded = fresh.load(publish(models[algorithm]))
    assert loaded is not models[algorithm]
    for here, there in zip(told(models[algorithm], rows), told(loaded, rows), strict=True):
        np.testing.assert_array_equal(here, there)


def test_mlflows_own_way_gives_the_same_numbers(registry, publish, model):
    version = publish()
    rows = examples(100)
    with registry.recording():
        loaded = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
    frame = loaded.predict(to_frame(rows).set_axis(range(500, 600), axis=0))
    assert list(frame.columns) == list(DESCRIBED)
    assert list(frame.index) == [*range(500, 600)]
    for numbers, distribution in model.forecast(rows):
        part = frame.iloc[numbers]
        assert (part["bikes"] == distribution.mean()).all()
        quantiles = distribution.quantiles((0.1, 0.5, 0.9))
        assert (part[["p10", "p50", "p90"]] == quantiles).all(axis=None)
        assert (part["p_empty"] == distribution.empty()).all()
        docked = rows.docked[numbers]
        assert (part["p_full"][docked] == distribution.full()[docked]).all()
        assert part["p_full"][~docked].isna().all()


def test_mlflow_shows_what_a_model_is_asked_and_what_has_to_be_installed(registry, publish, client):
    version = publish()
    with registry.recording():
        loaded = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
    example = loaded.input_example
    assert list(example.columns) == [*NAMES, "room", "docked"]
    pd.testing.assert_frame_equal(example, to_frame(examples(30).part(slice(5))), check_dtype=False)
    assert loaded.metadata.signature.inputs.input_names() == list(example.columns)
    pinned = (file_of(client, version).parents[1] / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in pinned] == [
        *("bike-demand", "mlflow", "numpy", "pandas", "lightgbm"),
    ]


def test_a_model_is_an_output_of_its_run(client, publish, run_id):
    version = publish()
    place = client.get_model_version(version.name, version.version).source
    outputs = client.get_run(run_id).outputs.model_outputs
    made = [client.get_logged_model(output.model_id) for output in outputs]
    (logged,) = (model for model in made if model.artifact_location == place)
    assert (logged.name, logged.status, logged.source_run_id) == ("lightgbm", "READY", run_id)


def test_the_champion_is_whichever_version_the_alias_names(registry, publish, client, system_id):
    first, second = publish(), publish()
    assert registry.champion(system_id) is None
    registry.appoint(first, None)
    assert registry.champion(system_id).version == "1"
    registry.appoint(second, "1")
    assert registry.champion(system_id).version == "2"
    client.set_registered_model_alias(first.name, CHAMPION, "1")  # by hand
    assert registry.champion(system_id).version == "1"
    assert registry.champion(f"{system_id}.other") is None


def test_an_appointment_is_noted_with_its_time_and_the_version_replaced(registry, publish):
    before = datetime.now(UTC)
    first = registry.appoint(publish(), None)
    assert before <= datetime.fromisoformat(first.tags["appointed_at"]) <= datetime.now(UTC)
    assert first.tags["replaced"] == ""
    assert registry.appoint(publish(), first.version).tags["replaced"] == "1"
    assert registry.appoint(first, "2").tags["replaced"] == "2"


def test_versions_come_newest_first_by_number(registry, publish, client, system_id):
    version = publish()
    source = client.get_model_version(version.name, version.version).source
    for _ in range(10):
        client.create_model_version(
            version.name, source, version.run_id, {**version.tags, "trained_for": "2026-03-05"}
        )
    numbers = [found.version for found in registry.versions(system_id)]
    assert numbers == [str(number) for number in range(11, 0, -1)]


def test_the_newest_day_is_not_that_of_the_last_model_after_a_backfill(
    registry, publish, system_id
):
    publish(trained_for=date(2026, 3, 9))
    publish(trained_for=date(2026, 2, 1))
    assert registry.newest_trained_for(system_id) == date(2026, 3, 9)


def test_what_others_have_registered_is_left_out_and_refused_as_champion(
    registry, publish, client, system_id
):
    version = publish()
    source = client.get_model_version(version.name, version.version).source
    client.create_model_version(version.name, source, version.run_id)
    assert [found.version for found in registry.versions(system_id)] == ["1"]
    client.set_registered_model_alias(version.name, CHAMPION, "2")
    with pytest.raises(RegistryError, match=r"Version 2 of .* was not published by bike_demand"):
        registry.champion(system_id)


def test_a_champion_that_was_deleted_is_none(registry, publish, client, system_id):
    version = registry.appoint(publish(), None)
    client.delete_model_version(version.name, version.version)
    assert registry.champion(system_id) is None


def test_a_version_that_is_not_there_is_named(registry, publish, system_id):
    publish()
    with pytest.raises(RegistryError, match=rf"version 7 of bike_demand\.{system_id}.*not found"):
        registry.version(system_id, "7")


def test_a_model_whose_file_is_gone_says_where_it_was(fresh, publish, client):
    version = publish()
    file = file_of(client, version)
    file.unlink()
    with pytest.raises(RegistryError, match=r"Loading version 1 .* is missing.* Materialise"):
        fresh.load(version)
    file.parent.rmdir()
    with pytest.raises(RegistryError, match=stored_model.FILE_NAME):
        fresh.load(version)


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: b"x" * 99, lambda data: data[:-9]]
)
def test_a_model_whose_file_is_damaged_says_so(fresh, publish, client, damage):
    version = publish()
    file = file_of(client, version)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(RegistryError, match=r"Loading version 1 .* damaged.* made with .*lightgbm"):
        fresh.load(version)


def test_a_model_of_other_features_is_refused_with_both_versions(fresh, publish, model):
    version = publish(replace(model, feature_version="0"))
    with pytest.raises(RegistryError, match=r"features of version 0, and .* version \d"):
        fresh.load(version)


def test_a_model_that_code_of_another_shape_has_stored_is_refused(fresh, publish, model):
    older = pickle.loads(pickle.dumps(model))  # noqa: S301  # our own
    del older.groups[1].members[0].__dict__["full"]
    with pytest.raises(RegistryError, match="another version of bike_demand"):
        fresh.load(publish(older))


def test_a_file_that_holds_something_else_is_refused(tmp_path):
    with pytest.raises(RegistryError, match="another version of bike_demand"):
        stored_model.read(stored_model.write(["no model"], tmp_path))


def test_a_model_is_loaded_once_however_many_ask(fresh, publish, monkeypatch):
    version = publish()
    read, reads, together = stored_model.read, [], threading.Barrier(4)
    monkeypatch.setattr(stored_model, "read", lambda path: reads.append(path) or read(path))

    def load():
        together.wait()
        return fresh.load(version)

    with ThreadPoolExecutor(4) as pool:
        loaded = [task.result() for task in [pool.submit(load) for _ in range(4)]]
    assert len(reads) == 1
    assert {id(each) for each in loaded} == {id(loaded[0])}


def test_a_model_that_could_not_be_stored_is_no_version(
    registry, publish, client, run_id, system_id, monkeypatch
):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(mlflow.MlflowClient, "log_model_artifacts", full)
    with pytest.raises(OSError, match="No space"):
        publish()
    assert registry.versions(system_id) == []
    run = client.get_run(run_id)
    [newest, *_] = client.search_logged_models([run.info.experiment_id])
    assert (newest.source_run_id, newest.status) == (run_id, "FAILED")


def test_first_models_that_come_at_once_are_two_versions(publish):
    with ThreadPoolExecutor(2) as pool:
        made = [task.result() for task in [pool.submit(publish) for _ in range(2)]]
    assert {version.version for version in made} == {"1", "2"}


def test_models_are_published_while_a_run_records(registry, publish, system_id):
    with registry.recording(), mlflow.start_run():
        assert publish() == registry.version(system_id, "1")
