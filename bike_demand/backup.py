"""`bike-demand backup` and `restore`: all that is stored, in one file.

The file is a tar: `manifest.json`, a dump of each database as `pg_dump --format=custom` makes it,
and the files of models below `mlflow/`. A dump of an older Postgres can be restored to a newer
one, which is the way to upgrade.
"""

import json
import shutil
import tarfile
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import click
import psycopg
import sqlalchemy as sa
from psycopg import sql

from bike_demand import settings
from bike_demand.settings import Settings
from bike_demand.storage import databases, programs
from bike_demand.storage.databases import Database
from bike_demand.storage.durable import sync
from bike_demand.storage.errors import StorageError, storage_errors

FORMAT: Final = 1
"""Of the file; a later one is refused."""

_MANIFEST: Final = "manifest.json"
_FILES: Final = "mlflow"
_PLAIN: Final = ("--no-owner", "--no-privileges")
_RESTORING, _REPLACED = "_restoring", "_replaced"
# Where MLflow keeps absolute paths: https://github.com/mlflow/mlflow, `store/*/dbmodels/models.py`.
_PLACES: Final = {"artifact_location", "artifact_uri", "source", "storage_location"}


def backup(file: Path) -> None:
    """Write all that is stored to a file. It is there as a whole or not at all.

    Args:
        file: Must not exist.

    Raises:
        click.ClickException: It does, or cannot be written.
        StorageError: A database does not answer.
    """
    if file.exists():
        raise click.ClickException(f"{file} is there already: give another name.")
    beside = file.absolute().parent
    if not beside.is_dir():
        raise click.ClickException(f"{file} cannot be written: there is no directory {beside}.")
    configured = settings.load()
    urls = {name: url for name, url in _urls(configured).items() if _exists(url)}
    if Database.WAREHOUSE not in urls:
        raise click.ClickException(f"There is nothing to back up in {configured.home}.")
    with (
        _explained(f"{file} was not written"),
        tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=beside) as name,
    ):
        folder = Path(name)
        part = folder / "backup.tar"
        with tarfile.open(part, "w") as tar:
            manifest = {
                "format": FORMAT,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "bike_demand": version("bike-demand"),
                "postgres": _major(urls[Database.WAREHOUSE]),
                "databases": [_name(database) for database in urls],
                "files": (configured.home / _FILES).as_uri(),
            }
            (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2))
            tar.add(folder / _MANIFEST, _MANIFEST)
            for database, url in urls.items():
                dump = folder / f"{_name(database)}.dump"
                programs.run("pg_dump", url, [*_PLAIN, "--format=custom", f"--file={dump}"])
                click.echo(f"{_name(database):<10}{dump.stat().st_size / 1e6:>10,.1f} MB")
                tar.add(dump, dump.name)
                dump.unlink()
            if Database.MLFLOW in urls and (configured.home / _FILES).is_dir():
                tar.add(configured.home / _FILES, _FILES)
        sync(part)
        part.rename(file)
        sync(beside)
    click.echo(f"{file} has {file.stat().st_size / 1e6:,.1f} MB.")
    if Database.MLFLOW not in urls and configured.mlflow_tracking_uri is not None:
        click.echo("Models are on the server of MLFLOW_TRACKING_URI: back that up by itself.")


def restore(file: Path, *, replace: bool) -> None:
    """Make what is stored be what a file holds.

    Databases are restored beside those that are there, and take their places when all are whole.

    Args:
        file: From `backup`.
        replace: Whether what is stored may go.

    Raises:
        click.ClickException: The file is none of ours, or not whole, or cannot be restored; or
            something is stored and may not go, or somebody is connected to it. What was stored is.
        StorageError: A database does not answer.
    """
    configured = settings.load()
    files = configured.home / _FILES
    with _opened(file) as (tar, manifest):
        urls = _urls(configured)
        held = [database for database in Database if _name(database) in manifest["databases"]]
        if Database.MLFLOW in held and Database.MLFLOW not in urls:
            raise click.ClickException(
                "The file holds models, and MLFLOW_TRACKING_URI says that a server keeps them: "
                "restore without it."
            )
        _refuse_to_lose(urls, files, replace=replace)
        _refuse_without_right(urls)
        _refuse_older(urls, manifest.get("postgres", 0), file)
        configured.home.mkdir(parents=True, exist_ok=True)
        with _new_folder(configured.home / ".restore") as folder:
            failed = f"{file} was not restored, and what is stored is as it was"
            with _explained(failed), _none_half(urls):
                for database in held:
                    tar.extract(f"{_name(database)}.dump", folder, filter="data")
                    _restore(urls[database], folder / f"{_name(database)}.dump")
                    (folder / f"{_name(database)}.dump").unlink()
                    click.echo(f"{_name(database)} is restored.")
                inside = [item for item in tar if item.name.startswith(f"{_FILES}/")]
                tar.extractall(folder, inside, filter="data")
                if Database.MLFLOW in held:
                    restoring = _beside(urls[Database.MLFLOW], _RESTORING)
                    _move_paths(restoring, manifest["files"], files.as_uri())
                _take_places(urls, held)
            if Database.MLFLOW in urls:
                if files.exists():
                    files.rename(folder / "replaced")
                if (folder / _FILES).is_dir():
                    (folder / _FILES).rename(files)
    for url in urls.values():
        _drop(_beside(url, _REPLACED))
    click.echo(f"What is stored is that of {manifest['at']}.")


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Failures of disk and server, with what they mean for the file."""
    try:
        yield
    except (OSError, StorageError) as error:
        raise click.ClickException(f"{what}: {error}") from error


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """An empty folder for the time being; what a killed process has left in it goes."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _none_half(urls: Mapping[Database, sa.URL]) -> Iterator[None]:
    """Databases that were not restored to their end do not stay, for the disk may be full."""
    try:
        yield
    except BaseException:
        with suppress(StorageError, psycopg.Error):
            for url in urls.values():
                _drop(_beside(url, _RESTORING))
        raise


def _urls(configured: Settings) -> dict[Database, sa.URL]:
    """MLflow's only where it is ours.

    Dagster's comes first: what it says is materialised is in a warehouse that is dumped after it.
    """
    postgres_url = configured.revealed_postgres_url()
    own = configured.revealed_dagster_postgres_url()
    warehouse = databases.locate(postgres_url, configured.home)
    found = {
        Database.DAGSTER: databases.locate_dagster(own, postgres_url, configured.home),
        Database.WAREHOUSE: warehouse,
    }
    if configured.mlflow_tracking_uri is None:
        found[Database.MLFLOW] = databases.database_url(warehouse, Database.MLFLOW)
    return found


def _name(database: Database) -> str:
    return database.name.lower()


def _beside(url: sa.URL, suffix: str) -> sa.URL:
    return url.set(database=f"{url.database}{suffix}")


def _exists(url: sa.URL) -> bool:
    with databases.connect_beside(url) as connection:
        return databases.exists(connection, url)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[tarfile.TarFile, Mapping[str, Any]]]:
    """The file and its manifest."""
    try:
        tar = tarfile.open(file)  # noqa: SIM115  # closed below
    except (tarfile.TarError, EOFError):
        raise click.ClickException(f"{file} is no backup: it is not a tar file.") from None
    with tar:
        if not _is_whole(tar):
            raise click.ClickException(
                f"{file} is cut off: its end is missing. Copy it again from where it was made."
            )
        try:
            manifest = json.load(tar.extractfile(_MANIFEST))  # type: ignore[arg-type]
            form = int(manifest["format"])
        except (KeyError, ValueError, TypeError):
            raise click.ClickException(f"{file} is no backup: it has no {_MANIFEST}.") from None
        if form > FORMAT:
            raise click.ClickException(
                f"{file} was made by bike_demand {manifest.get('bike_demand')}, which is newer "
                "than this one: restore it with that, or a later one."
            )
        yield tar, manifest


def _is_whole(tar: tarfile.TarFile) -> bool:
    """Whether it ends as a tar does, with zeros: one that is cut between two files reads well."""
    try:
        tar.getmembers()
        stream: Any = tar.fileobj  # may be compressed by somebody
        stream.seek(tar.offset)
        return bool(stream.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE))
    except (tarfile.TarError, EOFError):
        return False


def _refuse_to_lose(urls: Mapping[Database, sa.URL], files: Path, *, replace: bool) -> None:
    there = [str(url.database) for url in urls.values() if _exists(url)]
    if Database.MLFLOW in urls and files.is_dir() and any(files.iterdir()):
        there.append(str(files))  # perhaps of another server's database
    if there and not replace:
        raise click.ClickException(
            f"{', '.join(there)} are there already: with --replace they go, or name another "
            "--home or server."
        )
    for url in urls.values():
        with databases.connect_beside(url) as connection:
            asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            [[connected]] = connection.execute(asked, [url.database]).fetchall()
        if connected:
            raise _in_use(f"{connected} connections to {url.database} are open")


def _in_use(why: str) -> click.ClickException:
    return click.ClickException(f"{why}: end what uses it first, such as `bike-demand dev`.")


def _refuse_without_right(urls: Mapping[Database, sa.URL]) -> None:
    """Databases are made and renamed, which asks for more than to own them."""
    for url in urls.values():
        with databases.connect_beside(url) as connection:
            asked = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            [[may]] = connection.execute(asked).fetchall()
        if not may:
            raise click.ClickException(
                f"User {url.username!r} may not make databases at {databases.describe(url)}, as a "
                f'restore does. Ask an administrator for: ALTER ROLE "{url.username}" CREATEDB'
            )


def _refuse_older(urls: Mapping[Database, sa.URL], major: int, file: Path) -> None:
    """An older `pg_restore` says of a newer one's dump no more than "unsupported version"."""
    for url in urls.values():
        if _major(url) < major:
            raise click.ClickException(
                f"{file} is of Postgres {major}, and the server of {databases.describe(url)} is "
                f"Postgres {_major(url)}: restore it to Postgres {major} or a later one."
            )


def _major(url: sa.URL) -> int:
    with databases.connect_beside(url) as connection:
        return connection.info.server_version // 10_000


def _restore(url: sa.URL, dump: Path) -> None:
    """Beside the database that is there."""
    new = _beside(url, _RESTORING)
    _drop(new)  # an earlier call may have been killed
    databases.create_if_missing(new)
    programs.run("pg_restore", new, [*_PLAIN, "--exit-on-error", "--jobs=2", str(dump)])


def _take_places(urls: Mapping[Database, sa.URL], held: Collection[Database]) -> None:
    """Of the databases that are there: all or none, whoever has connected meanwhile.

    One that the file does not hold is gone thereafter.
    """
    for url in urls.values():
        _drop(_beside(url, _REPLACED))
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    # Each database may have a user of its own. Connections commit as the last is renamed.
    with ExitStack() as connections, storage_errors("Renaming databases"):
        for database, url in urls.items():
            connection = connections.enter_context(databases.connect_beside(url))
            connection.autocommit = False
            old, new = _beside(url, _REPLACED), _beside(url, _RESTORING)
            try:
                if databases.exists(connection, url):
                    connection.execute(rename.format(_identifier(url), _identifier(old)))
            except psycopg.errors.ObjectInUse:
                raise _in_use(f"Somebody has connected to {url.database} meanwhile") from None
            if database in held:
                connection.execute(rename.format(_identifier(new), _identifier(url)))


def _drop(url: sa.URL) -> None:
    with databases.connect_beside(url) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(_identifier(url))
        )


def _identifier(url: sa.URL) -> sql.Identifier:
    return sql.Identifier(str(url.database))


def _move_paths(url: sa.URL, before: str, after: str) -> None:
    """Models are looked for where the data directory is now."""
    if before == after:
        return
    with databases.connect(url) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_name = ANY(%s)"
            " AND data_type IN ('text', 'character varying')",
            [[*_PLACES]],
        ).fetchall()
        for table, column in columns:
            move = sql.SQL("UPDATE {0} SET {1} = %s || substr({1}, %s) WHERE starts_with({1}, %s)")
            connection.execute(
                move.format(sql.Identifier(table), sql.Identifier(column)),
                [after, len(before) + 1, before],
            )
