"""The IO manager: Dagster's partitions to windows, outputs to `replace`, inputs to `read`.

Only translation stands here. What a write promises is in `storage.replace`, what a table
is in `storage.declaration`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
import pandas as pd
from pydantic import Field

from bike_demand import settings
from bike_demand.failures import PermanentFailure
from bike_demand.storage.declaration import (
    InvalidDeclarationError,
    TableDeclaration,
    declared_table,
    sql_type,
)
from bike_demand.storage.errors import PermanentStorageError
from bike_demand.storage.read import read
from bike_demand.storage.replace import Receipt, Rows, Written, replace
from bike_demand.storage.warehouse import Warehouse, open_warehouse
from bike_demand.storage.windows import Reach, Window

TABLE_NAME = "dagster/table_name"
READ = "bike_demand/read"


class PostgresIOManager(dg.ConfigurableIOManager):
    """Stores DataFrames in Postgres, a partition's window at a time.

    An asset is stored in the declared table of its own name, or in the one that its
    `metadata=table_metadata(…)` names. It returns a DataFrame, or `Rows` where the table has
    a scope, where other tables are written along, or where frames come one after another (in
    one transaction, never all in memory). An input loads the windows of the partitions it
    asks for; `AssetIn(metadata=read_metadata(…))` narrows it to columns or widens it in time.
    """

    url: str | None = Field(
        default=None,
        repr=False,
        description=(
            "A Postgres database, postgresql://USER:PASSWORD@HOST:5432/DATABASE. Give it as "
            "EnvVar, for Dagster shows configured values. Without it BIKE_DEMAND_POSTGRES_URL "
            "holds, and without that a Postgres runs inside the data directory."
        ),
    )
    home: str | None = Field(
        default=None,
        description="The data directory; by default BIKE_DEMAND_HOME, else .bike_demand.",
    )

    def handle_output(
        self, context: dg.OutputContext, obj: Rows | pd.DataFrame | Iterator[pd.DataFrame]
    ) -> None:
        """Replace the output's windows and scope by its rows, and report them.

        Raises:
            PermanentFailure: The rows do not fit their table, or the database refuses them.
            TransientStorageError: The database failed; a retry may succeed.
        """
        if not context.has_asset_key:
            raise PermanentFailure(
                f"{context.step_key}: PostgresIOManager stores assets. Give the ops inside a graph "
                "an io_manager_key of their own."
            )
        windows = _windows(context) if context.has_asset_partitions else None
        try:
            declaration = _declaration(context)
            receipt = replace(self.warehouse(), declaration, windows, _rows(declaration, obj))
        except (PermanentStorageError, InvalidDeclarationError) as error:
            raise PermanentFailure(
                f"Asset {context.asset_key.to_user_string()}: {error}"
            ) from error
        _report(context, declaration, receipt)

    def store(self, declaration: TableDeclaration, rows: Rows) -> Receipt:
        """Write rows that name their own windows, for an asset that stores before it fails.

        Args and errors are those of `storage.replace.replace`.
        """
        return replace(self.warehouse(), declaration, None, rows)

    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        """Read the rows of the windows that the input asks for.

        Raises:
            PermanentFailure: The table or a column is not there.
            TransientStorageError: The database failed; a retry may succeed.
        """
        try:
            declaration = _declaration(context)
            options = context.definition_metadata.get(READ, {})
            windows = None
            if context.has_asset_partitions:
                windows = _reach(options).of(_windows(context))
            return read(
                self.warehouse(),
                declaration,
                windows,
                columns=options.get("columns"),
                scope=options.get("scope"),
            )
        except (PermanentStorageError, InvalidDeclarationError) as error:
            raise PermanentFailure(
                f"Input {context.asset_key.to_user_string()}: {error}"
            ) from error

    def warehouse(self) -> Warehouse:
        """Where the tables are, for queries of one's own."""
        if self.url is not None:
            return open_warehouse(self.url, settings.resolve_home(self.home))
        if self.home is not None:  # asked for by name: its server, whatever the environment says
            return open_warehouse(None, settings.resolve_home(self.home))
        configured = settings.load()
        return open_warehouse(configured.revealed_postgres_url(), configured.home)


def table_metadata(declaration: TableDeclaration) -> dict[str, Any]:
    """Metadata of an asset that says where it is stored and what its columns mean.

    Args:
        declaration: The table.
    """
    return {
        TABLE_NAME: declaration.name,
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    name=column.name,
                    type=sql_type(column),
                    description=column.comment,
                    constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
                    tags={"primary_key": ""} if column.primary_key else {},
                )
                for column in declaration.table.columns
            ]
        ),
    }


def read_metadata(
    *,
    columns: Sequence[str] | None = None,
    scope: Mapping[str, Sequence[Any]] | None = None,
    reach: Reach | None = None,
) -> dict[str, Any]:
    """Metadata of an `AssetIn` that says what of the upstream table is read.

    Args:
        columns: The columns wanted; by default all.
        scope: For columns of the table's scope the values wanted; by default all.
        reach: What is seen besides the input's own windows.
    """
    options: dict[str, Any] = {}
    if columns is not None:
        options["columns"] = columns
    if scope is not None:
        options["scope"] = dict(scope)
    if reach is not None:
        options["lookback_s"] = [
            [before.total_seconds(), until.total_seconds()] for before, until in reach.lookback
        ]
        options["hourly_s"] = reach.hourly.total_seconds()
        options["lookahead_s"] = reach.lookahead.total_seconds()
    return {READ: options}


def _reach(options: Mapping[str, Any]) -> Reach:
    return Reach(
        lookback=tuple(
            (timedelta(seconds=before), timedelta(seconds=until))
            for before, until in options.get("lookback_s", [])
        ),
        hourly=timedelta(seconds=options.get("hourly_s", 0)),
        lookahead=timedelta(seconds=options.get("lookahead_s", 0)),
    )


def _declaration(context: dg.OutputContext | dg.InputContext) -> TableDeclaration:
    owner = context
    if isinstance(context, dg.InputContext) and context.upstream_output is not None:
        owner = context.upstream_output
    name = owner.definition_metadata.get(TABLE_NAME)
    if name is None and len(context.asset_key.path) > 1:
        raise InvalidDeclarationError(
            "an asset whose key has a prefix names its table: metadata=table_metadata(...)"
        )
    return declared_table(str(name or context.asset_key.path[-1]))


def _windows(context: dg.OutputContext | dg.InputContext) -> list[Window]:
    definition = context.asset_partitions_def
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        raise PermanentFailure(
            f"Asset {context.asset_key.to_user_string()} has {type(definition).__name__}; "
            "PostgresIOManager stores assets that are partitioned by time, or not at all."
        )
    return [
        Window(window.start, window.end)
        for window in map(definition.time_window_for_partition_key, context.asset_partition_keys)
    ]


def _rows(declaration: TableDeclaration, output: object) -> Rows:
    if isinstance(output, Rows):
        return output
    if isinstance(output, (pd.DataFrame, Iterator)):
        return Rows(output)
    raise PermanentFailure(
        f"Table {declaration.name!r} is written from a DataFrame, an iterator of DataFrames or "
        f"Rows; the asset returned {type(output).__name__}."
    )


def _report(context: dg.OutputContext, declaration: TableDeclaration, receipt: Receipt) -> None:
    if len(receipt.windows) == 1:
        context.add_output_metadata(_metadata(declaration, receipt.windows[0], receipt.seconds))
        return
    # What is added to the output is copied to every partition's event; this is not.
    asset = dg.AssetExecutionContext.get()
    for key, written in zip(context.asset_partition_keys, receipt.windows, strict=True):
        asset.add_asset_metadata(
            _metadata(declaration, written, receipt.seconds),
            asset_key=context.asset_key,
            partition_key=key,
        )


def _metadata(declaration: TableDeclaration, written: Written, seconds: float) -> dict[str, Any]:
    partitioned = written.window is not None
    rows = "dagster/partition_row_count" if partitioned else "dagster/row_count"
    metadata: dict[str, Any] = {
        rows: written.rows,
        TABLE_NAME: declaration.name,
        "bytes": written.size,
        "seconds": round(seconds, 3),
    }
    if written.window is not None:
        metadata["window"] = str(written.window)
    if written.first is not None and written.last is not None:
        metadata["first_event"] = dg.MetadataValue.timestamp(written.first)
        metadata["last_event"] = dg.MetadataValue.timestamp(written.last)
    return metadata
