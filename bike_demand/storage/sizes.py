"""How large the project's tables are."""

from dataclasses import dataclass
from typing import Final

import psycopg

from bike_demand.storage.tables import METADATA

_SIZES: Final = """
SELECT relname, greatest(reltuples, 0)::bigint, pg_total_relation_size(oid)
FROM pg_class WHERE relname = ANY(%(names)s) AND relkind = 'r'
AND relnamespace = 'public'::regnamespace
ORDER BY 3 DESC
"""


@dataclass(frozen=True)
class Size:
    """Of a table.

    Attributes:
        name: The table's.
        rows: As many as the server reckons.
        bytes: With its indexes.
    """

    name: str
    rows: int
    bytes: int


def sizes(connection: psycopg.Connection) -> list[Size]:
    """Of the project's tables, the largest first."""
    found = connection.execute(_SIZES, {"names": [*METADATA.tables]}).fetchall()
    return [Size(*row) for row in found]
