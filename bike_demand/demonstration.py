"""`bike-demand demo`: the main job from end to end, on this machine.

It runs through Dagster, its real instance and the real IO manager, so what it made is
there to look at in the web page afterwards.
"""

from collections.abc import Mapping
from typing import Any, cast

import click
import dagster as dg
import pandas as pd
from rich.console import Console
from rich.table import Table

from bike_demand import settings
from bike_demand.definitions import defs
from bike_demand.instance import open_instance

ASSET = dg.AssetKey("local_calendar")


def run() -> None:
    """Materialise the newest partition of the first asset and show what is stored.

    Raises:
        click.ClickException: The run failed, or there is no partition yet.
    """
    asset = defs.resolve_assets_def(ASSET)
    newest = asset.partitions_def.get_last_partition_key() if asset.partitions_def else None
    if newest is None:
        raise click.ClickException("No day has closed since the settings' first_partition.")
    with open_instance() as instance:
        result = dg.materialize(
            [asset],
            partition_key=newest,
            instance=instance,
            resources=defs.resources,
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
            raise_on_error=False,
        )
        if not result.success:
            raise click.ClickException(
                f"Run {result.run_id} failed: what went wrong is above, and under Runs on the "
                "page of 'make dev'."
            )
        rows = cast(
            "pd.DataFrame", defs.load_asset_value(ASSET, partition_key=newest, instance=instance)
        )
    _show(newest, rows, result.get_asset_materialization_events()[0].materialization.metadata)


def _show(
    partition: str, rows: pd.DataFrame, metadata: Mapping[str, dg.MetadataValue[Any]]
) -> None:
    table = Table(
        *rows.columns,
        title=f"local_calendar, partition {partition}, read back from Postgres",
        title_justify="left",
        box=None,
    )
    for row in rows.sort_values(["system_id", "hour"]).itertuples(index=False):
        table.add_row(
            *(
                f"{cell:%Y-%m-%d %H:%MZ}" if isinstance(cell, pd.Timestamp) else str(cell)
                for cell in row
            )
        )
    home = settings.load().home
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"\n{len(rows)} rows written in {metadata['seconds'].value} s. "
        f"Data and database are in {home}.\n"
        "Next: make dev   opens Dagster, with this run and the asset's page\n"
        "      make test  runs the tests\n"
        "      make down  stops the database"
    )
