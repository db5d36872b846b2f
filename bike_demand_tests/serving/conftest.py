"""A server of a city, for each test; and one for all that only read."""

import pytest

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
    """The city's server."""
    with running(configured(tmp_path, city_url), clock) as found:
        yield found
