"""The browser that pages are looked at with, where there is one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from bike_demand_tests.processes import PATIENCE_S

QUIETLY = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
)


def program() -> str:
    """Chromium; a test without one is skipped."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no browser is here: apt-get install chromium")
    return found


@contextmanager
def launched() -> Iterator[Browser]:
    """It, running."""
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program(), args=[*QUIETLY, *sandbox]) as browser,
    ):
        expect.set_options(timeout=PATIENCE_S * 1000)
        yield browser
