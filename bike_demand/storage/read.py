"""The read: windows of a table as a frame, in one query.

Columns, windows and systems are left to the server to pick; rows come as Arrow, which is
5 to 10 times as fast as a cursor and takes a fifth of its memory.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
from psycopg import sql

from bike_demand.storage.conditions import any_of
from bike_demand.storage.databases import conninfo
from bike_demand.storage.declaration import TableDeclaration
from bike_demand.storage.errors import (
    InvalidFrameError,
    PermanentStorageError,
    TransientStorageError,
)
from bike_demand.storage.frames import empty_frame, scope_values, to_pandas
from bike_demand.storage.warehouse import Warehouse
from bike_demand.storage.windows import Window


def read(
    warehouse: Warehouse,
    declaration: TableDeclaration,
    windows: Sequence[Window] | None = None,
    *,
    columns: Sequence[str] | None = None,
    scope: Mapping[str, Sequence[Any]] | None = None,
) -> pd.DataFrame:
    """Read what a table holds of some windows.

    Args:
        warehouse: Where the table is.
        declaration: The table.
        windows: Disjoint windows; `None` for all time, an empty sequence for none.
        columns: Names of the columns wanted; `None` for all.
        scope: For columns of the table's scope the values wanted; those not named are not
            restricted.

    Returns:
        The rows, in no promised order, with the dtypes of `frames.to_pandas` and a plain
        index. A frame without rows has them too.

    Raises:
        InvalidFrameError: The table has no such column, or no time.
        PermanentStorageError: The table is not there, or not ours to read.
        TransientStorageError: The server failed.
    """
    wanted = _columns(declaration, columns)
    if strangers := sorted(set(scope or {}) - set(declaration.scope)):
        raise InvalidFrameError(
            f"table {declaration.name!r} is bounded by {list(declaration.scope)}, "
            f"not by {strangers}"
        )
    if windows is not None and declaration.time is None:
        raise InvalidFrameError(
            f"table {declaration.name!r} is declared without time and cannot be read by window"
        )
    if windows is not None and not windows:
        return empty_frame(declaration, wanted)
    query = _query(declaration, wanted, windows, scope or {})
    return to_pandas(declaration, _fetch(warehouse, declaration, query))


def _columns(declaration: TableDeclaration, columns: Sequence[str] | None) -> Collection[str]:
    if columns is None:
        return declaration.columns
    if isinstance(columns, str):
        raise InvalidFrameError(f"columns is a list of names, not {columns!r}")
    if unknown := [name for name in columns if name not in declaration.columns]:
        raise InvalidFrameError(
            f"table {declaration.name!r} has no {unknown}; its columns are "
            f"{list(declaration.columns)}"
        )
    return [name for name in declaration.columns if name in columns]


def _query(
    declaration: TableDeclaration,
    columns: Collection[str],
    windows: Sequence[Window] | None,
    scope: Mapping[str, Sequence[Any]],
) -> sql.Composed:
    """The query, with its values as literals: the server cannot bind any in a COPY."""
    select = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(declaration.name)
    )
    conditions = [
        any_of(declaration, name, sql.Literal(scope_values(declaration, name, values).to_pylist()))
        for name, values in scope.items()
    ]
    if windows is not None:
        leading = declaration.key[0]
        if leading not in {declaration.time, *scope}:
            conditions.append(_any_known(declaration.name, leading))
        time = sql.Identifier(str(declaration.time))
        bounds = [
            sql.SQL("({0} >= {1} AND {0} < {2})").format(
                time, sql.Literal(window.start), sql.Literal(window.end)
            )
            for window in windows
        ]
        conditions.append(sql.SQL("({})").format(sql.SQL(" OR ").join(bounds)))
    return sql.SQL("{} WHERE {}").format(
        select, sql.SQL(" AND ").join([sql.SQL("true"), *conditions])
    )


def _any_known(table: str, leading: str) -> sql.Composed:
    """Names all values that the key's first column has, found one by one along the index.

    Without it Postgres before 18 reads the whole table for one tick, because the key leads
    with the system and not with time: 380 ms instead of 4 in two weeks of New York.
    https://wiki.postgresql.org/wiki/Loose_indexscan
    """
    return sql.SQL(
        "{column} = ANY(ARRAY(WITH RECURSIVE known AS ("
        "(SELECT min({column}) AS value FROM {table}) UNION ALL "
        "SELECT (SELECT min({column}) FROM {table} WHERE {column} > known.value) FROM known "
        "WHERE known.value IS NOT NULL) SELECT value FROM known WHERE value IS NOT NULL))"
    ).format(column=sql.Identifier(leading), table=sql.Identifier(table))


def _fetch(warehouse: Warehouse, declaration: TableDeclaration, query: sql.Composed) -> Any:
    import adbc_driver_manager
    from adbc_driver_postgresql import dbapi

    try:
        with dbapi.connect(conninfo(warehouse.url())) as connection, connection.cursor() as cursor:
            cursor.execute(query.as_string())
            return cursor.fetch_arrow_table()
    except adbc_driver_manager.Error as error:
        known = isinstance(error, adbc_driver_manager.ProgrammingError)
        kind = PermanentStorageError if known else TransientStorageError
        raise kind(f"Reading table {declaration.name!r}: {error}") from error
