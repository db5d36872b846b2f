"""Writes `docs/data-dictionary.md` from the declared tables; a test holds the two together.

Run as `python -m bike_demand_tests.data_dictionary` after changing a table.
"""

from pathlib import Path

import sqlalchemy as sa

from bike_demand.storage.declaration import declared_table, sql_type
from bike_demand.storage.tables import METADATA

PATH = Path(__file__).parents[1] / "docs" / "data-dictionary.md"

INTRODUCTION = """\
# Data dictionary

Every table of the warehouse, from its declaration in `bike_demand/storage/tables.py`. All times
are `timestamp with time zone`, in UTC. A null is a value that the source did not give; none is
ever filled in. The comments stand in the database too: `\\d+ station_status` in psql.
"""


def render(metadata: sa.MetaData) -> str:
    return "\n".join(
        [INTRODUCTION, *(render_table(metadata.tables[name]) for name in sorted(metadata.tables))]
    )


def render_table(table: sa.Table) -> str:
    declaration = declared_table(table.name)
    replaced = [
        *([f"window of `{declaration.time}`"] if declaration.time else []),
        *(f"`{name}`" for name in declaration.scope),
    ]
    how = "Upserted by key within" if declaration.upsert else "Replaced by"
    rows = "\n".join(
        f"| `{column.name}` | {sql_type(column)} "
        f"| {'yes' if column.primary_key else ''} | {'yes' if column.nullable else ''} "
        f"| {column.comment} |"
        for column in table.columns
    )
    return (
        f"## {table.name}\n\n{table.comment}. {how} {' and '.join(replaced)}.\n\n"
        f"| column | type | key | may be null | meaning |\n|---|---|---|---|---|\n{rows}\n"
    )


if __name__ == "__main__":
    PATH.write_text(render(METADATA))
