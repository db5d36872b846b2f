"""`bike-demand metrics`: answers scrapes, until it is ended."""

import errno
import signal
from threading import Event

import click
from prometheus_client import CollectorRegistry, start_http_server

from bike_demand import settings
from bike_demand.metrics.collector import PipelineCollector


def run(host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Main thread only.

    Args:
        host: Address to listen at.
        port: Likewise.

    Raises:
        click.ClickException: The port is taken.
    """
    registry = CollectorRegistry()
    registry.register(PipelineCollector(settings.load()))
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise click.ClickException(
            f"Port {port} of {host} is taken: choose another, --port."
        ) from None
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    click.echo(f"Metrics are at http://{host}:{port}/metrics (Ctrl-C ends it).")
    stop.wait()
    server.shutdown()
