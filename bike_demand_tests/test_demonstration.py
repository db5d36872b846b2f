"""`bike-demand demo` on a recording that somebody gives: the main job, with real processes."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from bike_demand.cli import main
from bike_demand.simulation.city import City
from bike_demand.simulation.feeds import Version, station_information
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.recording import write_recording
from bike_demand.storage import embedded

BEGIN = datetime(2025, 3, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Twelve days and a morning of twelve stations, of a year that the settings do not have."""
    folder = tmp_path_factory.mktemp("recorded")
    plan = Plan(BEGIN, stations=12)
    write_recording(plan, BEGIN + timedelta(days=12, hours=7, minutes=30), folder / "city.parquet")
    facts = station_information(Version.V2_3, plan, City(plan).stations)
    (folder / "information.json").write_bytes(facts)
    return folder


@pytest.fixture
def demo(recorded, tmp_path):
    def run(home=tmp_path / "home", **variables):
        program = [str(Path(sys.executable).parent / "bike-demand"), "demo"]
        of = ["--system-id", "elsewhere", "--timezone", "Europe/Lisbon", "--home", str(home)]
        files = ["--history", str(recorded / "city.parquet")]
        files += ["--station-information", str(recorded / "information.json")]
        environment = {**os.environ, "COLUMNS": "120", **variables}
        return subprocess.run(
            [*program, *files, *of], env=environment, capture_output=True, text=True, check=False
        )

    yield run
    embedded.stop(tmp_path / "home" / "postgres")


def test_a_recording_of_years_ago_is_learnt_and_forecast_to_its_end(demo, tmp_path):
    done = demo()
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert "Features of 12 days" in done.stdout
    assert "Both models trained, scored and compared" in done.stdout
    assert "2025-03-14" in done.stdout  # the last whole day has a decision
    assert "elsewhere, from Sat 2025-03-15 07:00 WET" in done.stdout
    assert (tmp_path / "home" / "demo.png").read_bytes().startswith(b"\x89PNG")

    again = demo()
    assert again.returncode == 0, again.stderr
    assert "Features of" not in again.stdout
    assert "The models of the last whole day are there already." in again.stdout


def test_a_data_directory_that_follows_another_system_is_left_alone(demo, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    settings = '[[systems]]\nsystem_id = "mine"\n'
    (home / "settings.toml").write_text(settings)
    done = demo()
    assert done.returncode == 1
    assert "would follow elsewhere alone" in done.stderr
    assert (home / "settings.toml").read_text() == settings


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--history", "x.parquet"], "Give --timezone"),
        (["--timezone", "Europe/Lisbon"], "belong to --history"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments, words):
    result = CliRunner().invoke(main, ["demo", *arguments])
    assert result.exit_code == 2
    assert words in result.output
