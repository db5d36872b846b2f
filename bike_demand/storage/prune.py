"""Deletes old rows of a table, a few at a time, beside whoever writes and reads."""

from datetime import datetime
from typing import Final

from psycopg import sql

from bike_demand.storage.conditions import any_known
from bike_demand.storage.declaration import TableDeclaration
from bike_demand.storage.errors import storage_errors
from bike_demand.storage.warehouse import Warehouse

SLICE: Final = 20_000
"""Rows that one transaction deletes: a tenth of a second's work, and little to write ahead."""


def prune(
    warehouse: Warehouse,
    declaration: TableDeclaration,
    system_id: str,
    before: datetime,
    rows_at_a_time: int = SLICE,
) -> int:
    """Delete a system's rows from before some time; says how many there were.

    Each slice is a transaction of its own, the oldest first: what a failure interrupts goes on at
    the next call. Rows that somebody is replacing are left to him. The server's autovacuum makes
    room for new rows of what is deleted; the file does not shrink.

    Args:
        warehouse: Where the table is.
        declaration: The table; its scope has a `system_id`.
        system_id: Whose rows.
        before: Rows of this time stay, UTC.
        rows_at_a_time: Most rows of a slice.

    Raises:
        PermanentStorageError: The table is not there, or not ours.
        TransientStorageError: The server failed. What was deleted so far is.
    """
    if declaration.time is None:
        raise ValueError(f"table {declaration.name!r} has no time that its rows could be old by")
    time = sql.Identifier(declaration.time)
    # From where the last slice has ended: what it deleted stays in the index for a while.
    query = sql.SQL(
        "WITH old AS (SELECT ctid, {time} AS at FROM {table} WHERE system_id = %(system)s"
        " AND {time} >= %(since)s AND {time} < %(before)s ORDER BY {time} LIMIT %(most)s"
        " FOR UPDATE SKIP LOCKED),"
        " gone AS (DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM old)) RETURNING 1)"
        " SELECT (SELECT count(*) FROM gone), (SELECT max(at) FROM old)"
    ).format(time=time, table=sql.Identifier(declaration.name))
    total, since = 0, "-infinity"
    with (
        storage_errors(f"Deleting old rows of table {declaration.name!r}"),
        warehouse.connection() as connection,
    ):
        connection.autocommit = True
        while True:
            asked = {
                "system": system_id,
                "since": since,
                "before": before,
                "most": rows_at_a_time,
            }
            [[deleted, last]] = connection.execute(query, asked).fetchall()
            if not deleted:
                return total
            total, since = total + deleted, last


def holds_from_before(
    warehouse: Warehouse, declaration: TableDeclaration, before: datetime
) -> bool:
    """Whether a table holds a row, of any system, from before some time.

    Args:
        warehouse: Where the table is.
        declaration: The table; it has a time.
        before: UTC.
    """
    query = sql.SQL("SELECT EXISTS (SELECT 1 FROM {} WHERE {} AND {} < %s)").format(
        sql.Identifier(declaration.name),
        any_known(declaration),
        sql.Identifier(str(declaration.time)),
    )
    with warehouse.connection() as connection:
        [[found]] = connection.execute(query, [before]).fetchall()
    return bool(found)
