"""Windows of a real browser on the real server of a filled city, whose present stands still."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page

from bike_demand.storage import databases
from bike_demand_tests.browser import launched
from bike_demand_tests.processes import PATIENCE_S
from bike_demand_tests.serving.city import NOW, Clock, configured, fill, running

WIDE, PHONE = (1440, 900), (375, 812)
CITY_SHOWN = "#legend li b"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for a module's tests."""
    with launched() as found:
        yield found


@pytest.fixture
def clock():
    """A server's present."""
    return Clock(NOW)


@pytest.fixture
def city_url(database_url):
    """A database with a city of 40 stations, of a test alone."""
    fill(database_url, NOW)
    return database_url


@pytest.fixture
def own_api(tmp_path, city_url, clock):
    """The city's server, of a test that changes it."""
    with running(configured(tmp_path, city_url), clock) as found:
        yield found


@pytest.fixture(scope="module")
def api(server, migrated_template, tmp_path_factory):
    """The city's server, for tests that only look."""
    url = server.url(f"test_{uuid4().hex}")
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{url.database}" TEMPLATE "{migrated_template}"')
    fill(url, NOW)
    with running(configured(tmp_path_factory.mktemp("page"), url), Clock(NOW)) as found:
        yield found
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{url.database}" WITH (FORCE)')


class Complaints(list[str]):
    """What a window complained of, and whom it asked."""

    def __init__(self, window: Page) -> None:
        super().__init__()
        self.asked: list[str] = []
        window.on("console", lambda told: told.type == "error" and self.append(told.text))
        window.on("pageerror", lambda error: self.append(str(error)))
        window.on("request", lambda request: self.asked.append(request.url))


@pytest.fixture
def window(browser) -> Iterator[Callable[..., Page]]:
    """Opens windows: `window(api.url, "#citibike_nyc/s0001", size=PHONE, dark=True)`.

    Its present is `NOW` and stands still; it `flows` from there or is `real` if asked. Nothing is
    animated. What it complains of is in `complaints`.
    """
    with ExitStack() as opened:

        def open_window(
            url, fragment="", *, size=WIDE, dark=False, shown=CITY_SHOWN, time="still"
        ) -> Page:
            page = opened.enter_context(
                browser.new_page(
                    base_url=url,
                    viewport={"width": size[0], "height": size[1]},
                    color_scheme="dark" if dark else "light",
                    reduced_motion="reduce",
                )
            )
            page.set_default_timeout(PATIENCE_S * 1000)
            if time == "still":
                page.clock.set_fixed_time(NOW)
            elif time == "flows":
                page.clock.install(time=NOW)
            page.complaints = Complaints(page)
            page.route(lambda asked: not asked.startswith(url), lambda route: route.abort())
            page.goto(f"/{fragment}")
            page.locator(shown).first.wait_for()
            return page

        yield open_window
