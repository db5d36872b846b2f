"""The console script `bike-demand`: what people type.

Each command translates between words and the package; what it does stands elsewhere and
is imported when the command runs, so that `--help` answers at once.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from bike_demand import settings


class _ReadableErrors(click.Group):
    """Failures that have an explanation are told in a line, and end with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if isinstance(error, _explained_errors()):
                raise click.ClickException(str(error)) from error
            raise


def _explained_errors() -> tuple[type[Exception], ...]:
    from bike_demand.history.errors import RecordingError
    from bike_demand.registry.errors import RegistryError, RegistryUnavailableError
    from bike_demand.storage.embedded import EmbeddedPostgresError
    from bike_demand.storage.errors import StorageError

    return (
        settings.InvalidSettingsError,
        EmbeddedPostgresError,
        RecordingError,
        RegistryError,
        RegistryUnavailableError,
        StorageError,
        OSError,
    )


class _Duration(click.ParamType[timedelta]):
    """Minutes, hours or days."""

    name = "duration"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read `90m`, `6h` or `2d`."""
        unit = {"m": "minutes", "h": "hours", "d": "days"}.get(value[-1:])
        if unit is None or not value[:-1].isdecimal() or not 0 < int(value[:-1]) < 10_000:
            self.fail(f"{value!r} is not a duration such as 90m, 6h or 2d", param, ctx)
        return timedelta(**{unit: int(value[:-1])})


class _Moment(click.ParamType[datetime]):
    """A time with its offset from UTC."""

    name = "time"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read `2026-05-01T12:00Z`."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None or not 2000 <= moment.year <= 2100:
            self.fail(f"{value!r} is not a time such as 2026-05-01T12:00Z", param, ctx)
        return moment.astimezone(UTC)


@click.group(cls=_ReadableErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bike-demand")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"The data directory [{settings.HOME_VARIABLE}, else {settings.DEFAULT_HOME}].",
)
def main(home: Path | None) -> None:
    """Forecast bike-share availability: Dagster assets over Postgres."""
    if home is not None:
        # The processes that Dagster starts find the directory where we do.
        os.environ[settings.HOME_VARIABLE] = str(settings.resolve_home(home))


@main.command("settings")
def show_settings() -> None:
    """Print every setting, its value and where it comes from; secrets stay hidden."""
    from rich.console import Console
    from rich.table import Table

    loaded = settings.load()
    table = Table("setting", "value", "from", box=None)
    for name, origin in settings.origins(loaded).items():
        table.add_row(name, settings.display(getattr(loaded, name)), str(origin))
    Console().print(table)
    for name in settings.unknown_variables():
        click.echo(f"Warning: {name} is set and is no setting of this project.", err=True)


@main.command()
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    help="A recording to do it with, as import-history takes it, instead of a simulated city.",
)
@click.option("--system-id", default="recorded", show_default=True, help="What to call its system.")
@click.option("--timezone", metavar="TZ", help="Clock its riders live by.")
@click.option(
    "--station-information",
    type=click.Path(path_type=Path),
    help="Its GBFS station_information.json.",
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="The data directory, as before the command.",
)
def demo(
    history: Path | None,
    system_id: str,
    timezone: str | None,
    station_information: Path | None,
    home: Path | None,
) -> None:
    """Bring in a city, learn from its past, forecast its stations, and show it all."""
    from bike_demand import demonstration

    if home is not None:
        os.environ[settings.HOME_VARIABLE] = str(settings.resolve_home(home))
    if history is None:
        if timezone or station_information:
            raise click.UsageError("--timezone and --station-information belong to --history.")
        demonstration.run()
        return
    if timezone is None:
        raise click.UsageError("Give --timezone: the clock that riders live by is a feature.")
    demonstration.run(demonstration.Recorded(history, system_id, timezone, station_information))


@main.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=3000,
    show_default=True,
    help="Port of the web page.",
)
def dev(port: int) -> None:
    """Open Dagster: its web page, daemon and code, on this machine. Ctrl-C ends it.

    Where no feed is configured, it follows a simulated city.
    """
    from bike_demand import development

    development.run(port)


@main.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=5000,
    show_default=True,
    help="Port of the web page.",
)
def mlflow(port: int) -> None:
    """Open MLflow: runs and models, on this machine. Ctrl-C ends it."""
    from bike_demand import mlflow_page

    mlflow_page.run(port)


@main.command()
def migrate() -> None:
    """Make or change all tables, so that services find them; what has nothing to change ends."""
    from bike_demand import deployment

    deployment.migrate()


@main.command("code-server")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=4000, show_default=True, help="Likewise."
)
def code_server(host: str, port: int) -> None:
    """Serve the definitions to Dagster's page and daemon, and be where runs are. One per instance.

    Runs that an earlier one has left are failed, and tried again.
    """
    from bike_demand import deployment

    deployment.serve_code(host, port)


@main.command("import-history")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--system-id", required=True, help="The system that the file is a recording of.")
@click.option(
    "--station-information",
    type=click.Path(path_type=Path),
    help="Its GBFS station_information.json.",
)
@click.option("--timezone", metavar="TZ", help="Zone of times in the file that state none.")
@click.option(
    "--change-log",
    type=_Duration(),
    metavar="LIMIT",
    help="The file has a row only when a station changed: each holds for LIMIT at most (6h).",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
def import_history(
    path: Path,
    system_id: str,
    station_information: Path | None,
    timezone: str | None,
    change_log: timedelta | None,
    *,
    dry_run: bool,
) -> None:
    """Bring in a recording: a Parquet or CSV file of station status over some time.

    It goes on where it was interrupted. What the file must hold: docs/history.md.
    """
    from bike_demand import import_history as work
    from bike_demand.resources.recorded_feed import RecordedStationFeed

    feed = RecordedStationFeed(
        path=str(path),
        system_id=system_id,
        timezone=timezone,
        carry_seconds=None if change_log is None else change_log.total_seconds(),
    )
    work.run(feed, station_information, dry_run=dry_run)


@main.command()
def down() -> None:
    """Stop the Postgres server in the data directory. Data stays.

    Whatever needs it next starts it again, so end `dev` first.
    """
    from bike_demand.storage import embedded

    home = settings.resolve_home()
    stopped = embedded.stop(home / "postgres")
    click.echo("Postgres is stopped." if stopped else f"No Postgres runs in {home}.")


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Write all that is stored, models included, to one FILE. What runs may go on meanwhile."""
    from bike_demand import backup as work

    work.backup(file)


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--replace", is_flag=True, help="What is stored now may go.")
def restore(file: Path, *, replace: bool) -> None:
    """Make what is stored be what a FILE of `backup` holds; a later Postgres can read it, too."""
    from bike_demand import backup as work

    work.restore(file, replace=replace)


@main.command()
@click.argument("table")
@click.option("--from", "start", type=_Moment(), help="First time, as 2026-05-01T12:00Z.")
@click.option("--to", "end", type=_Moment(), help="No row is as late.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The Parquet file; one of that name is replaced.",
)
def export(table: str, start: datetime | None, end: datetime | None, out: Path) -> None:
    """Write rows of a TABLE to a Parquet file. What tables there are: docs/data-dictionary.md."""
    from bike_demand import export as work

    work.run(table, start, end, out)


@main.command()
@click.option(
    "--stations",
    type=click.IntRange(2, 1_000_000),
    default=300,
    show_default=True,
    help="How many it has.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Tells cities of one size apart.",
)
@click.option(
    "--timezone",
    metavar="TZ",
    default="Europe/Lisbon",
    show_default=True,
    help="Clock its riders live by.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="Where it answers; 0 for any that is free.",
)
@click.option(
    "--gbfs-version",
    type=click.Choice(["2.3", "3.0"]),
    default="2.3",
    show_default=True,
    help="What it speaks.",
)
@click.option("--at", type=_Moment(), help="Its time at first, as 2026-05-01T12:00Z [now].")
@click.option(
    "--clock-factor",
    type=click.FloatRange(0, 100_000, min_open=True),
    default=1.0,
    show_default=True,
    help="How much faster its time passes.",
)
@click.option(
    "--history",
    metavar="DAYS",
    type=click.IntRange(0, 10_000),
    default=0,
    show_default=True,
    help="Whole days it has lived before today; 0: since this hour.",
)
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day of its life, UTC, instead of --history: one start is one past.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write its past to this Parquet file, as `import-history` takes it, and serve nothing.",
)
@click.option(
    "--misbehave",
    metavar="HOW",
    multiple=True,
    help="slow=SECONDS, errors=SHARE, frozen, malformed=SHARE or wrong-ids; may be repeated.",
)
@click.option("--parent", metavar="PID", type=int, help="End when this process does.")
def simulate(  # noqa: PLR0913  # one for each option
    *,
    stations: int,
    seed: int,
    timezone: str,
    port: int,
    gbfs_version: str,
    at: datetime | None,
    clock_factor: float,
    history: int,
    start: datetime | None,
    out: Path | None,
    misbehave: tuple[str, ...],
    parent: int | None,
) -> None:
    """Serve a simulated city: its GBFS feeds and its weather, on this machine only.

    How it lives and what it serves: docs/simulated-city.md.
    """
    from bike_demand.simulation import serve as work
    from bike_demand.simulation.city import City
    from bike_demand.simulation.clock import Clock
    from bike_demand.simulation.feeds import Version
    from bike_demand.simulation.misbehaviour import from_words
    from bike_demand.simulation.server import CityServer

    version = Version(gbfs_version)
    first = None if start is None else start.date()
    try:
        clock = Clock(at, clock_factor)
        plan = work.make_plan(clock(), first, history, stations, seed, timezone)
        wrong = from_words(misbehave)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if out is not None:
        work.write_history(plan, clock(), out, version)
        return
    city = City(plan)
    server = CityServer(city, clock, version=version, port=port, wrong=wrong)
    work.serve(server, plan, version, parent)


@main.command()
@click.option("--system", "system_id", metavar="ID", help="Of one system [all that have one].")
@click.option("--station", metavar="NAME_OR_ID", help="Of one station, hour by hour.")
@click.option(
    "--hours",
    type=click.IntRange(1, 24),
    default=6,
    show_default=True,
    help="How far ahead.",
)
@click.option("--at", type=_Moment(), help="The forecast made last before, as 2026-05-01T12:00Z.")
def forecast(system_id: str | None, station: str | None, hours: int, at: datetime | None) -> None:
    """Show the newest forecast: the stations most likely to run empty and to run full."""
    from bike_demand import forecast_view

    forecast_view.show(forecast_view.Question(system_id, station, hours, at))


@main.command()
@click.option("--system", "system_id", metavar="ID", help="Of one system [all].")
def champion(system_id: str | None) -> None:
    """Show which model serves, how good it was, and why the last ones were promoted or not."""
    from bike_demand import reign

    reign.show(system_id)


@main.command("status")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show_status(*, as_json: bool) -> None:
    """Show what answers, how fresh each asset is, and what is missing; exit code 1 if anything is.

    What is asked: Postgres, the registry of models, feeds, the source of weather and Dagster's
    daemons; of each asset the newest data, and the partitions of the last 48 hours.
    """
    from bike_demand import status

    status.show(as_json=as_json)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=9464, show_default=True, help="Likewise."
)
def metrics(host: str, port: int) -> None:
    """Serve numbers to Prometheus: how fresh, how many, how good. Ctrl-C ends it.

    Which there are: docs/monitoring.md.
    """
    from bike_demand.metrics import serve

    serve.run(host, port)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=8000, show_default=True, help="Likewise."
)
def serve(host: str, port: int) -> None:
    """Serve forecasts and the city's page by HTTP. Ctrl-C ends it.

    What it answers, keys and limits: docs/api.md.
    """
    from bike_demand.serving import run

    run.run(host, port)


@main.command("api-key")
@click.argument("name")
def api_key(name: str) -> None:
    """Make a key for NAME to ask the API with, and show it once.

    What is kept of it is the second line, which goes into BIKE_DEMAND_API_KEYS.
    """
    import json

    from bike_demand.serving import security

    key = security.new_key()
    click.echo(f"{security.KEY_HEADER}: {key}")
    click.echo(f"BIKE_DEMAND_API_KEYS={json.dumps({name: security.hashed(key)})}")


@main.command()
@click.option("--since", type=_Moment(), help="A time, as 2026-05-01T12:00Z [the newest window].")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def quality(since: datetime | None, *, as_json: bool) -> None:
    """Show what the rules of data quality found; exit code 1 if anything of it is critical.

    What the rules are: docs/data-quality.md.
    """
    from bike_demand.quality import view

    view.show(since, as_json=as_json)


@main.command()
@click.option("--system", "system_id", metavar="ID", help="Of which system, if of several.")
def rollback(system_id: str | None) -> None:
    """Make the model champion again that was before this one."""
    from bike_demand import reign

    reign.roll_back(system_id)


@main.command()
@click.argument("version")
@click.option("--system", "system_id", metavar="ID", help="Of which system, if of several.")
def pin(version: str, system_id: str | None) -> None:
    """Make VERSION champion, and let it stay whatever is decided."""
    from bike_demand import reign

    reign.pin(version, system_id)


@main.command()
@click.option("--system", "system_id", metavar="ID", help="Of which system, if of several.")
def unpin(system_id: str | None) -> None:
    """Let the next decision about the champion count again."""
    from bike_demand import reign

    reign.unpin(system_id)


class _Horizons(click.ParamType[tuple[int, ...]]):
    """Hours ahead, each once, ascending."""

    name = "hours"

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Read `1,3,6`."""
        if isinstance(value, tuple):
            return value
        words = value.split(",")
        if not all(word.isdecimal() and 1 <= int(word) <= 24 for word in words):
            self.fail(f"{value!r} is not a list of 1 to 24 hours such as 1,3,6", param, ctx)
        return tuple(sorted({int(word) for word in words}))


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--system-id", required=True, help="The system that the file is a recording of.")
@click.option(
    "--timezone",
    metavar="TZ",
    help="Clock its riders live by [UTC], and zone of times in the file that state none.",
)
@click.option(
    "--station-information",
    type=click.Path(path_type=Path),
    help="Its GBFS station_information.json: where stations are.",
)
@click.option(
    "--from",
    "start",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day to learn from, UTC [the first with a week of data before it].",
)
@click.option(
    "--train-days",
    type=click.IntRange(14, 3_650),
    default=28,
    show_default=True,
    help="Days to learn from.",
)
@click.option(
    "--test-days",
    type=click.IntRange(1, 3_650),
    default=14,
    show_default=True,
    help="Days after them to be scored on.",
)
@click.option(
    "--horizons",
    type=_Horizons(),
    default="1,3,6,12,24",
    show_default=True,
    help="Hours ahead.",
)
@click.option(
    "--breakdown",
    "breakdowns",
    type=click.Choice(["hour", "activity", "neighbourhood"]),
    multiple=True,
    help="Scores by group as well; may be repeated.",
)
@click.option(
    "--json",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Write all figures here.",
)
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw error by horizon (PNG)."
)
def backtest(  # noqa: PLR0913  # one for each option
    path: Path,
    *,
    system_id: str,
    timezone: str | None,
    station_information: Path | None,
    start: datetime | None,
    train_days: int,
    test_days: int,
    horizons: tuple[int, ...],
    breakdowns: tuple[str, ...],
    out: Path,
    plot: Path | None,
) -> None:
    """Score forecasts on a recording's past, against simple ones. Needs no database.

    What is scored, and how: docs/backtest.md.
    """
    from bike_demand import backtest as work

    if "neighbourhood" in breakdowns and station_information is None:
        raise click.UsageError("Neighbourhoods need to know places: give --station-information.")
    plan = work.Plan(
        system_id=system_id,
        timezone=timezone,
        start=None if start is None else start.replace(tzinfo=UTC),
        train=timedelta(days=train_days),
        test=timedelta(days=test_days),
        horizons=horizons,
        breakdowns=tuple(dict.fromkeys(breakdowns)),
    )
    work.run(path, plan, station_information, out, plot)


@main.command()
@click.option(
    "--hours", type=click.FloatRange(0.2, 48), default=2.0, show_default=True, help="How long."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the faults.")
def drill(hours: float, seed: int) -> None:
    """Let the pipeline run on the simulated city while things go wrong, and account for it.

    In a data directory of its own, on Postgres killed, a feed in trouble, a stopped daemon and a
    full disk, the last on a disk of at most 8 GiB. What has to hold: docs/operations.md.
    """
    from bike_demand.drill import play

    play.run(timedelta(hours=hours), seed)
