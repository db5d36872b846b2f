"""`bike-demand dev` before it becomes Dagster; how it goes on is in test_newcomer."""

import os
import socket
import subprocess
import sys

import click
import pytest

from bike_demand import development


@pytest.fixture
def left_behind(tmp_path):
    """Start a process that looks like one of Dagster's, of a `dev` in a data directory."""
    (tmp_path / "dagster_sleeper.py").write_text("print(flush=True); input()")
    started = []

    def start(home):
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster_sleeper"],
            cwd=tmp_path,
            env={**os.environ, development.MARK: str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        process.stdout.readline()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_what_an_earlier_dev_left_behind_is_ended_and_that_of_another_directory_is_not(
    left_behind, tmp_path, capsys
):
    ours, other = left_behind(tmp_path / "a"), left_behind(tmp_path / "b")
    development._end_left_behind(tmp_path / "a")
    assert ours.poll() is not None
    assert other.poll() is None
    assert "Ended 1 processes" in capsys.readouterr().out


def test_a_taken_port_is_told_before_anything_is_started(tmp_path, monkeypatch):
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(development.MARK, "")  # so that what it sets is undone
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(click.ClickException, match="cannot be had"):
            development.run(taken.getsockname()[1])
    assert not (tmp_path / "home").exists()
