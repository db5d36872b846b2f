"""The services of docker-compose.yml as plain processes on loopback, without Docker.

Each runs the command of the file in the environment that file and Dockerfile give it, and no other;
names of hosts, ports and volumes are those of this machine. Postgres is Debian's.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from bike_demand_tests.deployment.compose import IMAGE, ROOT, in_order, services
from bike_demand_tests.processes import PATIENCE_S, free_ports, having, until

DEBIAN = Path("/usr/lib/postgresql")
PORTS = {
    "postgres": 5432,
    "mlflow": 5000,
    "code": 4000,
    "webserver": 3000,
    "metrics": 9464,
    "serve": 8000,
}
"""At which services listen in their containers."""

MARK = "REHEARSAL_OF"
"""Variable by which the processes of a service are known."""


def server_programs() -> Path | None:
    """Where Debian has its newest Postgres server."""
    found = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Rehearsal:
    """The services of one deployment."""

    def __init__(self, folder: Path, programs: Path, variables: Mapping[str, str]) -> None:
        """Lay out image and volumes.

        Args:
            folder: An empty one that every user can enter.
            programs: As `server_programs` finds them.
            variables: What `.env` would say.
        """
        self._folder, self._programs = folder, programs
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self.declared = services(variables)
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.image = folder / "image"
        self.image.mkdir()
        (folder / "user").mkdir()
        self._paths = {"/opt/bike_demand": str(self.image)}
        for service in self.declared.values():
            for volume in service.get("volumes", []):
                name, place, *_ = volume.split(":")
                if not name.startswith("."):
                    self._paths[place] = str(folder / name)
                    (folder / name).mkdir(exist_ok=True)
        for source, name in IMAGE.items():
            (self.image / name).write_text(self._here((ROOT / source).read_text()))

    def up(self) -> None:
        """Start all in order, each when those it waits for are as the file wants them."""
        for name in in_order(self.declared):
            if self.declared[name].get("healthcheck"):
                self.start(name)
            else:
                self.execute(name, self._command(name))

    def start(self, name: str) -> None:
        """Start a service, and wait until its health check passes."""
        service = self.declared[name]
        command, options = self._command(name), {}
        if name == "postgres":
            command, options = self._prepared_postgres(command)
        with (self._folder / f"{name}.log").open("a") as log:
            started = self._started[name] = subprocess.Popen(
                command,
                cwd=self.image,
                env=self._environment(name),
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,
            )
        kind, *check = service["healthcheck"]["test"]
        assert kind == "CMD"

        def is_healthy() -> bool:
            assert started.poll() is None, f"{name} ended: {self.log(name)[-2_000:]}"
            return self._run(name, [self._here(word) for word in check]).returncode == 0

        until(is_healthy, f"{name} is healthy")

    def kill(self, name: str) -> None:
        """End all processes of a service at once, as the end of its container would."""
        for process in self._processes(name):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._started.pop(name).wait(PATIENCE_S)
        until(lambda: not self._processes(name), f"{name} is gone")

    def down(self) -> None:
        """End everything."""
        for name in [*self._started]:
            self.kill(name)

    def execute(self, name: str, command: list[str]) -> None:
        """Run another command where a service runs, as `docker compose exec` does."""
        done = self._run(name, command)
        assert done.returncode == 0, done.stderr[-4_000:]

    def log(self, name: str) -> str:
        """What a service has said."""
        return (self._folder / f"{name}.log").read_text()

    def _run(self, name: str, words: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            words,
            cwd=self.image,
            env=self._environment(name),
            capture_output=True,
            text=True,
            check=False,
        )

    def _command(self, name: str) -> list[str]:
        return [self._here(word) for word in self.declared[name]["command"]]

    def _here(self, told: str) -> str:
        """Host, port and place of this machine for those of the containers."""
        hosts = "|".join(PORTS)
        host = rf"((?<=@)|(?<=http://)|(?<=host: ))({hosts})\b"  # a user may be called the same
        told = re.sub(host, "127.0.0.1", told)
        told = told.replace("0.0.0.0", "127.0.0.1")  # noqa: S104  # of the container
        for name, port in PORTS.items():
            told = re.sub(rf"\b{port}\b", str(self.ports[name]), told)
        for place, here in self._paths.items():
            told = told.replace(place, here)
        return told

    def _environment(self, name: str) -> dict[str, str]:
        [image] = re.findall(
            r"^ENV ((?:.*\\\n)*.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
        )
        given = dict(word.split("=", 1) for word in image.replace("\\\n", "").split())
        given |= self.declared[name].get("environment", {})
        here = {key: self._here(str(value)) for key, value in given.items()}
        programs = Path(sys.executable).parent if name != "postgres" else self._programs
        # The health check of `postgres` asks with Postgres' program, as in its image.
        path = os.pathsep.join([str(programs), "/usr/bin", "/bin"])
        return {**here, "PATH": path, "HOME": str(self._folder / "user"), MARK: self._mark(name)}

    def _mark(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _processes(self, name: str) -> list[psutil.Process]:
        return having(MARK, self._mark(name))

    def _prepared_postgres(self, command: list[str]) -> tuple[list[str], dict[str, Any]]:
        """What the entry point of Postgres' image does: make databases once; no server as root."""
        environment, data = self._environment("postgres"), self._folder / "postgres" / "data"
        options: dict[str, Any] = {}
        if os.getuid() == 0:
            shutil.chown(data.parent, "postgres", "postgres")
            options = {"user": "postgres", "group": "postgres", "extra_groups": []}
        place = ["-D", str(data), "-p", str(self.ports["postgres"]), "-k", str(data.parent)]
        if not data.exists():
            scripts = self._folder / "scripts"
            shutil.copytree(ROOT / "deploy" / "postgres", scripts)
            environment |= {"PGHOST": str(data.parent), "PGPORT": str(self.ports["postgres"])}

            def run(*words: str) -> None:
                subprocess.run(words, env=environment, cwd="/", check=True, **options)

            access = ("--auth-local=trust", "--auth-host=scram-sha-256")
            run("initdb", "-D", str(data), "-U", "postgres", *access, "--locale=C.UTF-8")
            quietly = " ".join([*place[2:], "-c listen_addresses="])
            log = str(self._folder / "postgres" / "first.log")
            run("pg_ctl", "-D", str(data), "-w", "-l", log, "-o", quietly, "start")
            for script in sorted(scripts.iterdir()):
                run("sh", str(script))
            run("pg_ctl", "-D", str(data), "-w", "stop")
        return [*command, *place], options
