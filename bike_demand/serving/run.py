"""`bike-demand serve`: answers until it is ended."""

import errno
import signal
import socket
import sys
import threading
import time
from typing import Final

import click
import uvicorn

from bike_demand import settings
from bike_demand.parent import alive
from bike_demand.serving import logs
from bike_demand.serving.app import create_app

GRACE_S: Final = 10
"""How long answers may take that are under way when it is ended."""

WATCH_S: Final = 1.0


def run(host: str, port: int, parent: int | None = None) -> None:
    """Serve until SIGINT or SIGTERM. Main thread only.

    Args:
        host: Address to listen at.
        port: Likewise.
        parent: Number of a process that this one ends with.

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
        named = f"[{host}]" if family == socket.AF_INET6 else host
        click.echo(f"The API is at http://{named}:{port}/ (Ctrl-C ends it).", err=True)
        server = uvicorn.Server(config)
        threading.Thread(target=_end_with, args=(server, parent), daemon=True).start()
        server.run([listening])


def _end_with(server: uvicorn.Server, parent: int | None) -> None:
    lives = alive(parent)
    while lives():
        time.sleep(WATCH_S)
    server.should_exit = True
