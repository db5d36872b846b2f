"""`bike-demand serve`: answers until it is ended."""

import errno
import signal
import socket
import sys
from typing import Final

import click
import uvicorn

from bike_demand import settings
from bike_demand.serving import logs
from bike_demand.serving.app import create_app

GRACE_S: Final = 10
"""How long answers may take that are under way when it is ended."""


def run(host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Main thread only.

    Args:
        host: Address to listen at.
        port: Likewise.

    Raises:
        click.ClickException: The port is taken.
    """
    app = create_app(settings.load(), log=sys.stderr)
    logs.configure()
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=75,
    )
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=config.backlog)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise click.ClickException(
            f"Port {port} of {host} is taken: choose another, --port."
        ) from None
    # uvicorn raises what has ended it once more when it is done: that is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    with listening:
        click.echo(f"The API is at http://{host}:{port}/ (Ctrl-C ends it).", err=True)
        uvicorn.Server(config).run([listening])
