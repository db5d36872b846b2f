"""SQL that the write and the read share."""

from psycopg import sql

from bike_demand.storage.declaration import TableDeclaration, sql_type


def any_of(declaration: TableDeclaration, name: str, values: sql.Composable) -> sql.Composed:
    """The condition that a column has one of some values, compared in the column's own type."""
    kind = sql_type(declaration.table.columns[name])
    return sql.SQL("{} = ANY({}::{}[])").format(sql.Identifier(name), values, sql.SQL(kind))
