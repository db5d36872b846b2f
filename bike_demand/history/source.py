"""Files of records, a batch at a time: Parquet or CSV, known by what is in them.

Only the columns that a recording may have are read. CSV comes as text throughout, so that
what a value means is decided in one place, `columns.py`, whatever a parser would guess.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from bike_demand.history.columns import COLUMNS, REQUIRED
from bike_demand.history.errors import RecordingError

BATCH_ROWS = 131_072
_MAGIC = b"PAR1"
_NULLS = ["", "null", "NULL", "None", "nan", "NaN"]


def digest(path: Path) -> str:
    """What the file holds, as a short text that another content does not have.

    Raises:
        RecordingError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None


def batches(path: Path) -> Iterator[pa.Table]:
    """The file's records in its order, some at a time, of the columns it has of ours.

    Raises:
        RecordingError: It cannot be read, is neither Parquet nor CSV, or lacks a column.
    """
    try:
        with path.open("rb") as file:
            parquet = file.read(len(_MAGIC)) == _MAGIC
        yield from _parquet(path) if parquet else _csv(path)
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error}") from None
    except pa.ArrowException as error:
        kind = "Parquet" if parquet else "CSV"
        raise RecordingError(f"{path} cannot be read as {kind}: {error}") from None


def _parquet(path: Path) -> Iterator[pa.Table]:
    with pa.parquet.ParquetFile(path) as file:
        present = _present(path, file.schema_arrow.names)
        for batch in file.iter_batches(BATCH_ROWS, columns=present):
            yield pa.table(batch)


def _csv(path: Path) -> Iterator[pa.Table]:
    options = pa.csv.ReadOptions(block_size=16_000_000)
    with pa.csv.open_csv(path, options) as header:
        present = _present(path, header.schema.names)
    convert = pa.csv.ConvertOptions(
        include_columns=present,
        column_types=dict.fromkeys(present, pa.string()),
        null_values=_NULLS,
        strings_can_be_null=True,
    )
    with pa.csv.open_csv(path, options, convert_options=convert) as reader:
        for batch in reader:
            yield pa.table(batch)


def _present(path: Path, names: Sequence[str]) -> list[str]:
    if missing := [name for name in REQUIRED if name not in names]:
        raise RecordingError(
            f"{path} has no column {', '.join(missing)}. A recording has the columns "
            f"{', '.join(REQUIRED)}, and may have "
            f"{', '.join(name for name in COLUMNS if name not in REQUIRED)}; this file has "
            f"{', '.join(names[:20]) or 'none'}."
        )
    if twice := [name for name in COLUMNS if names.count(name) > 1]:
        raise RecordingError(f"{path} has the column {', '.join(twice)} twice.")
    return [name for name in COLUMNS if name in names]
