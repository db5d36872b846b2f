"""A drill of twenty minutes, in real time: `pytest -m slow`."""

import os
import subprocess
import sys

import pytest

from bike_demand.storage import embedded


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_a_drill_of_twenty_minutes_loses_nothing(tmp_path):
    program = "from bike_demand.cli import main; main()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, "--home", str(tmp_path), "drill", "--hours", "0.34"],
            env=os.environ.copy(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Nothing is missing." in (tmp_path / "drill.md").read_text()
    finally:
        embedded.stop(tmp_path / "postgres")
