"""The process that asks champions: how it ends, and what it says when nothing answers."""

import subprocess
import sys

import psutil
import pytest

from bike_demand import demo_city
from bike_demand.serving.what_if_process import COMMAND, Worker
from bike_demand.storage import embedded
from bike_demand.storage.reader import admit
from bike_demand.storage.warehouse import Warehouse
from bike_demand_tests.processes import until

QUESTION = {
    "system_id": "a",
    "station_id": "s1",
    "observations": [
        {
            "observed_at": "2026-05-01T12:00:00Z",
            "num_bikes_available": 3,
            "num_ebikes_available": None,
            "num_docks_available": None,
        }
    ],
    "hours": 1,
}


@pytest.fixture
def settings(monkeypatch, tmp_path, closed_port):
    """Of a database that does not answer."""
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    monkeypatch.setenv(
        "BIKE_DEMAND_POSTGRES_URL", f"postgresql://me:hidden-word@127.0.0.1:{closed_port}/db"
    )
    systems = '[{"system_id": "a", "timezone": "Europe/Berlin"}]'
    monkeypatch.setenv("BIKE_DEMAND_SYSTEMS", systems)


def test_it_ends_when_nobody_holds_its_input(settings):
    """So it does not outlive a server that was killed."""
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        process.stdin.close()
        assert process.wait(60) == 0
        assert process.stdout.read() == b""


def test_it_does_not_outlive_a_server_that_is_killed(settings):
    program = (
        "import os, signal\n"
        "from bike_demand.serving.what_if_process import Worker\n"
        "worker = Worker()\n"
        "print(worker._running().pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as server:
        worker = int(server.stdout.readline())
    until(lambda: not psutil.pid_exists(worker) or _ended(worker), "it ends")


def _ended(pid):
    """A process that nobody has waited for is still in the list."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_what_does_not_answer_is_a_problem_without_a_secret(settings, capfd):
    worker = Worker(seconds=240)
    try:
        for _ in range(2):
            told = worker.ask(QUESTION)
            assert told["problem"]["kind"] == "model-unavailable"
    finally:
        worker.close()
    said = capfd.readouterr()
    assert "hidden-word" not in str(told) + said.out + said.err


def test_what_fails_is_told_by_its_place_alone(monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", "mysql://me:hidden-word@host/db")
    worker = Worker(seconds=240)
    try:
        told = worker.ask(QUESTION)
    finally:
        worker.close()
    assert told["problem"]["kind"] == "what-if-failed"
    said = capfd.readouterr()
    assert "What-if failed: InvalidSettingsError" in said.err
    assert "hidden-word" not in str(told) + said.out + said.err


def asked_once(question):
    worker = Worker(seconds=240)
    try:
        return worker.ask(question)["problem"]
    finally:
        worker.close()


def test_the_simulated_city_is_asked_of_too_which_is_in_no_settings(
    monkeypatch, tmp_path, postgres_url
):
    (tmp_path / demo_city.SYSTEM_ID).mkdir()
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", postgres_url)
    assert asked_once(QUESTION)["kind"] == "unknown-system"
    assert asked_once(QUESTION | {"system_id": demo_city.SYSTEM_ID})["kind"] == "no-champion"


def test_models_are_in_the_embedded_postgres_though_the_reader_may_not_read_them(
    monkeypatch, settings, tmp_path
):
    directory = tmp_path / "postgres"
    url = embedded.ensure_running(directory).url("bike_demand")
    try:
        admit(Warehouse(lambda: url), "a word", "reader")
        reads = url.set(username="reader", password="a word")  # noqa: S106
        monkeypatch.delenv("BIKE_DEMAND_POSTGRES_URL")
        told = reads.render_as_string(hide_password=False)
        monkeypatch.setenv("BIKE_DEMAND_SERVING_POSTGRES_URL", told)
        assert asked_once(QUESTION)["kind"] == "no-champion"
    finally:
        embedded.stop(directory)
