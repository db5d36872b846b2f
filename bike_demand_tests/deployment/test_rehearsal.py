"""The deployment of docker-compose.yml, played through: started, used, killed piece by piece."""

import json
import re
import secrets
import shlex
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from bike_demand.client import CityForecast, Client, ProblemError
from bike_demand.history.ticks import floor
from bike_demand.partitions import TICK_KEY_FORMAT
from bike_demand.simulation.city import City
from bike_demand.simulation.clock import Clock
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.recording import write_recording
from bike_demand.simulation.server import CityServer
from bike_demand.simulation.streets import CENTRE
from bike_demand_tests.deployment.compose import ROOT
from bike_demand_tests.deployment.rehearsal import Rehearsal, server_programs
from bike_demand_tests.deployment.test_compose import SECRETS
from bike_demand_tests.processes import graphql, until

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DAYS = 11
AS_READER = ["-c", "SET ROLE bike_demand_reader", "-c", "SELECT FROM station_status"]
QUICK = {"pairs_per_group": 5_000, "rounds": 60, "learning_rate": 0.15, "rows_per_leaf": 200}


@pytest.fixture
def plan() -> Plan:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Plan(midnight - DAYS * DAY, stations=30)


@pytest.fixture
def deployment(plan) -> Iterator[Rehearsal]:
    """Everything up, following a city of our own."""
    programs = server_programs()
    if programs is None:
        pytest.skip("no Postgres server of Debian's here: apt-get install postgresql")
    with (
        tempfile.TemporaryDirectory(prefix="rehearsal_") as folder,
        CityServer(City(plan), Clock()) as city,
    ):
        Path(folder).chmod(0o755)  # Postgres' user goes through it
        system = {
            "system_id": "city",
            "timezone": plan.timezone,
            "url": city.gbfs_url,
            "weather_url": city.url,
            "lat": CENTRE[0],
            "lon": CENTRE[1],
        }
        variables = {
            **{name: secrets.token_hex(16) for name in SECRETS},
            "BIKE_DEMAND_SYSTEMS": json.dumps([system]),
            "BIKE_DEMAND_FIRST_PARTITION": f"{plan.start:%Y-%m-%d}",
            "BIKE_DEMAND_SCHEDULES": "stopped",  # what is made is what is asked for here
        }
        rehearsal = Rehearsal(Path(folder), programs, variables)
        try:
            rehearsal.up()
            yield rehearsal
        finally:
            rehearsal.down()


def test_every_service_recovers_from_its_kill_and_no_partition_is_made_twice(
    deployment, plan, tmp_path, record_property
):
    laid_out = files(deployment.image)
    page = Page(deployment.ports["webserver"])
    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)
    midnight = hour.replace(hour=0)
    write_recording(plan, floor(now), tmp_path / "past.parquet")
    history = ["bike-demand", "import-history", str(tmp_path / "past.parquet")]
    deployment.execute("code", [*history, "--system-id", "city"])

    made = page.make
    made("station_information")
    present_tick(page, "weather", 30)
    present_tick(page, "station_status", 15)
    last_day = f"{midnight - DAY:%Y-%m-%d}"
    made("local_calendar", last_day)
    # What models learn from, in one run.
    made(
        "station_features",
        f"{plan.start:{TICK_KEY_FORMAT}}",
        f"{midnight - HOUR:{TICK_KEY_FORMAT}}",
    )
    made("station_demand", f"{hour - HOUR:{TICK_KEY_FORMAT}}")

    report = {}

    # A run is in the code server: both end at once, and the run is tried once more.
    training = page.launch("lightgbm_model", last_day, config=QUICK)
    until(lambda: "ExecutionStepStartEvent" in page.events(training), "the training has begun")
    deployment.kill("code")
    deployment.start("code")
    report["code"] = until(lambda: page.ended("lightgbm_model", 2), "the training is tried again")
    assert report["code"] == ["FAILURE", "SUCCESS"]

    deployment.kill("mlflow")
    deployment.start("mlflow")
    report["mlflow"] = made("xgboost_model", last_day, config=QUICK)

    # Its data is there after a kill, and what holds connections to it gets new ones.
    deployment.kill("postgres")
    deployment.start("postgres")
    report["postgres"] = made("champion_model", last_day)

    # What is asked for while the daemon is away waits for it.
    deployment.kill("daemon")
    forecast = page.launch("station_forecast", f"{hour:{TICK_KEY_FORMAT}}", beside="station_risk")
    assert page.status(forecast) == "QUEUED"
    deployment.start("daemon")
    report["daemon"] = until(lambda: page.ended("station_forecast", 1), "the forecast is made")
    assert report["daemon"] == ["SUCCESS"], page.query(FAILURES, run=forecast)

    deployment.kill("webserver")
    deployment.start("webserver")
    report["webserver"] = made("freshness_report")
    made("retention")
    watch(page, hour)

    # It has outlived the databases that it reads.
    assert sources(deployment) == {"1.0"}
    deployment.kill("metrics")
    deployment.start("metrics")
    assert sources(deployment) == {"1.0"}

    serve(deployment, hour)

    times = page.materializations()
    record_property(
        "rehearsal", {"service killed": [*report], "runs then": [*map(", ".join, report.values())]}
    )
    assert {asset for asset, _ in times} == set(page.assets())
    assert [partition for partition, count in times.items() if count != 1] == []
    # The image's folder is root's: nothing may have to be written there.
    assert files(deployment.image) == laid_out


def test_a_deployment_goes_back_to_a_backup_by_the_commands_of_the_page(tmp_path):
    programs = server_programs()
    if programs is None:
        pytest.skip("no Postgres server of Debian's here: apt-get install postgresql")
    page = (ROOT / "docs" / "deployment.md").read_text()
    words = [shlex.split(line) for line in re.findall("^docker compose (.*)$", page, re.MULTILINE)]
    [allow] = [line[2:] for line in words if "psql" in line]
    [back] = [line[line.index("code") + 1 :] for line in words if "restore" in line]
    file = tmp_path / "before.tar"
    with tempfile.TemporaryDirectory(prefix="rehearsal_") as folder:
        Path(folder).chmod(0o755)
        variables = {name: secrets.token_hex(16) for name in SECRETS}
        rehearsal = Rehearsal(Path(folder), programs, variables)
        here = ["-h", f"{folder}/postgres", "-p", str(rehearsal.ports["postgres"])]
        reading = ["psql", *here, "-U", "postgres", "-d", "bike_demand"]
        try:
            rehearsal.start("postgres")
            rehearsal.execute("migrate", ["bike-demand", "migrate"])
            rehearsal.execute("code", ["bike-demand", "backup", str(file)])
            with pytest.raises(AssertionError, match="CREATEDB"):
                rehearsal.execute("code", [*back[:-1], str(file)])
            rehearsal.execute("postgres", [*allow, *here])
            rehearsal.execute("code", [*back[:-1], str(file)])
            rehearsal.execute("migrate", ["bike-demand", "migrate"])
            rehearsal.execute("postgres", [*reading, *AS_READER])
        finally:
            rehearsal.down()


def serve(deployment: Rehearsal, hour: datetime) -> None:
    """Ask the API, which has outlived the database, and reads by a role that may not write."""
    api = Client(f"http://127.0.0.1:{deployment.ports['serve']}")
    served = until(lambda: forecast_of_all(api), "the forecast is served")
    assert served.origin_at == hour
    deployment.kill("serve")
    deployment.start("serve")
    assert forecast_of_all(api) == served


def forecast_of_all(api: Client) -> CityForecast | None:
    """What is served of the newest forecast; None if nothing is yet."""
    with suppress(ProblemError):
        return api.city()
    return None


def watch(page: "Page", hour: datetime) -> None:
    """Make what is watched of an hour, and of the four hours that closed last."""
    watching = dict.fromkeys(("forecast_accuracy", "feature_drift", "model_watch"), hour)
    watching["data_quality"] = hour - timedelta(hours=hour.hour % 4 + 4)
    for asset, start in watching.items():
        page.make(asset, f"{start:{TICK_KEY_FORMAT}}")


def sources(deployment: Rehearsal) -> set[str]:
    """What a scrape says of the sources of its numbers: 1 if they answer."""
    address = f"http://127.0.0.1:{deployment.ports['metrics']}/metrics"
    lines = requests.get(address, timeout=60).text.splitlines()
    return {line.split()[-1] for line in lines if line.startswith("bike_demand_up{")}


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def present_tick(page: "Page", asset: str, minutes: int) -> None:
    """Make the present partition; the next one, too, if its time ran out meanwhile."""

    def key() -> str:
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        return f"{now - timedelta(minutes=now.minute % minutes):{TICK_KEY_FORMAT}}"

    first = key()
    run = page.launch(asset, first)
    if until(lambda: page.finished(run), f"{asset} ends") != "SUCCESS":
        assert key() != first, asset
        page.make(asset, key())


class Page:
    """Dagster's page, asked as a browser asks it."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        """Ask."""
        return graphql(self._url, text, **variables)

    def launch(
        self,
        asset: str,
        first: str | None = None,
        last: str | None = None,
        config: Any = None,
        beside: str | None = None,
    ) -> str:
        """Ask for a partition of an asset, or for a range; gives the run's id.

        `beside` is what the same op makes.
        """
        tags = {}
        if last is not None:
            tags = {
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last,
            }
        elif first is not None:
            tags = {"dagster/partition": first}
        selector = {
            "repositoryLocationName": "bike_demand",
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": [name]} for name in (asset, beside) if name],
        }
        asked = {
            "selector": selector,
            "mode": "default",
            "runConfigData": json.dumps({"ops": {asset: {"config": config}}} if config else {}),
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in tags.items()]
            },
        }
        answer = self.query(LAUNCH, asked=asked)["launchPipelineExecution"]
        assert "run" in answer, answer
        return answer["run"]["runId"]

    def make(
        self, asset: str, first: str | None = None, last: str | None = None, config: Any = None
    ) -> list[str]:
        """Ask, and wait until it is made."""
        run = self.launch(asset, first, last, config)
        ended = until(lambda: self.finished(run), f"{asset} is made")
        assert ended == "SUCCESS", (asset, self.query(FAILURES, run=run))
        return [ended]

    def status(self, run: str) -> str:
        return self.query(RUN, run=run)["runOrError"]["status"]

    def finished(self, run: str) -> str | None:
        """How a run has ended; None while it goes on."""
        return status if (status := self.status(run)) in ENDS else None

    def events(self, run: str) -> set[str]:
        """The kinds of events of a run so far."""
        found = self.query(EVENTS, run=run)["logsForRun"]["events"]
        return {event["__typename"] for event in found}

    def ended(self, asset: str, runs: int) -> list[str] | None:
        """How the runs of an asset have ended, in order; None before there are as many."""
        found = self.query(RUNS)["runsOrError"]["results"]
        statuses = [
            run["status"]
            for run in reversed(found)
            if [asset] in [key["path"] for key in run["assetSelection"] or []]
        ]
        done = len(statuses) == runs and all(status in ENDS for status in statuses)
        return statuses if done else None

    def assets(self) -> list[str]:
        """Their names."""
        return [node["assetKey"]["path"][0] for node in self.query(ASSETS)["assetNodes"]]

    def materializations(self) -> Counter[tuple[str, str | None]]:
        """How many times each partition of each asset was made."""
        found = self.query(ASSETS)["assetNodes"]
        return Counter(
            (node["assetKey"]["path"][0], event["partition"])
            for node in found
            for event in node["assetMaterializations"]
        )


ENDS = {"SUCCESS", "FAILURE", "CANCELED"}
LAUNCH = """mutation ($asked: ExecutionParams!) {
  launchPipelineExecution(executionParams: $asked) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""
RUN = "query ($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
EVENTS = """query ($run: ID!) {
  logsForRun(runId: $run) { ... on EventConnection { events { __typename } } }
}"""
FAILURES = """query ($run: ID!) {
  logsForRun(runId: $run) { ... on EventConnection { events {
    ... on ExecutionStepFailureEvent { error { message } }
    ... on RunFailureEvent { message }
  } } }
}"""
RUNS = """{
  runsOrError { ... on Runs { results { status assetSelection { path } } } }
}"""
ASSETS = """{
  assetNodes { assetKey { path } assetMaterializations(limit: 5000) { partition } }
}"""
