"""A server of a city: one for each test, and one for all tests of a module that only read."""

from uuid import uuid4

import pytest

from bike_demand.storage import databases
from bike_demand_tests.serving.city import NOW, Clock, configured, fill, running


@pytest.fixture
def city_url(database_url):
    """A database with a city of 40 stations as of `NOW`."""
    fill(database_url, NOW)
    return database_url


@pytest.fixture
def clock():
    return Clock(NOW)


@pytest.fixture
def api(tmp_path, city_url, clock):
    """The city's server; its database and its clock may be changed."""
    with running(configured(tmp_path, city_url), clock) as found:
        yield found


@pytest.fixture(scope="module")
def city_of_all(server, migrated_template):
    """The same database, of a module's tests together."""
    url = server.url(f"test_{uuid4().hex}")
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{url.database}" TEMPLATE "{migrated_template}"')
    fill(url, NOW)
    yield url
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{url.database}" WITH (FORCE)')


@pytest.fixture(scope="module")
def standing(city_of_all, tmp_path_factory):
    """The server of a module's tests together, at `NOW`: only to be asked."""
    given = configured(tmp_path_factory.mktemp("home"), city_of_all)
    with running(given, Clock(NOW), every_s=3600) as found:
        yield found
