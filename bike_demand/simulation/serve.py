"""What `bike-demand simulate` does: makes a city as told, and serves it or records its past."""

import signal
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from shlex import quote
from threading import Event
from typing import Final
from zoneinfo import available_timezones

import click

from bike_demand.parent import alive
from bike_demand.simulation import feeds
from bike_demand.simulation.city import City
from bike_demand.simulation.feeds import Version
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.server import CityServer

TICK: Final = timedelta(minutes=15)
WATCH_SECONDS: Final = 0.5


def make_plan(
    now: datetime, start: date | None, history_days: int, stations: int, seed: int, timezone: str
) -> Plan:
    """The city that was asked for.

    Args:
        now: The present in it (aware, UTC).
        start: First day of its life; if None, `history_days` before today.
        history_days: See `start`; 0 begins with this hour.
        stations: As `Plan.stations`.
        seed: As `Plan.seed`.
        timezone: As `Plan.timezone`.

    Raises:
        ValueError: There can be no such city.
    """
    if timezone not in available_timezones():
        raise ValueError(f"{timezone!r} is not an IANA time zone such as 'Europe/Lisbon'")
    if start is None and not history_days:  # what a large city has lived through before it answers
        begin = now.replace(minute=0, second=0, microsecond=0)
    else:
        begin = datetime.combine(start or now.date() - timedelta(days=history_days), time(), UTC)
    if begin > now:
        raise ValueError(f"the city starts on {start}, after its present ({now:%Y-%m-%dT%H:%MZ})")
    return Plan(begin, stations, seed, timezone)


def write_history(plan: Plan, now: datetime, path: Path, version: Version) -> None:
    """Writes the city's past up to the present tick, and the facts of its stations beside it.

    Raises:
        click.UsageError: It has no past yet.
    """
    from bike_demand.simulation.recording import write_recording

    end = now - (now - plan.start) % TICK
    if end == plan.start:
        raise click.UsageError("the city has no past yet: give --history DAYS or --start DATE")
    rows = write_recording(plan, end, path)
    information = path.with_name(f"{path.stem}.station_information.json")
    information.write_bytes(feeds.station_information(version, plan, City(plan).stations))
    click.echo(
        f"{path} has {rows:,} rows from {plan.start:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ}. "
        "To import it:\n"
        f"bike-demand import-history {quote(str(path))} --system-id {feeds.system_id(plan)} "
        f"--station-information {quote(str(information))}"
    )


def serve(server: CityServer, plan: Plan, version: Version, parent: int | None) -> None:
    """Serves until SIGINT or SIGTERM, or until the process `parent` is gone. Main thread only."""
    lives = alive(parent)
    stop = Event()
    with server:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        click.echo(
            f"{plan.stations:,} stations answer at {server.gbfs_url} (GBFS {version}), their "
            f"weather at {server.url}; Ctrl-C ends it. In settings.toml:\n\n"
            "[[systems]]\n"
            f'system_id = "{feeds.system_id(plan)}"\n'
            f'timezone = "{plan.timezone}"\n'
            f'url = "{server.gbfs_url}"\n'
            f'weather_url = "{server.url}"'
        )
        while lives() and not stop.wait(WATCH_SECONDS):
            pass
