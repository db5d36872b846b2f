"""The page in a real browser, over the real server: what people see, click and type."""

import re

import pytest
from playwright.sync_api import expect

from bike_demand.serving.security import hashed
from bike_demand.storage import databases
from bike_demand_tests.serving.city import (
    EMPTY,
    FULL,
    HOUR,
    NOW,
    SYSTEM,
    TICK,
    UNPLACED,
    configured,
    fill,
    forecast_again,
    running,
    snapshot_again,
)
from bike_demand_tests.serving_page.conftest import PHONE, WIDE

STATIONS = 40
ACTIVE = STATIONS - 1  # s0004 has left
PLACED = ACTIVE - 1  # s0005 has no place


def counted(page) -> int:
    """How many stations the legend counts."""
    return sum(int(text.replace(",", "")) for text in page.locator("#legend b").all_inner_texts())


def legend(page) -> dict[str, int]:
    """The legend's rows."""
    rows = page.locator("#legend li").all()
    return {
        row.locator("span").inner_text(): int(row.locator("b").inner_text().replace(",", ""))
        for row in rows
    }


def slide(page, steps: int) -> None:
    """Move the slider by the keyboard."""
    page.locator("#slider").focus()
    for _ in range(abs(steps)):
        page.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")


def asked(page, path: str) -> list[str]:
    """What the page asked of a path so far."""
    return [url for url in page.complaints.asked if path in url]


def test_the_city_is_shown_without_a_complaint_and_without_another_host(api, window):
    page = window(api.url)
    assert counted(page) == PLACED
    assert legend(page)["No bikes"] >= 1
    assert legend(page)["Not in service"] == 1
    expect(page.locator("#fresh")).to_contain_text("Live08:00, 12 min ago")
    expect(page.locator("#hour")).to_contain_text("New York time")
    expect(page.locator("#banner")).to_be_empty()
    expect(page.locator("#risks li").first).to_be_visible()
    assert page.complaints == []
    assert all(url.startswith(api.url) for url in page.complaints.asked)


def test_the_slider_shows_an_hour_of_the_forecast_by_the_systems_clock(api, window):
    page = window(api.url)
    expect(page.locator("#slider")).to_be_enabled()
    slide(page, 5)
    expect(page.locator("#hour")).to_contain_text("Fri 13:00")
    expect(page.locator("#slider")).to_have_attribute(
        "aria-valuetext", "Friday 13:00, in 4 h 48 min"
    )
    expect(page.locator("#legend h2")).to_have_text("Bikes expectedFri 13:00")
    expect(page.get_by_role("radio", name="Bikes expected")).to_be_checked()
    page.keyboard.press("Home")
    expect(page.locator("#legend h2")).to_have_text("Bikes now")
    assert page.complaints == []


def test_a_slider_that_is_drawn_along_asks_only_where_it_rests_and_only_once(api, window):
    page = window(api.url)
    expect(page.locator("#slider")).to_be_enabled()
    page.locator("#slider").evaluate(
        """slider => { for (let hour = 1; hour <= 20; hour++) {
            slider.value = String(hour); slider.dispatchEvent(new Event("input")); } }"""
    )
    expect(page.locator("#legend h2")).to_contain_text("Sat 04:00")
    assert len(asked(page, "/forecast?")) == 1
    slide(page, -1)
    expect(page.locator("#legend h2")).to_contain_text("Sat 03:00")
    slide(page, 1)
    expect(page.locator("#legend h2")).to_contain_text("Sat 04:00")
    assert len(asked(page, "/forecast?")) == 2


def test_the_hours_play_one_after_another_until_stopped(api, window):
    page = window(api.url)
    play = page.get_by_role("button", name="Play the next 24 hours")
    expect(play).to_be_enabled()
    play.click()
    expect(play).to_have_attribute("aria-pressed", "true")
    # Whichever it is when a busy machine comes to look.
    expect(page.locator("#legend h2")).to_contain_text(re.compile(r"Fri [12]\d:00|Sat"))
    play.click()
    expect(play).to_have_attribute("aria-pressed", "false")
    assert page.complaints == []


def test_colours_tell_risks_of_both_kinds_at_an_hour(api, window):
    page = window(api.url)
    page.get_by_role("radio", name="Risk of no bikes").check()
    expect(page.locator("#legend h2")).to_have_text("No bikes now")
    slide(page, 3)
    expect(page.locator("#legend h2")).to_have_text("Risk of no bikesFri 11:00")
    assert legend(page)["60 % or more"] >= 1
    page.get_by_role("radio", name="Risk of no free dock").check()
    expect(page.locator("#legend h2")).to_have_text("Risk of no free dockFri 11:00")
    expect(page.get_by_role("tab", name="No free dock")).to_have_attribute("aria-selected", "true")
    assert counted(page) == PLACED
    assert page.complaints == []


def test_a_station_is_found_by_name_without_a_mouse(api, window):
    page = window(api.url)
    page.keyboard.press("/")
    search = page.get_by_role("combobox", name="Find a station")
    expect(search).to_be_focused()
    page.keyboard.type("bowery  spring")
    options = page.get_by_role("option")
    expect(options.first).to_contain_text("Bowery & Spring St")
    expect(search).to_have_attribute("aria-expanded", "true")
    expect(options.first).to_have_attribute("aria-selected", "true")
    active = search.get_attribute("aria-activedescendant")
    expect(page.locator(f"#{active}")).to_contain_text("Bowery & Spring St")
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", name="Bowery & Spring St")
    expect(heading).to_be_visible()
    expect(heading).to_be_focused()
    assert page.url.endswith(f"#{SYSTEM}/s0009")
    page.keyboard.press("Escape")
    expect(heading).to_be_hidden()
    expect(search).to_be_focused()
    assert page.complaints == []


def test_the_search_goes_round_its_list_and_says_when_there_is_nothing(api, window):
    page = window(api.url)
    search = page.get_by_role("combobox", name="Find a station")
    search.fill("st")
    expect(page.locator("#found-count")).to_have_text(re.compile(r"8 of \d+ stations"))
    first = search.get_attribute("aria-activedescendant")
    search.press("ArrowUp")
    assert search.get_attribute("aria-activedescendant") == "found-7"
    search.press("ArrowDown")
    assert search.get_attribute("aria-activedescendant") == first
    search.fill("zzz")
    expect(page.get_by_text("No station has this name")).to_be_visible()
    search.press("Enter")
    search.press("Escape")
    expect(page.get_by_role("listbox", name="Stations found")).to_be_hidden()
    assert page.complaints == []


def test_a_click_on_the_map_opens_the_station_that_is_there(api, window):
    page = window(api.url, f"#{SYSTEM}/s0020")
    name = page.locator("#station-name").inner_text()
    page.get_by_role("button", name="Close the station").click()
    expect(page.locator("#station")).to_be_hidden()
    page.locator("#map").click()  # its middle, where that station stands
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    assert page.url.endswith("/s0020")


def test_arrow_keys_go_from_station_to_station_on_the_map(api, window):
    page = window(api.url)
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    said = page.locator("#map-said")
    expect(said).to_have_text(re.compile(r".+, \d+ bikes?, \d+ free docks?"))
    first = said.inner_text()
    page.keyboard.press("ArrowRight")
    expect(said).not_to_have_text(first)
    name = said.inner_text().split(",")[0]
    expect(page.locator(".hint b")).to_have_text(name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    assert page.complaints == []


def test_a_stations_chart_has_the_past_the_band_the_docks_and_both_risks(api, window):
    page = window(api.url, f"#{SYSTEM}/{EMPTY}")
    chart = page.locator("svg.chart")
    for part in ("path.was", "path.band", "path.expected", "line.capacity", "line.now"):
        expect(chart.locator(part)).to_have_count(1)
    expect(chart.locator("rect.p_empty")).to_have_count(24)
    expect(chart.locator("rect.p_full")).to_have_count(24)
    expect(chart.get_by_text("22 docks")).to_have_count(1)
    expect(chart.get_by_text("Sat")).to_have_count(1)  # midnight by the system's clock
    page.get_by_text("The chart in numbers").click()
    forecast, past = page.locator(".numbers table").filter(has=page.locator("caption")).all()[:2]
    expect(forecast.locator("tbody tr")).to_have_count(24)
    expect(forecast.locator("tbody th").first).to_have_text("Fri 09:00")
    expect(past.locator("tbody tr")).to_have_count(25)
    assert page.complaints == []


def test_an_hour_is_read_in_the_chart_and_chosen_by_a_click(api, window):
    page = window(api.url, f"#{SYSTEM}/s0010")
    expect(page.locator("path.band")).to_have_count(1)
    box = page.locator("svg.chart").bounding_box()
    place = {"x": box["width"] * 0.75, "y": 80}
    page.locator(".chart-frame").hover(position=place)
    reading = page.locator(".reading")
    expect(reading).to_have_text(
        re.compile(r"^Fri \d\d:00 .* bikes \(\d+–\d+\) · no bikes .*% · no free dock .*%$")
    )
    time = reading.locator("b").inner_text()
    page.locator(".chart-frame").click(position=place)
    expect(page.locator("#legend h2")).to_contain_text(time)
    page.locator(".chart-frame").hover(position={"x": box["width"] * 0.3, "y": 80})
    expect(reading).to_have_text(re.compile(r"^(Thu|Fri) \d\d:\d\d \d+ bikes?, \d+ free docks?$"))
    assert page.complaints == []


def test_a_station_without_docks_or_place_says_what_is_known(api, window):
    page = window(api.url, f"#{SYSTEM}/{UNPLACED}")
    expect(page.locator("svg.chart").get_by_text("not forecast here")).to_have_count(1)
    expect(page.locator("svg.chart rect.p_full")).to_have_count(0)
    expect(page.locator(".counts div").nth(1).locator("dd")).to_have_text("–")
    assert page.complaints == []


def test_who_is_most_at_risk_is_listed_and_a_click_goes_there(api, window):
    page = window(api.url)
    first = page.locator("#risks li").first
    expect(first).to_contain_text("Lafayette St & E 22 St")
    page.get_by_role("tab", name="No bikes").press("ArrowRight")
    expect(page.get_by_role("tab", name="No free dock")).to_be_focused()
    expect(first).to_contain_text("Bowery & E 22 St")
    page.get_by_label("within").select_option("24")
    expect(page.locator("#risks li").first).to_be_visible()
    first.get_by_role("button").click()
    expect(page.get_by_role("heading", name="Bowery & E 22 St")).to_be_visible()
    expect(first.get_by_role("button")).to_have_attribute("aria-current", "true")
    assert page.url.endswith(f"/{FULL}")
    assert page.complaints == []


def test_trust_is_last_weeks_error_beside_no_change_the_datas_age_and_the_model(api, window):
    page = window(api.url)
    trust = page.locator("#trust")
    expect(trust.locator(".lead")).to_have_text(
        "3 hours ahead, forecasts were 1.2 bikes off: "
        "17 % closer than assuming that nothing changes."
    )
    expect(trust.locator(".week tbody tr")).to_have_count(5)
    expect(trust.locator(".week tbody tr").nth(1)).to_contain_text("−17 %")
    expect(trust.locator(".trust-facts")).to_contain_text("Newest countsFri 08:0012 min ago")
    expect(trust.locator(".trust-facts")).to_contain_text("version 7, lightgbm")
    expect(trust.locator(".trust-facts")).to_contain_text("Its CRPS is lower by 2.1 %.")
    trust.get_by_text("What happened to the model").click()
    expect(trust.locator(".events li").first).to_contain_text("refusal, version 8")


@pytest.mark.parametrize("size", [(320, 640), PHONE])
def test_errors_stand_below_their_heading(api, window, size):
    week = window(api.url, size=size).locator("#trust .week")
    heading = week.get_by_role("columnheader", name="Error").bounding_box()
    error = week.get_by_role("cell", name="−17 %").bounding_box()
    assert (error["x"], error["width"]) == (heading["x"], heading["width"])


@pytest.mark.parametrize("size", [(320, 640), PHONE, WIDE])
def test_before_forecasts_come_due_the_models_test_stands_for_them(
    tmp_path, city_url, clock, window, size
):
    with databases.connect(city_url) as connection:
        connection.execute("DELETE FROM forecast_accuracy")
    with running(configured(tmp_path, city_url), clock) as api:
        page = window(api.url, size=size)
        trust = page.locator("#trust")
        expect(trust.locator(".lead")).to_contain_text("On days that it had not seen")
        expect(trust.locator(".week tbody tr")).to_have_count(5)
        expect(trust.locator(".week tbody tr").first).to_have_text("1 h2.12.6−21 %80 %")
        table, around = trust.locator(".week").bounding_box(), trust.locator(".lead").bounding_box()
        assert table["width"] <= around["width"] < size[0]


def test_a_new_forecast_takes_the_place_of_the_one_shown(own_api, window, city_url, clock):
    page = window(own_api.url)
    slide(page, 2)
    expect(page.locator("#hour")).to_contain_text("Fri 10:00")
    clock.now = NOW + HOUR
    snapshot_again(city_url, clock.now, bikes_everywhere=4)
    forecast_again(city_url, clock.now, version="9")
    own_api.until(
        lambda: own_api.get("/risks").json()["model_version"] == "9", "the forecast is served"
    )
    page.clock.set_fixed_time(clock.now)
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#hour")).to_contain_text("Fri 11:00")
    expect(page.locator("#legend h2")).to_contain_text("Fri 11:00")
    page.keyboard.press("Home")
    expect(page.locator("#legend li", has_text="3–5").locator("b")).to_have_text(str(PLACED - 1))
    expect(page.locator("#fresh")).to_contain_text("Live09:00, 12 min ago")
    assert page.complaints == []


def test_a_minute_later_it_asks_again_by_itself(own_api, window, city_url):
    page = window(own_api.url, time="flows")
    some = page.locator("#legend li", has_text="3–5").locator("b")
    expect(some).not_to_have_text(str(PLACED - 1))
    expect(page.locator("#risks li").first).to_be_visible()
    snapshot_again(city_url, NOW + TICK, bikes_everywhere=4)
    own_api.until(
        lambda: own_api.get("/stations").json()["stations"][0]["num_bikes_available"] == 4,
        "the snapshot is served",
    )
    page.clock.fast_forward(61_000)
    expect(some).to_have_text(str(PLACED - 1))


def test_a_stale_forecast_is_called_stale(own_api, window, clock):
    page = window(own_api.url)
    clock.now = NOW + 3 * HOUR
    page.clock.set_fixed_time(clock.now)
    page.evaluate("dispatchEvent(new Event('online'))")
    banner = page.get_by_role("status").and_(page.locator("#banner"))
    expect(banner).to_have_text("The forecast is stale: the newest is of Fri 08:00, over 3 h ago.")
    expect(page.locator("#fresh")).to_contain_text("Stale")
    expect(page.locator("#hour b")).to_have_text("Latest")
    expect(page.locator("#legend h2")).to_have_text("Latest bikes")
    assert counted(page) == PLACED
    assert page.complaints == []


def test_a_service_that_is_down_is_told_and_what_was_known_stays(tmp_path, city_url, clock, window):
    with running(configured(tmp_path, city_url), clock) as api:
        page = window(api.url, f"#{SYSTEM}/{EMPTY}")
        expect(page.locator("path.band")).to_have_count(1)
    page.evaluate("dispatchEvent(new Event('online'))")
    banner = page.locator("#banner")
    expect(banner).to_contain_text("The service does not answer.")
    expect(banner).to_contain_text("what was known at Fri 08:00")
    expect(page.locator("#fresh")).to_contain_text("Offline")
    assert counted(page) == PLACED
    expect(page.locator("path.band")).to_have_count(1)
    slide(page, 2)
    expect(banner).to_contain_text("The service does not answer.")


def test_once_the_service_is_back_it_is_live_again(api, window):
    page = window(api.url)
    page.context.set_offline(True)
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#banner")).to_contain_text("The service does not answer.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try now").or_(page.locator("#fresh b")).first.click()
    expect(page.locator("#banner")).to_be_empty()
    expect(page.locator("#fresh")).to_contain_text("Live")


def test_a_database_that_is_down_is_told_apart(api, window):
    page = window(api.url)
    problem = {"type": "/problems#database-unavailable", "title": "-", "status": 503, "detail": "-"}
    page.route(
        re.compile(r"/(stations|accuracy)\?"), lambda route: route.fulfill(status=503, json=problem)
    )
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#banner")).to_contain_text("cannot reach its database")
    assert counted(page) == PLACED


def test_without_a_forecast_there_are_bikes_and_a_word(tmp_path, database_url, clock, window):
    fill(database_url, NOW, forecast=False)
    with running(configured(tmp_path, database_url), clock) as api:
        page = window(api.url, f"#{SYSTEM}/{EMPTY}")
        expect(page.locator("#banner")).to_contain_text("No forecast has been made yet.")
        expect(page.locator("#slider")).to_be_disabled()
        expect(page.locator("#risks")).to_have_text("No forecast has been made yet.")
        expect(page.locator("#station .outlook")).to_contain_text("no forecast")
        expect(page.locator("path.was")).to_have_count(1)
        expect(page.locator("#trust .lead")).to_contain_text("No forecast has come due yet")
        assert counted(page) == PLACED


def test_a_key_is_asked_for_and_kept_for_the_tab(tmp_path, city_url, clock, window):
    given = configured(tmp_path, city_url, api_keys={"a page": hashed("the right one")})
    with running(given, clock) as api:
        page = window(api.url, shown="dialog[open]")
        key = page.get_by_label("API key", exact=True)
        key.fill("a wrong one")
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator("#key-wrong")).to_have_text("The service does not take this key.")
        key.fill("the right one")
        key.press("Enter")
        expect(page.locator("#risks li").first).to_be_visible()
        assert counted(page) == PLACED
        expect(page.locator("#banner")).to_be_empty()
        assert page.evaluate("localStorage.length") == 0
        page.reload()
        expect(page.locator("#risks li").first).to_be_visible()
        expect(page.locator("dialog")).to_be_hidden()


def test_who_has_no_key_is_not_asked_again_but_may_come_back(tmp_path, city_url, clock, window):
    given = configured(tmp_path, city_url, api_keys={"a page": hashed("the right one")})
    with running(given, clock) as api:
        page = window(api.url, shown="dialog[open]", time="flows")
        page.get_by_role("button", name="Not now").click()
        with page.expect_response(re.compile("/systems")) as again:
            page.clock.fast_forward(61_000)
        assert again.value.status == 401
        expect(page.locator("dialog")).to_be_hidden()
        page.get_by_role("button", name="Enter a key").click()
        expect(page.get_by_label("API key", exact=True)).to_be_focused()


def test_names_are_text_whatever_they_hold(tmp_path, city_url, clock, window):
    hostile = "<img src=x onerror=\"window.pwned = 1\"> & <b>'bold'</b>"
    with databases.connect(city_url) as connection:
        connection.execute("UPDATE station_information SET name = %s", [hostile])
    with running(configured(tmp_path, city_url), clock) as api:
        page = window(api.url, f"#{SYSTEM}/{EMPTY}")
        expect(page.locator("#station-name")).to_have_text(hostile)
        expect(page.locator("#risks .name").first).to_have_text(hostile)
        page.get_by_role("combobox", name="Find a station").fill("img")
        expect(page.get_by_role("option").first).to_contain_text(hostile)
        page.keyboard.press("Escape")
        page.locator("#map").focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator(".hint b")).to_have_text(hostile)
        assert page.locator("main img, header img").count() == 0
        assert page.evaluate("window.pwned") is None
        assert page.complaints == []


@pytest.mark.parametrize("fragment", ["<script>", "%", f"{SYSTEM}/%E0%A4%A", "nowhere/nothing"])
def test_an_odd_address_shows_the_city(api, window, fragment):
    page = window(api.url, f"#{fragment}")
    assert counted(page) == PLACED
    expect(page.locator("#risks li").first).to_be_visible()


def test_a_station_that_is_not_there_is_said_to_be_so(api, window):
    page = window(api.url, f"#{SYSTEM}/s9999")
    expect(page.locator("#station .outlook")).to_have_text("There is no station with this id.")
    expect(page.locator("#banner")).to_be_empty()


def test_several_systems_are_told_apart_and_back_goes_back(tmp_path, database_url, clock, window):
    fill(database_url, NOW)
    fill(database_url, NOW, stations=12, system="lisbon")
    systems = (
        {"system_id": SYSTEM, "timezone": "America/New_York"},
        {"system_id": "lisbon", "timezone": "Europe/Lisbon"},
    )
    with running(configured(tmp_path, database_url, systems=systems), clock) as api:
        page = window(api.url, "#lisbon/s0007")
        expect(page.locator("#station-name")).to_be_visible()
        expect(page.get_by_label("System")).to_have_value("lisbon")
        expect(page.locator("#fresh")).to_contain_text("13:00, 12 min ago")
        assert counted(page) == 10
        page.get_by_label("System").select_option(SYSTEM)
        expect(page.locator("#fresh")).to_contain_text("08:00, 12 min ago")
        expect(page.locator("#station-name")).to_be_hidden()
        page.locator("#map").hover(position={"x": 300, "y": 300})
        assert counted(page) == PLACED
        assert page.url.endswith(f"#{SYSTEM}")
        page.go_back()
        expect(page.locator("#station-name")).to_be_visible()
        expect(page.locator("#fresh")).to_contain_text("13:00, 12 min ago")
        assert page.complaints == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_theme_is_the_machines_until_another_is_chosen(api, window, dark):
    page = window(api.url, dark=dark)
    ground = "() => getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.get_by_role("button", name=f"Use {'light' if dark else 'dark'} colours").click()
    assert page.evaluate(ground) != before
    page.reload()
    page.locator("#legend li b").first.wait_for()
    assert page.evaluate(ground) != before


@pytest.mark.parametrize("size", [(320, 640), PHONE, WIDE])
def test_nothing_is_wider_than_the_window(api, window, size):
    page = window(api.url, f"#{SYSTEM}/{EMPTY}", size=size)
    expect(page.locator("path.band")).to_have_count(1)
    page.get_by_text("The chart in numbers").click()
    page.get_by_text("What happened to the model").click()
    slide(page, 2)
    expect(page.locator("#legend h2")).to_contain_text("Fri 10:00")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    outside = page.evaluate(
        """() => [...document.querySelectorAll("main *, header *")]
            .filter(each => !each.closest(".map, .unseen, .scroll *") && each.offsetParent
                && each.getBoundingClientRect().right > innerWidth + 1)
            .map(each => each.outerHTML.slice(0, 80))"""
    )
    assert outside == []


def test_on_a_wide_window_the_panel_scrolls_and_the_page_does_not(api, window):
    page = window(api.url, f"#{SYSTEM}/{EMPTY}", size=WIDE)
    expect(page.locator("path.band")).to_have_count(1)
    page.get_by_text("The chart in numbers").click()
    assert page.evaluate("document.documentElement.scrollHeight") == WIDE[1]
    assert page.evaluate("document.querySelector('#panel').scrollHeight") > WIDE[1]


def test_of_a_forecast_that_ages_only_the_hours_to_come_are_spoken_of(own_api, window, clock):
    page = window(own_api.url, f"#{SYSTEM}/{EMPTY}")
    outlook = page.locator("#station .outlook")
    expect(outlook).to_contain_text("No bikes now; probably none in the next 24 hours.")
    for later, words in (
        (3, "No bikes when last counted; probably none until Saturday 08:00."),
        (30, "All hours of the newest forecast are past."),
    ):
        clock.now = NOW + later * HOUR
        page.clock.set_fixed_time(clock.now)
        page.reload()
        expect(outlook).to_contain_text(words)


def test_tiles_are_shown_with_their_attribution_where_they_are_configured(
    tmp_path, city_url, clock, window
):
    given = configured(
        tmp_path,
        city_url,
        tiles_url="https://tiles.test/{z}/{x}/{y}.png",
        tiles_attribution="© <a href='https://tiles.test'>Somebody</a>",
    )
    with running(given, clock) as api:
        page = window(api.url)
        expect(page.locator(".attribution")).to_have_text("© Somebody")
        others = {url.split("/")[2] for url in page.complaints.asked if api.url not in url}
        assert others == {"tiles.test"}


def test_a_name_of_a_number_or_a_time_is_as_people_say_it(api, window):
    page = window(api.url)
    said = page.evaluate(
        """async () => {
            const words = await import("/page/words.js");
            const autumn = Date.parse("2026-10-25T01:00:00Z");
            return [
                words.percent(0.0004), words.percent(0), words.percent(0.999), words.percent(0.614),
                words.percent(null), words.duration(59 * 60000), words.duration(60 * 60000),
                words.duration(80 * 60000), words.duration(7.4 * 3600000),
                words.duration(72 * 3600000), words.distance(236.1), words.distance(1290),
                words.dayAndClock(autumn - 3600000, "Europe/Lisbon"),
                words.dayAndClock(autumn, "Europe/Lisbon"),
                words.clock(autumn, "Asia/Kolkata"), words.place("America/New_York"),
            ];
        }"""
    )
    assert said == [
        *("<1 %", "0 %", ">99 %", "61 %", "–", "59 min", "1 h", "1 h 20 min", "7 h", "3 days"),
        *(
            "240\N{NO-BREAK SPACE}m",
            "1.3\N{NO-BREAK SPACE}km",
            "Sun 01:00",
            "Sun 01:00",
            "06:30",
            "New York",
        ),
    ]


def test_gaps_in_the_past_are_not_bridged(api, window):
    page = window(api.url)
    lengths = page.evaluate(
        """async () => {
            const { runs } = await import("/page/chart.js");
            const at = (minutes) => new Date(Date.UTC(2026, 4, 1, 0, minutes)).toISOString();
            const seen = [0, 15, 30, 90, 105, 120].map((minutes, index) =>
                ({ observed_at: at(minutes), num_bikes_available: index === 4 ? null : index }));
            return runs(seen).map(run => run.length);
        }"""
    )
    assert lengths == [3, 2]


def test_accuracy_is_pooled_over_the_versions_that_were_served(api, window):
    page = window(api.url)
    [pooled] = page.evaluate(
        """async () => {
            const { pooled } = await import("/page/accuracy.js");
            const row = (role, rows, mae) => ({ horizon: 3, role, rows, mae, persistence_mae: 3,
                coverage_80: role === "simple" ? null : 0.8, observed_empty: 0.1,
                forecast_empty: 0.2 });
            return pooled([row("champion", 300, 1), row("simple", 100, 3),
                row("challenger", 900, 9), row("champion", 0, null)]);
        }"""
    )
    assert pooled["rows"] == 400
    assert pooled["mae"] == pytest.approx(1.5)
    assert pooled["persistence"] == pytest.approx(3)
    assert pooled["coverage"] == pytest.approx(0.8)
