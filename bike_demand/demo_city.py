"""The simulated city that stands in where no feed is configured: which one it is, and where.

The city itself stands in `simulation`. Here it gets its place in a data directory and in the
settings, so that `demo` and `dev`, today and tomorrow, see the same one.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import psycopg

from bike_demand import settings
from bike_demand.simulation.plan import Plan

SYSTEM_ID = "simulated_city"
STATIONS = 300
DAYS = 28
"""How much past the city has when it is founded."""

MAX_AGE = timedelta(days=60)
"""An older city is left for a new one: it lives through its whole past whenever it is started."""


def stands_in(configured: settings.Settings, connection: psycopg.Connection) -> str | None:
    """Why the city must not stand in: somebody follows a system, or has data of one.

    Args:
        configured: The settings.
        connection: To the warehouse.

    Returns:
        The reason, or `None` where there is none.
    """
    origins = settings.origins(configured)
    for name in ("systems", "gbfs_url"):
        if origins[name] is not settings.Origin.DEFAULT:
            return f"{name} is set ({origins[name]})"
    row = connection.execute(
        "SELECT system_id FROM feed_poll WHERE system_id <> %s LIMIT 1", [SYSTEM_ID]
    ).fetchone()
    return None if row is None else f"the database holds data of {row[0]}"


def folder(home: Path) -> Path:
    """Where the city's files lie."""
    return home / SYSTEM_ID


def seen_from_elsewhere(
    configured: settings.Settings, connection: psycopg.Connection
) -> settings.Settings:
    """The settings, with the city as their system where it stands in.

    Its address is known to the process alone that serves it.
    """
    if stands_in(configured, connection) or not folder(configured.home).is_dir():
        return configured
    city = settings.System(system_id=SYSTEM_ID, timezone=Plan.timezone)
    return configured.model_copy(update={"systems": (city,)})


def founded(home: Path, now: datetime) -> Plan:
    """The city of this data directory; a new one where there is none, or only an old one.

    Args:
        home: The data directory.
        now: The present, UTC.
    """
    file = folder(home) / "founded"
    start = _read(file)
    if start is not None and not timedelta() <= now - start <= MAX_AGE:
        click.echo(f"The simulated city of {start:%Y-%m-%d} is left, and a new one is founded.")
        start = None
    if start is None:
        start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
        file.parent.mkdir(parents=True, exist_ok=True)
        written = file.with_suffix(".new")
        written.write_text(f"{start:%Y-%m-%d}\n")
        written.replace(file)
    return Plan(start=start, stations=STATIONS)


def _read(file: Path) -> datetime | None:
    try:
        return datetime.strptime(file.read_text().strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except (FileNotFoundError, ValueError):  # never written, or not to its end
        return None


def follow(base_url: str, plan: Plan) -> None:
    """Make this process, and those it starts, follow the city and no other system.

    Args:
        base_url: Where it serves its feeds and its weather.
        plan: The city.
    """
    from bike_demand.simulation.streets import CENTRE  # not for those who only look

    system = settings.System(
        system_id=SYSTEM_ID,
        timezone=plan.timezone,
        url=f"{base_url}/gbfs.json",
        weather_url=base_url,
        lat=CENTRE[0],
        lon=CENTRE[1],
    )
    os.environ[f"{settings.PREFIX}SYSTEMS"] = json.dumps([system.model_dump(exclude_defaults=True)])
