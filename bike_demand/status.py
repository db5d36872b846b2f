"""`bike-demand status`: what the pipeline depends on, how fresh each asset is, what is missing."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from bike_demand import data_times, demo_city, freshness, services, settings
from bike_demand.cadence import CADENCES
from bike_demand.data_times import Age
from bike_demand.freshness import Missing
from bike_demand.instance import open_instance
from bike_demand.made import Made
from bike_demand.storage.sizes import Size, sizes
from bike_demand.storage.warehouse import open_warehouse

NAMED: Final = 10
"""Missing partitions that are named."""


def show(*, as_json: bool) -> None:
    """Print it.

    Raises:
        click.exceptions.Exit: With 1 if anything does not answer, is stale or is missing.
    """
    configured, now = settings.load(), datetime.now(UTC)
    database = services.postgres(configured)
    if database.answers:
        warehouse = open_warehouse(configured.revealed_postgres_url(), configured.home)
        with warehouse.connection() as connection:
            configured = demo_city.seen_from_elsewhere(configured, connection)
    asked = [database, services.registry(configured), *services.sources(configured)]
    ages: list[Age] = []
    missing: list[Missing] = []
    failed: set[str] = set()
    tables: list[Size] = []
    expected = 0
    if database.answers:
        with warehouse.connection() as connection:
            ages, tables = data_times.ages(connection, configured.systems), sizes(connection)
        with open_instance() as instance:
            asked += services.daemons(instance)
            made = Made(instance)
            expected, missing = freshness.missing(CADENCES, now, made, made.begun)
            failed = made.failed(missing)
    good = all(one.answers for one in asked) and not missing
    good = good and not any(age.is_stale(now) for age in ages)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "at": now.isoformat(),
                    "good": good,
                    "services": [{**asdict(one), "answers": one.answers} for one in asked],
                    "assets": [_age(age, now) for age in ages],
                    "partitions": {
                        "expected": expected,
                        "missing": len(missing),
                        "failed": len(failed),
                        "newest_missing": [
                            {
                                "asset": item.cadence.name,
                                "partition": item.key,
                                "failed": item.name in failed,
                                "why": item.why_left,
                            }
                            for item in missing[:NAMED]
                        ],
                    },
                    "tables": [asdict(table) for table in tables],
                },
                indent=2,
            )
        )
    else:
        _print(asked, ages, missing, failed, expected, tables, now)
    raise click.exceptions.Exit(0 if good else 1)


def _age(age: Age, now: datetime) -> dict[str, Any]:
    return {
        "asset": age.asset,
        "system_id": age.system_id,
        "newest": age.newest and age.newest.isoformat(),
        "stale_at": age.stale_at and age.stale_at.isoformat(),
        "stale": age.is_stale(now),
    }


def _print(
    asked: list[services.Service],
    ages: list[Age],
    missing: list[Missing],
    failed: set[str],
    expected: int,
    tables: list[Size],
    now: datetime,
) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table("service", "", "", box=None)
    for one in asked:
        took = "DOWN" if one.seconds is None else f"{one.seconds * 1000:.0f} ms"
        table.add_row(one.name, took, one.detail)
    console.print(table)
    table = Table("asset", "system", "newest data", "", box=None)
    for age in ages:
        newest = f"{age.newest.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if age.newest else "none"
        table.add_row(age.asset, age.system_id, newest, _told(age, now))
    console.print(table)
    console.print(
        f"{len(missing)} of {expected} partitions of the last 48 h are missing, "
        f"{len(failed)} of them failed."
    )
    for item in missing[:NAMED]:
        why = item.why_left or ("failed" if item.name in failed else "not made yet")
        console.print(f"  {item.name}: {why}")
    listed = Table("table", "rows, about", "MB", box=None)
    for size in tables:
        listed.add_row(size.name, f"{size.rows:,}", f"{size.bytes / 1e6:,.1f}")
    console.print(listed)


def _told(age: Age, now: datetime) -> str:
    if age.stale_at is None:
        return "-"
    minutes = round((age.stale_at - now).total_seconds() / 60)
    return f"STALE for {-minutes} min" if minutes < 0 else f"fresh for {minutes} min more"
