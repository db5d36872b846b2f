"""`bike-demand quality`: what the rules have found, for people and programs."""

import json
from datetime import UTC, datetime
from typing import Final

import click
import pandas as pd
from rich.console import Console
from rich.table import Table

from bike_demand import settings
from bike_demand.quality.report import told, worst_first
from bike_demand.storage.warehouse import open_warehouse

_ROWS: Final = """
SELECT system_id, window_start, rule, severity, count, checked, share, sample
FROM (SELECT system_id, max(window_start) AS newest FROM data_quality GROUP BY system_id) AS system
JOIN data_quality USING (system_id)
WHERE window_start >= coalesce(%(since)s::timestamptz, newest)
ORDER BY system_id, window_start DESC, rule
"""


def show(since: datetime | None, *, as_json: bool) -> None:
    """Print what was found in the newest window of each system, or since a time.

    Raises:
        click.exceptions.Exit: With 1 if anything of it is critical.
    """
    configured = settings.load()
    warehouse = open_warehouse(configured.revealed_postgres_url(), configured.home)
    rows = warehouse.frame(_ROWS, {"since": since})
    broken = rows[rows["count"] > 0]
    critical = bool((broken["severity"] == "critical").any())
    if as_json:
        click.echo(json.dumps(_as_json(rows, broken), indent=2))
    else:
        _print(rows, since)
    raise click.exceptions.Exit(1 if critical else 0)


def _as_json(rows: pd.DataFrame, broken: pd.DataFrame) -> dict[str, object]:
    return {
        "good": broken.empty,
        "windows": [
            {**row, "window_start": row["window_start"].astimezone(UTC).isoformat()}
            for row in rows[["system_id", "window_start"]].drop_duplicates().to_dict("records")
        ],
        "findings": [
            {
                **row,
                "window_start": row["window_start"].astimezone(UTC).isoformat(),
                "sample": json.loads(row["sample"]),
            }
            for row in broken.to_dict("records")
        ],
    }


def _print(rows: pd.DataFrame, since: datetime | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if rows.empty:
        when = f" since {since:%Y-%m-%d %H:%M} UTC" if since else ""
        console.print(f"Nothing was looked at{when}: materialise data_quality, as `dev` shows it.")
    for system_id, own in rows.groupby("system_id"):
        starts = own["window_start"].dt.tz_convert(UTC)
        broken = worst_first(own)
        console.print(
            f"{system_id}: {starts.nunique()} windows of four hours, the newest from "
            f"{starts.max():%Y-%m-%d %H:%M} UTC; {broken['rule'].nunique()} of "
            f"{own['rule'].nunique()} rules are broken."
        )
        if broken.empty:
            continue
        table = Table("rule", "severity", "windows", "rows", "of", "newest", "such as", box=None)
        for rule, each in broken.groupby("rule", sort=False):
            newest = each.loc[each["window_start"].idxmax()]
            table.add_row(
                str(rule),
                newest["severity"],
                f"{len(each):,}",
                f"{each['count'].sum():,}",
                f"{each['checked'].sum():,}",
                f"{newest['window_start'].astimezone(UTC):%Y-%m-%d %H:%M}",
                told(str(newest["sample"]), 1),
            )
        console.print(table)
