"""SQL that the write and the read share."""

from psycopg import sql
from sqlalchemy.dialects import postgresql

from bike_demand.storage.declaration import TableDeclaration

_POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]


def any_of(declaration: TableDeclaration, name: str, values: sql.Composable) -> sql.Composed:
    """The condition that a column has one of some values, compared in the column's own type."""
    kind = declaration.table.columns[name].type.compile(dialect=_POSTGRES)
    return sql.SQL("{} = ANY({}::{}[])").format(sql.Identifier(name), values, sql.SQL(kind))
