"""A role that may read the warehouse and do nothing else: what the API's server connects as."""

from typing import Final

import psycopg
from psycopg import sql

from bike_demand.storage.errors import PermanentStorageError, storage_errors
from bike_demand.storage.warehouse import Warehouse

ROLE: Final = "bike_demand_reader"

# Public is everybody: what it may do, the reader may do. Who owns the database is not concerned.
_GRANTS: Final = (
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {role}",
    "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
)


def admit(warehouse: Warehouse, password: str, role: str = ROLE) -> None:
    """Let a role read all tables, those too that are made later; make it if it is not there.

    A role that is there keeps its password: to change it is its administrator's business.

    Args:
        warehouse: Whose tables; as their owner.
        password: Of a new role.
        role: Its name.

    Raises:
        PermanentStorageError: It is not there, and our user may not make roles.
        TransientStorageError: The server does not answer.
    """
    with storage_errors(f"Letting {role} read"), warehouse.connection() as connection:
        names = {
            "role": sql.Identifier(role),
            "database": sql.Identifier(str(connection.info.dbname)),
        }
        found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        if found is None:
            _make(connection, password, role)
        for grant in _GRANTS:
            connection.execute(sql.SQL(grant).format(**names))


def _make(connection: psycopg.Connection, password: str, role: str) -> None:
    # Hashed here, as the server would: statements may be logged.
    hashed = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    make = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
        sql.Identifier(role), sql.Literal(hashed)
    )
    try:
        connection.execute(make)
    except psycopg.errors.InsufficientPrivilege:
        raise PermanentStorageError(
            f"There is no role {role} and our user may not make one. Ask an administrator for: "
            f"CREATE ROLE {role} LOGIN PASSWORD '...'"
        ) from None
