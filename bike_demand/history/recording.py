"""A recording: a file that stands for a system's feed over the time it covers.

The file is read once, checked throughout, and cut into the UTC days it holds, in a folder that
may be deleted at any time. Reading a window then opens only its days, whatever order the file
is in, and memory holds a day.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from os import getpid
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from bike_demand.forecasting.grid import TICK
from bike_demand.gbfs.frames import STATUS_COLUMNS
from bike_demand.history import source, ticks
from bike_demand.history.columns import COLUMNS, INSTANT, ROW, Columns
from bike_demand.history.errors import RecordingError
from bike_demand.storage.windows import Window

MAX_CARRY = timedelta(days=7)
_FORMAT = "1"  # of the folder; another number, and files are cut anew
_MANIFEST = "recording.json"
_PARTIAL = ".partial"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Recorded:
    """What a recording holds of a window.

    Attributes:
        status: One row per station and tick: the columns of `gbfs.frames.STATUS_COLUMNS`,
            `observed_at` and `fetched_at`.
        polls: One row per snapshot: `polled_at`, `records`, `rejected`.
        rejected: Records of a station that its snapshot holds another time, newer: `reason`,
            `detail`, `record` (JSON), `window_start` (the tick), `ordinal` (place in the snapshot).
    """

    status: pd.DataFrame
    polls: pd.DataFrame
    rejected: pd.DataFrame


@dataclass(frozen=True)
class Recording:
    """A file that was checked; make one with `open_recording`.

    Attributes:
        path: The file.
        digest: Stands for its content and the zone of its naive times.
        folder: Where its days lie.
        rows: How many records it holds.
        first: Its earliest `fetched_at`, UTC.
        last: Its latest.
        carry: How long a record holds if the file is a change log; `None` if it is not.
    """

    path: Path
    digest: str
    folder: Path
    rows: int
    first: datetime
    last: datetime
    carry: timedelta | None

    @cached_property
    def span(self) -> Window:
        """The ticks that the recording can speak for.

        Raises:
            RecordingError: A change log that ends before its first tick.
        """
        start, end = ticks.floor(self.first), ticks.floor(self.last) + TICK
        if self.carry is not None and start < self.first:
            start += TICK  # what is told after a tick is not known at it
        if start >= end:
            raise RecordingError(
                f"{self.path} holds changes from {self.first} to {self.last} and no quarter of "
                "an hour between them. Nothing was imported."
            )
        return Window(start, end)

    def days(self) -> list[Window]:
        """The span, a UTC day at a time."""
        days, start = [], self.span.start
        while start < self.span.end:
            end = min(_midnight(start.date() + _DAY), self.span.end)
            days.append(Window(start, end))
            start = end
        return days

    def read(self, window: Window) -> Recorded:
        """What the recording holds of a window of its span."""
        if self.carry is not None:
            records = self._records(window.start - self.carry, window.end)
            status = ticks.carried_forward(records, window.start, window.end, self.carry)
            polls = ticks.polls(status)
            rejected = status.iloc[:0]
        else:
            records = self._records(window.start, window.end)
            chosen = ticks.first_snapshots(records)
            status, rejected = ticks.settle_repeated(chosen)
            polls = ticks.polls(records)
        refused = polls["polled_at"].map(rejected.groupby("fetched_at").size())
        return Recorded(
            status=status.drop(columns=ROW),
            polls=polls.assign(rejected=refused.fillna(0).astype("int64")),
            rejected=_rejected(rejected, status),
        )

    def _records(self, start: datetime, end: datetime) -> pd.DataFrame:
        first, last = start.date(), (end - timedelta(microseconds=1)).date()
        days = (first + _DAY * number for number in range((last - first).days + 1))
        files = [file for day in days for file in sorted(self.folder.glob(f"{day}.*.parquet"))]
        tables = [pa.parquet.read_table(file) for file in files] or [_SCHEMA.empty_table()]
        table = pa.concat_tables(tables)
        fetched = table["fetched_at"]
        table = table.filter(
            pc.and_(
                pc.greater_equal(fetched, pa.scalar(start, INSTANT)),
                pc.less(fetched, pa.scalar(end, INSTANT)),
            )
        ).sort_by([("fetched_at", "ascending"), (ROW, "ascending")])
        records: pd.DataFrame = table.to_pandas(types_mapper=_PANDAS.get)
        return records.astype(_STATUS_TYPES)


_SCHEMA = pa.schema({**COLUMNS, ROW: pa.int64()})
_PANDAS = {pa.int32(): pd.Int32Dtype(), pa.bool_(): pd.BooleanDtype()}
_STATUS_TYPES = dict(STATUS_COLUMNS)


def open_recording(
    path: Path,
    cache: Path,
    *,
    timezone: str | None = None,
    carry: timedelta | None = None,
    now: datetime | None = None,
) -> Recording:
    """Check a file and cut it into days, unless that was done before.

    Args:
        path: A Parquet or CSV file.
        cache: A folder for the days of all recordings.
        timezone: IANA name of the zone of times that state none.
        carry: The file is a change log, and this is how long a record holds.
        now: The present, by default the clock's.

    Raises:
        RecordingError: The file cannot be used.
    """
    if timezone is not None:
        _check_zone(timezone)
    if carry is not None and not timedelta(0) < carry <= MAX_CARRY:
        raise RecordingError(f"A change is carried for up to {MAX_CARRY.days} days, not {carry}.")
    digest = f"{source.digest(path)}-{(timezone or 'aware').replace('/', '.')}-{_FORMAT}"
    folder = cache / digest
    if not (folder / _MANIFEST).is_file():
        columns = Columns(path, timezone, now or datetime.now(UTC))
        with _made_whole(folder) as partial:
            _cut(path, columns, partial)
    manifest = json.loads((folder / _MANIFEST).read_text())
    return Recording(
        path=path,
        digest=digest,
        folder=folder,
        rows=manifest["rows"],
        first=datetime.fromisoformat(manifest["first"]),
        last=datetime.fromisoformat(manifest["last"]),
        carry=carry,
    )


def _check_zone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise RecordingError(
            f"{timezone!r} is not an IANA time zone such as UTC or America/New_York."
        ) from None


@contextmanager
def _made_whole(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes its name when it is full; half-filled ones are removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f"*{_PARTIAL}"):
        if not psutil.pid_exists(int(left.suffixes[-2].removeprefix("."))):
            shutil.rmtree(left)  # its process was killed
    partial = folder.with_name(f"{folder.name}.{getpid()}{_PARTIAL}")
    partial.mkdir()
    try:
        yield partial
        if not folder.exists():  # another process may have been quicker
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _cut(path: Path, columns: Columns, folder: Path) -> None:
    rows, bounds = 0, []
    for number, batch in enumerate(source.batches(path)):
        table = columns.convert(batch)
        if not len(table):
            continue
        rows += len(table)
        fetched = table["fetched_at"].combine_chunks()
        bounds.append(pc.min_max(fetched).as_py())
        day_of = fetched.cast(pa.int64()).to_numpy() // (_DAY // timedelta(microseconds=1))
        for day in np.unique(day_of):
            file = folder / f"{date(1970, 1, 1) + int(day) * _DAY}.{number:06}.parquet"
            pa.parquet.write_table(table.filter(pa.array(day_of == day)), file, compression="zstd")
    if not rows:
        raise RecordingError(f"{path} holds no rows. Nothing was imported.")
    manifest = {
        "rows": rows,
        "first": min(bound["min"] for bound in bounds).isoformat(),
        "last": max(bound["max"] for bound in bounds).isoformat(),
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest))


def _rejected(rejected: pd.DataFrame, status: pd.DataFrame) -> pd.DataFrame:
    """The records that were not kept, for people to look at."""
    start = pd.concat([rejected, status]).groupby("observed_at")[ROW].min()
    ordinal = rejected[ROW] - rejected["observed_at"].map(start)
    said = rejected.drop(columns=[ROW, "observed_at"])
    records = [record.to_json(date_format="iso") for _, record in said.iterrows()]
    return pd.DataFrame(
        {
            "window_start": rejected["observed_at"],
            "ordinal": ordinal.astype("int64"),
            "reason": "duplicate_station",
            "detail": "the snapshot holds this station again, with other values",
            "record": pd.Series(records, said.index, dtype=object),
        }
    )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
