"""What tests of the client share."""

import pytest

from bike_demand.client import Client
from bike_demand_tests.serving.conftest import city_of_all, standing

__all__ = ["city_of_all", "standing"]


@pytest.fixture
def client(standing):
    with Client(standing.url) as found:
        yield found
