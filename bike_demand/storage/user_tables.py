"""Tables that users declare beside their assets: made at the first write, then checked.

The project never alters such a table: what is in it is the user's.
"""

import sqlalchemy as sa

from bike_demand.storage.declaration import TableDeclaration
from bike_demand.storage.errors import PermanentStorageError

CREATE_TABLE_LOCK = 0x7461626C  # 'tabl': one process at a time makes tables


def ensure(engine: sa.Engine, declaration: TableDeclaration) -> None:
    """Make the table unless it is there, and see that it is the declared one.

    Raises:
        PermanentStorageError: A table of that name has other columns, types or key.
    """
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATE_TABLE_LOCK)))
        declaration.table.create(connection, checkfirst=True)
        stored = _shape(sa.inspect(connection), declaration.name)
    declared = {
        column.name: (
            column.type.compile(engine.dialect),
            bool(column.nullable),
            column.name in declaration.key,
        )
        for column in declaration.table.columns
    }
    if stored != declared:
        differing = sorted(
            name for name in {*stored, *declared} if stored.get(name) != declared.get(name)
        )
        raise PermanentStorageError(
            f"table {declaration.name!r} is stored with another shape than it is declared with: "
            f"{differing} differ. Alter or drop the table, or declare another name; nothing was "
            "changed."
        )


def _shape(inspector: sa.Inspector, name: str) -> dict[str, tuple[str, bool, bool]]:
    key = set(inspector.get_pk_constraint(name)["constrained_columns"])
    return {
        column["name"]: (
            column["type"].compile(inspector.dialect),
            column["nullable"],
            column["name"] in key,
        )
        for column in inspector.get_columns(name)
    }
