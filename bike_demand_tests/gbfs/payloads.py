"""Payloads: small ones made here, and the recorded ones where a checkout has them beside it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bike_demand.gbfs.document import Document, read_document

NOW = datetime(2024, 10, 2, 19, 5, tzinfo=UTC)
EPOCH = int(NOW.timestamp())

RECORDED = Path(__file__).parents[2].parent / "shared" / "data" / "gbfs"

needs_recorded_payloads = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="no recorded GBFS payloads: ../shared/data/gbfs is not there"
)


def station(station_id="a", **changes):
    """A tidy record of station_status, with fields changed, added, or removed by `...`."""
    record = {
        "station_id": station_id,
        "num_bikes_available": 5,
        "num_ebikes_available": 2,
        "num_bikes_disabled": 1,
        "num_docks_available": 7,
        "num_docks_disabled": 0,
        "is_installed": 1,
        "is_renting": 1,
        "is_returning": 1,
        "last_reported": EPOCH - 60,
        **changes,
    }
    return {name: value for name, value in record.items() if value is not ...}


def fact(station_id="a", **changes):
    """A tidy record of station_information, changed likewise."""
    record = {
        "station_id": station_id,
        "name": "Arthur Ave & E 183 St",
        "short_name": "8430.03",
        "lat": 40.85307,
        "lon": -73.88953,
        "capacity": 25,
        "region_id": "71",
        **changes,
    }
    return {name: value for name, value in record.items() if value is not ...}


def envelope(data, **changes):
    """The bytes of a GBFS document."""
    content = {
        "last_updated": EPOCH - 30,
        "ttl": 60,
        "version": "2.3",
        "data": data,
        **changes,
    }
    return json.dumps({name: value for name, value in content.items() if value is not ...}).encode()


def stations(*records, **changes):
    """The bytes of a document with these station records."""
    return envelope({"stations": list(records)}, **changes)


def document(body, fetched_at=NOW) -> Document:
    return read_document(
        body, url="https://city.example/feed.json?key=s3cret", fetched_at=fetched_at
    )
