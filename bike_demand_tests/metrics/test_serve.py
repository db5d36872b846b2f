"""`bike-demand metrics`: asked by HTTP, as Prometheus does."""

import os
import signal
import socket
import subprocess
import sys

import pytest
import requests

from bike_demand_tests.metrics.conftest import numbers
from bike_demand_tests.processes import ROOT, free_ports, until
from bike_demand_tests.prometheus import promtool

COMMAND = [sys.executable, "-c", "from bike_demand.cli import main; main()", "metrics"]


@pytest.fixture
def environment(pipeline):
    """Of processes: what the pipeline has set."""
    return {**os.environ}


@pytest.fixture
def served(environment, closed_port):
    """The command: its address and its process."""
    process = subprocess.Popen(
        [*COMMAND, "--port", str(closed_port)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield f"http://127.0.0.1:{closed_port}/metrics", process
    process.kill()
    process.communicate()


def scraped(address):
    try:
        return requests.get(address, timeout=60)
    except requests.ConnectionError:
        return None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_stored_is_told_by_http_and_a_signal_ends_it(served, filled, number):
    address, process = served
    answer = until(lambda: scraped(address), "the first scrape")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    found = numbers(answer.text)
    assert all(value == 1 for value in found["up"].values())
    assert found["champion_info"] == {("a", "7"): 1}
    process.send_signal(number)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert address in told


def test_a_scrape_is_as_promtool_wants_it(served, filled):
    address, _ = served
    answer = until(lambda: scraped(address), "the first scrape")
    promtool("check", "metrics", told=answer.text)


def test_without_its_database_it_starts_and_answers_all_the_same(environment, request):
    [elsewhere] = free_ports(1)
    url = f"postgresql://nobody:secret-word@127.0.0.1:{elsewhere}/none"
    environment["BIKE_DEMAND_POSTGRES_URL"] = url
    address, process = request.getfixturevalue("served")
    answer = until(lambda: scraped(address), "the first scrape")
    assert answer.status_code == 200
    assert set(numbers(answer.text)["up"].values()) == {0}
    process.terminate()
    told, _ = process.communicate(timeout=60)
    assert "No numbers of the warehouse" in told
    assert "secret-word" not in answer.text + told


def test_a_port_that_is_taken_is_told_in_a_line(environment, closed_port):
    with socket.create_server(("127.0.0.1", closed_port)):
        done = subprocess.run(
            [*COMMAND, "--port", str(closed_port)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"Port {closed_port} of 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr
