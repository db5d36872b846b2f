"""A small city, a present that a test moves by hand, and the city's server."""

import json
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest
import requests

from bike_demand.download.downloader import Limits
from bike_demand.gbfs.client import GbfsClient
from bike_demand.gbfs.feeds import System
from bike_demand.simulation.city import City
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.server import CityServer

START = datetime(2026, 5, 1, tzinfo=UTC)
BOTH_VERSIONS = pytest.mark.parametrize("version", ["2.3", "3.0"])


class Present:
    """A clock that stands until it is moved."""

    def __init__(self, moment):
        self.moment = moment

    def __call__(self):
        return self.moment

    def move(self, **duration):
        self.moment += timedelta(**duration)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@pytest.fixture
def plan():
    return Plan(start=START, stations=30)


@pytest.fixture
def present():
    return Present(START + timedelta(minutes=32))


@pytest.fixture
def city(plan):
    return City(plan)


@pytest.fixture
def server(city, present):
    with CityServer(city, present) as running:
        yield running


@pytest.fixture
def get(server):
    """Ask the server for a path."""

    def ask(path, **options):
        return requests.get(f"{server.url}{path}", timeout=10, **options)

    return ask


@pytest.fixture
def client(present):
    """Our own GBFS client, which does not try again, of a server."""

    def follow(running):
        system = System(system_id="city", url=running.gbfs_url)
        return GbfsClient(system, limits=Limits(retries=0), clock=present)

    return follow


@pytest.fixture
def official_schema(shared_data):
    """Whether a document is as GBFS says, by its own JSON schemas."""

    def check(version, name, document):
        path = shared_data / "gbfs" / "json_schema" / f"v{version}" / f"{name}.json"
        schema = json.loads(path.read_text())
        checker = jsonschema.Draft7Validator.FORMAT_CHECKER
        jsonschema.Draft7Validator(schema, format_checker=checker).validate(document)

    return check
