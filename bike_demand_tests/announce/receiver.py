"""A receiver of events on loopback that verifies, answers as it is told, and may be down."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bike_demand.announce.delivery import signature


class Receiver:
    """What is posted to it, in order; `answers` are given first, then 204 for ever.

    An answer is a status, a pair of status and headers, or "lost": taken, and never answered.
    """

    def __init__(self, key):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                outer.take(self, body)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_):
                """Clients hang up on purpose here."""

        self.key, self.answers, self.requests, self.events = key, [], [], []
        self.stopping = threading.Event()
        self._server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def take(self, handler, body):
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append((handler.path, headers, body))
        if handler.path.endswith("/model/reload"):
            self._answer(handler, 200 if not self.answers else self.answers.pop(0))
            return
        expected = signature(self.key, headers["webhook-id"], headers["webhook-timestamp"], body)
        assert headers["webhook-signature"] == expected
        answer = self.answers.pop(0) if self.answers else 204
        if answer in (204, "lost"):
            self.events.append((headers["webhook-id"], json.loads(body)))
        if answer == "lost":
            handler.connection.close()
            return
        if answer == "stall":
            self.stopping.wait(20)
            return
        self._answer(handler, answer)

    def _answer(self, handler, answer):
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        handler.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    def told(self):
        """Types of the events that were taken, and what tells them apart."""
        return [
            (event["type"], event["data"].get("origin_at", event["data"].get("kind")))
            for _, event in self.events
        ]

    def stop(self):
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


KEY = bytes(range(32))
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # noqa: S105  # those bytes


@pytest.fixture
def receiver():
    running = Receiver(KEY)
    yield running
    running.stop()
