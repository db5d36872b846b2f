"""How an event is posted, and what is made of the answer."""

import base64
import logging
import traceback
from datetime import UTC, datetime

import pytest

from bike_demand import settings
from bike_demand.announce import Event, Receiver, RefusedError, Server, delivery
from bike_demand_tests.announce.receiver import KEY, SECRET

NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
EVENT = Event("forecast.stored", NOW, {"system_id": "a"}, ("a", "origin", "champion"))
HIDDEN = "/hooks/5ecre7c0ffee?token=0ther5ecret"


@pytest.fixture
def hook(receiver):
    return Receiver(receiver.base + HIDDEN, KEY)


def test_an_event_is_signed_as_the_specification_says(receiver, hook):
    """The vector is that of the specification's own libraries."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    told = delivery.signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert told == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    hook.deliver(EVENT, NOW)
    [(path, headers, body)] = receiver.requests
    assert path == HIDDEN
    assert headers["webhook-id"] == f"evt_{EVENT.id}"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert headers["content-type"] == "application/json"
    assert body == EVENT.body()


def test_an_event_has_the_same_id_and_bytes_at_each_try_and_another_one_has_others():
    again = Event(EVENT.type, EVENT.at, {"system_id": "a"}, EVENT.key)
    other = Event(EVENT.type, EVENT.at, {"system_id": "a"}, ("a", "origin", "simple"))
    assert (again.id, again.body()) == (EVENT.id, EVENT.body())
    assert other.id != EVENT.id
    assert "." not in EVENT.id


@pytest.mark.parametrize(
    ("answer", "why", "wait"),
    [
        (500, "it answered 500", None),
        (404, "it answered 404", None),
        ((503, {"Retry-After": "120"}), "it answered 503", 120),
        ((429, {"Retry-After": "soon"}), "it answered 429", None),
        ((302, {"Location": "/5ecre7c0ffee"}), "it answered 302", None),
        ("lost", "ConnectionError", None),
    ],
)
def test_what_is_not_taken_is_told_without_the_address(receiver, hook, caplog, answer, why, wait):
    caplog.set_level(logging.DEBUG)
    receiver.answers = [answer]
    with pytest.raises(RefusedError) as refused:
        hook.deliver(EVENT, NOW)
    assert (str(refused.value), refused.value.retry_after) == (why, wait)
    assert len(receiver.requests) == 1
    shown = "".join(traceback.format_exception(refused.value)) + caplog.text + repr(hook)
    for secret in ("5ecre7c0ffee", "0ther5ecret", SECRET):
        assert secret not in shown


def test_a_receiver_that_does_not_answer_is_not_waited_for(receiver, hook, monkeypatch):
    monkeypatch.setattr(delivery, "TIMEOUT_S", 0.2)
    receiver.answers = ["stall"]
    with pytest.raises(RefusedError):
        hook.deliver(EVENT, NOW)


def test_nobody_there_is_told_without_the_address(closed_port):
    hook = Receiver(f"http://127.0.0.1:{closed_port}{HIDDEN}", KEY)
    with pytest.raises(RefusedError, match=r"^ConnectionError$"):
        hook.deliver(EVENT, NOW)


def test_the_server_is_told_with_its_token(receiver, tmp_path, monkeypatch):
    # What a .netrc says of the host would take the token's place.
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = Server(f"{receiver.base}/", "t0ken-of-the-server")
    server.reload()
    [(path, headers, _)] = receiver.requests
    assert (path, headers["authorization"]) == ("/model/reload", "Bearer t0ken-of-the-server")
    assert "t0ken-of-the-server" not in repr(server)


def test_the_settings_name_both(tmp_path, monkeypatch):
    assert Receiver.of(settings.load(tmp_path)) is None
    assert Server.of(settings.load(tmp_path)) is None
    monkeypatch.setenv("BIKE_DEMAND_FORECAST_WEBHOOK", "https://example.org/hook")
    monkeypatch.setenv("BIKE_DEMAND_FORECAST_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("BIKE_DEMAND_SERVING_URL", "http://127.0.0.1:8000")
    monkeypatch.setenv("BIKE_DEMAND_SERVING_RELOAD_TOKEN", "t0ken-of-the-server")
    assert Receiver.of(settings.load(tmp_path)) == Receiver("https://example.org/hook", KEY)
    assert Server.of(settings.load(tmp_path)) == Server(
        "http://127.0.0.1:8000", "t0ken-of-the-server"
    )


@pytest.mark.parametrize("secret", ["", "whsec_c2hvcnQ=", "whsec_not base64 at all", SECRET[6:]])
def test_a_key_that_is_none_is_refused_and_not_shown(tmp_path, monkeypatch, secret):
    monkeypatch.setenv("BIKE_DEMAND_FORECAST_WEBHOOK", "https://example.org/hook")
    monkeypatch.setenv("BIKE_DEMAND_FORECAST_WEBHOOK_SECRET", secret)
    with pytest.raises(settings.InvalidSettingsError, match="forecast_webhook_secret") as refused:
        settings.load(tmp_path)
    assert not secret or secret not in str(refused.value)
