"""What every request passes: outside the envelope, within it the door.

Plain ASGI: what Starlette offers for this costs as much as a whole answer from memory.
"""

import logging
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, TextIO

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bike_demand.serving import logs, problems, security
from bike_demand.serving.numbers import Numbers
from bike_demand.serving.problems import Problem

OPEN: Final = frozenset({"/", "/health", "/ready", "/openapi.json", "/model/reload"})
"""Paths that need no API key; reloading has a token of its own."""

OPEN_BELOW: Final = "/page/"
UNCOUNTED: Final = frozenset({"/health", "/ready"})
"""Paths that are asked for by who looks after the server."""

_LOG: Final = logging.getLogger(__name__)


class Envelope:
    """Names the request, writes it down, counts it, and guards the answer's headers.

    Args:
        app: What answers.
        headers: Of every answer.
        numbers: Where it is counted.
        log: Where it is written down; None for nowhere.
    """

    def __init__(
        self,
        app: ASGIApp,
        headers: list[tuple[bytes, bytes]],
        numbers: Numbers,
        log: TextIO | None,
    ) -> None:
        self._app = app
        self._headers = headers
        self._numbers = numbers
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        request_id = logs.request_id(given)
        method, told = scope["method"], (b"x-request-id", request_id.encode("ascii"))
        headless = method == "HEAD"
        if headless:  # not for uvicorn, which would wait for the body
            scope = {**scope, "method": "GET"}
        status, length = 0, 0

        async def answer(message: Message) -> None:
            nonlocal status, length
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._headers, told]
            elif message["type"] == "http.response.body":
                length += len(message.get("body", b""))
                if headless:
                    message["body"] = b""
            await send(message)

        try:
            with suppress(ClientDisconnect):  # who goes away hears no answer
                await self._app(scope, receive, answer)
        except Exception:
            _LOG.exception("Request failed", extra={logs.FIELDS: {"request_id": request_id}})
            if status:
                raise
            detail = f"This is our fault. Tell us the request: {request_id}."
            response = problems.plain(500, "Internal Server Error", detail, scope["path"])
            await response(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "none")
            self._numbers.count(route, method, status, seconds)
            if self._log is not None:
                fields = {
                    "request_id": request_id,
                    "method": method,
                    "path": scope["path"][:200],
                    "route": route,
                    "status": status,
                    "ms": round(seconds * 1000, 2),
                    "bytes": length,
                    "client": scope.get("who") or (scope.get("client") or ("",))[0],
                }
                logs.request(self._log, fields)


class Door:
    """Lets in who has a key, where keys are wanted, and who does not ask too often.

    Args:
        app: What answers.
        keys: Hashes of keys by name; none if none is wanted.
        rate: Of each client.
    """

    def __init__(self, app: ASGIApp, keys: Mapping[str, str], rate: security.Rate) -> None:
        self._app = app
        self._keys = keys
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse to."""
        if scope["type"] == "http" and scope["path"] not in UNCOUNTED:
            try:
                self._let_in(scope)
            except Problem as problem:
                await problems.answer(problem, scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _let_in(self, scope: Scope) -> None:
        path, name = scope["path"], None
        wanted = self._keys and not (path in OPEN or path.startswith(OPEN_BELOW))
        if wanted:
            given = next((value for key, value in scope["headers"] if key == b"x-api-key"), None)
            name = None if given is None else security.holder(self._keys, given.decode("latin-1"))
        address = security.client_of((scope.get("client") or ("",))[0])
        scope["who"] = name or address
        # Names and addresses are told apart: nobody is counted as another by the choice of a name.
        wait = self._rate.wait(f"key {name}" if name else address)
        if wait:
            seconds = math.ceil(wait)
            raise Problem(
                "too-many-requests",
                f"Ask again in {seconds} s.",
                {"Retry-After": str(seconds)},
            )
        if wanted and name is None:
            raise Problem(
                "key-wanted",
                f"Send a key in the header {security.KEY_HEADER}.",
                {"WWW-Authenticate": f'ApiKey header="{security.KEY_HEADER}"'},
            )
