"""How a table is declared: columns, key, and what one write to it replaces.

A declaration is the one source that migrations, checks, the IO manager and tests read.
The project's own tables stand in `storage.tables`; users declare theirs beside their
assets. Nothing here knows a connection or a row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

_POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]

MAX_IDENTIFIER_BYTES = 63  # Postgres cuts longer names silently, which makes two tables one


class InvalidDeclarationError(ValueError):
    """A table cannot be declared like this; the message says which part and why."""


class ColumnType(StrEnum):
    """The types that frames are stored in, by their name in Arrow."""

    SMALLINT = "int16"
    INTEGER = "int32"
    BIGINT = "int64"
    REAL = "float32"
    DOUBLE = "float64"
    BOOLEAN = "bool"
    DATE = "date32"
    TEXT = "string"
    INSTANT = "timestamp"


_COLUMN_TYPES: Mapping[type[sa.types.TypeEngine[Any]], ColumnType] = {
    sa.SmallInteger: ColumnType.SMALLINT,
    sa.Integer: ColumnType.INTEGER,
    sa.BigInteger: ColumnType.BIGINT,
    sa.REAL: ColumnType.REAL,
    sa.Double: ColumnType.DOUBLE,
    sa.Boolean: ColumnType.BOOLEAN,
    sa.Date: ColumnType.DATE,
    sa.Text: ColumnType.TEXT,
}


def column_type(column: sa.Column[Any]) -> ColumnType:
    """The type that a declared column's values have in a frame.

    Raises:
        InvalidDeclarationError: The type is none that frames are stored in.
    """
    if isinstance(column.type, sa.DateTime):
        if not column.type.timezone:
            raise InvalidDeclarationError(
                f"column {column.name!r}: a time without a zone says nothing; "
                "use DateTime(timezone=True)"
            )
        return ColumnType.INSTANT
    for declared, known in _COLUMN_TYPES.items():
        # Exactly these classes: a subclass (Enum, String(10)) stores something narrower
        # than a frame is checked for.
        if type(column.type) is declared:
            return known
    names = sorted(declared.__name__ for declared in _COLUMN_TYPES)
    raise InvalidDeclarationError(
        f"column {column.name!r}: {column.type!r} is none of {', '.join(names)}, "
        "DateTime(timezone=True)"
    )


def sql_type(column: sa.Column[Any]) -> str:
    """The column's type as Postgres writes it, in lower case."""
    return column.type.compile(dialect=_POSTGRES).lower()


@dataclass(frozen=True)
class Upsert:
    """How a table without time is written: by key, instead of replaced.

    Attributes:
        keep: Columns whose stored value wins over a new one, such as `first_seen`.
        absent: Values set on stored rows of the scope whose key did not come, such as
            `{"is_active": False}`; without it they stay as they are.
    """

    keep: tuple[str, ...] = ()
    absent: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)  # a table is itself, however alike another
class TableDeclaration:
    """A table, and what one write to it replaces.

    Attributes:
        table: Name, columns (comments with units), key and checks.
        time: The column that says which window a row belongs to; `None` for a table that
            is not partitioned by time.
        scope: Columns besides time that bound a replacement. A write must name their
            values, and rows with other values stand.
        upsert: Write by key instead of replacing; only for a table without time.

    Raises:
        InvalidDeclarationError: The parts do not make a table that can be written safely.
    """

    table: sa.Table
    time: str | None = None
    scope: tuple[str, ...] = ()
    upsert: Upsert | None = None

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise InvalidDeclarationError(f"table {self.table.name!r}: {problem}")

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, in the table's order."""
        return tuple(self.table.columns.keys())

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key's columns, in order."""
        return tuple(column.name for column in self.table.primary_key)

    def _problems(self) -> Iterator[str]:
        names = (self.name, *self.columns)
        if long := [n for n in names if not 0 < len(n.encode()) <= MAX_IDENTIFIER_BYTES]:
            yield f"a name has 1 to {MAX_IDENTIFIER_BYTES} bytes, {long[0]!r} has not"
        if any("%" in name for name in names):
            yield "a name holds '%', which the driver takes for a placeholder"
        for column in self.table.columns:
            column_type(column)
        if not self.key:
            yield "it has no primary key, so a row could stand twice"
        if strangers := {*self.scope, *([self.time] if self.time else [])} - set(self.key):
            yield f"{sorted(strangers)} bound a replacement and so belong to the primary key"
        if self.time is not None:
            yield from self._problems_of_time(self.time)
        if self.upsert is not None:
            written = set(self.columns) - set(self.key)
            if unknown := {*self.upsert.keep, *self.upsert.absent} - written:
                yield f"its upsert keeps or sets {sorted(unknown)}, no columns beside its key"

    def _problems_of_time(self, time: str) -> Iterator[str]:
        if column_type(self.table.columns[time]) is not ColumnType.INSTANT:
            yield f"its time {time!r} is not DateTime(timezone=True)"
        if before := set(self.key[: self.key.index(time)]) - set(self.scope):
            yield (
                f"its key has {sorted(before)} before the time {time!r}; replacing a window "
                "would then scan the whole index"
            )
        if self.upsert is not None:
            yield "a table with time is replaced by window, not upserted"


USER_METADATA = sa.MetaData()
_declared: dict[str, TableDeclaration] = {}


def declare_table(
    name: str,
    *columns: sa.Column[Any] | sa.CheckConstraint,
    time: str | None = None,
    scope: Sequence[str] = (),
    upsert: Upsert | None = None,
    comment: str | None = None,
    metadata: sa.MetaData = USER_METADATA,
) -> TableDeclaration:
    """Declare a table that assets are stored in. It is made at the first write.

    Args:
        name: The table's name; by default an asset is stored in the table of its own name.
        *columns: SQLAlchemy columns (those of the key with `primary_key=True`, units in
            `comment`) and checks.
        time: As in `TableDeclaration`.
        scope: As in `TableDeclaration`.
        upsert: As in `TableDeclaration`.
        comment: What a row is.
        metadata: Where the table is kept; the project's own tables have another than
            those of users, for they are migrated.

    Raises:
        InvalidDeclarationError: The parts do not fit, or the name is taken by another table.
    """
    if isinstance(scope, str):
        raise InvalidDeclarationError(
            f"table {name!r}: its scope is a list of columns: [{scope!r}]"
        )
    if name in _declared and _declared[name].table.metadata is not metadata:
        raise InvalidDeclarationError(f"table {name!r} is one of the project's own")
    if name in metadata.tables:  # the module that declares it was loaded again
        metadata.remove(metadata.tables[name])
    table = sa.Table(name, metadata, *columns, comment=comment)
    declaration = TableDeclaration(table, time=time, scope=tuple(scope), upsert=upsert)
    _declared[name] = declaration
    return declaration


def declared_table(name: str) -> TableDeclaration:
    """The declaration of a table.

    Raises:
        InvalidDeclarationError: No table of that name is declared.
    """
    try:
        return _declared[name]
    except KeyError:
        raise InvalidDeclarationError(
            f"no table {name!r} is declared. Declare one with declare_table({name!r}, …), or "
            "name the asset's table with metadata=table_metadata(…). "
            f"Declared: {', '.join(sorted(_declared)) or 'none'}"
        ) from None
