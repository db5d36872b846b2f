"""A real HTTP server on loopback, and a client's clock and sleep that cost no time."""

import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest


class FeedServer:
    """Serves what a test put at a path; a list is served one by one, its last item for ever.

    By path, `seen` has the headers of each request and `asked` its query.
    """

    def __init__(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                outer.asked[path].append(dict(parse_qsl(query)))
                outer.seen[path].append(
                    {name.lower(): value for name, value in self.headers.items()}
                )
                answers = outer.answers.get(path)
                if not answers:
                    outer.answer(404)(self)
                    return
                (answers.pop(0) if len(answers) > 1 else answers[0])(self)

            def log_message(self, *_args):
                """Says nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_args):
                """Clients hang up on purpose here."""

        self.answers = {}
        self.seen = defaultdict(list)
        self.asked = defaultdict(list)
        self.stopping = threading.Event()
        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self):
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, path, *answers):
        """Puts answers (`answer(...)`, or bytes for a plain 200) at a path and returns its URL."""
        self.answers[path] = [
            self.answer(200, item) if isinstance(item, bytes) else item for item in answers
        ]
        return self.base + path

    @staticmethod
    def answer(status, body=b"", **headers):
        """An answer with a status, a body, and headers written with underscores."""

        def respond(handler):
            handler.send_response(status)
            told = {name.replace("_", "-").lower(): value for name, value in headers.items()}
            told.setdefault("content-length", str(len(body)))
            for name, value in told.items():
                if value is not None:
                    handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)

        return respond

    def stall(self, before=b""):
        """Sends some bytes, then nothing for as long as the client stays."""

        def respond(handler):
            handler.wfile.write(before)
            handler.wfile.flush()
            self.stopping.wait(20)

        return respond

    def drip(self, before, drop):
        """Sends some bytes, then the same drop again and again, faster than any read timeout."""

        def respond(handler):
            handler.wfile.write(before)
            while not self.stopping.wait(0.02):
                handler.wfile.write(drop)
                handler.wfile.flush()

        return respond


@pytest.fixture
def server():
    running = FeedServer()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
