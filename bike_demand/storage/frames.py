"""Frames against declarations: what a table admits on the way in, dtypes on the way out.

Pure functions between pandas and Arrow; no database. A conversion either keeps every value
or is refused: what is written is what is read.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from bike_demand.storage.declaration import ColumnType, TableDeclaration, column_type
from bike_demand.storage.errors import InvalidFrameError

_ARROW_TYPES: Mapping[ColumnType, pa.DataType] = {
    ColumnType.SMALLINT: pa.int16(),
    ColumnType.INTEGER: pa.int32(),
    ColumnType.BIGINT: pa.int64(),
    ColumnType.REAL: pa.float32(),
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.DATE: pa.date32(),
    ColumnType.TEXT: pa.string(),
    ColumnType.INSTANT: pa.timestamp("us", tz="UTC"),
}

# pandas' own integers and booleans have no null.
_NULLABLE_DTYPES: Mapping[ColumnType, Any] = {
    ColumnType.SMALLINT: pd.Int16Dtype(),
    ColumnType.INTEGER: pd.Int32Dtype(),
    ColumnType.BIGINT: pd.Int64Dtype(),
    ColumnType.BOOLEAN: pd.BooleanDtype(),
}
_EARLIEST_US = -210_866_803_200_000_000
NAIVE = "has times without a zone; localize them to the zone they are in"
_TEXT_DTYPE: Any = pd.StringDtype("pyarrow", na_value=np.nan)  # pandas 3's `str`, in pandas 2 too


def to_arrow(declaration: TableDeclaration, frame: pd.DataFrame) -> pa.Table:
    """Check a frame's columns, types and key against its table, and convert it.

    Args:
        declaration: The table.
        frame: Exactly the table's columns, in any order; the index is not stored. NaN is a
            null. An integral float fits an integer column, for pandas makes floats of
            integers with gaps. An instant in any zone is stored in UTC.

    Returns:
        The rows, in the table's order of columns and in Arrow's types for it.

    Raises:
        InvalidFrameError: A column is missing or unknown, a value does not fit its type
            without loss, a required value is null, or a key stands twice.
    """
    _check_columns(declaration, frame)
    columns = declaration.table.columns
    table = pa.table({column.name: _to_arrow(declaration, column, frame) for column in columns})
    _check_key(declaration, table)
    return table


def to_pandas(declaration: TableDeclaration, table: pa.Table) -> pd.DataFrame:
    """Convert rows as read to a frame with one dtype per declared column.

    Instants are `datetime64[us, UTC]`; integers and booleans that may be null have pandas'
    nullable dtypes; text is `str`, dates are `datetime.date`.

    Args:
        declaration: The table the rows were read from.
        table: Some of its columns.
    """
    series: dict[str, pd.Series[Any]] = {}
    for name in table.column_names:
        column = declaration.table.columns[name]
        kind = column_type(column)
        # Column by column, so that no more than one of them exists twice at any moment.
        values = table.column(name)
        table = table.drop_columns([name])
        dtype = _TEXT_DTYPE if kind is ColumnType.TEXT else None
        if column.nullable:
            dtype = dtype or _NULLABLE_DTYPES.get(kind)
        if dtype is not None:
            series[name] = pd.Series(dtype.__from_arrow__(values), name=name)
        else:
            series[name] = values.to_pandas()
    return pd.DataFrame(series, copy=False)


def empty_frame(
    declaration: TableDeclaration, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """A frame of no rows with the dtypes of `to_pandas`."""
    wanted = [name for name in declaration.columns if columns is None or name in columns]
    types = {name: _ARROW_TYPES[column_type(declaration.table.columns[name])] for name in wanted}
    return to_pandas(declaration, pa.schema(types.items()).empty_table())


def _check_columns(declaration: TableDeclaration, frame: pd.DataFrame) -> None:
    names = list(frame.columns)
    problems = []
    if missing := [name for name in declaration.columns if name not in names]:
        problems.append(f"lacks {missing}")
    if extra := [name for name in names if name not in declaration.columns]:
        problems.append(f"has {extra}, which the table has not")
    if twice := [name for name in declaration.columns if names.count(name) > 1]:
        problems.append(f"has {twice} twice")
    if problems:
        raise InvalidFrameError(
            f"table {declaration.name!r}: the frame {' and '.join(problems)}. "
            f"Its columns are {list(declaration.columns)}."
        )


def _to_arrow(
    declaration: TableDeclaration, column: sa.Column[Any], frame: pd.DataFrame
) -> pa.Array:
    kind = column_type(column)
    try:
        values = _cast(_infer(frame[column.name]), kind)
    except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
        raise InvalidFrameError(
            f"table {declaration.name!r}, column {column.name!r} ({column.type!r}): {error}"
        ) from None
    if not column.nullable and values.null_count:
        row = pc.index(pc.is_null(values), value=True).as_py()
        raise InvalidFrameError(
            f"table {declaration.name!r}, column {column.name!r}: {values.null_count} of "
            f"{len(values)} values are null, the first in row {row}; the column requires one"
        )
    return values


def scope_values(declaration: TableDeclaration, name: str, values: Collection[Any]) -> pa.Array:
    """Values of a scope column that a write covers or a read asks for, in the column's type.

    Raises:
        InvalidFrameError: They are not a collection, or do not fit the column.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Collection):
        raise InvalidFrameError(
            f"table {declaration.name!r}: {name} takes a list of values, not {values!r}"
        )
    column = declaration.table.columns[name]
    return _to_arrow(
        declaration, column, pd.DataFrame({name: pd.Series(list(values), dtype=object)})
    )


def _infer(series: "pd.Series[Any]") -> pa.Array:
    """The series in the Arrow type it has by itself, one chunk, NaN and NaT as nulls.

    Raises:
        ValueError: Arrow would take values of two kinds for one.
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    values = pa.Array.from_pandas(series)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if series.dtype == object:
        known = series.dropna()
        if pa.types.is_timestamp(values.type) and any(
            getattr(value, "tzinfo", None) is None for value in known
        ):
            raise ValueError(NAIVE)
        if pa.types.is_date(values.type) and any(isinstance(value, datetime) for value in known):
            raise ValueError("holds times among dates, and a date would drop the time of day")
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):  # a NaN in a nullable or Arrow dtype is none to pandas
        values = pc.if_else(pc.is_nan(values), None, values)
    return values


def _cast(values: pa.Array, kind: ColumnType) -> pa.Array:
    """The values in their column's type.

    Raises:
        ValueError: They are of another kind, or would not survive the change.
        pa.ArrowException: Likewise, found by Arrow.
    """
    found, wanted = values.type, _ARROW_TYPES[kind]
    if values.null_count == len(values):  # of whatever kind pandas takes nothing for
        return pa.nulls(len(values), wanted)
    if pa.types.is_timestamp(found) and found.tz is None and kind is ColumnType.INSTANT:
        raise ValueError(NAIVE)
    if not _same_kind(found, wanted):
        raise ValueError(f"holds {found} where {wanted} is wanted")
    cast = values.cast(wanted)
    if wanted == pa.float32() and found == pa.float64() and not cast.cast(found).equals(values):
        raise ValueError("holds float64 that float32 cannot; round with astype('float32')")
    row = -1
    if kind is ColumnType.TEXT:
        row = pc.index(pc.match_substring(cast, "\0"), value=True).as_py()
        problem = "a NUL character, which Postgres' text cannot"
    elif kind is ColumnType.INSTANT:
        row = pc.index(pc.less(cast.cast(pa.int64()), _EARLIEST_US), value=True).as_py()
        problem = "a time before 4714 BC, which Postgres cannot"
    if row >= 0:
        raise ValueError(f"row {row} holds {problem}")
    return cast


def _same_kind(found: pa.DataType, wanted: pa.DataType) -> bool:
    kind = pa.types
    if kind.is_integer(wanted) or kind.is_floating(wanted):
        return bool(kind.is_integer(found) or kind.is_floating(found))
    if kind.is_string(wanted):
        return bool(kind.is_string(found) or kind.is_large_string(found))
    if kind.is_timestamp(wanted):
        return bool(kind.is_timestamp(found))
    return bool(found == wanted)


def _check_key(declaration: TableDeclaration, table: pa.Table) -> None:
    key = list(declaration.key)
    distinct = table.select(key).group_by(key, use_threads=False).aggregate([])
    if len(distinct) == len(table):
        return
    frame = table.select(key).to_pandas()
    twice = frame[frame.duplicated()]
    raise InvalidFrameError(
        f"table {declaration.name!r}: {len(twice)} rows repeat a key, the first "
        f"{dict(twice.iloc[0].astype(str))}"
    )
