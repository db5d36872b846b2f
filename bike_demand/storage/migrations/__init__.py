"""The way from any earlier shape of the warehouse to the declared one.

Each file in `versions` is one step, named after its revision: `0001_…`, `0002_…`. Alembic
runs them; it is imported only when there is something to do.
"""

from pathlib import Path

import psycopg
import sqlalchemy as sa

from bike_demand.storage import databases
from bike_demand.storage.errors import PermanentStorageError

MIGRATION_LOCK = 0x6D696772  # 'migr': one process at a time migrates
VERSIONS = Path(__file__).parent / "versions"


class MigrationError(PermanentStorageError):
    """The database cannot be brought to the shape that this code declares."""


def revisions() -> list[str]:
    """All revisions, oldest first."""
    return sorted(path.stem.partition("_")[0] for path in VERSIONS.glob("[0-9]*.py"))


def migrate(url: sa.URL) -> None:
    """Bring the database to the newest revision, whoever else tries the same.

    Args:
        url: The warehouse; it exists.

    Raises:
        MigrationError: The database is at a revision that this code does not know.
        DatabaseUnavailableError: The server does not answer or refuses us.
    """
    with databases.connect(url, autocommit=True) as connection:
        if _current(connection) == revisions()[-1]:
            return
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        current = _current(connection)
        if current == revisions()[-1]:
            return
        if current is not None and current not in revisions():
            raise MigrationError(
                f"The database at {databases.describe(url)} is at revision {current}, which is "
                f"newer than this code (it knows up to {revisions()[-1]}). Run the newer "
                "bike_demand, or point BIKE_DEMAND_POSTGRES_URL at another database."
            )
        _upgrade(url)


def _current(connection: psycopg.Connection) -> str | None:
    known = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if not (known and known[0]):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def _upgrade(url: sa.URL) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"url": url})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    command.upgrade(config, "head")
