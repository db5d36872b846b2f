"""A deadline for a whole HTTP exchange, however slowly its bytes come.

Timeouts of a socket start anew with every byte, so a server that drips one now and then would
hold a poll for ever, in its headers as in its body. What is exchanged is not known here.
"""

import socket
import threading
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter


class Deadline:
    """Hangs up every connection made within it (`with`) once its time is over.

    What is read then ends early, by an error or as if complete: whoever reads looks at `expired`.

    Args:
        seconds: From entering on.

    Attributes:
        expired: Whether the time is over.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.expired = False

    def __enter__(self) -> "Deadline":
        self._token = _deadline.set(self)
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        _deadline.reset(self._token)
        with self._lock:
            for watched in self._sockets:
                watched.close()
            self._sockets.clear()

    def watch(self, connected: socket.socket) -> None:
        """Takes care of a connection. A duplicate, as TLS takes the original's place."""
        with self._lock:
            watched = connected.dup()
            self._sockets.append(watched)
            if self.expired:
                _hang_up(watched)

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            for watched in self._sockets:
                _hang_up(watched)


_deadline: ContextVar[Deadline] = ContextVar("_deadline")


def _hang_up(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the server did so before us


class _WatchedHTTPConnection(urllib3.connection.HTTPConnection):
    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        _deadline.get().watch(connected)
        return connected


class _WatchedHTTPSConnection(urllib3.connection.HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        _deadline.get().watch(connected)
        return connected


class WatchedAdapter(HTTPAdapter):
    """Makes connections that the current `Deadline` watches, through a proxy or not."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """The pool as requests makes it, with watched connections."""
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        if isinstance(pool, urllib3.HTTPSConnectionPool):
            pool.ConnectionCls = _WatchedHTTPSConnection
        elif isinstance(pool, urllib3.HTTPConnectionPool):
            pool.ConnectionCls = _WatchedHTTPConnection
        return pool
