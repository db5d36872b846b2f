"""Processes that a benchmark starts beside itself."""

import socket
import sys


def bike_demand(*arguments: str) -> list[str]:
    """The command, by this interpreter."""
    return [sys.executable, "-c", "from bike_demand.cli import main; main()", *arguments]


def free_port() -> str:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
