"""The columns of what this package returns, and frames with exactly these types.

Pure. What the cells mean is decided in `parse.py`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

from bike_demand.gbfs.values import BadValueError, show

STATUS_COLUMNS: Final[Mapping[str, str]] = {
    "station_id": "object",
    "num_bikes_available": "int32",
    "num_ebikes_available": "Int32",
    "num_bikes_disabled": "Int32",
    "num_docks_available": "Int32",
    "num_docks_disabled": "Int32",
    "is_installed": "boolean",
    "is_renting": "boolean",
    "is_returning": "boolean",
    "last_reported": "datetime64[us, UTC]",
}
"""Columns of `StationStatus.rows` and their pandas types. Only the first two are never null."""

INFORMATION_COLUMNS: Final[Mapping[str, str]] = {
    "station_id": "object",
    "name": "object",
    "short_name": "object",
    "lat": "float64",
    "lon": "float64",
    "capacity": "Int32",
    "region_id": "object",
    "address": "object",
    "is_virtual_station": "boolean",
}
"""Columns of `StationInformation.rows` and their pandas types. Only the first is never null."""

REJECTED_COLUMNS: Final[Mapping[str, str]] = {
    "ordinal": "int64",
    "record": "object",
    "reason": "object",
    "detail": "object",
}
"""Columns of `rejected`: place in the feed's list from 0, the record as JSON text, why in a stable
word, why in a sentence. None is ever null."""

MAX_RECORD_CHARACTERS: Final = 4_000
"""A rejected record's JSON text is cut here: enough to see what is wrong with it."""

Row: TypeAlias = tuple[Any, ...]
"""A record's cells in the order of its frame's columns; times in microseconds since 1970 UTC."""


def frame(rows: Sequence[Row], columns: Mapping[str, str]) -> pd.DataFrame:
    """A frame of rows in the columns' order, with exactly the columns' types."""
    by_column = zip(*rows, strict=True) if rows else ((),) * len(columns)
    return pd.DataFrame(
        {
            name: _column(list(cells), dtype)
            for (name, dtype), cells in zip(columns.items(), by_column, strict=True)
        }
    )


def _column(cells: list[Any], dtype: Any) -> Any:
    if dtype.startswith("datetime64"):
        missing = np.iinfo(np.int64).min  # what numpy reads as "not a time"
        moments = np.array([missing if cell is None else cell for cell in cells], dtype=np.int64)
        return pd.DatetimeIndex(moments.view("datetime64[us]")).tz_localize("UTC")
    if dtype == "object":
        column = np.empty(len(cells), dtype=object)
        column[:] = cells
        return column
    return pd.array(cells, dtype=dtype)


def rejected_frame(records: Sequence[object], bad: Mapping[int, BadValueError]) -> pd.DataFrame:
    """The records that were rejected, by their place in the feed, `REJECTED_COLUMNS`."""
    rows = [
        (ordinal, _json(records[ordinal]), bad[ordinal].word, bad[ordinal].detail)
        for ordinal in sorted(bad)
    ]
    return frame(rows, REJECTED_COLUMNS)


def _json(record: object) -> str:
    try:
        text = json.dumps(record)  # ASCII only, so that every database can hold it
    except RecursionError:
        return show(record)
    return text if len(text) <= MAX_RECORD_CHARACTERS else text[: MAX_RECORD_CHARACTERS - 1] + "…"
