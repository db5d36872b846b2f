"""What tests of the client share."""

import sys
from uuid import uuid4

import pytest

from bike_demand.client import Client
from bike_demand.serving import app as module
from bike_demand.serving import what_if
from bike_demand.serving.what_if_process import Worker
from bike_demand.storage import databases
from bike_demand_tests.serving.city import NOW, Clock, configured, fill, running
from bike_demand_tests.serving.test_what_if import STAND_IN

ROUTES = what_if.router


@pytest.fixture(scope="session")
def api(server, migrated_template, tmp_path_factory):
    """The real server over a city, for questions that change nothing."""
    url = server.url(f"test_{uuid4().hex}")
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{url.database}" TEMPLATE "{migrated_template}"')
    fill(url, NOW)
    with pytest.MonkeyPatch.context() as patch:
        stand_in = Worker([sys.executable, "-c", STAND_IN])
        patch.setattr(module.what_if, "router", lambda: ROUTES(stand_in))
        with running(configured(tmp_path_factory.mktemp("api"), url), Clock(NOW)) as found:
            yield found


@pytest.fixture
def client(api):
    with Client(api.url) as found:
        yield found
