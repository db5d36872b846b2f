"""The page of a city of 2,300 stations in a browser: its first view, its weight, and its slider.

Run as `python -m benchmarks.page [PICTURE.png]`; it needs a Chromium. The server is that of
`bike-demand serve` over a Postgres in a temporary folder; each window is new, with nothing cached.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.processes import bike_demand, free_port
from benchmarks.serving import STATIONS, fill, started

FIRST_VIEW_BAR_MS: Final = 2_000.0
WEIGHT_BAR_KB: Final = 500.0
FRAME_BAR_MS: Final = 100.0  # beyond it, a slider does not feel as if one held it
TIMES: Final = 7

_DRAWN = """() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(
    performance.now()))))"""
_WEIGHTS = """() => performance.getEntriesByType("resource")
    .concat(performance.getEntriesByType("navigation"))
    .map(each => [each.name, each.transferSize, each.decodedBodySize])"""
_SLIDE = """async () => {
    const slider = document.getElementById("slider");
    const drawn = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    const found = { restyle: [], drawn: [] };
    for (let turn = 0; turn < 3; turn++) {
        for (let hour = 24; hour >= 0; hour--) {
            const begun = performance.now();
            slider.value = String(hour);
            slider.dispatchEvent(new Event("input"));
            found.restyle.push(performance.now() - begun);
            await drawn();
            found.drawn.push(performance.now() - begun);
        }
    }
    return found;
}"""


def main() -> None:
    """Print the figures; exit code 1 if one misses its bar."""
    from bike_demand.storage import embedded

    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("No Chromium is here: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name:
        server = embedded.ensure_running(Path(name) / "postgres")
        try:
            url = server.url("city").render_as_string(hide_password=False)
            fill(url)
            port = free_port()
            systems = [{"system_id": "citibike_nyc", "timezone": "America/New_York"}]
            environment = os.environ | {
                "BIKE_DEMAND_HOME": name,
                "BIKE_DEMAND_POSTGRES_URL": url,
                "BIKE_DEMAND_SYSTEMS": json.dumps(systems),
            }
            command = bike_demand("serve", "--port", port)
            with started(command, int(port), environment):
                good = measure(program, f"http://127.0.0.1:{port}")
        finally:
            embedded.stop(Path(name) / "postgres")
    sys.exit(not good)


def measure(program: str, address: str) -> bool:
    """Whether all figures of the page keep their bars."""
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    arguments = ["--disable-gpu", "--disable-background-networking", *sandbox]
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=arguments) as browser,
    ):
        views = [first_view(browser, address) for _ in range(TIMES)]
        page = opened(browser, address)
        weights: list[tuple[str, int, int]] = page.evaluate(_WEIGHTS)
        slid = slide(page)
        if len(sys.argv) > 1:
            page.screenshot(path=sys.argv[1])
    sent = sum(each for _, each, _ in weights) / 1e3
    static = sum(size for name, _, size in weights if "/page/" in name or name == f"{address}/")
    frame = statistics.median(slid["drawn"])
    print(f"{STATIONS} stations; {TIMES} new windows")
    print(
        f"first view: {statistics.median(views):.0f} ms, at most {max(views):.0f} "
        f"(bar {FIRST_VIEW_BAR_MS:.0f})"
    )
    print(f"sent: {sent:.0f} kB (bar {WEIGHT_BAR_KB:.0f}); files unpacked {static / 1e3:.0f} kB")
    print(
        f"slider: restyled in {statistics.median(slid['restyle']):.1f} ms, "
        f"drawn in {frame:.0f} ms (bar {FRAME_BAR_MS:.0f}), at most {max(slid['drawn']):.0f}"
    )
    return max(views) <= FIRST_VIEW_BAR_MS and sent <= WEIGHT_BAR_KB and frame <= FRAME_BAR_MS


def opened(browser: Browser, address: str) -> Page:
    """A new window in which the city and all panels are shown."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    for shown in ("#legend li b", "#risks li", "#trust tbody tr"):
        page.locator(shown).first.wait_for()
    return page


def first_view(browser: Browser, address: str) -> float:
    """Time from asking for the page until its stations are drawn [ms]."""
    page = opened(browser, address)
    told = page.evaluate("() => performance.getEntriesByName('stations-shown')[0].startTime")
    frame = page.evaluate(
        "() => performance.getEntriesByType('paint').map(each => each.startTime).at(-1) ?? 0"
    )
    page.close()
    return max(float(told), float(frame))


def slide(page: Page) -> dict[str, Any]:
    """Times of the slider's steps [ms] once the hours are there."""
    for hour in range(1, 25):
        page.locator("#slider").fill(str(hour))
        page.locator("#hour:not(.loading)").wait_for()
        page.wait_for_timeout(250)  # asked for where the slider rests, and drawn
    page.evaluate(_DRAWN)
    found: dict[str, Any] = page.evaluate(_SLIDE)
    return found


if __name__ == "__main__":
    main()
