"""Conditions in SQL that writing, reading and pruning share."""

from psycopg import sql

from bike_demand.storage.declaration import TableDeclaration, sql_type


def any_of(declaration: TableDeclaration, name: str, values: sql.Composable) -> sql.Composed:
    """The condition that a column has one of some values, compared in the column's own type."""
    kind = sql_type(declaration.table.columns[name])
    return sql.SQL("{} = ANY({}::{}[])").format(sql.Identifier(name), values, sql.SQL(kind))


def any_known(declaration: TableDeclaration) -> sql.Composed:
    """Names all values that the key's first column has, found one by one along the index.

    Without it Postgres before 18 reads the whole table for one tick, because the key leads
    with the system and not with time: 380 ms instead of 4 in two weeks of New York.
    https://wiki.postgresql.org/wiki/Loose_indexscan
    """
    return sql.SQL(
        "{column} = ANY(ARRAY(WITH RECURSIVE known AS ("
        "(SELECT min({column}) AS value FROM {table}) UNION ALL "
        "SELECT (SELECT min({column}) FROM {table} WHERE {column} > known.value) FROM known "
        "WHERE known.value IS NOT NULL) SELECT value FROM known WHERE value IS NOT NULL))"
    ).format(column=sql.Identifier(declaration.key[0]), table=sql.Identifier(declaration.name))
