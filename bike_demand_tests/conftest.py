"""What every test may ask for: a real server, and a database of its own on it."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
import sqlalchemy as sa

from bike_demand.storage import databases, embedded
from bike_demand.storage.migrations import migrate
from bike_demand.storage.warehouse import Warehouse
from bike_demand_tests.processes import free_ports

# Before anything reads the settings: no test sees those of the person who runs it.
OURS = ("BIKE_DEMAND_", "DAGSTER_", "MLFLOW_", "OPENWEATHER_")
for name in [name for name in os.environ if name.startswith(OURS)]:
    del os.environ[name]
# Processes that are started here end by Ctrl-C, also where the tests run in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["BIKE_DEMAND_HOME"] = str(Path(tempfile.gettempdir()) / "bike_demand_tests_no_home")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


LONG = (
    "test_rehearsal",
    "test_newcomer",
    "test_page",
    "test_demonstration",
    "test_skill",
    "test_champion_model",
    "test_days",
    "test_what_if_served",
)
"""Modules whose tests take minutes: begun first, so that nobody waits for the last of them."""


TOGETHER = ("test_skill", "test_backtest", "test_model", "test_page")
"""Modules whose tests share what takes a minute to make: each is run by one process."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: some tests mostly wait for other processes."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give processes a test at a time, but some modules as a whole."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return module if Path(module).stem in TOGETHER else nodeid

    config.option.loadscopereorder = False  # what takes longest stands first already
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: item.path.stem not in LONG)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what came of the days that were driven and of the rehearsal, as tables."""
    told = [
        dict(report.user_properties)
        for report in terminalreporter.stats.get("", [])
        if report.when == "teardown"
    ]
    rows = [properties["days"] for properties in told if "days" in properties]
    if rows:
        terminalreporter.section("days that were driven")
        terminalreporter.write_line(str(pd.DataFrame(rows).to_markdown(index=False)))
    for properties in told:
        if "rehearsal" in properties:
            terminalreporter.section("services that were killed")
            table = pd.DataFrame(properties["rehearsal"])
            terminalreporter.write_line(str(table.to_markdown(index=False)))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Server]:
    """A Postgres of this test process, gone with it."""
    directory = tmp_path_factory.mktemp("postgres")
    yield embedded.ensure_running(directory)
    embedded.stop(directory)


@pytest.fixture(scope="session")
def migrated_template(server: embedded.Server) -> str:
    """Name of a migrated database that others are copied from: quicker than migrating each."""
    url = server.url("template_warehouse")
    databases.create_if_missing(url)
    migrate(url)
    return "template_warehouse"


@pytest.fixture
def database_url(server: embedded.Server, migrated_template: str) -> Iterator[sa.URL]:
    """URL of a fresh, migrated database of this test alone."""
    url = server.url(f"test_{uuid4().hex}")
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{url.database}" TEMPLATE "{migrated_template}"')
    yield url
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{url.database}" WITH (FORCE)')


@pytest.fixture
def postgres_url(database_url: sa.URL) -> str:
    """The same as a user would write it."""
    return database_url.render_as_string(hide_password=False)


@pytest.fixture
def warehouse(database_url: sa.URL) -> Warehouse:
    """The warehouse in a fresh database."""
    return Warehouse(lambda: database_url)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded real-world payloads, where they lie beside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("recorded data is not here: ../shared/data")
    return SHARED_DATA


@pytest.fixture
def closed_port() -> int:
    """A loopback port that nobody listens on."""
    return free_ports(1)[0]
