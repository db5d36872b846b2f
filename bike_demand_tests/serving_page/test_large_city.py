"""The page of a city of 2,300 stations: what it loads, and that it answers."""

import pytest
from playwright.sync_api import expect

from bike_demand_tests.serving.city import HOUR, NOW, SYSTEM, configured, fill, running

STATIONS = 2300
MOST_BYTES = 500_000
MOST_STATIC_BYTES = 400_000  # as they lie on disk

WEIGHTS = """() => performance.getEntriesByType("resource")
    .concat(performance.getEntriesByType("navigation"))
    .map(each => [each.name, each.transferSize, each.decodedBodySize])"""


@pytest.fixture
def api(tmp_path, database_url, clock):
    fill(database_url, NOW, stations=STATIONS, past=2 * HOUR)
    with running(configured(tmp_path, database_url), clock) as found:
        yield found


def test_the_first_view_of_a_large_city_is_light(api, window):
    page = window(api.url, time="real")  # a false clock keeps no record of what was loaded
    expect(page.locator("#risks li").first).to_be_visible()
    expect(page.locator("#trust tbody tr").first).to_be_visible()
    weights = page.evaluate(WEIGHTS)
    assert sum(sent for _, sent, _ in weights) <= MOST_BYTES
    static = [size for name, _, size in weights if "/page/" in name or name == f"{api.url}/"]
    assert len(static) > 10
    assert sum(static) <= MOST_STATIC_BYTES


def test_slider_colours_and_search_of_a_large_city_answer(api, window):
    page = window(api.url)
    expect(page.locator("#slider")).to_be_enabled()
    slider = page.locator("#slider")
    slider.focus()
    for step in range(1, 25):
        page.keyboard.press("ArrowRight")
        if step % 6 == 0:
            expect(page.locator("#legend h2")).to_contain_text(["Fri", "Sat"][step > 15])
            expect(page.locator("#hour")).not_to_have_class("hour loading")
    expect(page.locator("#hour")).to_contain_text("Sat 08:00")
    expect(page.locator("#legend h2")).to_contain_text("Sat 08:00")
    page.get_by_role("radio", name="Risk of no free dock").check()
    expect(page.locator("#legend h2")).to_have_text("Risk of no free dockSat 08:00")
    counts = [int(text.replace(",", "")) for text in page.locator("#legend b").all_inner_texts()]
    assert sum(counts) == STATIONS - 2
    page.get_by_role("combobox", name="Find a station").fill("broadway 2212")
    page.keyboard.press("Enter")
    expect(page.locator("path.band")).to_have_count(1)
    assert page.url.endswith(f"#{SYSTEM}/s2212")
    assert page.complaints == []
