"""The simulated city that stands in where no feed is configured: which one it is, and where.

The city itself stands in `simulation`. Here it gets its place in a data directory and in the
settings, so that `demo` and `dev`, today and tomorrow, see the same one.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bike_demand import settings
from bike_demand.simulation.plan import Plan

SYSTEM_ID = "simulated_city"
STATIONS = 300
DAYS = 28
"""How much past the city has when it is founded."""

MAX_AGE = timedelta(days=60)
"""An older city is left for a new one: it lives through its whole past whenever it is started."""


def stands_in(configured: settings.Settings) -> bool:
    """Whether nobody named a system to follow."""
    origins = settings.origins(configured)
    return {origins["systems"], origins["gbfs_url"]} == {settings.Origin.DEFAULT}


def folder(home: Path) -> Path:
    """Where the city's files lie."""
    return home / SYSTEM_ID


def founded(home: Path, now: datetime) -> Plan:
    """The city of this data directory; a new one where there is none, or only an old one.

    Args:
        home: The data directory.
        now: The present, UTC.
    """
    file = folder(home) / "founded"
    start = datetime.fromisoformat(file.read_text()).astimezone(UTC) if file.exists() else None
    if start is None or not timedelta() <= now - start <= MAX_AGE:
        start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(start.isoformat())
    return Plan(start=start, stations=STATIONS)


def follow(base_url: str, plan: Plan) -> None:
    """Make this process, and those it starts, follow the city and no other system.

    Args:
        base_url: Where it serves its feeds and its weather.
        plan: The city.
    """
    system = settings.System(
        system_id=SYSTEM_ID,
        timezone=plan.timezone,
        url=f"{base_url}/gbfs.json",
        weather_url=base_url,
    )
    os.environ[f"{settings.PREFIX}SYSTEMS"] = json.dumps([system.model_dump(exclude_defaults=True)])
