"""Adapters between Dagster and the outside: thin, one per thing adapted.

`PostgresIOManager`, `Rows`, `declare_table`, `table_metadata` and `Reach` are what a
project that stores its own assets here needs.
"""

from bike_demand.resources.postgres_io_manager import (
    PostgresIOManager,
    read_metadata,
    table_metadata,
)
from bike_demand.storage import tables as _project_tables  # noqa: F401  # declares them
from bike_demand.storage.declaration import Upsert, declare_table
from bike_demand.storage.replace import Rows
from bike_demand.storage.windows import Reach, Window

__all__ = [
    "PostgresIOManager",
    "Reach",
    "Rows",
    "Upsert",
    "Window",
    "declare_table",
    "read_metadata",
    "table_metadata",
]
