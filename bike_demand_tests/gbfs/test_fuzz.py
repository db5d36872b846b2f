"""Payloads broken at random: the outcome is frames, rejections, or the stated error.

`GBFS_FUZZ_CASES=10000 pytest bike_demand_tests/gbfs/test_fuzz.py` runs each test with so many.
"""

import copy
import json
import os
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bike_demand.download.downloader import Downloader, Limits
from bike_demand.download.errors import FeedError
from bike_demand.gbfs import parse
from bike_demand.gbfs.document import read_document
from bike_demand.gbfs.errors import ADVICE, InvalidFeedError
from bike_demand.gbfs.feeds import listed_feeds
from bike_demand.gbfs.frames import (
    INFORMATION_COLUMNS,
    MAX_RECORD_CHARACTERS,
    REJECTED_COLUMNS,
    STATUS_COLUMNS,
)
from bike_demand.gbfs.values import MAX_COUNT
from bike_demand_tests.gbfs.payloads import (
    EPOCH,
    RECORDED,
    fact,
    needs_recorded_payloads,
    station,
)

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TYPES = {"1": False, "2": True, "abc123": False, "def456": True}

fuzzed = settings(
    max_examples=int(os.environ.get("GBFS_FUZZ_CASES", "100")),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def check_text(cells):
    for cell in cells:
        if cell is not None:
            assert "\0" not in cell
            cell.encode()


def check_frame(frame, columns):
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == dict(columns)
    for name, dtype in columns.items():
        if dtype == "object" and name != "ordinal":
            check_text(frame[name])
        elif name.startswith("num_") or name == "capacity":
            assert frame[name].dropna().between(0, MAX_COUNT).all()


def check_rejected(rejected, records):
    check_frame(rejected, REJECTED_COLUMNS)
    assert rejected.notna().all(axis=None)
    assert rejected["ordinal"].between(0, records - 1).all()
    assert rejected["ordinal"].is_monotonic_increasing
    assert rejected["ordinal"].is_unique
    assert (rejected["record"].str.len() <= MAX_RECORD_CHARACTERS).all()
    assert rejected["reason"].str.fullmatch("[a-z_]+").all()


def check_stations(result, columns):
    check_frame(result.rows, columns)
    check_rejected(result.rejected, result.records)
    assert result.rows["station_id"].notna().all()
    assert result.rows["station_id"].is_unique
    repeated = result.notes.get("duplicate_collapsed", 0)
    assert len(result.rows) + len(result.rejected) + repeated == result.records
    assert 2 * len(result.rejected) <= result.records


def check_system(result):
    check_text([result.system_id, result.name, result.timezone, result.language])


def check_error(error):
    message = str(error)
    message.encode()
    assert "s3cret" not in message
    if error.rejected is not None:
        check_rejected(error.rejected, error.records)
        assert 2 * len(error.rejected) > error.records


def check_outcome(body):
    """Reads a document in every way; anything but the stated error is let through."""
    try:
        document = read_document(body, url="https://city.example/f?key=s3cret", fetched_at=NOW)
    except InvalidFeedError as error:
        check_error(error)
        return
    assert document.last_updated is None or document.last_updated.utcoffset() is not None
    types = TYPES if parse.needs_vehicle_types(document) else None
    readings = [
        (
            lambda: parse.station_status(document, types),
            lambda result: check_stations(result, STATUS_COLUMNS),
        ),
        (
            lambda: parse.station_information(document, "de"),
            lambda result: check_stations(result, INFORMATION_COLUMNS),
        ),
        (lambda: parse.system_information(document, "de"), check_system),
        (lambda: parse.electric_vehicle_types(document), dict),
        (lambda: listed_feeds(document, "https://city.example/gbfs.json"), dict),
    ]
    for read, check in readings:
        try:
            result = read()
        except InvalidFeedError as error:
            check_error(error)
        else:
            check(result)


def small(content):
    """A document with at most five stations, so that a case is quick."""
    data = content.get("data")
    if isinstance(data, dict) and isinstance(data.get("stations"), list):
        data["stations"] = data["stations"][:5]
    return content


def recorded_documents():
    names = ("status", "stationinformation", "station_information", "system", "gbfs", "vehicle_ty")
    documents = []
    for path in sorted(RECORDED.rglob("*.json")):
        name = path.name.lower().replace("-", "_")
        if "json_schema" not in path.parts and any(part in name for part in names):
            documents.append(small(json.loads(path.read_bytes())))
    return documents


MADE = [
    {"last_updated": EPOCH, "ttl": 60, "version": "2.3", "data": data}
    for data in (
        {"stations": [station("a"), station("b"), station(7)]},
        {
            "stations": [
                station(
                    num_ebikes_available=...,
                    vehicle_types_available=[{"vehicle_type_id": "1", "count": 5}],
                ),
                station("b", num_ebikes_available=..., num_bikes_available_types=[{"ebike": 1}]),
            ]
        },
        {"stations": [fact("a"), fact("b", name=[{"text": "B", "language": "de"}])]},
        {"system_id": "x", "timezone": "Europe/Oslo", "languages": ["nb"], "name": "X"},
        {"en": {"feeds": [{"name": "station_status", "url": "https://city.example/s"}]}},
        {"vehicle_types": [{"vehicle_type_id": "1", "form_factor": "bicycle"}]},
    )
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 86400, EPOCH, EPOCH * 1000, 2**31, 2**63, 10**25, -(10**30)]),
    st.floats(),
    st.text(st.characters(), max_size=8),  # halves of surrogate pairs and NUL included
    st.sampled_from(["", "0", "1", "-1", "2.5", "true", "2024-10-02T19:05:00Z", "a\0b", "\ud800"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(node):
    """Every place in a document, as its container and key."""
    found = []
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in items:
        found.append((node, key))
        if isinstance(child, dict | list):
            found += places(child)
    return found


@st.composite
def broken(draw, documents):
    """The bytes of a document with a few places changed, and perhaps a few bytes."""
    content = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(0, 5))):
        everywhere = places(content)
        if not everywhere:
            break
        container, key = everywhere[draw(st.integers(0, len(everywhere) - 1))]
        change = draw(st.sampled_from(["replace", "replace", "delete", "repeat", "add"]))
        if change == "replace":
            container[key] = draw(values)
        elif change == "delete":
            del container[key]
        elif change == "repeat" and isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
        elif isinstance(container, dict):
            container[draw(st.text(max_size=12))] = draw(values)
    body = json.dumps(content).encode()
    at = draw(st.integers(0, len(body)))
    return draw(
        st.sampled_from(
            [body, body, body, body[:at], body + b"}", body[:at] + b"\xff" + body[at:], body * 2]
        )
    )


@needs_recorded_payloads
def test_a_broken_recorded_payload_is_frames_rejections_or_the_stated_error():
    documents = recorded_documents()
    assert len(documents) > 40

    @fuzzed
    @given(broken(documents))
    def run(body):
        check_outcome(body)

    run()


@fuzzed
@given(broken(MADE))
def test_a_broken_made_payload_is_frames_rejections_or_the_stated_error(body):
    check_outcome(body)


@fuzzed
@given(values)
def test_a_record_of_anything_is_a_row_or_a_rejection(value):
    content = {"data": {"stations": [station("a"), fact("b"), value]}}
    check_outcome(json.dumps(content).encode())


@fuzzed
@given(st.one_of(st.binary(), values.map(lambda value: json.dumps(value).encode())))
def test_anything_at_all_is_frames_rejections_or_the_stated_error(body):
    check_outcome(body)


addresses = st.builds(
    str.__add__,
    st.sampled_from(["", "/", "//", "base", "http://[", "https:", "http://127.0.0.1:", "ftp://"]),
    # Latin-1 is what a header can hold; an '@' would make a host of it, and a look-up.
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n@"), max_size=10),
)


@fuzzed
@given(addresses)
def test_a_redirect_to_anything_ends_in_the_stated_error(server, address):
    target = address.replace("base", server.base)
    url = server.serve("/f", server.answer(302, location=target))
    downloader = Downloader(ADVICE, limits=Limits(total_seconds=5, retries=0))
    with pytest.raises(FeedError) as caught:
        downloader.get(url)
    assert caught.value.feed == url
    str(caught.value).encode()


@pytest.mark.parametrize("depth", [100, 500, 900, 990, 10_000, 100_000])
def test_depth_is_no_trouble(depth):
    deep = "[" * depth + "]" * depth
    check_outcome(f'{{"data": {{"stations": [{deep}]}}}}'.encode())
    tidy = json.dumps(station())
    check_outcome(f'{{"data": {{"stations": [{tidy}, {{"station_id": {deep}}}]}}}}'.encode())
