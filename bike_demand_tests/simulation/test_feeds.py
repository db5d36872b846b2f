"""A city as GBFS documents: as the specification has them, and as our own client reads them."""

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from bike_demand.download.downloader import Limits
from bike_demand.simulation import feeds
from bike_demand.simulation.city import Snapshot
from bike_demand.simulation.feeds import Version
from bike_demand.simulation.server import OTHER_IDS_PREFIX, CityServer
from bike_demand_tests.simulation.conftest import BOTH_VERSIONS

NUMBERS = [
    "num_bikes_available",
    "num_ebikes_available",
    "num_bikes_disabled",
    "num_docks_available",
    "num_docks_disabled",
]
FLAGS = ["is_installed", "is_renting", "is_returning"]


@pytest.fixture
def served(city, present):
    """Serve the city in a version of GBFS."""
    opened = []

    def serve(version):
        opened.append(CityServer(city, present, version=Version(version)).__enter__())
        return opened[-1]

    yield serve
    for server in opened:
        server.__exit__(None, None, None)


def document(version, name, plan, city):
    version = Version(version)
    return json.loads(
        {
            "gbfs": lambda: feeds.discovery(version, plan, "http://127.0.0.1:8080"),
            "system_information": lambda: feeds.system_information(version, plan),
            "station_information": lambda: feeds.station_information(version, plan, city.stations),
            "station_status": lambda: feeds.station_status(
                version,
                city.now,
                feeds.status_records(version, city.stations["station_id"], city.snapshot()),
            ),
        }[name]()
    )


@BOTH_VERSIONS
@pytest.mark.parametrize(
    "name", ["gbfs", "system_information", "station_information", "station_status"]
)
def test_a_document_is_valid_by_the_official_schema(version, name, plan, city, official_schema):
    official_schema(version, name, document(version, name, plan, city))


@BOTH_VERSIONS
def test_our_client_reads_every_value_of_a_snapshot(version, served, client, city):
    read = client(served(version)).station_status()
    expected = city.snapshot()
    assert read.version == version
    assert read.rows["station_id"].tolist() == city.stations["station_id"].tolist()
    for name in (*NUMBERS, *FLAGS):
        assert read.rows[name].tolist() == getattr(expected, name).tolist(), name
    times = pd.to_datetime(expected.last_reported, unit="s", utc=True)
    assert read.rows["last_reported"].tolist() == times.tolist()
    assert (len(read.rejected), dict(read.notes)) == (0, {})


@BOTH_VERSIONS
def test_our_client_reads_the_facts_of_the_stations(version, served, client, city):
    read = client(served(version)).station_information()
    for name in city.stations.columns:
        assert read.rows[name].tolist() == city.stations[name].tolist(), name
    assert (len(read.rejected), dict(read.notes)) == (0, {})


@BOTH_VERSIONS
def test_our_client_reads_the_facts_of_the_system(version, served, client, plan):
    read = client(served(version)).system_information()
    assert (read.system_id, read.timezone, read.language) == ("simulated_1", plan.timezone, "en")
    assert read.name == "Simulated city 1"


@BOTH_VERSIONS
def test_a_status_feed_says_of_which_step_it_is(version, served, client):
    # The present is 0:32.
    assert client(served(version)).station_status().last_updated == datetime(
        2026, 5, 1, 0, 30, tzinfo=UTC
    )


@BOTH_VERSIONS
def test_vehicle_types_are_those_that_the_status_counts(version, plan, city):
    types = json.loads(feeds.vehicle_types(Version(version), plan))["data"]["vehicle_types"]
    status = document(version, "station_status", plan, city)
    counted = {
        entry["vehicle_type_id"]
        for record in status["data"]["stations"]
        for entry in record["vehicle_types_available"]
    }
    assert {kind["vehicle_type_id"] for kind in types} == counted


@BOTH_VERSIONS
def test_an_id_that_json_has_to_escape_stays_what_it_is(version, city):
    ids = [f'"{number}" \\ ç' for number in range(30)]
    records = feeds.status_records(Version(version), ids, city.snapshot())
    assert [json.loads(record)["station_id"] for record in records] == ids


@BOTH_VERSIONS
def test_a_hundred_thousand_stations_are_not_too_many_for_our_downloader(version):
    count = 100_000
    many, few = np.full(count, 22, dtype=np.int32), np.full(count, 2, dtype=np.int32)
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    yes = np.full(count, fill_value=True)
    # Two digits where the usual station has one or two.
    snapshot = Snapshot(
        now, many, few, few, many, few, yes, yes, yes, np.full(count, int(now.timestamp()))
    )
    ids = [f"{OTHER_IDS_PREFIX}{number:06d}" for number in range(count)]
    records = feeds.status_records(Version(version), ids, snapshot)
    size = len(feeds.station_status(Version(version), now, records))
    assert size < Limits().max_body_bytes
