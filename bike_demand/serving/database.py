"""Connections to the warehouse that cannot write: a few, kept open, replaced when they break.

Nothing is created or migrated here. A role that may only read does for it, and a database that is
not there yet is one that does not answer.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bike_demand.serving.problems import Problem
from bike_demand.storage import databases
from bike_demand.storage.embedded import EmbeddedPostgresError
from bike_demand.storage.errors import StorageError

CONNECTIONS: Final = 8
"""At most, of a server."""

WAIT_S: Final = 2.0
"""How long who finds none of them free waits."""

STATEMENT_S: Final = 5
"""How long a query may take."""

SESSION: Final = (
    f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT_S}s "
    "-c idle_in_transaction_session_timeout=60s"
)
# A host that is gone says nothing: without these a query would wait for minutes.
NETWORK: Final = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}

_LOG: Final = logging.getLogger(__name__)
_Found = TypeVar("_Found")


class Database:
    """The warehouse, to be read only.

    Args:
        locate: Gives its URL each time a connection is opened.
    """

    def __init__(self, locate: Callable[[], sa.URL]) -> None:
        self._locate = locate
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._idle: list[psycopg.Connection] = []
        self._lock = threading.Lock()

    def read(self, work: Callable[[psycopg.Connection], _Found]) -> _Found:
        """What some work on a connection finds; done again on a new one if a kept one is broken.

        Raises:
            Problem: The database does not answer, or not in time.
        """
        with self._slot():
            kept = self._kept()
            if kept is not None:
                try:
                    return self._done(kept, work)
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    if not kept.closed:  # it lives: the query took too long, or is refused
                        raise _unavailable(error) from None
                    self.close()  # the others are of the same server
                except psycopg.Error as error:
                    raise _unavailable(error) from None
            try:
                return self._done(self._opened(), work)
            except (psycopg.Error, StorageError, EmbeddedPostgresError) as error:
                raise _unavailable(error) from None

    def ask(self, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of an answer.

        Args:
            query: SQL; `%(name)s` stands for a value.
            values: By name.

        Raises:
            Problem: As of `read`.
        """
        return self.read(lambda connection: connection.execute(query, values).fetchall())

    def close(self) -> None:
        """Close what is kept."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=WAIT_S):
            raise Problem("database-unavailable", "It is busy: ask again later.")
        try:
            yield
        finally:
            self._slots.release()

    def _kept(self) -> psycopg.Connection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _opened(self) -> psycopg.Connection:
        url = self._locate()
        given = conninfo_to_dict(databases.conninfo(url))
        given |= NETWORK | {"application_name": "bike_demand_serving"}
        given["options"] = f"{given.get('options', '')} {SESSION}"
        try:
            return psycopg.connect(make_conninfo("", **given), autocommit=True)
        except psycopg.OperationalError as error:
            raise databases.unreachable(url, error) from None

    def _done(
        self, connection: psycopg.Connection, work: Callable[[psycopg.Connection], _Found]
    ) -> _Found:
        """What is found; the connection is kept, unless it broke."""
        try:
            found = work(connection)
        except BaseException as error:
            # A query that was refused leaves the connection as good as it was.
            if connection.closed or not isinstance(error, psycopg.Error):
                connection.close()
            else:
                self._keep(connection)
            raise
        self._keep(connection)
        return found

    def _keep(self, connection: psycopg.Connection) -> None:
        with self._lock:
            self._idle.append(connection)


def _unavailable(error: Exception) -> Problem:
    # A driver's own message may hold an address with its password; ours say what to do.
    if isinstance(error, psycopg.Error):
        why = f" ({error.sqlstate})" if error.sqlstate else ""
    else:
        why = f": {error}"
    _LOG.warning("The database: %s%s", type(error).__name__, why)
    if isinstance(error, psycopg.errors.QueryCanceled):
        return Problem("database-unavailable", "It took too long to answer: ask again later.")
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InsufficientPrivilege):
        return Problem(
            "database-unavailable",
            "Its tables are not there yet, or closed to this server: run 'bike-demand migrate'.",
        )
    return Problem("database-unavailable", "Ask again in a moment.")
