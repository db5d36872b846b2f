"""Who may write where: advisory locks that end with the transaction.

Writers of overlapping windows of one table go one after another; others at once. A window
is locked by the UTC days it touches. So that a replacement of years does not fill the
server's lock table, one of many days takes its whole table instead: every writer of days
holds the table's lock shared.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, timedelta

import psycopg

from bike_demand.storage.windows import Window

LOCK_TIMEOUT_S = 600
MAX_DAYS = 128  # of the 64 per connection that all transactions share by default
WHOLE_TABLE = -(2**31)


def lock(connection: psycopg.Connection, windows: Mapping[str, Sequence[Window] | None]) -> None:
    """Wait until nobody else writes what we are about to, and keep others out.

    Args:
        connection: In the transaction whose end releases the locks.
        windows: For each table what will be written of it; `None` is all of it.

    Raises:
        psycopg.errors.LockNotAvailable: Another writer held on for `LOCK_TIMEOUT_S`.
    """
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_TIMEOUT_S}s"])
    # All in one order, so that no two writers wait for each other.
    for table, day, shared in sorted(_keys(windows)):
        function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        connection.execute(f"SELECT {function}(%s, %s)", [table, day])


def _keys(windows: Mapping[str, Sequence[Window] | None]) -> Iterable[tuple[int, int, bool]]:
    for table, written in windows.items():
        identity = _table_identity(table)
        days = None if written is None else _days(written)
        if days is None:
            yield identity, WHOLE_TABLE, False
        else:
            yield identity, WHOLE_TABLE, True
            for day in days:
                yield identity, day.toordinal(), False


def _days(windows: Sequence[Window]) -> set[date] | None:
    days: set[date] = set()
    for window in windows:
        first = window.start.astimezone(UTC).date()
        last = (window.end - timedelta(microseconds=1)).astimezone(UTC).date()
        count = (last - first).days + 1
        if len(days) + count > MAX_DAYS:
            return None
        days.update(first + timedelta(days=offset) for offset in range(count))
    return days


def _table_identity(table: str) -> int:
    digest = hashlib.blake2b(f"bike_demand {table}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big", signed=True)
