"""`bike-demand mlflow`: MLflow's own page, over the database and files that models are kept in."""

import os
import sys

import click

from bike_demand import settings
from bike_demand.download.urls import public_url
from bike_demand.registry import open_registry
from bike_demand.storage import databases
from bike_demand.storage.databases import Database


def run(port: int) -> None:
    """Become MLflow's server, on this machine only. Returns only where another server is set.

    Args:
        port: Of the page.

    Raises:
        RegistryUnavailableError: The database cannot be reached.
    """
    configured = settings.load()
    server = configured.revealed_mlflow_tracking_uri()
    if server is not None:
        click.echo(f"MLflow is at {public_url(server)} (MLFLOW_TRACKING_URI).")
        return
    open_registry(configured).versions(configured.systems[0].system_id)  # makes its tables
    warehouse = databases.locate(configured.revealed_postgres_url(), configured.home)
    url = databases.database_url(warehouse, Database.MLFLOW)
    # Not as an argument: those can be read by every user of the machine.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = url.render_as_string(hide_password=False)
    click.echo(f"MLflow opens at http://127.0.0.1:{port} (Ctrl-C ends it).")
    sys.stdout.flush()
    files = (configured.home / "mlflow").as_uri()
    program = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    arguments = [*program, "--port", str(port), "--default-artifact-root", files]
    os.execv(sys.executable, arguments)  # noqa: S606  # our own interpreter, no shell
