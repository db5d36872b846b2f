"""Arrow rows in the wire format of `COPY … (FORMAT binary)`, a batch at a time.

Only the encoding; what is sent where is the business of `storage.replace`. Postgres takes
binary rows in about half the time of CSV, which it has to parse, and psycopg's own
encoder is a Python call for every value. The format is documented with the COPY command:
https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]

_EPOCH_US = 946_684_800_000_000  # Postgres counts from 2000-01-01, Arrow from 1970-01-01
_EPOCH_DAYS = 10_957
_NULL = -1


class _Field(NamedTuple):
    """One column: the length of each value, and the bytes of all, one after another."""

    lengths: Positions
    data: Bytes
    valid: npt.NDArray[np.bool_]


def encode(batch: pa.RecordBatch) -> tuple[Bytes, Positions]:
    """Encode rows.

    Args:
        batch: Columns of the types that `storage.frames` makes.

    Returns:
        The rows' bytes, and the size of each row in bytes, shape (rows,).
    """
    fields = [_field(column) for column in batch.columns]
    sizes = np.full(batch.num_rows, 2 + 4 * len(fields), dtype=np.int64)
    for field in fields:
        sizes += field.lengths
    row_starts = np.cumsum(sizes) - sizes
    out = np.zeros(int(sizes.sum()), dtype=np.uint8)

    _put(out, row_starts, np.frombuffer(len(fields).to_bytes(2, "big"), np.uint8)[None, :])
    position = row_starts + 2
    for field in fields:
        announced = np.where(field.valid, field.lengths, _NULL).astype(">i4")
        _put(out, position, announced.view(np.uint8).reshape(-1, 4))
        position += 4
        _put_values(out, position, field)
        position += field.lengths
    return out, sizes


def _put(out: Bytes, position: Positions, values: Bytes) -> None:
    """Lay rows of equally many bytes down at their positions, a byte of each at a time."""
    for offset in range(values.shape[1]):
        out[position + offset] = values[:, offset]


def _put_values(out: Bytes, position: Positions, field: _Field) -> None:
    lengths = field.lengths
    width = int(lengths[0]) if len(lengths) else 0
    if width and bool((lengths == width).all()):
        _put(out, position, field.data.reshape(-1, width))
        return
    starts = np.cumsum(lengths) - lengths
    out[np.repeat(position - starts, lengths) + np.arange(lengths.sum())] = field.data


def _field(column: pa.Array) -> _Field:
    valid = np.asarray(column.is_valid())
    if pa.types.is_string(column.type):
        # Written anew, so that offsets start at 0 and nulls hold no bytes.
        text = pa.concat_arrays([column.fill_null("")])
        _, offsets_buffer, data_buffer = text.buffers()
        offsets = np.frombuffer(offsets_buffer, np.int32)[text.offset : text.offset + len(text) + 1]
        data = np.frombuffer(data_buffer or b"", np.uint8)[offsets[0] : offsets[-1]]
        return _Field(np.diff(offsets).astype(np.int64), data, valid)

    numbers = _big_endian(column)
    width = numbers.dtype.itemsize
    lengths = np.where(valid, width, 0).astype(np.int64)
    return _Field(lengths, np.ascontiguousarray(numbers[valid]).view(np.uint8), valid)


def _big_endian(column: pa.Array) -> npt.NDArray[np.generic]:
    kind = pa.types
    if kind.is_boolean(column.type):
        return np.asarray(column.fill_null(False)).astype(np.uint8)  # noqa: FBT003
    if kind.is_timestamp(column.type):
        return (_numbers(column.cast(pa.int64())) - _EPOCH_US).astype(">i8")
    if kind.is_date32(column.type):
        return (_numbers(column.cast(pa.int32())) - _EPOCH_DAYS).astype(">i4")
    numbers = _numbers(column)
    return numbers.astype(numbers.dtype.newbyteorder(">"))


def _numbers(column: pa.Array) -> npt.NDArray[np.generic]:
    return np.asarray(column.fill_null(0))
