from datetime import timedelta

import pytest

from bike_demand.gbfs.document import CLOCK_TOLERANCE
from bike_demand.gbfs.errors import InvalidFeedError
from bike_demand_tests.gbfs.payloads import EPOCH, NOW, document, envelope


def test_the_envelope_is_read():
    read = document(envelope({}, last_updated=EPOCH - 30, ttl=60, version="2.3"))
    assert read.last_updated == NOW - timedelta(seconds=30)
    assert read.last_updated.utcoffset() == timedelta(0)
    assert (read.ttl, read.version, read.fetched_at, read.notes) == (60, "2.3", NOW, {})


def test_the_feed_is_named_without_its_query_string():
    assert document(envelope({})).feed == "https://city.example/feed.json?…"


@pytest.mark.parametrize("missing", [..., None])
def test_a_document_without_last_updated_ttl_and_version_is_a_gbfs_1_0_one(missing):
    read = document(envelope({}, last_updated=missing, ttl=missing, version=missing))
    assert (read.last_updated, read.ttl, read.version) == (None, None, "1.0")


def test_a_version_that_is_not_stated_is_3_0_where_times_are_rfc_3339():
    read = document(envelope({}, last_updated="2024-10-02T19:04:30Z", version=...))
    assert (read.version, read.last_updated) == ("3.0", NOW - timedelta(seconds=30))


@pytest.mark.parametrize(("stated", "expected"), [(2.3, "2.3"), (3, "3"), ("v2.2", "2.2")])
def test_a_version_is_read_as_number_and_text(stated, expected):
    assert document(envelope({}, version=stated)).version == expected


@pytest.mark.parametrize("value", [0, 86400])
def test_a_last_updated_before_2000_is_none_and_noted(value):
    read = document(envelope({}, last_updated=value))
    assert (read.last_updated, read.notes) == (None, {"last_updated_before_2000": 1})


def test_a_last_updated_a_little_ahead_of_our_clock_is_kept_and_a_far_one_is_not():
    ahead = int(CLOCK_TOLERANCE.total_seconds())
    assert document(envelope({}, last_updated=EPOCH + ahead)).last_updated == NOW + CLOCK_TOLERANCE
    read = document(envelope({}, last_updated=EPOCH + ahead + 1))
    assert (read.last_updated, read.notes) == (None, {"last_updated_in_future": 1})


@pytest.mark.parametrize("ttl", [-1, 1.5, "soon", 10**12, True])
def test_a_ttl_that_is_none_is_none_and_noted(ttl):
    read = document(envelope({}, ttl=ttl))
    assert read.ttl is None
    assert len(read.notes) == 1


@pytest.mark.parametrize("rest", [b"}", b"\n}\n", b"]}", b" } } "])
def test_stray_closing_brackets_at_the_end_are_noted_and_otherwise_ignored(rest):
    read = document(envelope({"stations": []}) + rest)
    assert (read.data, read.notes) == ({"stations": []}, {"trailing_brackets": 1})


def test_white_space_and_a_byte_order_mark_around_the_document_are_nothing():
    assert document(b"\xef\xbb\xbf \n" + envelope({}) + b"\r\n ").notes == {}


def test_nan_is_read_as_missing():
    assert document(b'{"data": {"a": NaN, "b": -Infinity}}').data == {"a": None, "b": None}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"<!DOCTYPE html><title>Sorry</title>", "web page"),
        (b"\n<?xml version='1.0'?><Error/>", "web page"),
        (b'{"data": {"stations": [{"station_id": "a"', "truncated"),
        (b"{'data': {}}", "broken"),
        (b'{"data": {}} {"data": {}}', "followed by"),
        (b"\x1f\x8b\x08\x00", "not UTF-8"),
        (b'{"data": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"data": ' + b"9" * 10_000 + b"}", "broken"),
        (b"[]", "instead of a JSON object"),
        (b"null", "instead of a JSON object"),
        (b'"hello"', "instead of a JSON object"),
        (b"{}", "no `data` object"),
        (b'{"data": []}', "no `data` object"),
        (b'{"message": "Invalid API key"}', "'message'"),
    ],
)
def test_what_is_no_gbfs_document_fails_with_the_feed_the_problem_and_the_remedy(body, problem):
    with pytest.raises(InvalidFeedError, match=problem) as caught:
        document(body)
    message = str(caught.value)
    assert message.startswith("https://city.example/feed.json?…: ")
    assert "Open the URL" in message
    assert "s3cret" not in message
    assert len(message) < 400
    assert caught.value.rejected is None
