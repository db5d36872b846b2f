"""`bike-demand export`: rows of a table as a Parquet file, for analysts."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import pyarrow.parquet as pq

from bike_demand import settings
from bike_demand.storage.declaration import TableDeclaration, declared_table
from bike_demand.storage.read import batches
from bike_demand.storage.tables import METADATA
from bike_demand.storage.warehouse import open_warehouse
from bike_demand.storage.windows import Window

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)


def run(table: str, start: datetime | None, end: datetime | None, file: Path) -> None:
    """Write rows to a file, in the order of the table's key. It is there as a whole or not at all.

    Args:
        table: Its name.
        start: First time of its rows, UTC; `None` for all.
        end: No row is as late, UTC; `None` for all.
        file: A file of that name is replaced.

    Raises:
        click.UsageError: There is no such table, or it has no time.
        click.ClickException: The file cannot be written.
        StorageError: The table cannot be read.
    """
    if table not in METADATA.tables:
        known = ", ".join(sorted(METADATA.tables))
        raise click.UsageError(f"No table {table!r}; there are: {known}.")
    declaration = declared_table(table)
    asked = start is not None or end is not None
    if asked and declaration.time is None:
        raise click.UsageError(f"{table} has no time: it is exported as a whole.")
    if start is not None and end is not None and start >= end:
        raise click.UsageError("--from is not before --to.")
    configured = settings.load()
    warehouse = open_warehouse(configured.revealed_postgres_url(), configured.home)
    window = Window(start or _FIRST, end or _LAST) if asked else None
    part, rows = file.with_name(f"{file.name}.part"), 0
    try:
        found = batches(warehouse, declaration, window)
        schema = next(found).schema
        with pq.ParquetWriter(part, schema.with_metadata(_told(declaration))) as writer:
            for batch in found:
                writer.write_batch(batch.cast(writer.schema))
                rows += batch.num_rows
        part.replace(file)
    except OSError as error:
        raise click.ClickException(f"{file} was not written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    click.echo(f"{rows:,} rows of {table} are in {file}.")


def _told(declaration: TableDeclaration) -> Mapping[bytes | str, bytes | str]:
    """What the columns mean, for those who find the file later."""
    columns = declaration.table.columns
    return {column.name: column.comment for column in columns if column.comment}
