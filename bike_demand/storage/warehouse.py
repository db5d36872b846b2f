"""The warehouse database: reached, created and migrated on first need.

One `Warehouse` per database and process. It hands out connections; what is written
through them stands in `storage.replace`, what is read in `storage.read`.
"""

import threading
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import sqlalchemy as sa

from bike_demand.storage import databases, user_tables
from bike_demand.storage.declaration import USER_METADATA, TableDeclaration
from bike_demand.storage.errors import storage_errors
from bike_demand.storage.migrations import migrate


class Warehouse:
    """A Postgres database with the project's tables in it.

    Args:
        locate: Gives the database's URL each time a connection is opened. On the embedded
            server this is where a server that died is started again.
    """

    def __init__(self, locate: Callable[[], sa.URL]) -> None:
        self._locate = locate
        self._made_ready = False
        self._known_tables: set[TableDeclaration] = set()
        self._lock = threading.Lock()

    def connection(self) -> psycopg.Connection:
        """Open a connection in UTC, without autocommit, to a migrated database.

        A connection per use: it costs milliseconds, and none is ever stale after a server's
        restart or shared by a fork.

        Raises:
            DatabaseUnavailableError: The server does not answer or refuses us.
            MigrationError: The database is newer than this code.
        """
        return databases.connect(self.url())

    def url(self) -> sa.URL:
        """The database's URL, password included. The database exists and is migrated.

        Raises:
            DatabaseUnavailableError: The server does not answer or refuses us.
            MigrationError: The database is newer than this code.
        """
        url = self._locate()
        with self._lock:
            if not self._made_ready:
                with storage_errors(f"Preparing the database at {databases.describe(url)}"):
                    databases.create_if_missing(url)
                    migrate(url)
                self._made_ready = True
        return url

    @cached_property
    def engine(self) -> sa.Engine:
        """A SQLAlchemy engine on the database, for queries of one's own."""
        return sa.create_engine(
            "postgresql+psycopg://", creator=self.connection, poolclass=sa.NullPool
        )

    def frame(self, query: str, values: Mapping[str, Any]) -> pd.DataFrame:
        """What a query of a few rows answers, by its own names of columns.

        Args:
            query: SQL; `%(name)s` stands for a value.
            values: By name.
        """
        with self.connection() as connection:
            cursor = connection.execute(query, values)
            names = [column.name for column in cursor.description or []]
            return pd.DataFrame(cursor.fetchall(), columns=names)

    def ensure_table(self, declaration: TableDeclaration) -> None:
        """Make a user's table unless it is there. The project's own come by migration.

        Raises:
            PermanentStorageError: A table of that name is there and is another.
        """
        made_by_users = declaration.table.metadata is USER_METADATA
        if made_by_users and declaration not in self._known_tables:
            with storage_errors(f"Making table {declaration.name!r}"):
                user_tables.ensure(self.engine, declaration)
            self._known_tables.add(declaration)


@cache
def open_warehouse(postgres_url: str | None, home: Path) -> Warehouse:
    """The process's one `Warehouse` for a configured URL or a data directory.

    Args:
        postgres_url: As in `databases.locate`.
        home: As in `databases.locate`.
    """
    return Warehouse(lambda: databases.locate(postgres_url, home))
