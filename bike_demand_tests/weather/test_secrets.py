"""The key: wherever something goes wrong, and whatever is shown of it, the key is not there."""

import json
import logging
import pickle
import traceback

import pytest

from bike_demand.download.downloader import Limits
from bike_demand.download.errors import FeedError
from bike_demand.weather.openweathermap import OpenWeatherMap
from bike_demand_tests.weather.payloads import (
    HERE,
    Clock,
    openweathermap_current,
    openweathermap_forecast,
)

KEY = "5ecre7c0ffee5ecre7c0ffee5ecre7c0"
WEATHER = "/data/2.5/weather"
STEPS = "/data/2.5/forecast"


def client(base):
    clock = Clock()
    limits = Limits(
        connect_seconds=1,
        read_seconds=1,
        total_seconds=5,
        retries=1,
        max_body_bytes=100_000,
    )
    return OpenWeatherMap(KEY, url=base, limits=limits, clock=clock, sleep=clock.sleep)


def said(name, text):
    return json.dumps({"cod": "404", name: text}).encode()


FAILURES = {
    "400": lambda server: server.answer(400, said("message", f"bad appid={KEY}")),
    "401": lambda server: server.answer(401, said("message", f"Invalid API key {KEY.upper()}.")),
    "404": lambda server: server.answer(404, f"no {KEY} here".encode()),
    "429": lambda server: server.answer(429, KEY.encode(), retry_after="9999"),
    "500": lambda server: server.answer(500, KEY.encode()),
    "redirect": lambda server: server.answer(302, location=f"/elsewhere/{KEY}?appid={KEY}"),
    "loop": lambda server: server.answer(302, location=f"{WEATHER}?appid={KEY}"),
    "strange redirect": lambda server: server.answer(302, location=f"ftp://{KEY}/{KEY}"),
    "no URL": lambda server: server.answer(302, location=f"http://[{KEY}"),
    "web page": lambda server: server.answer(200, f"<html>{KEY}".encode()),
    "error with status 200": lambda server: server.answer(200, said("message", KEY)),
    "long reason": lambda server: server.answer(200, said("message", "x" * 190 + KEY)),
    "hidden in JSON": lambda server: server.answer(
        200, said("message", KEY).replace(b"5", b"\\u0035")
    ),
    "a name of that": lambda server: server.answer(200, json.dumps({"dt": KEY}).encode()),
    "cut": lambda server: server.answer(200, b'{"dt": 1', content_length="99"),
    "stall": lambda server: server.stall(b"HTTP/1.1 200 OK\r\n"),
    "no HTTP": lambda server: server.stall(b"hello\r\n\r\n"),
    "too large": lambda server: server.answer(200, KEY.encode() * 10_000),
    "compressed": lambda server: server.answer(200, b"x", content_encoding=KEY),
    "bad gzip": lambda server: server.answer(200, KEY.encode(), content_encoding="gzip"),
}


def shown(error):
    """All that a log, a database or a debugger may show of an error."""
    texts = [str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error))]
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    texts += whole.format()
    waiting = [error.__cause__, error.__context__]
    texts += [repr(cause) for cause in waiting if cause is not None]
    return "\n".join(texts).lower()


def failure(server, answer, path=WEATHER):
    server.serve(WEATHER, json.dumps(openweathermap_current()).encode())
    server.serve(STEPS, json.dumps(openweathermap_forecast()).encode())
    server.serve(path, answer)
    asked = client(server.base)
    try:
        asked.present(HERE)
    except FeedError as error:
        return error
    raise AssertionError("nothing went wrong")


@pytest.mark.parametrize("path", [WEATHER, STEPS])
@pytest.mark.parametrize("name", FAILURES)
def test_no_failure_shows_the_key(server, caplog, name, path):
    caplog.set_level(logging.DEBUG)
    error = failure(server, FAILURES[name](server), path)
    assert KEY not in shown(error)
    assert KEY not in caplog.text.lower()
    assert any(asked.get("appid") == KEY for asked in server.asked[path])


def test_no_failure_to_connect_shows_the_key(closed_port, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(FeedError) as caught:
        client(f"http://127.0.0.1:{closed_port}").present(HERE)
    assert KEY not in shown(caught.value)
    assert KEY not in caplog.text


@pytest.mark.parametrize("url", ["nowhere", "ftp://127.0.0.1", "http://[", "http://127.0.0.1:x"])
def test_no_address_that_is_none_shows_the_key(url):
    with pytest.raises(FeedError) as caught:
        client(url).present(HERE)
    assert KEY not in shown(caught.value)


def test_an_error_still_says_where_and_what(server):
    error = failure(server, FAILURES["401"](server))
    assert error.feed == f"{server.base}{WEATHER}?…"
    assert error.problem == "the server answered HTTP 401: Invalid API key (key)"
    assert error.http_status == 401


def test_an_error_survives_pickling(server):
    error = failure(server, FAILURES["429"](server))
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    assert (str(copied), copied.retry_after, copied.http_status) == (str(error), 9999, 429)


def test_a_success_logs_no_key(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.serve(WEATHER, json.dumps(openweathermap_current()).encode())
    server.serve(STEPS, json.dumps(openweathermap_forecast()).encode())
    client(server.base).present(HERE)
    assert f"{WEATHER}?…" in caplog.text
    assert KEY not in caplog.text


def test_headers_that_cannot_be_read_log_no_key(server, caplog):
    body = json.dumps(openweathermap_current()).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nno colon here\r\n\r\n".encode()
    server.serve(WEATHER, lambda handler: handler.wfile.write(head + body))
    server.serve(STEPS, json.dumps(openweathermap_forecast()).encode())
    client(server.base).present(HERE)
    assert "Failed to parse headers" in caplog.text
    assert KEY not in caplog.text


def test_a_client_neither_shows_nor_hands_on_its_key():
    asked = client("http://127.0.0.1")
    assert KEY not in repr(asked)
    with pytest.raises(TypeError, match="holds a key"):
        pickle.dumps(asked)
