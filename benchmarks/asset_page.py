"""Dagster's page of an asset with a year of materialised 15-minute partitions, in a browser.

Run as `python -m benchmarks.asset_page [PICTURE.png]`; it needs a Chromium. The page is that of
`bike-demand dev` in a temporary folder, its window is new each time.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import requests
from playwright.sync_api import sync_playwright

from benchmarks.freshness_sensor import PARTITIONS, fill
from benchmarks.processes import bike_demand, free_port

SECONDS_BAR = 5.0
TIMES = 5


def main() -> None:
    """Print the figures; exit code 1 if one misses its bar."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("No Chromium is here: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name:
        os.environ["BIKE_DEMAND_HOME"] = name
        first = datetime.now(UTC) - timedelta(days=PARTITIONS // 96)
        os.environ["BIKE_DEMAND_FIRST_PARTITION"] = f"{first:%Y-%m-%d}"
        from bike_demand.instance import open_instance
        from bike_demand.storage import embedded

        with open_instance() as instance:
            fill(instance)
        port = free_port()
        dev = subprocess.Popen(
            bike_demand("dev", "--port", port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait(url)
            picture = sys.argv[1] if len(sys.argv) > 1 else None
            slowest = max(
                opened(program, url, view, picture) for view in ("overview", "partitions")
            )
        finally:
            for process in psutil.Process(dev.pid).children(recursive=True):
                process.kill()
            dev.kill()
            dev.wait()
            embedded.stop(Path(name) / "postgres")
    sys.exit(slowest > SECONDS_BAR)


def wait(url: str) -> None:
    """Until the page answers, and what its start brings along is over."""
    while True:
        try:
            requests.get(f"{url}/server_info", timeout=5)
        except requests.RequestException:
            time.sleep(1)
        else:
            break
    time.sleep(60)


def opened(program: str, url: str, view: str, picture: str | None) -> float:
    """Seconds until a view of the asset shows what it is opened for, the middle of some times."""
    words = {"overview": "Latest materialization", "partitions": "Partitions Selected"}[view]
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    seconds = []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=sandbox) as browser,
    ):
        for _ in range(TIMES):
            window = browser.new_page(viewport={"width": 1440, "height": 900})
            began = time.perf_counter()
            window.goto(f"{url}/assets/station_status?view={view}")
            window.get_by_text(words).first.wait_for()
            window.wait_for_load_state("networkidle")  # half a second without a request
            seconds.append(time.perf_counter() - began - 0.5)
            if picture and view == "partitions":
                window.screenshot(path=picture)
            window.close()
    middle = sorted(seconds)[TIMES // 2]
    print(f"{view}: {middle:.1f} s (bar {SECONDS_BAR:.0f}), {max(seconds):.1f} s at most")
    return middle


if __name__ == "__main__":
    main()
