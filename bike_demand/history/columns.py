"""What a recording's columns may hold, and their values in one type each.

The meaning of values is that of a feed (`docs/gbfs.md`), but a count or a flag that cannot be
true is an error here: a file can be mended, a feed cannot.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bike_demand.gbfs.document import CLOCK_TOLERANCE
from bike_demand.gbfs.values import MAX_COUNT, MAX_IDENTIFIER
from bike_demand.history.errors import RecordingError

INSTANT = pa.timestamp("us", tz="UTC")

COLUMNS: Final[Mapping[str, pa.DataType]] = {
    "fetched_at": INSTANT,
    "station_id": pa.string(),
    "last_reported": INSTANT,
    "num_bikes_available": pa.int32(),
    "num_ebikes_available": pa.int32(),
    "num_bikes_disabled": pa.int32(),
    "num_docks_available": pa.int32(),
    "num_docks_disabled": pa.int32(),
    "is_installed": pa.bool_(),
    "is_renting": pa.bool_(),
    "is_returning": pa.bool_(),
}
"""The columns of a recording, and what they become. One that is not there is null throughout."""

REQUIRED: Final = ("fetched_at", "station_id", "num_bikes_available")

ROW: Final = "row"
"""An added column: the record's place in the file, from 0."""

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # before it is how clocks and stations say "never"
_MILLISECONDS_FROM = 100_000_000_000  # as in `gbfs.values`
_OFFSET = r"(?i)(Z|[+-]\d\d(:?\d\d)?)$"
_EPOCH = r"^\d{9,13}$"
_BLANK = r"^\s*$"


class _BadValueError(Exception):
    """What is wrong with a column, and in which row of the batch if it is one."""

    def __init__(self, problem: str, row: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.row = row


class Columns:
    """Converts a file's batches, one after the other.

    Args:
        path: The file, for messages.
        timezone: IANA name of the zone that times without one are in.
        now: No snapshot was fetched after it.
    """

    def __init__(self, path: Path, timezone: str | None, now: datetime) -> None:
        self._path = path
        self._timezone = timezone
        self._latest = now + CLOCK_TOLERANCE
        self._aware: dict[str, bool] = {}
        self._rows = 0

    def convert(self, batch: pa.Table) -> pa.Table:
        """The next batch with all of `COLUMNS` in their types, and `ROW`.

        Raises:
            RecordingError: A value cannot be what its column says.
        """
        converted = {}
        for name, wanted in COLUMNS.items():
            try:
                converted[name] = (
                    self._column(name, wanted, _plain(batch.column(name)))
                    if name in batch.column_names
                    else pa.nulls(len(batch), wanted)
                )
                if name in REQUIRED and converted[name].null_count:
                    _refuse(pc.is_null(converted[name]), "is missing")
            except _BadValueError as error:
                where = "" if error.row is None else f", row {self._rows + error.row + 1}"
                raise RecordingError(
                    f"{self._path}{where}: {name} {error.problem}. Nothing was imported."
                ) from None
        converted["last_reported"] = _believable(
            converted["last_reported"], converted["fetched_at"]
        )
        converted[ROW] = pa.array(np.arange(self._rows, self._rows + len(batch)))
        self._rows += len(batch)
        return pa.table(converted)

    def _column(self, name: str, wanted: pa.DataType, values: pa.Array) -> pa.Array:
        if values.null_count == len(values):
            return pa.nulls(len(values), wanted)
        if wanted == INSTANT:
            instants = self._instants(name, values)
            if name == "fetched_at":
                self._check_fetched(instants)
            return instants
        if wanted == pa.int32():
            return _counts(values)
        return _flags(values) if wanted == pa.bool_() else _identifiers(values)

    def _check_fetched(self, instants: pa.Array) -> None:
        _refuse(pc.less(instants, pa.scalar(_EARLIEST, INSTANT)), "lies before 2000", instants)
        late = pc.greater(instants, pa.scalar(self._latest, INSTANT))
        _refuse(late, "lies in the future", instants)

    def _instants(self, name: str, values: pa.Array) -> pa.Array:
        kinds = pa.types
        if kinds.is_string(values.type):
            return self._instants_of_text(name, values)
        if kinds.is_integer(values.type):
            self._settle_zone(name, aware=True)
            return _epochs(values)
        if not kinds.is_timestamp(values.type):
            raise _BadValueError(f"holds {values.type}, not times")
        self._settle_zone(name, aware=values.type.tz is not None)
        return self._utc(values)

    def _instants_of_text(self, name: str, values: pa.Array) -> pa.Array:
        text = pc.replace_substring_regex(pc.utf8_trim_whitespace(values), r"\s*UTC$", "Z")
        known = pc.drop_null(text)
        if pc.all(pc.match_substring_regex(known, _EPOCH)).as_py():
            self._settle_zone(name, aware=True)
            return _epochs(text.cast(pa.int64()))
        aware = pc.match_substring_regex(pc.utf8_slice_codeunits(text, 10), _OFFSET)
        some = pc.any(aware).as_py()
        if some and not pc.all(aware).as_py():
            odd = pc.index(aware, value=False).as_py()
            raise _BadValueError(f"{text[odd].as_py()!r} has no zone, but others have one", odd)
        self._settle_zone(name, aware=bool(some))
        try:
            return self._utc(text.cast(INSTANT if some else pa.timestamp("us")))
        except pa.ArrowInvalid as error:
            raise _BadValueError(f"is not a time everywhere ({error})") from None

    def _settle_zone(self, name: str, *, aware: bool) -> None:
        if self._aware.setdefault(name, aware) != aware:
            raise _BadValueError("has times with a zone and times without one")
        if not aware and self._timezone is None:
            raise _BadValueError(
                "has times without a zone. Say which clock they are from with --timezone, "
                "such as --timezone UTC or --timezone America/New_York"
            )

    def _utc(self, times: pa.Array) -> pa.Array:
        if times.type.tz is None:
            try:
                times = pc.assume_timezone(times, self._timezone)
            except pa.ArrowInvalid as error:
                raise _BadValueError(
                    f"has a time that the clock of {self._timezone} shows twice or never "
                    f"({error}); write the times with their offset from UTC"
                ) from None
        return times.cast(INSTANT, safe=False)  # nanoseconds are cut


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """One chunk, of plain values, small text, and null instead of NaN."""
    values = column.combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # of no chunks at all
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.nulls(0)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_large_string(values.type):
        values = values.cast(pa.string())
    if pa.types.is_decimal(values.type):
        values = values.cast(pa.float64())
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    return values


def _counts(values: pa.Array) -> pa.Array:
    numbers = _numbers(values)
    _refuse(pc.less(numbers, 0), "is negative", values)
    _refuse(pc.greater(numbers, MAX_COUNT), f"is over {MAX_COUNT}", values)
    _refuse(pc.not_equal(pc.floor(numbers), numbers), "is not a whole number", values)
    return numbers.cast(pa.int32())


def _numbers(values: pa.Array) -> pa.Array:
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        return values.cast(pa.float64(), safe=False)
    if not pa.types.is_string(values.type):
        raise _BadValueError(f"holds {values.type}, not numbers")
    text = pc.utf8_trim_whitespace(values)
    odd = pc.invert(pc.match_substring_regex(text, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"))
    _refuse(odd, "is not a number", values)
    return text.cast(pa.float64())


def _flags(values: pa.Array) -> pa.Array:
    if pa.types.is_boolean(values.type):
        return values
    text = pc.utf8_lower(pc.utf8_trim_whitespace(values.cast(pa.string())))
    true = pc.is_in(text, pa.array(["true", "1", "1.0"]))
    false = pc.is_in(text, pa.array(["false", "0", "0.0"]))
    known = pc.or_(true, false)
    _refuse(pc.and_(pc.is_valid(text), pc.invert(known)), "is neither true nor false", values)
    return pc.if_else(known, true, None)


def _identifiers(values: pa.Array) -> pa.Array:
    if pa.types.is_integer(values.type):
        return values.cast(pa.string())
    if not pa.types.is_string(values.type):
        raise _BadValueError(f"holds {values.type}, not text")
    known = values.unique()
    for bad, problem in (
        (pc.match_substring_regex(known, _BLANK), "is blank"),
        (pc.greater(pc.utf8_length(known), MAX_IDENTIFIER), "is too long"),
        (pc.match_substring(known, "\0"), "holds a NUL character"),
    ):
        _refuse(pc.is_in(values, value_set=known.filter(bad)), problem, values)
    return values


def _epochs(values: pa.Array) -> pa.Array:
    """Instants of seconds, or milliseconds, since 1970."""
    seconds = values.cast(pa.int64())
    factor = pc.if_else(pc.less(seconds, _MILLISECONDS_FROM), 1_000_000, 1_000)
    try:
        return pc.multiply_checked(seconds, factor).cast(INSTANT)
    except pa.ArrowInvalid:
        raise _BadValueError("holds numbers that are no seconds since 1970") from None


def _believable(reported: pa.Array, fetched: pa.Array) -> pa.Array:
    """Null where a station says that it never reported, or will."""
    tolerance = pa.scalar(CLOCK_TOLERANCE, pa.duration("us"))
    good = pc.and_(
        pc.greater_equal(reported, pa.scalar(_EARLIEST, INSTANT)),
        pc.less_equal(reported, pc.add(fetched, tolerance)),
    )
    return pc.if_else(good, reported, None)


def _refuse(bad: pa.Array, problem: str, values: pa.Array | None = None) -> None:
    """Name the first bad one, if there is any."""
    row = pc.index(bad, value=True).as_py()
    if row >= 0:
        shown = "" if values is None else f"{str(values[row].as_py())[:60]!r} "
        raise _BadValueError(f"{shown}{problem}", row)
