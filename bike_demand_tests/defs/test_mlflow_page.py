"""`bike-demand mlflow`: MLflow's page, on the database of models."""

import os
import subprocess
import sys

import psutil
import pytest
import requests
from click.testing import CliRunner

from bike_demand.cli import main
from bike_demand_tests.processes import until


@pytest.fixture
def page(tracking, closed_port):
    """MLflow's server as the command becomes it: its address and its process."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "from bike_demand.cli import main; main()"),
            *("mlflow", "--port", str(closed_port)),
        ],
        env={
            **os.environ,
            "BIKE_DEMAND_HOME": tracking.home,
            "BIKE_DEMAND_POSTGRES_URL": tracking.url,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    family = psutil.Process(process.pid)
    yield f"http://127.0.0.1:{closed_port}", family
    members = [*family.children(recursive=True), family]
    for member in members:
        member.kill()
    process.wait()
    psutil.wait_procs(members)


def is_up(address):
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except requests.RequestException:
        return False


def test_the_page_opens_and_no_process_shows_the_password(page, tracking):
    address, family = page
    until(lambda: is_up(address), "MLflow's page")
    assert "MLflow" in requests.get(address, timeout=30).text
    password = tracking.url.partition("://")[2].partition("@")[0].partition(":")[2]
    members = [family, *family.children(recursive=True)]
    assert password
    assert all(password not in " ".join(member.cmdline()) for member in members)


def test_where_a_server_is_set_its_address_is_told_without_its_password(monkeypatch, tmp_path):
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@models.example.org/mlflow")
    told = CliRunner().invoke(main, ["mlflow"]).output
    assert "https://models.example.org/mlflow" in told
    assert "secret" not in told
