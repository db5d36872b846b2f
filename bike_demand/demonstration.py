"""`bike-demand demo`: a city of our own from end to end, on this machine.

Its past comes in by `import-history`, its present over HTTP through the real clients. All of it
runs through Dagster, its real instance and the real IO manager, so what it made is there to look
at in the web page afterwards.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote

import click
import pandas as pd
from rich.console import Console
from rich.table import Table

from bike_demand import demo_city, demo_picture, import_history, settings
from bike_demand.history.ticks import floor
from bike_demand.instance import open_instance
from bike_demand.present import materialize_present
from bike_demand.resources.recorded_feed import RecordedStationFeed
from bike_demand.simulation.plan import Plan
from bike_demand.storage.warehouse import Warehouse, open_warehouse

WEEK = timedelta(days=7)


def run() -> None:
    """Bring in the city's past and present, and show what is stored.

    Raises:
        click.ClickException: A run failed, or the settings follow another system.
    """
    configured = settings.load()
    warehouse = open_warehouse(configured.revealed_postgres_url(), configured.home)
    if reason := demo_city.stands_in(configured, warehouse):
        raise click.ClickException(
            f"The demo brings a simulated city, but {reason}. Give it a data directory of its own: "
            "bike-demand --home .demo demo (and take what is set out of the environment)."
        )
    console = Console(highlight=False, soft_wrap=True)
    began = time.perf_counter()
    plan = demo_city.founded(configured.home, datetime.now(UTC))
    with _stage(console, f"{demo_city.DAYS} days of {plan.stations} stations, simulated"):
        recording, information = _recorded(demo_city.folder(configured.home), plan)
    with _stage(console, "Their recording, imported"):
        feed = RecordedStationFeed(path=str(recording), system_id=demo_city.SYSTEM_ID)
        import_history.run(feed, information)
    with (
        _stage(console, "The present tick and the weather, fetched over HTTP"),
        _served(plan) as url,
        open_instance() as instance,
    ):
        demo_city.follow(url, plan)
        materialize_present(instance)
    picture = configured.home / "demo.png"
    with _stage(console, "What is stored, read back"):
        summary = _summary(warehouse)
        demo_picture.draw(*_picture(warehouse), plan.timezone, picture)
    console.print(_table(summary))
    console.print(
        f"\nThe picture: {picture}\nAll of it took {time.perf_counter() - began:.0f} s; data and "
        f"database are in {configured.home}.\n"
        f"Next: {_command('dev')}   opens Dagster, where the city goes on by itself\n"
        f"      {_command('down')}  stops the database"
    )


def _command(name: str) -> str:
    """What to type for a command in this data directory."""
    home = settings.resolve_home()
    at_home = home == settings.DEFAULT_HOME.absolute()
    return f"make {name}" if at_home else f"bike-demand --home {quote(str(home))} {name}"


@contextmanager
def _stage(console: Console, what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    console.print(f"{what}: {time.perf_counter() - started:.1f} s.")


def _recorded(folder: Path, plan: Plan) -> tuple[Path, Path]:
    """The city's past up to the present tick as it was recorded the first time, and its facts."""
    from bike_demand.simulation.city import City
    from bike_demand.simulation.feeds import Version, station_information
    from bike_demand.simulation.recording import write_recording

    recording = folder / f"from_{plan.start:%Y-%m-%d}.parquet"
    information = folder / "station_information.json"
    information.write_bytes(station_information(Version.V2_3, plan, City(plan).stations))
    if not recording.exists():
        write_recording(plan, floor(datetime.now(UTC)), recording)
    return recording, information


@contextmanager
def _served(plan: Plan) -> Iterator[str]:
    from bike_demand.simulation.city import City
    from bike_demand.simulation.clock import Clock
    from bike_demand.simulation.server import CityServer

    with CityServer(City(plan), Clock()) as server:
        yield server.url


SUMMARY = """
SELECT count(DISTINCT station_id), count(DISTINCT observed_at), min(observed_at), max(observed_at),
       avg((num_bikes_available = 0)::int) FILTER (WHERE is_renting),
       avg((num_docks_available = 0)::int) FILTER (WHERE is_returning),
       (SELECT count(*) FROM rejected_record WHERE system_id = %(system)s),
       (SELECT count(*) FROM weather WHERE system_id = %(system)s)
FROM station_status WHERE system_id = %(system)s
"""


def _summary(warehouse: Warehouse) -> dict[str, str]:
    with warehouse.connection() as connection:
        [row] = connection.execute(SUMMARY, {"system": demo_city.SYSTEM_ID}).fetchall()
    stations, ticks, first, last, empty, full, rejected, weather = row
    return {
        "stations": f"{stations:,}",
        "ticks of 15 minutes": f"{ticks:,}",
        "records rejected": f"{rejected:,}",
        "first tick": f"{first:%Y-%m-%d %H:%M} UTC",
        "last tick": f"{last:%Y-%m-%d %H:%M} UTC",
        "stations empty": f"{empty:.1%} of the time",
        "stations full": f"{full:.1%} of the time",
        "rows of weather": f"{weather:,}",
    }


def _table(summary: dict[str, str]) -> Table:
    table = Table(title="What is stored", title_justify="left", box=None, show_header=False)
    for name, value in summary.items():
        table.add_row(name, value)
    return table


SHARES = """
SELECT observed_at, avg((num_bikes_available = 0)::int), avg((num_docks_available = 0)::int)
FROM station_status WHERE system_id = %(system)s AND observed_at > %(since)s
GROUP BY observed_at ORDER BY observed_at
"""
NEWEST = """
SELECT lat, lon, capacity, num_bikes_available, num_docks_available
FROM station_status JOIN station_information USING (system_id, station_id)
WHERE system_id = %(system)s AND observed_at = %(newest)s
"""


def _picture(warehouse: Warehouse) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The frames that `demo_picture.draw` wants."""
    since = floor(datetime.now(UTC)) - WEEK
    with warehouse.connection() as connection:
        values = {"system": demo_city.SYSTEM_ID, "since": since}
        shares = pd.DataFrame(
            connection.execute(SHARES, values).fetchall(), columns=["tick", "empty", "full"]
        ).set_index("tick")
        cursor = connection.execute(NEWEST, {**values, "newest": shares.index[-1]})
        names = [column.name for column in cursor.description or []]
        return pd.DataFrame(cursor.fetchall(), columns=names), shares.astype("float64")
