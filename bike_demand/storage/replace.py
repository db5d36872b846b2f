"""The write: one transaction that replaces windows and scope of a table by new rows.

Lock, DELETE, COPY, and the same for companion tables; then commit. A reader sees the old
rows or the new, a crash leaves the old.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from bike_demand.storage import binary_copy, locks
from bike_demand.storage.binary_copy import Positions
from bike_demand.storage.conditions import any_of
from bike_demand.storage.declaration import TableDeclaration, Upsert, declared_table
from bike_demand.storage.errors import InvalidFrameError, storage_errors
from bike_demand.storage.frames import scope_values, to_arrow
from bike_demand.storage.warehouse import Warehouse
from bike_demand.storage.windows import Window, describe, merge

BATCH_ROWS = 16_384  # keeps the encoder's temporaries near the size of a processor's cache

_INCOMING = sql.Identifier("bike_demand incoming rows")
_EPOCH = datetime.fromtimestamp(0, UTC)

Frames = pd.DataFrame | Iterable[pd.DataFrame]


@dataclass(frozen=True)
class Rows:
    """What a write brings, and what it speaks for.

    Attributes:
        frames: A frame with the table's columns, or an iterable of them, which are written
            in one transaction without being held together in memory.
        covers: For each scope column of the table the values that this write speaks for,
            those with no rows included. Stored rows with other values stand.
        companions: Rows for other tables, by name, replaced in the same transaction.
        windows: The windows that are replaced; `None` for those of the write that this is
            part of.
    """

    frames: Frames
    covers: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    companions: Mapping[str, "Rows"] = field(default_factory=dict)
    windows: Sequence[Window] | None = None


@dataclass(frozen=True)
class Written:
    """What one window of the table holds now.

    Attributes:
        window: The window, or `None` for a table without time.
        rows: How many rows were written.
        first: Earliest event among them, UTC; `None` if there is none.
        last: Latest event among them, UTC; `None` if there is none.
        size: Bytes sent to the server for them.
    """

    window: Window | None
    rows: int
    first: datetime | None
    last: datetime | None
    size: int


@dataclass(frozen=True)
class Receipt:
    """What a write did.

    Attributes:
        windows: One entry for each window, in the order they were given.
        seconds: From the first check to the commit.
    """

    windows: tuple[Written, ...]
    seconds: float

    @property
    def rows(self) -> int:
        """Rows written to the table, companions not counted."""
        return sum(written.rows for written in self.windows)


def replace(
    warehouse: Warehouse,
    declaration: TableDeclaration,
    windows: Sequence[Window] | None,
    rows: Rows,
) -> Receipt:
    """Replace what a table holds of some windows and scope by new rows, all or nothing.

    Args:
        warehouse: Where the table is.
        declaration: The table.
        windows: The windows that the rows replace, disjoint, unless the rows name their own;
            `None` for a table without time, which is replaced in its scope or upserted by
            key as declared.
        rows: The rows and what they speak for.

    Raises:
        InvalidFrameError: A frame does not fit its table, or a row lies outside the windows
            or the scope. Nothing was changed.
        PermanentStorageError: The database refuses the rows. Nothing was changed.
        TransientStorageError: The database failed; the write is all there or not at all,
            and may be repeated.
    """
    started = time.perf_counter()
    _check_form(declaration, rows)
    writes = [
        _Write(declaration, windows, rows),
        *(
            _Write(declared_table(name), windows, companion)
            for name, companion in rows.companions.items()
        ),
    ]
    for write in writes:
        warehouse.ensure_table(write.declaration)
    with (
        storage_errors(f"Writing {_subject(declaration, windows)}"),
        warehouse.connection() as connection,
        connection.transaction(),
    ):
        locks.lock(connection, {write.declaration.name: write.windows for write in writes})
        for write in writes:
            write.execute(connection)
    return Receipt(writes[0].written(), time.perf_counter() - started)


def _check_form(declaration: TableDeclaration, rows: Rows) -> None:
    """Refuse what would fail halfway, or be dropped in silence."""
    if declaration.name in rows.companions:
        raise InvalidFrameError(f"table {declaration.name!r} is its own companion")
    for name, part in {declaration.name: rows, **rows.companions}.items():
        if not isinstance(part, Rows):
            raise InvalidFrameError(
                f"table {name!r}: a companion is Rows(frame, covers=...), not {type(part).__name__}"
            )
        if part is not rows and part.companions:
            raise InvalidFrameError(f"table {name!r}: a companion has no companions of its own")
        if isinstance(part.frames, str | bytes | Mapping) or not isinstance(part.frames, Iterable):
            raise InvalidFrameError(
                f"table {name!r} is written from a DataFrame or an iterable of them, not from "
                f"{type(part.frames).__name__}"
            )
        if not isinstance(part.covers, Mapping):
            raise InvalidFrameError(
                f"table {name!r}: covers is a mapping, such as {{'system_id': [...]}}, not "
                f"{part.covers!r}"
            )


def _subject(declaration: TableDeclaration, windows: Sequence[Window] | None) -> str:
    return f"table {declaration.name!r}" + (f", {describe(merge(windows))}" if windows else "")


class _Write:
    """One table's part of the transaction. Its first frame is checked on construction."""

    def __init__(
        self, declaration: TableDeclaration, windows: Sequence[Window] | None, rows: Rows
    ) -> None:
        windows = windows if rows.windows is None else rows.windows
        self.declaration = declaration
        self.windows = None if windows is None else merge(windows)
        self._covers = _coverage(declaration, rows)
        self._tally = _Tally(declaration, windows)
        frames = iter([rows.frames] if isinstance(rows.frames, pd.DataFrame) else rows.frames)
        self._checked = [self._check(frame) for frame in islice(frames, 1)]
        self._unchecked = frames

    def execute(self, connection: psycopg.Connection) -> None:
        """Replace the stored rows; the caller holds the lock and ends the transaction."""
        table = sql.Identifier(self.declaration.name)
        if self.declaration.upsert is None:
            self._delete(connection, table)
            self._copy(connection, table)
        else:
            connection.execute(
                sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {})").format(_INCOMING, table)
            )
            self._copy(connection, _INCOMING)
            self._upsert(connection, table, self.declaration.upsert)
            connection.execute(sql.SQL("DROP TABLE {}").format(_INCOMING))

    def written(self) -> tuple[Written, ...]:
        """What each window holds, once executed."""
        return self._tally.result()

    def _check(self, frame: pd.DataFrame) -> tuple[pa.Table, Positions]:
        """The frame as Arrow rows, and for each row the index of its window."""
        if not isinstance(frame, pd.DataFrame):
            raise InvalidFrameError(
                f"table {self.declaration.name!r} is written from pandas DataFrames, "
                f"not from {type(frame).__name__}"
            )
        rows = to_arrow(self.declaration, frame)
        for name, values in self._covers.items():
            inside = pc.is_in(rows[name], value_set=values)
            row = pc.index(inside, value=False).as_py()
            if row >= 0:
                stray = rows[name][row].as_py()
                raise InvalidFrameError(
                    f"table {self.declaration.name!r}: a row has {name} {stray!r}, but this "
                    f"write covers only {values.to_pylist()}"
                )
        return rows, self._tally.locate(rows)

    def _copy(self, connection: psycopg.Connection, target: sql.Identifier) -> None:
        columns = sql.SQL(", ").join(map(sql.Identifier, self.declaration.columns))
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(target, columns)
        checked = chain(self._checked, map(self._check, self._unchecked))
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(binary_copy.HEADER)
            for rows, located in checked:
                start = 0
                for batch in rows.to_batches(max_chunksize=BATCH_ROWS):
                    encoded, sizes = binary_copy.encode(batch)
                    copy.write(encoded.data)
                    self._tally.add(batch, located[start : start + batch.num_rows], sizes)
                    start += batch.num_rows
            copy.write(binary_copy.TRAILER)

    def _delete(self, connection: psycopg.Connection, table: sql.Identifier) -> None:
        delete = sql.SQL("DELETE FROM {} WHERE {}")
        scope = self._scope_conditions()
        if self.windows is None:
            where = sql.SQL(" AND ").join([sql.SQL("true"), *scope])
            connection.execute(delete.format(table, where), self._scope_values())
            return
        time_column = sql.Identifier(str(self.declaration.time))
        for window in self.windows:
            bounds = sql.SQL("{0} >= %s AND {0} < %s").format(time_column)
            connection.execute(
                delete.format(table, sql.SQL(" AND ").join([*scope, bounds])),
                [*self._scope_values(), window.start, window.end],
            )

    def _upsert(
        self, connection: psycopg.Connection, table: sql.Identifier, upsert: Upsert
    ) -> None:
        columns = [sql.Identifier(name) for name in self.declaration.columns]
        key = [sql.Identifier(name) for name in self.declaration.key]
        changing = [
            sql.Identifier(name)
            for name in self.declaration.columns
            if name not in {*self.declaration.key, *upsert.keep}
        ]
        action = (
            sql.SQL("UPDATE SET {}").format(
                sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(name) for name in changing)
            )
            if changing
            else sql.SQL("NOTHING")
        )
        connection.execute(
            sql.SQL(
                "INSERT INTO {} ({columns}) SELECT {columns} FROM {} ON CONFLICT ({}) DO {}"
            ).format(
                table,
                _INCOMING,
                sql.SQL(", ").join(key),
                action,
                columns=sql.SQL(", ").join(columns),
            )
        )
        if upsert.absent:
            same_key = [
                sql.SQL("{}.{name} = {}.{name}").format(_INCOMING, table, name=name) for name in key
            ]
            connection.execute(
                sql.SQL(
                    "UPDATE {} SET {} WHERE {} AND NOT EXISTS (SELECT FROM {} WHERE {})"
                ).format(
                    table,
                    sql.SQL(", ").join(
                        sql.SQL("{} = %s").format(sql.Identifier(name)) for name in upsert.absent
                    ),
                    sql.SQL(" AND ").join([sql.SQL("true"), *self._scope_conditions()]),
                    _INCOMING,
                    sql.SQL(" AND ").join(same_key),
                ),
                [*upsert.absent.values(), *self._scope_values()],
            )

    def _scope_conditions(self) -> list[sql.Composable]:
        return [any_of(self.declaration, name, sql.Placeholder()) for name in self._covers]

    def _scope_values(self) -> list[list[Any]]:
        return [values.to_pylist() for values in self._covers.values()]


def _coverage(declaration: TableDeclaration, rows: Rows) -> dict[str, pa.Array]:
    if set(rows.covers) != set(declaration.scope):
        wanted = ", ".join(f"{name!r}: [...]" for name in declaration.scope)
        raise InvalidFrameError(
            f"table {declaration.name!r} is replaced by {list(declaration.scope)}, but this "
            f"write covers {sorted(rows.covers)}. Return Rows(frame, covers={{{wanted}}}) and "
            "name all that it speaks for, also what has no rows"
            if declaration.scope
            else f"table {declaration.name!r} has no scope, but this write covers "
            f"{sorted(rows.covers)}"
        )
    return {name: scope_values(declaration, name, rows.covers[name]) for name in declaration.scope}


class _Tally:
    """Which window each row belongs to, and what has been written of each."""

    def __init__(self, declaration: TableDeclaration, windows: Sequence[Window] | None) -> None:
        if windows is not None and declaration.time is None:
            raise InvalidFrameError(
                f"table {declaration.name!r} is declared without time, but its asset has "
                "partitions: declare the table with time=…"
            )
        if windows is None and declaration.time is not None:
            raise InvalidFrameError(
                f"table {declaration.name!r} is replaced by window, but this write names none: "
                "give its asset partitions, or return Rows(frame, ..., windows=[Window(...)]). "
                "Nothing was deleted."
            )
        self._declaration = declaration
        self._windows = windows
        self._order = np.argsort(_microseconds([window.start for window in windows or ()]))
        in_order = [windows[index] for index in self._order] if windows else []
        self._starts = _microseconds([window.start for window in in_order])
        self._ends = _microseconds([window.end for window in in_order])
        count = 1 if windows is None else len(windows)
        self._rows = np.zeros(count, dtype=np.int64)
        self._size = np.zeros(count, dtype=np.int64)
        self._first = np.full(count, np.iinfo(np.int64).max)
        self._last = np.full(count, np.iinfo(np.int64).min)

    def locate(self, rows: pa.Table) -> Positions:
        """The index of each row's window.

        Raises:
            InvalidFrameError: A row lies outside all of them.
        """
        if self._windows is None:
            return np.zeros(len(rows), dtype=np.int64)
        at = _instants(rows[self._declaration.time])
        position = np.searchsorted(self._starts, at, side="right") - 1
        inside = position >= 0
        inside[inside] = at[inside] < self._ends[position[inside]]
        if not inside.all():
            stray = _instant(at[~inside][0])
            raise InvalidFrameError(
                f"table {self._declaration.name!r}: {int((~inside).sum())} of {len(rows)} rows "
                f"lie outside {describe(merge(self._windows))}, the first with "
                f"{self._declaration.time} {stray.isoformat()}"
            )
        return np.asarray(self._order[position], dtype=np.int64)

    def add(self, batch: pa.RecordBatch, located: Positions, sizes: Positions) -> None:
        """Count a batch that was sent."""
        np.add.at(self._rows, located, 1)
        np.add.at(self._size, located, sizes)
        if self._declaration.time is not None:
            at = _instants(batch[self._declaration.time])
            np.minimum.at(self._first, located, at)
            np.maximum.at(self._last, located, at)

    def result(self) -> tuple[Written, ...]:
        """What was counted, one entry for each window as they were given."""
        known = self._declaration.time is not None
        return tuple(
            Written(
                window=None if self._windows is None else self._windows[index],
                rows=int(rows),
                first=_instant(self._first[index]) if known and rows else None,
                last=_instant(self._last[index]) if known and rows else None,
                size=int(self._size[index]),
            )
            for index, rows in enumerate(self._rows)
        )


def _instants(column: pa.Array | pa.ChunkedArray) -> Positions:
    """Microseconds since 1970 of a column of instants."""
    return np.asarray(column.cast(pa.int64()), dtype=np.int64)


def _microseconds(instants: Sequence[datetime]) -> Positions:
    return np.array(
        [(instant - _EPOCH) // timedelta(microseconds=1) for instant in instants], dtype=np.int64
    )


def _instant(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))
