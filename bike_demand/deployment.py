"""What services of a deployment run besides Dagster's own programs (see docker-compose.yml)."""

import signal
import subprocess
import sys
import time

import click
import dagster as dg
import psutil

from bike_demand import settings
from bike_demand.instance import abandoned, fail, open_instance, process_of
from bike_demand.storage import reader
from bike_demand.storage.warehouse import open_warehouse

LOOK_S = 20.0
"""How often runs are looked after."""


def migrate() -> None:
    """Make the tables of the warehouse and of Dagster, or change them to this version's.

    Where its password is set, the role that the API's server reads with is let in.

    Raises:
        StorageError: A database does not answer, or refuses.
    """
    configured = settings.load()
    open_warehouse(configured.revealed_postgres_url(), configured.home).url()
    click.echo("The warehouse is at this version.")
    if configured.serving_db_password is not None:
        password = configured.serving_db_password.get_secret_value()
        reader.admit(open_warehouse(configured.revealed_postgres_url(), configured.home), password)
        click.echo(f"The role {reader.ROLE} may read it.")
    with open_instance() as instance:
        instance.upgrade()
    click.echo("Dagster's database is at this version.")


def serve_code(host: str, port: int) -> None:
    """Run Dagster's code server, whose processes runs are, and end as it does.

    Args:
        host: Address to listen at.
        port: Likewise.
    """
    program = [sys.executable, "-m", "dagster", "code-server", "start"]
    place = ["--host", host, "--port", str(port), "--module-name", "bike_demand.definitions"]
    with open_instance() as instance:
        left = abandoned(instance)
        server = subprocess.Popen([*program, *place])  # noqa: S603  # our own interpreter, no shell
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda got, _: server.send_signal(got))
        if left and _serves(server, "127.0.0.1" if host == "0.0.0.0" else host, port):  # noqa: S104
            # Not before: Dagster tries a failed run again at once, and only once.
            fail(instance, left)
            click.echo(f"{len(left)} runs had ended with an earlier code server.")
        doubted: set[str] = set()
        while True:
            try:
                sys.exit(server.wait(LOOK_S))
            except subprocess.TimeoutExpired:
                doubted = _look_after(instance, server.pid, doubted)


def _look_after(instance: dg.DagsterInstance, server: int, doubted: set[str]) -> set[str]:
    try:
        return fail_lifeless(instance, server, doubted)
    except Exception as error:  # noqa: BLE001  # whatever Dagster's storage raises when it is down
        click.echo(f"Runs could not be looked after: {type(error).__name__}.", err=True)
        return doubted


def fail_lifeless(instance: dg.DagsterInstance, server: int, doubted: set[str]) -> set[str]:
    """Fail runs whose process has ended and that have not been told to end, at the second look.

    Dagster's code server looks after its runs in a thread, which ends for good when the database
    is down or full at that moment. A run that seems to go on keeps its place in pools, and all
    others of its asset waiting.

    Args:
        instance: Where runs are recorded.
        server: Number of the process that all others descend from.
        doubted: What was returned last time.

    Returns:
        The runs without a process; at their end some write for a moment yet, or are seen to.
    """
    alive = {process.pid for process in psutil.Process(server).children(recursive=True)}
    lifeless = {
        run.run_id: run
        for run in abandoned(instance)
        if (pid := process_of(instance, run.run_id)) is not None and pid not in alive
    }
    fail(instance, [run for run_id, run in lifeless.items() if run_id in doubted])
    return {*lifeless} - doubted


def _serves(server: "subprocess.Popen[bytes]", host: str, port: int) -> bool:
    """Wait until the definitions can be had; False if the server ends before."""
    from dagster._core.errors import DagsterUserCodeUnreachableError
    from dagster._grpc.client import DagsterGrpcClient

    client = DagsterGrpcClient(host=host, port=port)
    while server.poll() is None:
        try:
            client.list_repositories()
        except DagsterUserCodeUnreachableError:
            time.sleep(0.5)
        else:
            return True
    return False
