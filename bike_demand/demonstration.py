"""`bike-demand demo`: from a city's past to its forecast, on this machine.

The past of a city of our own, or a recording that is given, comes in by `import-history`; the city
of our own has a present, too, over HTTP through the real clients. All of it runs through Dagster,
its real instance, the real IO manager and registry, so what it made is there to look at in the web
page afterwards.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import Final

import click
import pandas as pd
import tomlkit
from rich.console import Console
from rich.table import Table

from bike_demand import demo_city, demo_picture, forecast_view, import_history, reign, settings
from bike_demand.history.recording import open_recording
from bike_demand.history.ticks import floor
from bike_demand.instance import open_instance
from bike_demand.main_job import MainJob, Past
from bike_demand.resources.recorded_feed import CACHE, RecordedStationFeed
from bike_demand.simulation.plan import Plan
from bike_demand.storage.warehouse import Warehouse, open_warehouse

WEEK = timedelta(days=7)

QUICK: Final = {
    "pairs_per_group": 20_000,
    "rounds": 60,
    "learning_rate": 0.15,
    "rows_per_leaf": 200,
}
"""Of the models of the demo, which are made in a minute instead of ten."""


@dataclass(frozen=True)
class Recorded:
    """A city whose recording is given.

    Attributes:
        path: The recording, as `import-history` takes it.
        system_id: What it is called here.
        timezone: IANA name of the clock that its riders live by.
        information: Its GBFS `station_information` document.
    """

    path: Path
    system_id: str
    timezone: str
    information: Path | None


def run(recorded: Recorded | None = None) -> None:
    """Bring in a city's past, learn from it, forecast, and show what came of it.

    Args:
        recorded: The city; one of our own if None.

    Raises:
        click.ClickException: A run failed, or the settings follow another system.
    """
    configured = settings.load()
    warehouse = open_warehouse(configured.revealed_postgres_url(), configured.home)
    console = Console(highlight=False, soft_wrap=True)
    began = time.perf_counter()
    if recorded is None:
        _bring_in_our_own(console, configured, warehouse)
        system_id, timezone = demo_city.SYSTEM_ID, Plan.timezone
    else:
        _bring_in(console, configured, recorded)
        system_id, timezone = recorded.system_id, recorded.timezone
    with open_instance() as instance:
        _learn_and_forecast(console, MainJob(instance, _past(warehouse, system_id)))
    picture = configured.home / "demo.png"
    demo_picture.draw(*_picture(warehouse, system_id), timezone, picture)
    console.print(_table(_summary(warehouse, system_id)))
    console.print()
    reign.show(system_id)
    console.print()
    forecast_view.show(forecast_view.Question(system_id, None, 6, None))
    console.print(
        f"\nThe picture: {picture}\nAll of it took {time.perf_counter() - began:.0f} s; data, "
        f"database and models are in {configured.home}.\n"
        f"Next: {_command('dev')}   opens Dagster, with a page and pictures for each asset\n"
        f"      {_command('mlflow')}   opens MLflow, with the models' runs\n"
        f"      {_command('forecast --station NAME', make=False)}   shows a station's next hours\n"
        f"      {_command('down')}   stops the database"
    )


def _command(name: str, *, make: bool = True) -> str:
    """What to type for a command in this data directory."""
    home = settings.resolve_home()
    if home != settings.DEFAULT_HOME.absolute():
        return f"bike-demand --home {quote(str(home))} {name}"
    return f"make {name}" if make else f".venv/bin/bike-demand {name}"


@contextmanager
def _stage(console: Console, what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    console.print(f"{what}: {time.perf_counter() - started:.1f} s.")


def _bring_in_our_own(
    console: Console, configured: settings.Settings, warehouse: Warehouse
) -> None:
    from bike_demand.present import materialize_present

    with warehouse.connection() as connection:
        reason = demo_city.stands_in(configured, connection)
    if reason:
        raise click.ClickException(
            f"The demo brings a simulated city, but {reason}. Give it a data directory of its own: "
            "bike-demand --home .demo demo (and take what is set out of the environment)."
        )
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


def _bring_in(console: Console, configured: settings.Settings, recorded: Recorded) -> None:
    """Follow the recorded city and no other, and import it."""
    file = configured.home / settings.FILE_NAME
    system = {"system_id": recorded.system_id, "timezone": recorded.timezone}
    followed = [one.model_dump(exclude_defaults=True) for one in configured.systems]
    if followed != [system]:
        origin = settings.origins(configured)["systems"]
        if file.exists() or origin is not settings.Origin.DEFAULT:
            raise click.ClickException(
                f"The demo would follow {recorded.system_id} alone, but systems are set "
                f"({origin}). Give it a data directory of its own: --home DIR."
            )
        recording = open_recording(
            recorded.path, configured.home / CACHE, timezone=recorded.timezone
        )
        try:
            settings.System.model_validate(system)
        except ValueError as error:  # the file would stand in the way of the next try
            raise click.BadParameter(
                f"{recorded.system_id!r} cannot be followed: letters, digits, '_', '.' and '-', at "
                "most 63.",
                param_hint="--system-id",
            ) from error
        document = tomlkit.document()
        document["first_partition"] = recording.span.start.date()
        document["last_partition"] = recording.last.date()
        document["systems"] = [system]
        configured.home.mkdir(parents=True, exist_ok=True)
        file.write_text(tomlkit.dumps(document))
        settings.load()
    with _stage(console, "The recording, imported"):
        feed = RecordedStationFeed(
            path=str(recorded.path), system_id=recorded.system_id, timezone=recorded.timezone
        )
        import_history.run(feed, recorded.information)


def _learn_and_forecast(console: Console, job: MainJob) -> None:
    days = job.missing_features()
    if days:
        with (
            _stage(console, f"Features of {len(days)} days"),
            import_history.days_progress(console) as progress,
        ):
            for day in progress.track(days, description="Features"):
                job.features(day)
    if job.is_trained():
        console.print("The models of the last whole day are there already.")
    else:
        with _stage(console, "Both models trained, scored and compared"):
            job.train(QUICK)
    with _stage(console, "Forecast"):
        job.forecast()


PAST = """
SELECT min(observed_at) AS first, max(observed_at) AS last,
       max(observed_at) FILTER (WHERE extract(minute FROM observed_at) = 0) AS origin,
       array_agg(DISTINCT date_trunc('day', observed_at, 'UTC'))
           FILTER (WHERE extract(minute FROM observed_at) = 0) AS days
FROM station_status WHERE system_id = %(system)s
"""


def _past(warehouse: Warehouse, system_id: str) -> Past:
    with warehouse.connection() as connection:
        [row] = connection.execute(PAST, {"system": system_id}).fetchall()
    first, last, origin, days = row
    return Past(first, last, origin, days, datetime.now(UTC))


SUMMARY = """
SELECT count(DISTINCT station_id), count(DISTINCT observed_at), min(observed_at), max(observed_at),
       avg((num_bikes_available = 0)::int) FILTER (WHERE is_renting),
       avg((num_docks_available = 0)::int) FILTER (WHERE is_returning),
       (SELECT count(*) FROM rejected_record WHERE system_id = %(system)s),
       (SELECT count(*) FROM weather WHERE system_id = %(system)s)
FROM station_status WHERE system_id = %(system)s
"""


def _summary(warehouse: Warehouse, system_id: str) -> dict[str, str]:
    with warehouse.connection() as connection:
        [row] = connection.execute(SUMMARY, {"system": system_id}).fetchall()
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
SELECT observed_at AS tick,
       avg((num_bikes_available = 0)::int)::float8 AS empty,
       avg((num_docks_available = 0)::int)::float8 AS full
FROM station_status WHERE system_id = %(system)s AND observed_at > %(since)s
GROUP BY observed_at ORDER BY observed_at
"""
NEWEST = """
SELECT lat, lon, capacity, num_bikes_available, num_docks_available
FROM station_status JOIN station_information USING (system_id, station_id)
WHERE system_id = %(system)s AND observed_at = %(newest)s AND lat IS NOT NULL
"""
EXPECTED = """
SELECT target_at AS tick, avg(p_empty)::float8 AS empty, avg(p_full)::float8 AS full
FROM station_forecast
WHERE system_id = %(system)s AND role IN ('champion', 'simple') AND origin_at = (
    SELECT max(origin_at) FROM station_forecast WHERE system_id = %(system)s)
GROUP BY target_at ORDER BY target_at
"""
ERRORS = """
SELECT horizon, rmse AS model, rmse / (1 - skill_rmse) AS simple
FROM model_evaluation
WHERE system_id = %(system)s AND split = 'test' AND model_version = (
    SELECT model_version FROM station_forecast WHERE system_id = %(system)s
    ORDER BY origin_at DESC LIMIT 1)
ORDER BY horizon
"""


def _picture(
    warehouse: Warehouse, system_id: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The frames that `demo_picture.draw` wants."""
    values = {"system": system_id, "since": _past(warehouse, system_id).last - WEEK}
    shares = warehouse.frame(SHARES, values).set_index("tick")
    stations = warehouse.frame(NEWEST, {**values, "newest": shares.index[-1]})
    expected = warehouse.frame(EXPECTED, values).set_index("tick")
    return stations, shares, expected, warehouse.frame(ERRORS, values).set_index("horizon")
