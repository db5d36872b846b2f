"""Where MLflow is: made by whoever comes first, down, no MLflow, moved; and no secret is told."""

import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import uuid4

import mlflow
import psycopg
import psycopg2
import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2

from bike_demand import settings
from bike_demand.registry import RegistryError, RegistryUnavailableError, open_registry, store
from bike_demand.registry.store import EXPERIMENT, Store
from bike_demand.settings import Settings
from bike_demand.storage import databases
from bike_demand.storage.databases import Database

SECRET = "hidden-word"  # noqa: S105
SOON_S = 15
MLFLOW = Database.MLFLOW


def url_of(server, name=None):
    return server.url(name or f"w_{uuid4().hex}").render_as_string(hide_password=False)


@pytest.fixture
def postgres(server, tmp_path):
    """A place of its own, which nobody has used."""
    return Store(None, url_of(server), tmp_path)


@pytest.fixture
def shared(place):
    """The place that other tests use, too."""
    return Store(None, place.revealed_postgres_url(), place.home)


def refused(place, kind):
    """What is said, and that it is said soon."""
    began = time.monotonic()
    with pytest.raises(kind) as told, place.client("Asking for nothing") as client:
        client.search_experiments()
    assert time.monotonic() - began < SOON_S
    assert SECRET not in str(told.value)
    assert str(told.value).startswith("Asking for nothing: ")
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__
    return str(told.value)


COMMAND = """
import sys
from bike_demand.registry import open_registry
from bike_demand.settings import load
registry = open_registry(load())
from mlflow.telemetry.utils import is_telemetry_disabled
assert is_telemetry_disabled()
print("ready", flush=True)
sys.stdin.readline()
print(registry.champion("nyc"))
"""


def test_processes_that_come_first_together_make_one_store_in_silence(server, tmp_path):
    folder = tmp_path / "working directory"
    folder.mkdir()
    users = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    users |= {"BIKE_DEMAND_POSTGRES_URL": url_of(server), "PYTHONWARNINGS": "error"}

    def start(machine):  # as if on several: with one folder for locks MLflow is safe by itself
        (tmp_path / machine).mkdir()
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND],
            env={**users, "TMPDIR": str(tmp_path / machine)},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    started = [start("one"), start("other")]
    assert [process.stdout.readline() for process in started] == ["ready\n"] * 2
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate() for process in started] == [("None\n", "")] * 2
    assert [*folder.iterdir()] == []  # no mlruns, no mlflow.db


def test_threads_that_come_first_together_make_one_experiment(postgres):
    with ThreadPoolExecutor(4) as pool:
        found = [task.result() for task in [pool.submit(postgres.experiment_id) for _ in range(4)]]
    assert len(set(found)) == 1


def test_files_are_kept_in_the_data_directory(postgres, tmp_path):
    with postgres.in_use("Testing"), mlflow.start_run():
        mlflow.log_text("hello", "greeting.txt")
    [file] = tmp_path.rglob("greeting.txt")
    assert file.is_relative_to(tmp_path / "mlflow")
    with postgres.client("Testing") as client:
        assert client.get_experiment("0").artifact_location == f"{tmp_path.as_uri()}/mlflow/0"


def test_tables_of_an_earlier_mlflow_are_brought_up_to_date(server, tmp_path):
    url = url_of(server)
    database = databases.database_url(databases.locate(url, tmp_path), MLFLOW)
    databases.create_if_missing(database)
    before = made_by_an_earlier_mlflow(database)
    assert Store(None, url, tmp_path).experiment_id() == "1"
    assert revision(database) > ""
    assert revision(database) != before


def made_by_an_earlier_mlflow(database):
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils
    from mlflow.store.tracking.dbmodels.initial_models import Base

    engine = utils.create_sqlalchemy_engine(database.render_as_string(hide_password=False))
    config = utils._get_alembic_config(str(engine.url))
    before = ScriptDirectory.from_config(config).get_revision("head").down_revision
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, before)
    engine.dispose()
    assert revision(database) == before
    return before


def revision(database):
    with databases.connect(database) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_tables_of_a_later_mlflow_are_refused(server, tmp_path):
    url = url_of(server)
    Store(None, url, tmp_path).experiment_id()
    database = databases.database_url(databases.locate(url, tmp_path), MLFLOW)
    with databases.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of_2049'")
    with pytest.raises(RegistryError, match=r"another MLflow than .*3\.17"):
        Store(None, url, tmp_path).experiment_id()


def test_a_database_that_is_down_is_told_soon(tmp_path, closed_port):
    down = Store(None, f"postgresql://me:{SECRET}@127.0.0.1:{closed_port}/bikes", tmp_path)
    assert f"127.0.0.1:{closed_port}/bikes_mlflow" in refused(down, RegistryUnavailableError)


def test_a_database_that_refuses_the_password_is_told_without_it(server, tmp_path):
    url = server.url("bikes").set(password=SECRET).render_as_string(hide_password=False)
    said = refused(Store(None, url, tmp_path), RegistryUnavailableError)
    assert "password authentication failed" in said


def test_a_database_that_goes_down_later_is_unavailable(postgres, monkeypatch):
    def connect(*_, **__):
        raise psycopg2.OperationalError("the server closed the connection")

    def lost():
        with postgres.client("Testing") as client:
            monkeypatch.setattr(client._tracking_client.store.engine.dialect, "connect", connect)
            client.search_experiments()

    with pytest.raises(RegistryUnavailableError, match="MLflow in Postgres does not answer"):
        lost()


@pytest.mark.parametrize("user", [f"me:{SECRET}@", f"me:{SECRET}%20%40%2F@", f"{SECRET}@"])
def test_a_server_that_is_down_is_told_soon_and_without_what_logs_in(tmp_path, closed_port, user):
    down = Store(f"http://{user}127.0.0.1:{closed_port}", None, tmp_path)
    said = refused(down, RegistryUnavailableError)
    assert f"MLflow at http://127.0.0.1:{closed_port} does not answer" in said
    with pytest.raises(RegistryUnavailableError), down.in_use("Recording"):
        pytest.fail("nothing can be recorded")


def test_a_server_that_says_nothing_is_told_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "PATIENCE_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        said = refused(Store(f"http://127.0.0.1:{port}", None, tmp_path), RegistryUnavailableError)
    assert "timeout" in said


class Answers(BaseHTTPRequestHandler):
    """Speaks HTTP, but is no MLflow: /health has one status, and all else another."""

    health, rest = 200, 200

    def do_GET(self):
        self.send_response(self.health if self.path == "/health" else self.rest)
        self.end_headers()
        self.wfile.write(b"<html>")

    do_POST = do_GET  # noqa: N815  # as the library calls it

    def log_message(self, *_):
        pass


@pytest.fixture
def no_mlflow(tmp_path):
    """A server, whose class is to say what it answers."""
    handler = type("Handler", (Answers,), {})
    with HTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        handler.place = Store(
            f"http://me:{SECRET}@127.0.0.1:{listening.server_port}", None, tmp_path
        )
        yield handler
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("health", "rest", "kind"),
    [
        (503, 200, RegistryUnavailableError),
        (200, 503, RegistryUnavailableError),
        (200, 401, RegistryError),
        (404, 404, RegistryError),
        (200, 200, RegistryError),
    ],
)
def test_a_server_that_is_ill_may_get_well_and_one_that_refuses_does_not(
    no_mlflow, monkeypatch, health, rest, kind
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    no_mlflow.health, no_mlflow.rest = health, rest
    refused(no_mlflow.place, kind)


def test_what_mlflow_raises_where_it_moves_files_is_told_without_what_logs_in(no_mlflow):
    no_mlflow.rest = 404
    answer = requests.get(f"{no_mlflow.place._server}/file", timeout=9)
    with (
        pytest.raises(RegistryError, match="404 Client Error") as told,
        no_mlflow.place.client("Testing"),
    ):
        answer.raise_for_status()
    assert SECRET not in str(told.value)


def test_a_data_directory_that_was_moved_is_told_with_a_remedy_that_works(server, tmp_path):
    url, before, after = url_of(server), tmp_path / "before", tmp_path / "after"
    before.mkdir()
    with Store(None, url, before).in_use("Testing"), mlflow.start_run():
        mlflow.log_text("hello", "greeting.txt")
    before.rename(after)
    moved = Store(None, url, after)
    with pytest.raises(RegistryError, match="ln -s") as told:
        moved.experiment_id()
    remedy = str(told.value).partition("ln -s ")[2].partition(". For")[0]
    before.mkdir()
    subprocess.run(["ln", "-s", *remedy.split()], check=True)
    assert moved.experiment_id() == "1"


def test_an_experiment_with_a_place_of_its_own_is_left_where_it_is(server, tmp_path):
    url = url_of(server)
    with Store(None, url, tmp_path).client("Testing") as client:
        client.create_experiment(EXPERIMENT, artifact_location="s3://bucket/models")
    assert Store(None, url, tmp_path).experiment_id() == "1"


@pytest.fixture
def somebody(server, monkeypatch):
    """Uses MLflow already: with a place, an experiment, a run that is active, and variables."""
    database = databases.database_url(databases.locate(url_of(server), None), MLFLOW)
    databases.create_if_missing(database)
    uri = database.render_as_string(hide_password=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://theirs.example")
    monkeypatch.setenv("MLFLOW_RUN_ID", "f" * 32)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", uri)
    monkeypatch.setattr("mlflow.tracking._model_registry.utils._registry_uri", "databricks")
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
    client = mlflow.MlflowClient(uri)
    run = client.create_run("0")
    with mlflow.start_run(run.info.run_id):
        monkeypatch.setenv("MLFLOW_RUN_ID", "f" * 32)
        yield client
    monkeypatch.undo()


def remembered():
    from mlflow.tracking import fluent

    variables = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
    runs = [run.info.run_id for run in fluent._active_run_stack.get()]
    last = fluent._last_active_run_id.get(), fluent._last_logged_model_id.get()
    places = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    return places, fluent._active_experiment_id, runs, last, variables


@pytest.mark.parametrize("failure", [None, ValueError, KeyboardInterrupt])
def test_what_somebody_does_with_mlflow_goes_on_undisturbed(shared, somebody, failure):
    before = remembered()
    theirs = mlflow.active_run().info.run_id
    try:
        with shared.in_use("Testing"):
            assert mlflow.active_run() is None
            assert mlflow.get_registry_uri() == mlflow.get_tracking_uri()
            with mlflow.start_run() as run:
                mlflow.log_param("ours", 1)
                assert run.info.run_id not in {theirs, "f" * 32}
                assert mlflow.get_experiment(run.info.experiment_id).name == EXPERIMENT
                if failure is not None:
                    raise failure
    except (ValueError, KeyboardInterrupt):
        assert failure is not None
    assert remembered() == before
    assert somebody.get_run(theirs).data.params == {}
    assert somebody.get_run(theirs).info.status == "RUNNING"


def test_nothing_is_left_in_a_process_that_has_not_used_mlflow(shared, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = remembered()[1:]  # without a place, which MLflow would make up
    with shared.in_use("Testing"), mlflow.start_run():
        pass
    assert remembered()[1:] == before
    assert not mlflow.is_tracking_uri_set()


def test_threads_record_one_after_the_other(shared):
    def record(name):
        with shared.in_use("Testing"), mlflow.start_run(run_name=name) as run:
            mlflow.log_param("name", name)
        return run.info.run_id

    names = ["one", "two", "three"]
    with ThreadPoolExecutor(3) as pool:
        ids = [*pool.map(record, names)]
    with shared.client("Testing") as client:
        assert [client.get_run(run_id).data.params["name"] for run_id in ids] == names


def test_neither_settings_nor_child_processes_see_where_mlflow_is(shared, place, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    password = databases.locate(place.revealed_postgres_url(), place.home).password
    with shared.in_use("Testing"), mlflow.start_run():
        assert settings.load(place.home).mlflow_tracking_uri is None
        assert not any(password in value for value in os.environ.values())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://theirs.example")
    with shared.in_use("Testing"):
        told = settings.load(place.home).revealed_mlflow_tracking_uri()
    assert told == "http://theirs.example"


def test_errors_of_the_body_that_are_not_mlflows_are_left_as_they_are(shared, closed_port):
    with pytest.raises(requests.ConnectionError), shared.in_use("Testing"):
        requests.get(f"http://127.0.0.1:{closed_port}", timeout=1)
    with pytest.raises(psycopg.OperationalError), shared.in_use("Testing"):
        raise psycopg.OperationalError("of the warehouse")


def test_errors_of_mlflow_in_the_body_are_ours(shared):
    with (
        pytest.raises(RegistryError, match="Testing: MLflow says: Invalid value"),
        shared.in_use("Testing"),
        mlflow.start_run(),
    ):
        mlflow.log_metric("no/such/../name", 1)


def test_a_registry_is_opened_without_asking_for_anything(tmp_path, closed_port):
    url = f"postgresql://me@127.0.0.1:{closed_port}/bikes"
    place = Settings(home=tmp_path, postgres_url=url, MLFLOW_TRACKING_URI=None)
    assert open_registry(place) is open_registry(place)


def test_an_error_that_stands_for_an_answer_is_no_other():
    with store.tolerated("RESOURCE_DOES_NOT_EXIST"):
        raise MlflowException("gone", error_code=databricks_pb2.RESOURCE_DOES_NOT_EXIST)
    with pytest.raises(MlflowException), store.tolerated("RESOURCE_DOES_NOT_EXIST"):
        raise MlflowException("broken")
