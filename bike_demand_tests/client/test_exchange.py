"""Tries and waits, what is kept, and who sees the key: against a server that misbehaves."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bike_demand.client import (
    AnswerError,
    Client,
    ProblemError,
    TransientProblemError,
    UnreachableError,
)
from bike_demand.client import exchange as module
from bike_demand_tests.feed_server import FeedServer

SYSTEMS = b'{"systems": []}'
KEY = "5ecre7-c0ffee"


class Time:
    """Passes by waiting alone."""

    def __init__(self):
        self.now, self.waits = 0.0, []

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def served():
    running = FeedServer()
    yield running
    running.stop()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def client(served, time):
    with Client(served.base, api_key=KEY) as found:
        found._exchange._clock, found._exchange._sleep = lambda: time.now, time.sleep
        yield found


def test_what_passes_is_tried_again_after_a_growing_while(served, client, time):
    down = served.answer(502, b"<html>")
    served.serve("/systems", down, down, SYSTEMS)
    assert client.systems() == []
    first, second = time.waits
    assert 0.25 <= first <= 0.5 <= second <= 1


@pytest.mark.parametrize("status", [429, 503])
def test_the_server_says_how_long_to_wait(served, client, time, status):
    served.serve("/systems", served.answer(status, retry_after="7"), SYSTEMS)
    assert client.systems() == []
    assert time.waits == [7]


def test_it_may_say_so_by_a_date(served, client, time):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    served.serve("/systems", served.answer(503, retry_after=later), SYSTEMS)
    client.systems()
    assert 15 < time.waits[0] <= 20


@pytest.mark.parametrize("told", ["soon", "-1", "99999999999999999999"])
def test_an_odd_wait_is_no_wait_for_ever(served, client, time, told):
    served.serve("/systems", served.answer(503, retry_after=told), SYSTEMS)
    with suppress(TransientProblemError):
        client.systems()
    assert sum(time.waits) <= module.PATIENCE_S


def test_whoever_asks_for_more_patience_than_there_is_is_not_waited_for(served, client, time):
    served.serve("/systems", served.answer(429, retry_after="31"))
    with pytest.raises(TransientProblemError) as refused:
        client.systems()
    assert refused.value.retry_after == 31
    assert time.waits == []


def test_tries_come_to_an_end(served, client, time):
    served.serve("/systems", served.answer(503))
    with pytest.raises(TransientProblemError, match="503"):
        client.systems()
    assert len(served.seen["/systems"]) == module.TRIES
    assert sum(time.waits) <= module.PATIENCE_S


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 500])
def test_what_does_not_pass_is_asked_once(served, client, time, status):
    served.serve("/systems", served.answer(status, b"no problem document"))
    with pytest.raises(ProblemError) as refused:
        client.systems()
    assert refused.value.status == status
    assert not isinstance(refused.value, TransientProblemError)
    assert len(served.seen["/systems"]) == 1


def test_who_says_nothing_or_hangs_up_is_not_there(served, client, time, closed_port):
    served.serve("/systems", served.stall())
    client._exchange._timeout = 0.5
    with pytest.raises(UnreachableError):
        client.systems()
    with Client(f"http://user:{KEY}@127.0.0.1:{closed_port}") as nobody:
        nobody._exchange._sleep = time.sleep
        with pytest.raises(UnreachableError) as refused:
            nobody.systems()
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None


def test_nobody_else_sees_the_key(served, client):
    elsewhere = FeedServer()
    try:
        target = elsewhere.serve("/systems", SYSTEMS)
        served.serve("/systems", served.answer(302, location=target))
        with pytest.raises(AnswerError, match="302"):
            client.systems()
        assert not elsewhere.seen["/systems"]
    finally:
        elsewhere.stop()
    assert served.seen["/systems"][0]["x-api-key"] == KEY


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"systems": 3}', b'{"systems": [{}]}', b""])
def test_what_is_no_answer_of_the_api_is_told(served, client, body):
    served.serve("/systems", body)
    with pytest.raises(AnswerError):
        client.systems()


@pytest.mark.parametrize("body", [b"[]", b"3", b"{", b'{"errors": 3, "title": null}'])
def test_a_problem_that_is_none_is_still_one(served, client, body):
    served.serve("/systems", served.answer(404, body, content_type="application/problem+json"))
    with pytest.raises(ProblemError, match="404"):
        client.systems()


def test_few_answers_are_kept_and_the_newest_of_them(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 3)
    monkeypatch.setattr(module, "KEPT_BYTES", 100)
    kept = module._Kept()
    for name in "abcd":
        kept.put((name,), name, b"x" * 10)
        kept.get(("b",))
    assert [kept.get((name,)) is not None for name in "abcd"] == [False, True, True, True]
    kept.put(("e",), "e", b"x" * 90)
    assert [kept.get((name,)) is not None for name in "bcde"] == [False, False, True, True]
    kept.put(("e",), "e", b"x" * 101)
    assert not kept._answers
    assert kept._size == 0
