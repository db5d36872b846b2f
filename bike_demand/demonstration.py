"""`bike-demand demo`: the main job from end to end, on this machine.

It runs through Dagster, its real instance and the real IO manager, so what it made is
there to look at in the web page afterwards.
"""

import os
from pathlib import Path

import click
import dagster as dg
import pandas as pd
from rich.console import Console
from rich.table import Table

from bike_demand import settings
from bike_demand.definitions import defs

ASSET = dg.AssetKey("local_calendar")


def run() -> None:
    """Materialise the newest partition of the first asset and show what is stored.

    Raises:
        click.ClickException: The run failed.
    """
    asset = defs.resolve_assets_def(ASSET)
    partitions = asset.partitions_def
    if partitions is None or not (keys := partitions.get_last_partition_key()):
        raise click.ClickException("The settings leave no closed day: see first_partition.")
    with _instance() as instance:
        result = dg.materialize(
            [asset],
            partition_key=keys,
            instance=instance,
            resources=defs.resources,
            raise_on_error=False,
        )
        if not result.success:
            raise click.ClickException(
                f"Run {result.run_id} failed: its log is above, and on the page of 'make dev'."
            )
        rows = defs.load_asset_value(ASSET, partition_key=keys, instance=instance)
    _show(keys, rows)


def _instance() -> dg.DagsterInstance:
    """The instance that the web page shows: of `DAGSTER_HOME`, else of this project."""
    if os.environ.get("DAGSTER_HOME"):
        return dg.DagsterInstance.get()
    return dg.DagsterInstance.from_config(str(Path(__file__).parents[1]))


def _show(partition: str, rows: pd.DataFrame) -> None:
    console = Console()
    title = f"local_calendar, partition {partition}: {len(rows)} rows read back from Postgres"
    table = Table(*rows.columns, title=title)
    for row in rows.sort_values(["system_id", "hour"]).itertuples(index=False):
        table.add_row(*(str(value) for value in row))
    console.print(table)
    console.print(
        f"\nStored in {settings.load().home}. Next: 'make dev' opens Dagster on these assets, "
        "'make test' runs the tests, 'make down' stops the database.",
        highlight=False,
    )
