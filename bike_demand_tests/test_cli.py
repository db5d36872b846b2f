"""The console script, as people type it."""

import pytest
from click.testing import CliRunner

from bike_demand.cli import main
from bike_demand.storage import embedded


@pytest.fixture
def bike_demand(tmp_path, monkeypatch):
    """Run a command in a data directory of its own."""
    monkeypatch.setenv("BIKE_DEMAND_HOME", "")  # so that what --home sets is undone
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments):
        return CliRunner().invoke(main, ["--home", str(tmp_path), *arguments])

    yield run
    embedded.stop(tmp_path / "postgres")


def test_settings_are_printed_with_their_origin_and_secrets_hidden(bike_demand, monkeypatch):
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", "postgresql://me:hidden-word@host/db")
    monkeypatch.setenv("BIKE_DEMAND_MOOD", "fine")
    result = bike_demand("settings")
    assert result.exit_code == 0
    assert "hidden-word" not in result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert ["postgres_url", "(set,", "hidden)", "environment"] in rows
    assert ["first_partition", "2026-01-01", "default"] in rows
    assert "BIKE_DEMAND_MOOD is set and is no setting" in result.output


def test_a_setting_that_cannot_be_used_ends_with_a_line_and_exit_code_1(bike_demand, monkeypatch):
    monkeypatch.setenv("BIKE_DEMAND_FIRST_PARTITION", "soon")
    result = bike_demand("settings")
    assert result.exit_code == 1
    assert "first_partition" in result.output
    assert "Traceback" not in result.output


def test_a_postgres_that_does_not_answer_ends_with_a_line_and_exit_code_1(
    bike_demand, monkeypatch, closed_port
):
    url = f"postgresql://me:hidden-word@127.0.0.1:{closed_port}/db"
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", url)
    result = bike_demand("demo")
    assert result.exit_code == 1
    assert f"Postgres at 127.0.0.1:{closed_port}/db" in result.output
    assert "Traceback" not in result.output
    assert "hidden-word" not in result.output


def test_down_stops_the_server_once(bike_demand, tmp_path):
    embedded.ensure_running(tmp_path / "postgres")
    assert "Postgres is stopped." in bike_demand("down").output
    assert embedded.running(tmp_path / "postgres") is None
    assert "No Postgres runs" in bike_demand("down").output


def test_an_unknown_command_ends_with_exit_code_2(bike_demand):
    assert bike_demand("fly").exit_code == 2
