"""Prometheus' own checks, where they are."""

import shutil
import subprocess

import pytest


def promtool(*words: str, told: str | None = None) -> None:
    """Run it; what it finds wrong fails the test."""
    if shutil.which("promtool") is None:
        pytest.skip("no promtool here: apt-get install prometheus")
    done = subprocess.run(
        ["promtool", *words], input=told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
