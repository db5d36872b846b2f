"""Real processes beside a test: to start them, to ask them, and to wait for what they do."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import requests

from bike_demand.storage import embedded

ROOT = Path(__file__).parents[1]
PATIENCE_S = 240  # for a busy machine; an idle one needs a tenth


@contextmanager
def serving(command: list[str], environment: dict[str, str]):
    """Run the web server, give a function that queries it, and end it as Ctrl-C does."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def query(text: str) -> dict:
        return graphql(url, text)

    def answers() -> bool:
        assert process.poll() is None, f"{command} ended with {process.returncode}"
        try:
            return bool(query("{ version }"))
        except requests.ConnectionError:
            return False

    try:
        until(answers, f"{command} answers")
        query.pid = process.pid
        query.url = url
        yield query
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def activated(home: Path) -> dict[str, str]:
    """The environment of who has activated the virtual one and has chosen a data directory."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "BIKE_DEMAND_HOME": str(home), "PATH": path}


def end_all_of(home: Path) -> None:
    """End what was given this data directory, then its Postgres.

    A run outlives the Ctrl-C that ends `dev`, and would start the server again.
    """
    for process in having("BIKE_DEMAND_HOME", str(home)):
        with suppress(psutil.NoSuchProcess):
            if process.name() != "postgres":
                process.kill()
    embedded.stop(home / "postgres")


def having(variable: str, value: str) -> list[psutil.Process]:
    """Processes that run with this in their environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if (
                process.environ().get(variable) == value
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
    return found


def graphql(url: str, text: str, **variables: Any) -> dict[str, Any]:
    """Ask Dagster's page, as a browser does."""
    asked = {"query": text, "variables": variables}
    answer = requests.post(f"{url}/graphql", json=asked, timeout=60).json()
    assert not answer.get("errors"), answer
    return answer["data"]


def until(condition: Callable[[], Any], what: str) -> Any:
    """Poll other processes until something holds, and give it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (held := condition()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.25)
    return held


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
