"""What a drill plays on: feeds, code server, daemon and Postgres; and what is done to them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import click
import dagster as dg
import psutil
from dagster import DagsterRunStatus

from bike_demand.development import ROOT, command
from bike_demand.drill.script import Kind
from bike_demand.instance import open_instance, process_of
from bike_demand.simulation.misbehaviour import Misbehaviour
from bike_demand.simulation.server import CityServer

LARGEST_DISK: Final = 8 << 30
"""A larger one is not filled: it is hardly the drill's own."""

_LEFT: Final = 1 << 20
_WRONG: Final = {
    Kind.ERRORS: Misbehaviour(errors=1.0),
    Kind.MALFORMED: Misbehaviour(malformed=0.5),
    Kind.FROZEN: Misbehaviour(frozen=True),
}
_PATIENCE_S: Final = 120.0


@dataclass(frozen=True)
class Told:
    """An alert that came by the webhook.

    Attributes:
        at: When, UTC.
        message: Its fields, as `alerts.Message` has them.
    """

    at: datetime
    message: Mapping[str, Any]


@contextmanager
def alerts() -> Iterator[tuple[str, list[Told]]]:
    """A webhook on loopback: its address, and what it is given."""
    given: list[Told] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            given.append(Told(datetime.now(UTC), json.loads(content)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", given
    finally:
        server.shutdown()
        server.server_close()


class Scene:
    """The processes, as a deployment has them, on the data directory's own Postgres."""

    def __init__(self, home: Path, city: CityServer, port: int) -> None:
        """Nothing runs yet.

        Args:
            home: The data directory.
            city: Serves the feeds.
            port: A free one, for the code server.
        """
        self._home, self._city, self._port = home, city, port
        self._logs = home / "drill"
        self._logs.mkdir(exist_ok=True)
        shutil.copy(ROOT / "dagster.yaml", self._logs)  # this folder is Dagster's home
        self._ballast = home / "ballast"
        self._ballast.unlink(missing_ok=True)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Scene":
        """Start everything."""
        self._start_code()
        self._start_daemon()
        return self

    def __exit__(self, *_: object) -> None:
        """End everything, as an operator would."""
        self._ballast.unlink(missing_ok=True)
        for process in reversed(self._processes.values()):
            process.terminate()
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def disk_is_ours(self) -> bool:
        """Whether the data directory is on a disk that can be filled."""
        return shutil.disk_usage(self._home).total <= LARGEST_DISK

    def keep(self) -> None:
        """What a supervisor does: a code server that has ended is started again."""
        if self._processes["code"].poll() is not None:
            self._start_code()
        daemon = self._processes.get("daemon")
        if daemon is not None and daemon.poll() is not None:
            self._start_daemon()

    def begin(self, kind: Kind) -> None:
        """Do it."""
        begin: dict[Kind, Callable[[], None]] = {
            Kind.SERVER: self._kill_server,
            # The next run may be a quarter of an hour away.
            Kind.WORKER: Thread(target=self._kill_worker, daemon=True).start,
            Kind.DAEMON: self._stop_daemon,
            Kind.DISK: self._fill_disk,
        }
        if kind in _WRONG:
            self._city.misbehaviour = _WRONG[kind]
        else:
            begin[kind]()

    def end(self, kind: Kind) -> None:
        """Undo it, if there is anything to undo."""
        if kind in _WRONG:
            self._city.misbehaviour = Misbehaviour()
        elif kind is Kind.DAEMON:
            self._start_daemon()
        elif kind is Kind.DISK:
            self._ballast.unlink()

    def _start(self, name: str, program: list[str]) -> None:
        with (self._logs / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(  # noqa: S603  # our own interpreter, no shell
                program,
                cwd=self._logs,
                env={**os.environ, "DAGSTER_HOME": str(self._logs)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _start_code(self) -> None:
        self._start("code", command("code-server", "--port", str(self._port)))

    def _start_daemon(self) -> None:
        place = ["--grpc-host", "127.0.0.1", "--grpc-port", str(self._port)]
        self._start("daemon", [sys.executable, "-m", "dagster._daemon", "run", *place])

    def _stop_daemon(self) -> None:
        self._processes.pop("daemon").send_signal(signal.SIGKILL)

    def _kill_server(self) -> None:
        file = self._home / "postgres" / "data" / "postmaster.pid"
        with suppress(FileNotFoundError, psutil.NoSuchProcess):  # it is down already
            psutil.Process(int(file.read_text().splitlines()[0])).kill()

    def _kill_worker(self) -> None:
        """Of the next run that executes."""
        with open_instance() as instance:
            while True:
                for run in instance.get_runs(dg.RunsFilter(statuses=[DagsterRunStatus.STARTED])):
                    pid = process_of(instance, run.run_id)
                    with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                        if pid is not None:
                            psutil.Process(pid).kill()
                            return
                time.sleep(0.5)

    def _fill_disk(self) -> None:
        free = shutil.disk_usage(self._home).free - _LEFT
        try:
            with self._ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(free, 1))
        except OSError as error:
            raise click.ClickException(f"The disk could not be filled: {error}") from None
