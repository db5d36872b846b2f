"""What services of a deployment run besides Dagster's own programs (see docker-compose.yml)."""

import signal
import subprocess
import sys
import time

import click

from bike_demand import settings
from bike_demand.instance import abandoned, fail, open_instance
from bike_demand.storage.warehouse import open_warehouse


def migrate() -> None:
    """Make the tables of the warehouse and of Dagster, or change them to this version's.

    Raises:
        StorageError: A database does not answer, or refuses.
    """
    configured = settings.load()
    open_warehouse(configured.revealed_postgres_url(), configured.home).url()
    click.echo("The warehouse is at this version.")
    with open_instance() as instance:
        instance.upgrade()
    click.echo("Dagster's database is at this version.")


def serve_code(host: str, port: int) -> None:
    """Run Dagster's code server, whose processes runs are, and end as it does.

    Args:
        host: Address to listen at.
        port: Likewise.
    """
    with open_instance() as instance:
        left = abandoned(instance)
    program = [sys.executable, "-m", "dagster", "code-server", "start"]
    place = ["--host", host, "--port", str(port), "--module-name", "bike_demand.definitions"]
    server = subprocess.Popen([*program, *place])  # noqa: S603  # our own interpreter, no shell
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: server.send_signal(got))
    if left and _serves(server, "127.0.0.1" if host == "0.0.0.0" else host, port):  # noqa: S104
        # Not before: Dagster tries a failed run again at once, and only once.
        with open_instance() as instance:
            fail(instance, left)
        click.echo(f"{len(left)} runs had ended with an earlier code server.")
    sys.exit(server.wait())


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
