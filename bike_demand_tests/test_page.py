"""Dagster's page of `make dev`, in a real browser: what people see and click."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from bike_demand.definitions import defs
from bike_demand_tests.browser import launched
from bike_demand_tests.processes import PATIENCE_S, activated, end_all_of, serving

ASSETS = sorted(spec.key.to_user_string() for spec in defs.resolve_all_asset_specs())
GROUPS = ("features", "forecasting", "ingestion", "monitoring", "training")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """It, for these tests."""
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def url(browser, tmp_path_factory) -> Iterator[str]:
    """The page's address, in a data directory that was empty."""
    home = tmp_path_factory.mktemp("page")
    try:
        with serving(["bike-demand", "dev"], activated(home)) as dagster:
            yield dagster.url
    finally:
        end_all_of(home)


@pytest.fixture(scope="module")
def page(url, browser) -> Iterator[Page]:
    """A window."""
    with browser.new_page(base_url=url, viewport={"width": 1440, "height": 900}) as window:
        window.set_default_timeout(PATIENCE_S * 1000)
        yield window


@pytest.fixture
def errors(page) -> Iterator[list[str]]:
    """What the page complains of from now on."""
    told: list[str] = []

    def of_console(message) -> None:
        if message.type == "error":
            told.append(message.text)

    def of_page(error) -> None:
        told.append(str(error))

    page.on("console", of_console)
    page.on("pageerror", of_page)
    yield told
    page.remove_listener("console", of_console)
    page.remove_listener("pageerror", of_page)


@pytest.mark.parametrize("asset", ASSETS)
def test_the_page_of_an_asset_shows_it_without_an_error(page, errors, asset):
    page.goto(f"/assets/{asset}")
    expect(page.get_by_text("Description", exact=True).first).to_be_visible()
    expect(page.get_by_text("Group", exact=True).first).to_be_visible()
    described = next(
        spec.description for spec in defs.resolve_all_asset_specs() if spec.key.path == [asset]
    )
    first_words = described.split(".")[0].split("`")[0].strip()
    expect(page.get_by_text(first_words).first).to_be_visible()
    assert errors == []


def test_the_graph_has_every_asset_in_its_group(page, errors):
    page.goto("/asset-groups?expanded=global@global:forecasting")  # all at once are too small
    for group in GROUPS:
        expect(page.get_by_text(group, exact=True).locator("visible=true").first).to_be_visible()
    forecast = page.get_by_text("station_forecast", exact=True).locator("visible=true")
    expect(forecast.first).to_be_visible()
    assert errors == []


def test_a_click_materialises_a_partition(page, errors):
    page.goto("/assets/local_calendar")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("button", name="Latest", exact=True).click()
    launch = page.get_by_role("button", name="Launch")
    launch.click()
    expect(launch).to_be_hidden()  # it is asked for; leaving before would take it back
    page.goto("/assets/local_calendar?view=events")
    expect(page.get_by_text("materialized in run").first).to_be_visible()
    assert errors == []


@pytest.mark.parametrize("asset", ["station_status", "weather"])
def test_an_assets_picture_shows(page, errors, asset):
    page.goto(f"/assets/{asset}?view=events")
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.locator("img[src^='data:image']").first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 300
    assert errors == []
