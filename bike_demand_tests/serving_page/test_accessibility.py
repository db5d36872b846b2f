"""Whether everyone can use the page: axe-core's rules in every theme, width and state."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from bike_demand.serving.security import hashed
from bike_demand_tests.serving.city import EMPTY, SYSTEM, configured, fill, running
from bike_demand_tests.serving_page.conftest import PHONE, WIDE

GRAVE = ("serious", "critical")


def findings(page) -> list[str]:
    """What is grave."""
    return [
        f"{rule['id']}: {node['target']}"
        for rule in Axe().run(page).response["violations"]
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_grave_is_found_in_the_city_and_at_a_station(api, window, dark, size):
    page = window(api.url, size=size, dark=dark)
    expect(page.locator("#risks li").first).to_be_visible()
    page.get_by_text("What happened to the model").click()
    assert findings(page) == []
    page.get_by_role("combobox", name="Find a station").fill("bowery")
    expect(page.get_by_role("option").first).to_be_visible()
    assert findings(page) == []
    page.keyboard.press("Enter")
    expect(page.locator("path.band")).to_have_count(1)
    page.get_by_text("The chart in numbers").click()
    page.get_by_role("radio", name="Risk of no bikes").check()
    page.locator("#slider").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#legend h2")).to_contain_text("Fri 09:00")
    assert findings(page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_grave_is_found_while_it_is_down(tmp_path, city_url, clock, window, dark):
    with running(configured(tmp_path, city_url), clock) as api:
        page = window(api.url, f"#{SYSTEM}/{EMPTY}", dark=dark)
        expect(page.locator("path.band")).to_have_count(1)
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#banner")).to_contain_text("does not answer")
    assert findings(page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_grave_is_found_without_a_forecast_or_a_key(
    tmp_path, database_url, clock, window, dark
):
    fill(database_url, clock.now, forecast=False)
    given = configured(tmp_path, database_url, api_keys={"a page": hashed("a key")})
    with running(given, clock) as api:
        page = window(api.url, dark=dark, shown="dialog[open]")
        assert findings(page) == []
        page.get_by_label("API key", exact=True).fill("a key")
        page.keyboard.press("Enter")
        expect(page.locator("#banner")).to_contain_text("No forecast has been made yet.")
        assert findings(page) == []
