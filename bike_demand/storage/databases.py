"""Which server, and which database on it: one setting, three consumers.

The warehouse, Dagster and MLflow each have a database of their own on one server. This
module derives their URLs and makes a database that is not there yet; what is *in* the
warehouse is the business of `storage.warehouse`.
"""

import os
from enum import Enum
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bike_demand.storage import embedded
from bike_demand.storage.errors import DatabaseUnavailableError

MAINTENANCE_DATABASE = "postgres"
CREATE_DATABASE_LOCK = 0x62696B65  # 'bike': one process at a time makes databases
CONNECT_TIMEOUT_S = 10
SESSION = r"-c timezone=UTC -c default_transaction_isolation=read\ committed"


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
        # It has no certificate, whatever PGSSLMODE says for other servers.
        url = server.url("bike_demand").update_query_dict({"sslmode": "disable"})
        return database_url(url, Database.WAREHOUSE)
    return database_url(_read(postgres_url), Database.WAREHOUSE)


def locate_dagster(dagster_url: str | None, postgres_url: str | None, home: Path) -> sa.URL:
    """The URL of Dagster's own database: as configured, or beside the warehouse.

    Args:
        dagster_url: `BIKE_DEMAND_DAGSTER_POSTGRES_URL`, or `None`.
        postgres_url: As in `locate`.
        home: As in `locate`.

    Raises:
        embedded.EmbeddedPostgresError: As in `locate`.
        DatabaseUnavailableError: As in `locate`.
    """
    if dagster_url is None:
        return database_url(locate(postgres_url, home), Database.DAGSTER)
    return _read(dagster_url).set(drivername=Database.DAGSTER.drivername)


def _read(postgres_url: str) -> sa.URL:
    if postgres_url.startswith("postgres://"):  # as hosting providers say it
        postgres_url = postgres_url.replace("postgres://", "postgresql://", 1)
    try:
        given: sa.URL | None = sa.make_url(postgres_url)
    except (sa.exc.ArgumentError, ValueError):
        given = None
    # An "@" in the host is the tail of a password that was not encoded.
    if given is None or given.get_backend_name() != "postgresql" or "@" in (given.host or ""):
        raise DatabaseUnavailableError(
            "The Postgres URL cannot be read: it must look like "
            "postgresql://USER:PASSWORD@HOST:5432/DATABASE, with special characters in the "
            "password percent-encoded."
        )
    return given


def conninfo(url: sa.URL) -> str:
    """What libpq needs to connect, password included: for a driver, never for a log.

    Whatever the environment, the URL, the role or the database say: text is UTF-8, for a binary
    COPY sends bytes; times are shown in UTC; and a transaction sees what was committed before
    each of its statements, for a writer that waited for a lock must see what it waited for.

    Raises:
        DatabaseUnavailableError: The URL has an option that libpq does not know.
    """
    given: dict[str, Any] = {name: str(value) for name, value in url.query.items()}
    options = given.pop("options", os.environ.get("PGOPTIONS", ""))
    try:
        return make_conninfo(
            **given
            | {"host": url.host, "port": url.port, "user": url.username}
            | {"password": url.password, "dbname": url.database}
            | {"client_encoding": "UTF8", "application_name": "bike_demand"}
            | {"connect_timeout": CONNECT_TIMEOUT_S, "options": f"{options} {SESSION}".strip()}
        )
    except psycopg.ProgrammingError:  # its message may repeat the password
        raise DatabaseUnavailableError(
            f"The options of the Postgres URL cannot be used: {sorted(given)}. They are those of "
            "libpq: https://www.postgresql.org/docs/current/libpq-connect.html"
        ) from None


def describe(url: sa.URL) -> str:
    """The URL for people: host, port and database, no credentials."""
    return f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}"


def connect(url: sa.URL, *, autocommit: bool = False) -> psycopg.Connection:
    """Open a psycopg connection with the session that `conninfo` describes.

    Raises:
        DatabaseUnavailableError: The server does not answer or refuses us.
    """
    try:
        return psycopg.connect(conninfo(url), autocommit=autocommit)
    except psycopg.OperationalError as error:
        raise unreachable(url, error) from None


def unreachable(url: sa.URL, error: psycopg.OperationalError) -> DatabaseUnavailableError:
    """What to tell people of a connection that could not be opened; no password.

    Args:
        url: Of the database.
        error: As the driver told it.
    """
    why = f"Postgres at {describe(url)} cannot be reached: {str(error).strip()}"
    return DatabaseUnavailableError(why)


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
            maintenance = connect_beside(url)
        except DatabaseUnavailableError:
            raise refusal from None
        with maintenance:
            maintenance.execute("SELECT pg_advisory_lock(%s)", [CREATE_DATABASE_LOCK])
            if not exists(maintenance, url):
                _create(maintenance, url)
            else:  # another process made it meanwhile, or it is not for us
                connect(url).close()


def connect_beside(url: sa.URL) -> psycopg.Connection:
    """Open a connection to the server of a database, which itself need not be there; autocommits.

    Raises:
        DatabaseUnavailableError: The server does not answer or refuses us.
    """
    return connect(url.set(database=MAINTENANCE_DATABASE), autocommit=True)


def exists(maintenance: psycopg.Connection, url: sa.URL) -> bool:
    """Whether the database that the URL names is there.

    Args:
        maintenance: From `connect_beside`.
        url: The database.
    """
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
