"""What a newcomer types, with real processes: `make demo`, `dagster dev`, `make dev`."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from bike_demand.client import CityForecast, Client, UnreachableError
from bike_demand.simulation.city import City
from bike_demand.simulation.clock import Clock
from bike_demand.simulation.misbehaviour import Misbehaviour
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.server import CityServer
from bike_demand.storage import embedded
from bike_demand_tests.processes import activated, end_all_of, serving, until
from bike_demand_tests.storage.test_embedded import postmasters

ROOT = Path(__file__).parents[1]
PARTITION = "2026-01-05"


@pytest.fixture
def home(tmp_path) -> Iterator[Path]:
    """A data directory with a space in its name; its server is stopped afterwards."""
    directory = tmp_path / "data directory"
    yield directory
    end_all_of(directory)


@pytest.fixture
def environment(home) -> dict[str, str]:
    """An environment as after activating the virtual environment."""
    return {**activated(home), "COLUMNS": "120"}


def test_make_demo_brings_in_a_city_and_make_dev_goes_on_with_it(environment, home):
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("`make demo` would install: the tests run in another environment than .venv")
    began = datetime.now(UTC)
    done = subprocess.run(
        ["make", "demo"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    told = dict(re.findall(r"^ (\w[\w ]*?)  +(\S.*?) *$", done.stdout, re.MULTILINE))
    assert told["stations"] == "300"
    assert int(told["ticks of 15 minutes"].replace(",", "")) > 28 * 96
    assert told["records rejected"] == "0"
    last = datetime.strptime(told["last tick"] + "+0000", "%Y-%m-%d %H:%M UTC%z")
    assert began - timedelta(minutes=15) < last <= datetime.now(UTC)
    assert told["rows of weather"] == "49"
    assert (home / "demo.png").read_bytes().startswith(b"\x89PNG")
    skill = re.findall(
        r"^ (\d+) h +[\d.]+ +[\d.]+ \(\w+\) +([+-][\d.]+)%", done.stdout, re.MULTILINE
    )
    assert [int(hours) for hours, _ in skill] == [1, 3, 6, 12, 24]
    assert all(float(percent) > 0 for _, percent in skill)
    assert "There was no champion." in done.stdout
    assert "Stations that may be empty for an hour within 6 h" in done.stdout
    assert "by champion, version" in done.stdout

    with serving(["bike-demand", "dev"], environment) as dagster:
        # What the demo did is there to see; what has become due since may be at it already.
        assert "SUCCESS" in statuses(dagster)
        assert not {"FAILURE", "CANCELED"} & set(statuses(dagster))
        found = dagster(SCHEDULES)["schedulesOrError"]["results"]
        assert {entry["scheduleState"]["status"] for entry in found} == {"RUNNING"}
        assert len(beside(dagster.pid, "simulate")) == 1
        [api] = beside(dagster.pid, "serve")
        words = api.cmdline()
        served = Client(f"http://127.0.0.1:{words[words.index('--port') + 1]}")
        assert until(lambda: forecast_of(served), "the API answers").role == "champion"
    for word in ("simulate", "serve"):
        until(lambda word=word: not beside(dagster.pid, word), f"what is told to {word} ends, too")
    founded = (home / "simulated_city" / "founded").read_text()
    assert (home / "simulated_city" / f"from_{founded[:10]}.parquet").exists()


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
    [postmaster] = postmasters(home / "postgres")
    postmaster.kill()

    with serving(["bike-demand", "dev"], environment) as dagster:
        # The simulated city is in the database at the first look, and the run of before.
        runs = [(run["status"], run["jobName"]) for run in all_runs(dagster)]
        assert {("SUCCESS", "stations_job"), ("SUCCESS", "weather_job")} <= set(runs)
        assert not {"FAILURE", "CANCELED"} & {status for status, _ in runs}
        events = dagster(MATERIALIZATIONS)["assetOrError"]["assetMaterializations"]
        assert [event["partition"] for event in events] == [PARTITION]
        labels = {entry["label"] for entry in events[0]["metadataEntries"]}
        assert {"window", "bytes", "dagster/partition_row_count"} <= labels
        logs = list((home / "logs").rglob("*.err"))
        assert logs, "compute logs are kept in the data directory"


def test_make_dev_leaves_a_configured_feed_to_its_operator(environment, home):
    home.mkdir()
    (home / "settings.toml").write_text(f'gbfs_url = "{UNREACHABLE}"\n')
    with serving(["bike-demand", "dev"], environment) as dagster:
        assert statuses(dagster) == []
        found = dagster(SCHEDULES)["schedulesOrError"]["results"]
        assert {entry["scheduleState"]["status"] for entry in found} == {"STOPPED"}
    assert not (home / "simulated_city").exists()


def test_a_run_whose_process_is_killed_is_tried_once_more(environment, home):
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    city = City(Plan(hour, stations=5))
    with CityServer(city, Clock(), wrong=Misbehaviour(slow=60)) as feeds:
        home.mkdir()
        (home / "settings.toml").write_text(f'gbfs_url = "{feeds.gbfs_url}"\n')
        with serving(["bike-demand", "dev"], environment) as dagster:
            launched = dagster(LAUNCH_STATION_INFORMATION)["launchRun"]
            assert "run" in launched, launched
            until(lambda: process_of_run(dagster), "the run's process starts")
            feeds.misbehaviour = Misbehaviour()
            psutil.Process(process_of_run(dagster)).kill()
            until(lambda: "SUCCESS" in statuses(dagster), "the second run succeeds")
            assert sorted(statuses(dagster)) == ["FAILURE", "SUCCESS"]


UNREACHABLE = "http://127.0.0.1:9/gbfs.json"
SCHEDULES = """{
  schedulesOrError(
    repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "bike_demand"}
  ) { ... on Schedules { results { name scheduleState { status } } } }
}"""
LAUNCH = f"""mutation {{
  launchPartitionBackfill(backfillParams: {{
    assetSelection: [{{path: ["local_calendar"]}}], partitionNames: ["{PARTITION}"]
  }}) {{
    __typename
    ... on LaunchBackfillSuccess {{ backfillId }}
    ... on PythonError {{ message }}
  }}
}}"""
LAUNCH_STATION_INFORMATION = """mutation {
  launchRun(executionParams: {
    mode: "default"
    selector: {
      repositoryLocationName: "bike_demand", repositoryName: "__repository__"
      pipelineName: "__ASSET_JOB", assetSelection: [{path: ["station_information"]}]
    }
  }) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""
ENGINE_EVENTS = """{
  runsOrError { ... on Runs { results { eventConnection { events {
    ... on EngineEvent { metadataEntries { label ... on TextMetadataEntry { text } } }
  } } } } }
}"""
MATERIALIZATIONS = """{
  assetOrError(assetKey: {path: ["local_calendar"]}) {
    ... on Asset { assetMaterializations { partition metadataEntries { label } } }
  }
}"""


def all_runs(dagster) -> list[dict]:
    found = dagster("{ runsOrError { ... on Runs { results { status jobName } } } }")
    return found["runsOrError"]["results"]


def statuses(dagster) -> list[str]:
    return [run["status"] for run in all_runs(dagster)]


def process_of_run(dagster) -> int | None:
    """Number of the process of the only run, once it executes."""
    [run] = dagster(ENGINE_EVENTS)["runsOrError"]["results"]
    entries = [
        entry
        for event in run["eventConnection"]["events"]
        for entry in event.get("metadataEntries", [])
    ]
    return next((int(entry["text"]) for entry in entries if entry["label"] == "pid"), None)


def beside(parent: int, word: str) -> list[psutil.Process]:
    """Processes that do something of ours and were told to end with this one."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if ["--parent", str(parent)] == (process.info["cmdline"] or [])[-2:]
        and word in process.info["cmdline"]
    ]


def forecast_of(api: Client) -> CityForecast | None:
    """Of the whole city; None as long as it does not answer."""
    with suppress(UnreachableError):
        return api.city()
    return None
