"""The console script `bike-demand`: what people type.

Each command translates between words and the package; what it does stands elsewhere and
is imported when the command runs, so that `--help` answers at once.
"""

import os
import sys
from datetime import timedelta
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
    from bike_demand.storage.embedded import EmbeddedPostgresError
    from bike_demand.storage.errors import StorageError

    return (
        settings.InvalidSettingsError,
        EmbeddedPostgresError,
        RecordingError,
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
def demo() -> None:
    """Materialise a first asset in the database that comes with it, and read it back."""
    from bike_demand import demonstration

    demonstration.run()


@main.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=3000,
    show_default=True,
    help="Port of the web page.",
)
def dev(port: int) -> None:
    """Open Dagster: its web page, daemon and code, on this machine. Ctrl-C ends it."""
    home = settings.load().home
    click.echo(f"Dagster opens at http://127.0.0.1:{port} (data in {home}; Ctrl-C ends it).")
    sys.stdout.flush()
    arguments = [sys.executable, "-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, arguments)  # noqa: S606  # our own interpreter, no shell


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
