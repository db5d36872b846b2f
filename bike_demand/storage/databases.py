"""Which server, and which database on it: one setting, three consumers.

The warehouse, Dagster and MLflow each have a database of their own on one server. This
module derives their URLs and makes a database that is not there yet; what is *in* the
warehouse is the business of `storage.warehouse`.
"""

from enum import Enum
from pathlib import Path

import psycopg
import sqlalchemy as sa
from psycopg import sql

from bike_demand.storage import embedded
from bike_demand.storage.errors import DatabaseUnavailableError

MAINTENANCE_DATABASE = "postgres"
CREATE_DATABASE_LOCK = 0x62696B65  # 'bike': one process at a time makes databases
CONNECT_TIMEOUT_S = 10


class Database(Enum):
    """The databases of one deployment: suffix of the name, and driver its consumer needs."""

    WAREHOUSE = ("", "postgresql+psycopg")
    DAGSTER = ("_dagster", "postgresql+psycopg2")  # dagster-postgres cannot write with psycopg 3
    MLFLOW = ("_mlflow", "postgresql+psycopg2")

    @property
    def suffix(self) -> str:
        """What follows the warehouse's name."""
        return self.value[0]

    @property
    def drivername(self) -> str:
        """SQLAlchemy's dialect and driver; plain `postgresql` means psycopg 3 since 2.1."""
        return self.value[1]


def database_url(server: sa.URL, database: Database) -> sa.URL:
    """The URL of one of the deployment's databases.

    Args:
        server: URL of the warehouse, in any of Postgres' spellings.
        database: Whose database is asked for.
    """
    return server.set(
        drivername=database.drivername,
        database=(server.database or "bike_demand") + database.suffix,
    )


def locate(postgres_url: str | None, home: Path) -> sa.URL:
    """The warehouse's URL: as configured, or on the embedded server, started if need be.

    Args:
        postgres_url: `BIKE_DEMAND_POSTGRES_URL`, or `None` for the embedded server.
        home: The data directory that the embedded server lives under.

    Raises:
        embedded.EmbeddedPostgresError: The embedded server cannot run here.
        DatabaseUnavailableError: The URL cannot be read.
    """
    if postgres_url is None:
        server = embedded.ensure_running(home / "postgres")
        return database_url(server.url("bike_demand"), Database.WAREHOUSE)
    if postgres_url.startswith("postgres://"):  # as hosting providers say it
        postgres_url = postgres_url.replace("postgres://", "postgresql://", 1)
    try:
        url = sa.make_url(postgres_url)
    except (sa.exc.ArgumentError, ValueError):
        raise DatabaseUnavailableError(
            "The Postgres URL cannot be read: it must look like "
            "postgresql://USER:PASSWORD@HOST:5432/DATABASE, with special characters in the "
            "password percent-encoded."
        ) from None
    return database_url(url, Database.WAREHOUSE)


def libpq_uri(url: sa.URL) -> str:
    """The URL as libpq spells it, password included: for a driver, never for a log."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def describe(url: sa.URL) -> str:
    """The URL for people: host, port and database, no credentials."""
    return f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}"


def connect(url: sa.URL, *, autocommit: bool = False) -> psycopg.Connection:
    """Open a psycopg connection whose session is in UTC.

    Raises:
        DatabaseUnavailableError: The server does not answer or refuses us.
    """
    try:
        return psycopg.connect(
            libpq_uri(url),
            autocommit=autocommit,
            connect_timeout=CONNECT_TIMEOUT_S,
            options="-c timezone=UTC",
            application_name="bike_demand",
        )
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(
            f"Postgres at {describe(url)} cannot be reached: {str(error).strip()}"
        ) from None


def create_if_missing(url: sa.URL) -> None:
    """Make the database that the URL names unless it is there. Safe among many processes.

    Raises:
        DatabaseUnavailableError: The server does not answer, or the database is missing and
            our user may not create it.
    """
    try:
        connect(url).close()
    except DatabaseUnavailableError as refusal:
        # libpq gives a refused connection no SQLSTATE, so only the catalogue can tell a
        # missing database from a wrong password.
        try:
            maintenance = connect(url.set(database=MAINTENANCE_DATABASE), autocommit=True)
        except DatabaseUnavailableError:
            raise refusal from None
        with maintenance:
            maintenance.execute("SELECT pg_advisory_lock(%s)", [CREATE_DATABASE_LOCK])
            if not _exists(maintenance, url):
                _create(maintenance, url)
            else:  # another process made it meanwhile, or it is not for us
                connect(url).close()


def _exists(maintenance: psycopg.Connection, url: sa.URL) -> bool:
    found = maintenance.execute("SELECT 1 FROM pg_database WHERE datname = %s", [url.database])
    return found.fetchone() is not None


def _create(maintenance: psycopg.Connection, url: sa.URL) -> None:
    name = sql.Identifier(str(url.database))
    try:
        maintenance.execute(
            sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(name)
        )
    except psycopg.errors.InsufficientPrivilege:
        raise DatabaseUnavailableError(
            f"Database {url.database!r} does not exist at {describe(url)} and user "
            f"{url.username!r} may not create it. Ask an administrator for: "
            f'CREATE DATABASE "{url.database}" OWNER "{url.username}"'
        ) from None
