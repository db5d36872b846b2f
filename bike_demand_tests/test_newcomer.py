"""What a newcomer types, with real processes: `make demo`, `dagster dev`, `make dev`."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from bike_demand.storage import embedded

ROOT = Path(__file__).parents[1]
PARTITION = "2026-01-05"
PATIENCE_S = 180  # for a busy machine; an idle one needs a tenth


@pytest.fixture
def home(tmp_path) -> Iterator[Path]:
    """A data directory with a space in its name; its server is stopped afterwards."""
    directory = tmp_path / "data directory"
    yield directory
    embedded.stop(directory / "postgres")


@pytest.fixture
def environment(home) -> dict[str, str]:
    """An environment as after activating the virtual environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "BIKE_DEMAND_HOME": str(home), "PATH": path, "COLUMNS": "120"}


def test_make_demo_prints_the_rows_it_read_back(environment):
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("`make demo` would install: the tests run in another environment than .venv")
    done = subprocess.run(
        ["make", "demo"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^24 rows written in [\d.]+ s", done.stdout, re.MULTILINE)
    assert (
        len(re.findall(r"^ citibike_nyc +\d{4}-\d\d-\d\d \d\d:00Z", done.stdout, re.MULTILINE))
        == 24
    )
    assert "Warning" not in done.stderr


def test_dagster_dev_materialises_a_partition_and_knows_it_after_a_reboot(environment, home):
    # As typed by hand, right after set-up.
    with serving(["dagster", "dev"], environment) as dagster:
        assets = dagster("{ assetNodes { assetKey { path } } }")["assetNodes"]
        assert {"assetKey": {"path": ["local_calendar"]}} in assets
        backfill = dagster(LAUNCH)["launchPartitionBackfill"]
        assert "backfillId" in backfill, backfill
        until(lambda: statuses(dagster) == ["SUCCESS"], "the run succeeds")

    # The machine goes down without warning.
    server = embedded.running(home / "postgres")
    assert server is not None
    [postmaster] = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(home / "postgres") in " ".join(process.info["cmdline"] or [])
    ]
    postmaster.kill()

    with serving(["bike-demand", "dev"], environment) as dagster:
        assert statuses(dagster) == ["SUCCESS"]
        events = dagster(MATERIALIZATIONS)["assetOrError"]["assetMaterializations"]
        assert [event["partition"] for event in events] == [PARTITION]
        labels = {entry["label"] for entry in events[0]["metadataEntries"]}
        assert {"window", "bytes", "dagster/partition_row_count"} <= labels
        logs = list((home / "logs").rglob("*.err"))
        assert logs, "compute logs are kept in the data directory"
    assert not list(ROOT.glob(".tmp_dagster_home*"))


LAUNCH = f"""mutation {{
  launchPartitionBackfill(backfillParams: {{
    assetSelection: [{{path: ["local_calendar"]}}], partitionNames: ["{PARTITION}"]
  }}) {{
    __typename
    ... on LaunchBackfillSuccess {{ backfillId }}
    ... on PythonError {{ message }}
  }}
}}"""
MATERIALIZATIONS = """{
  assetOrError(assetKey: {path: ["local_calendar"]}) {
    ... on Asset { assetMaterializations { partition metadataEntries { label } } }
  }
}"""


def statuses(dagster) -> list[str]:
    found = dagster("{ runsOrError { ... on Runs { results { status } } } }")
    return [run["status"] for run in found["runsOrError"]["results"]]


@contextmanager
def serving(command: list[str], environment: dict[str, str]):
    """Run the web server, give a function that queries it, and end it as Ctrl-C does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def query(text: str) -> dict:
        answer = requests.post(
            f"http://127.0.0.1:{port}/graphql", json={"query": text}, timeout=60
        ).json()
        assert not answer.get("errors"), answer
        return answer["data"]

    def answers() -> bool:
        assert process.poll() is None, f"{command} ended with {process.returncode}"
        try:
            return bool(query("{ version }"))
        except requests.ConnectionError:
            return False

    try:
        until(answers, f"{command} answers")
        yield query
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def until(condition, what: str) -> None:
    """Poll other processes until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.25)
