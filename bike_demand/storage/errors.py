"""The two kinds of failure that storage knows: worth another try, or not."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa


class StorageError(RuntimeError):
    """Rows could not be written or read; nothing stored before was lost."""


class TransientStorageError(StorageError):
    """The database was not there, or was busy: the same call may succeed later."""


class DatabaseUnavailableError(TransientStorageError):
    """The server does not answer or refuses us; the message says which and what to do."""


class PermanentStorageError(StorageError):
    """The database refuses this call, and will again until something is changed."""


class InvalidFrameError(PermanentStorageError):
    """The frame does not fit its table; nothing was written."""


# Classes and states of SQLSTATE that pass by themselves: connection lost, out of resources,
# an operator's shutdown, rollback by a concurrent transaction, lock not available.
_TRANSIENT_STATES = ("08", "53", "57P", "40", "55P03")


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Turn the driver's errors into `StorageError` of the right kind.

    Args:
        doing: What was being done, to which table, for the message.

    Raises:
        TransientStorageError: The connection or the server failed.
        PermanentStorageError: The database refused the rows or the statement.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        raise _kind(error.orig)(f"{doing}: {_message(error.orig)}") from error.orig
    except psycopg.Error as error:
        raise _kind(error)(f"{doing}: {_message(error)}") from error


def _kind(error: psycopg.Error) -> type[StorageError]:
    passing = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if passing or (error.sqlstate or "").startswith(_TRANSIENT_STATES):
        return TransientStorageError
    return PermanentStorageError


def _message(error: psycopg.Error) -> str:
    parts = (error.diag.message_primary, error.diag.message_detail, error.diag.context)
    said = ". ".join(part for part in parts if part) or str(error).strip() or type(error).__name__
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        said += (
            ". The user of the Postgres URL must own the database and its tables: "
            "ALTER DATABASE ... OWNER TO ..., or GRANT CREATE ON SCHEMA public TO ..."
        )
    return said
