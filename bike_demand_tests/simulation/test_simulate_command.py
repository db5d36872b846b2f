"""`bike-demand simulate`, as people type it and as `bike-demand dev` starts it."""

import json
import re
import signal
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from bike_demand.cli import main
from bike_demand.gbfs.client import GbfsClient
from bike_demand.gbfs.feeds import System
from bike_demand.storage import embedded

PATIENCE_S = 60  # for a busy machine
SMALL = ["simulate", "--stations", "12", "--port", "0", "--at", "2026-05-01T01:02Z"]


@pytest.fixture
def bike_demand():
    """Run a command that ends by itself."""
    return lambda *arguments: CliRunner().invoke(main, arguments)


@contextmanager
def started(*arguments):
    """A command of its own process, and its first line."""
    command = [sys.executable, "-c", "from bike_demand.cli import main; main()", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def ended(process):
    """Exit code and what it said on the way, when it ends by itself."""
    return process.wait(PATIENCE_S), process.stdout.read(), process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_city_answers_where_it_says_until_it_is_told_to_end(number):
    with started(*SMALL) as (process, line):
        url = re.search(r"http://127\.0\.0\.1:\d+/gbfs\.json", line).group()
        assert "12 stations" in line
        assert requests.get(url, timeout=PATIENCE_S).json()["version"] == "2.3"
        process.send_signal(number)
        code, said, complained = ended(process)
    assert (code, complained) == (0, "")
    assert tomllib.loads(said)["systems"][0]["url"] == url


def test_a_city_ends_with_the_process_that_it_was_started_for():
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as parent,
        started(*SMALL, "--parent", str(parent.pid)) as (process, line),
    ):
        assert process.poll() is None, line
        parent.kill()  # and not waited for: a zombie is gone, too
        assert ended(process)[::2] == (0, "")


def test_a_city_is_as_its_options_say():
    options = ["--gbfs-version", "3.0", "--seed", "7", "--timezone", "Europe/Oslo"]
    options += ["--misbehave", "malformed=0.25", "--misbehave", "wrong-ids"]
    with started(*SMALL, *options) as (_, line):
        url = re.search(r"http://\S+/gbfs\.json", line).group()
        client = GbfsClient(System(system_id="city", url=url))
        status, system = client.station_status(), client.system_information()
    assert (status.version, system.timezone, system.system_id) == (
        "3.0",
        "Europe/Oslo",
        "simulated_7",
    )
    assert (len(status.rows), len(status.rejected)) == (9, 3)
    assert status.rows["station_id"].str.startswith("x-").all()


def test_a_taken_port_ends_with_a_line_and_exit_code_1(bike_demand, server):
    port = server.url.rpartition(":")[2]
    result = bike_demand(*SMALL, "--port", port)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: port {port} of 127.0.0.1 cannot be had")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--at", "noon"], "'noon' is not a time such as 2026-05-01T12:00Z"),
        (["--at", "2026-05-01T12:00"], "is not a time such as"),
        (["--start", "2026-05-02"], "starts on 2026-05-02, after its present"),
        (["--timezone", "Atlantis"], "'Atlantis' is not an IANA time zone"),
        (["--stations", "1"], "1 is not in the range"),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--clock-factor", "0"], "0"),
        (["--at", "2026-05-01T00:03Z", "--out", "x.parquet"], "has no past yet"),
        (["--misbehave", "moody"], "'moody'"),
        (["--misbehave", "errors=many"], "'errors'"),
        (["--misbehave", "slow"], "'slow'"),
        (["--misbehave", "frozen=perhaps"], "'frozen'"),
    ],
)
def test_an_option_that_makes_no_sense_is_a_matter_of_usage(bike_demand, options, complaint):
    result = bike_demand(*SMALL, *options)
    assert result.exit_code == 2
    assert complaint in result.output


def test_the_past_is_written_as_import_history_wants_it(bike_demand, tmp_path, monkeypatch):
    path = tmp_path / "city.parquet"
    result = bike_demand(*SMALL, "--history", "1", "--out", str(path))
    assert result.exit_code == 0, result.output
    # A day and an hour; the present tick is left to those who ask now.
    assert f"{path} has {12 * 25 * 4:,} rows" in result.output
    command = re.search(r"bike-demand (import-history .*)", result.output).group(1).split()
    information = Path(command[command.index("--station-information") + 1])
    assert len(json.loads(information.read_text())["data"]["stations"]) == 12
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path / "home"))
    imported = bike_demand(*command, "--dry-run")
    embedded.stop(tmp_path / "home" / "postgres")
    assert imported.exit_code == 0, imported.output
