"""Messages: one as something goes wrong, one as it is over, and none lost on the way."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import StreamRequestHandler, TCPServer

import pytest

from bike_demand import settings
from bike_demand.alerts import ChannelError, Incident, Message, Outbox, changes, channels
from bike_demand.alerts.channels import Email, Slack, Webhook

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
LATE = Incident(
    key="station_status failing",
    asset="station_status",
    partition="2026-03-06-11:45",
    since=NOW - timedelta(minutes=5),
    what="The feed does not answer.",
    todo="Look whether it is there.",
    link="http://127.0.0.1:3000/runs/1",
)


def message(number=1):
    _, [opened] = changes({}, [LATE], NOW)
    return Message(**{**vars(opened), "id": str(number)})


class Kept:
    """A channel that keeps what it is given, or is down."""

    name = "kept"

    def __init__(self):
        self.given, self.down = [], False

    def send(self, message):
        if self.down:
            raise ChannelError("it is down")
        self.given.append(message.id)


def test_an_incident_is_told_once_and_its_end_once():
    known, [opened] = changes({}, [LATE], NOW)
    assert opened.kind == "opened"
    for words in ("11:55 UTC", "does not answer", "Look whether"):
        assert words in opened.text
    known, again = changes(known, [LATE], NOW + timedelta(hours=1))
    assert again == []
    known, [over] = changes(known, [], NOW + timedelta(hours=3))
    assert (over.kind, known) == ("recovered", {})
    assert "after 3 h 5 min" in over.text
    assert changes(known, [], NOW) == ({}, [])


def test_an_incident_survives_being_kept_as_json():
    assert Incident.from_json(json.loads(json.dumps(LATE.to_json()))) == LATE


def test_a_channel_that_is_down_gets_everything_in_order_when_it_is_back():
    channel, outbox = Kept(), Outbox()
    channel.down = True
    for number in (1, 2):
        [failure] = outbox.send([channel], [message(number)])
        assert "it is down" in failure
        outbox = Outbox(json.loads(json.dumps(outbox.to_json())))
    channel.down = False
    assert outbox.send([channel], [message(3)]) == []
    assert channel.given == ["1", "2", "3"]
    assert outbox.to_json() == {}


def test_a_channel_that_is_down_does_not_hold_up_another():
    up, down = Kept(), Kept()
    down.name, down.down = "down", True
    Outbox().send([down, up], [message()])
    assert up.given == ["1"]


def test_a_channel_that_fails_in_a_way_of_its_own_is_one_that_is_down():
    class Odd(Kept):
        def send(self, message):
            raise UnicodeError("geheim")

    up, odd = Kept(), Odd()
    odd.name = "odd"
    outbox = Outbox()
    assert outbox.send([odd, up], [message()]) == ["odd: UnicodeError; 1 messages wait"]
    assert up.given == ["1"]
    assert [*outbox.to_json()] == ["odd"]


def test_a_slow_channel_is_given_the_rest_another_time():
    seconds = iter(range(0, 1000, 6))
    outbox, slow = Outbox(clock=lambda: next(seconds)), Kept()
    outbox.send([slow], [message(number) for number in range(5)])
    assert slow.given == ["0", "1"]
    outbox.send([slow], [])
    assert slow.given == ["0", "1", "2", "3"]


@contextmanager
def served(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def hook():
    """An HTTP server that notes what it is sent, and answers as it is told to."""
    seen, answers = [], {"status": 200, "body": b'{"ok": true}'}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers, body))
            self.send_response(answers["status"])
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(answers["body"])

        def log_message(self, *_):
            pass

    with served(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}", seen, answers


def test_a_webhook_is_sent_the_fields_as_json(hook):
    url, seen, _ = hook
    Webhook(f"{url}/hook?key=secret").send(message())
    [(path, _, body)] = seen
    assert path == "/hook?key=secret"
    assert json.loads(body)["asset"] == "station_status"


def test_what_a_webhook_refuses_is_a_failure_that_hides_its_key(hook):
    url, _, answers = hook
    answers["status"] = 500
    with pytest.raises(ChannelError, match="answered 500") as error:
        Webhook(f"{url}/hook/secret?key=secret").send(message())
    assert "secret" not in str(error.value)


def test_a_webhook_that_nobody_listens_at_is_a_failure(closed_port):
    with pytest.raises(ChannelError, match="ConnectionError"):
        Webhook(f"http://127.0.0.1:{closed_port}/?key=secret").send(message())


@pytest.fixture
def slack(hook, monkeypatch):
    from slack_sdk import WebClient

    url, seen, answers = hook
    monkeypatch.setattr(WebClient, "BASE_URL", f"{url}/api/")
    monkeypatch.setattr(WebClient.__init__, "__defaults__", _with(WebClient, f"{url}/api/"))
    return seen, answers


def _with(client, url):
    return tuple(
        url if isinstance(value, str) and value.startswith("https://") else value
        for value in client.__init__.__defaults__
    )


def test_slack_gets_a_line_in_its_channel(slack):
    seen, _ = slack
    Slack("xoxb-secret", "#bikes").send(message())
    [(path, headers, body)] = seen
    assert path == "/api/chat.postMessage"
    assert headers["Authorization"] == "Bearer xoxb-secret"
    assert b"bikes" in body


def test_what_slack_refuses_is_a_failure_that_hides_the_token(slack):
    _, answers = slack
    answers["body"] = b'{"ok": false, "error": "channel_not_found"}'
    with pytest.raises(ChannelError, match="channel_not_found") as error:
        Slack("xoxb-secret", "#bikes").send(message())
    assert "secret" not in str(error.value)


class Mail(StreamRequestHandler):
    """As little SMTP as a mail needs."""

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        data = False
        for line in self.rfile:
            if data:
                self.server.mail.append(line.decode())
                if line == b".\r\n":
                    data = False
                    self.wfile.write(b"250 taken\r\n")
                continue
            word = line.split()[0].upper()
            data = word == b"DATA"
            self.wfile.write(
                {b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}.get(word, b"250 ok\r\n")
            )
            if word == b"QUIT":
                return


@pytest.fixture
def mail_server():
    server = TCPServer(("127.0.0.1", 0), Mail)
    server.mail = []
    with served(server) as port:
        yield port, server.mail


def test_a_mail_has_a_subject_and_says_what_to_do(mail_server):
    port, mail = mail_server
    Email(f"smtp://127.0.0.1:{port}", "ops@example.org").send(message())
    text = "".join(mail)
    assert "Subject: [bike_demand] station_status failing" in text
    assert "Look whether" in text


def test_a_password_is_not_sent_to_a_server_that_does_not_encrypt(mail_server):
    port, mail = mail_server
    with pytest.raises(ChannelError, match="no password is sent"):
        Email(f"smtp://ops:secret@127.0.0.1:{port}", "ops@example.org").send(message())
    assert mail == []


def test_the_settings_name_the_channels(tmp_path, monkeypatch):
    assert channels(settings.load(tmp_path)) == []
    monkeypatch.setenv("BIKE_DEMAND_SLACK_TOKEN", "xoxb-secret")
    monkeypatch.setenv("BIKE_DEMAND_SLACK_CHANNEL", "#bikes")
    monkeypatch.setenv("BIKE_DEMAND_SMTP_URL", "smtps://ops:secret@mail.example.org")
    monkeypatch.setenv("BIKE_DEMAND_ALERT_EMAIL", "ops@example.org")
    monkeypatch.setenv("BIKE_DEMAND_ALERT_WEBHOOK", "https://example.org/?key=secret")
    found = channels(settings.load(tmp_path))
    assert [channel.name for channel in found] == ["slack", "e-mail", "webhook"]
    assert "secret" not in str(found)


def test_half_a_channel_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("BIKE_DEMAND_SLACK_TOKEN", "xoxb-secret")
    with pytest.raises(settings.InvalidSettingsError, match="go together") as error:
        settings.load(tmp_path)
    assert "secret" not in str(error.value)
