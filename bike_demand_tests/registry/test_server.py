"""An MLflow server of one's own, over HTTP: it keeps all, and never sees who logs in."""

import gzip
import logging
import threading
from datetime import date

import mlflow
import pytest

from bike_demand.registry import RegistryError, open_registry, stored_model
from bike_demand.registry.fluent import environment
from bike_demand.settings import Settings
from bike_demand_tests.registry.small_model import examples

DAY = date(2026, 3, 4)
USER = "somebody:hidden%20word"
SECRETS = ("somebody", "hidden%20word", "hidden word")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The folder of an MLflow server that runs in a thread, and its port."""
    folder = tmp_path_factory.mktemp("mlflow_server")
    own = {
        "FILE_STORE": f"sqlite:///{folder}/runs.db",
        "ARTIFACT_ROOT": "mlflow-artifacts:/",
        "ARTIFACT_DESTINATION": str(folder / "files"),
        "SERVE_ARTIFACTS": "true",
    }
    variables = {f"_MLFLOW_SERVER_{name}": value for name, value in own.items()}
    # The server tells MLflow's functions in its process where it is.
    told = dict.fromkeys(("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"))
    with environment({**variables, **told}), pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", None)
        patch.setattr("mlflow.tracking._model_registry.utils._registry_uri", None)
        from mlflow.server import app
        from werkzeug.serving import make_server

        patch.setattr(logging.getLogger("werkzeug"), "disabled", True)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, server.server_port
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def registry(served, tmp_path_factory):
    uri = f"http://{USER}@127.0.0.1:{served[1]}"
    home = tmp_path_factory.mktemp("no_files_here")
    yield open_registry(Settings(home=home, MLFLOW_TRACKING_URI=uri))
    assert [*home.iterdir()] == []


@pytest.fixture
def published(registry, model, system_id):
    def publish():
        with registry.recording(), mlflow.start_run() as run:
            return registry.publish(
                model,
                system_id=system_id,
                trained_for=DAY,
                examples=examples(9),
                run_id=run.info.run_id,
            )

    return publish


def test_models_are_published_appointed_and_loaded(registry, published, system_id):
    assert registry.champion(system_id) is None
    first, second = published(), published()
    assert registry.versions(system_id) == [second, first]
    registry.appoint(first, None)
    assert registry.appoint(second, "1") == registry.champion(system_id)
    assert registry.champion(system_id).tags["replaced"] == "1"
    assert registry.newest_trained_for(system_id) == DAY
    model, rows = registry.load(first), examples(50)
    assert model is registry.load(first)
    with registry.recording():
        loaded = mlflow.pyfunc.load_model(f"models:/{first.name}/1")
    assert sum(len(part) for part, _ in model.forecast(rows)) == len(rows)
    assert loaded.metadata.signature is not None


def test_a_file_that_is_damaged_or_gone_is_told_without_what_logs_in(registry, published, served):
    known = {*served[0].rglob(stored_model.FILE_NAME)}
    version = published()
    [file] = {*served[0].rglob(stored_model.FILE_NAME)} - known
    file.write_bytes(gzip.compress(b"no pickle"))
    with pytest.raises(RegistryError, match="is damaged"):
        registry.load(version)
    file.unlink()
    with pytest.raises(RegistryError, match="is missing") as told:
        registry.load(version)
    assert not any(secret in str(told.value) for secret in SECRETS)


def test_a_version_that_is_not_there_is_named(registry, published, system_id):
    published()
    with pytest.raises(RegistryError, match=f"version 3 of bike_demand.{system_id}.*not found"):
        registry.version(system_id, "3")


def test_nothing_that_is_kept_or_printed_says_who_logs_in(registry, published, served, capfd):
    version = published()
    registry.load(version)
    with registry._store.client("Testing") as client:
        run = client.get_run(version.run_id).to_dictionary()
        found = client.get_model_version(version.name, version.version)
    files = [file.read_bytes() for file in served[0].rglob("*") if file.is_file()]
    said = capfd.readouterr()
    kept = [str(run), str(dict(found)), said.out, said.err]
    for secret in SECRETS[1:]:  # the user of the machine may well be called like the first
        assert not any(secret in text for text in kept)
        assert not any(secret.encode() in data for data in files)
    assert said.out == said.err == ""
