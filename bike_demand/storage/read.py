"""The read: windows of a table as a frame, in one query.

Columns, windows and systems are left to the server to pick; rows come as Arrow, which is
5 to 10 times as fast as a cursor and takes a fifth of its memory.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pyarrow as pa
from psycopg import sql

from bike_demand.storage.conditions import any_known, any_of
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
        scope: For columns of the table's key, but its time, the values wanted; those not named
            are not restricted.

    Returns:
        The rows, in no promised order, with the dtypes of `frames.to_pandas` and a plain
        index. A frame without rows has them too.

    Raises:
        InvalidFrameError: The table has no such column, or no time.
        PermanentStorageError: The table is not there, or not ours to read.
        TransientStorageError: The server failed.
    """
    wanted = _columns(declaration, columns)
    bounds = [name for name in declaration.key if name != declaration.time]
    if strangers := sorted(set(scope or {}) - set(bounds)):
        raise InvalidFrameError(
            f"table {declaration.name!r} is bounded by {bounds}, not by {strangers}"
        )
    if windows is not None and declaration.time is None:
        raise InvalidFrameError(
            f"table {declaration.name!r} is declared without time and cannot be read by window"
        )
    if windows is not None and not windows:
        return empty_frame(declaration, wanted)
    query = _query(declaration, wanted, windows, scope or {})
    return to_pandas(declaration, _fetch(warehouse, declaration, query))


def batches(
    warehouse: Warehouse, declaration: TableDeclaration, window: Window | None
) -> Iterator[pa.RecordBatch]:
    """Read all columns of a table, some rows at a time, in the order of its key.

    Args:
        warehouse: Where the table is.
        declaration: The table.
        window: Of its time; `None` for all rows.

    Yields:
        Rows as Arrow. The first comes even if there are none, and tells the types.

    Raises:
        InvalidFrameError: The table has no time.
        PermanentStorageError: The table is not there, or not ours to read.
        TransientStorageError: The server failed.
    """
    if window is not None and declaration.time is None:
        raise InvalidFrameError(
            f"table {declaration.name!r} is declared without time and cannot be read by window"
        )
    windows = None if window is None else [window]
    query = sql.SQL("{} ORDER BY {}").format(
        _query(declaration, declaration.columns, windows, {}),
        sql.SQL(", ").join(map(sql.Identifier, declaration.key)),
    )
    with _cursor(warehouse, declaration, query) as cursor:
        reader = cursor.fetch_record_batch()
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)
        yield from reader


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
    """The query, with its values as literals: the server cannot bind any in a COPY.

    Many windows are looked up in the index one after the other. As one long condition they would
    all be tried on each row: 70 seconds instead of 10 for a month of New York and the hours before.
    """
    names, table = (
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(declaration.name),
    )
    conditions = [
        any_of(declaration, name, sql.Literal(scope_values(declaration, name, values).to_pylist()))
        for name, values in scope.items()
    ]
    if windows is None:
        return _select(names, table, conditions)
    leading = declaration.key[0]
    if leading not in {declaration.time, *scope}:
        conditions.append(any_known(declaration))
    time, several = sql.Identifier(str(declaration.time)), len(windows) > 1
    begin, end = (
        (sql.SQL("asked.begin_"), sql.SQL("asked.end_"))
        if several
        else (sql.Literal(windows[0].start), sql.Literal(windows[0].end))
    )
    conditions += [
        sql.SQL("{} >= {}").format(time, begin),
        sql.SQL("{} < {}").format(time, end),
    ]
    rows = _select(names, table, conditions)
    if not several:
        return rows
    return sql.SQL(
        "SELECT {} FROM unnest({}::timestamptz[], {}::timestamptz[]) AS asked(begin_, end_)"
        " CROSS JOIN LATERAL ({}) AS found"
    ).format(
        names,
        sql.Literal([window.start for window in windows]),
        sql.Literal([window.end for window in windows]),
        rows,
    )


def _select(
    names: sql.Composable, table: sql.Identifier, conditions: Sequence[sql.Composable]
) -> sql.Composed:
    return sql.SQL("SELECT {} FROM {} WHERE {}").format(
        names, table, sql.SQL(" AND ").join([sql.SQL("true"), *conditions])
    )


def _fetch(warehouse: Warehouse, declaration: TableDeclaration, query: sql.Composed) -> Any:
    with _cursor(warehouse, declaration, query) as cursor:
        return cursor.fetch_arrow_table()


@contextmanager
def _cursor(
    warehouse: Warehouse, declaration: TableDeclaration, query: sql.Composed
) -> Iterator[Any]:
    import adbc_driver_manager
    from adbc_driver_postgresql import dbapi

    try:
        with dbapi.connect(conninfo(warehouse.url())) as connection, connection.cursor() as cursor:
            cursor.execute(query.as_string())
            yield cursor
    except adbc_driver_manager.Error as error:
        known = isinstance(error, adbc_driver_manager.ProgrammingError)
        kind = PermanentStorageError if known else TransientStorageError
        raise kind(f"Reading table {declaration.name!r}: {error}") from error
