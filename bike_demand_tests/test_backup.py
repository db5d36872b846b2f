"""All that is stored, into a file and back; and rows of a table for analysts."""

import errno
import gzip
import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
import warnings
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from bike_demand.cli import main
from bike_demand.registry import open_registry
from bike_demand.settings import Settings
from bike_demand.storage import databases, programs
from bike_demand.storage.databases import Database, database_url
from bike_demand.storage.errors import PermanentStorageError
from bike_demand.storage.read import read
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import FEED_POLL, STATION_INFORMATION
from bike_demand.storage.warehouse import Warehouse
from bike_demand.storage.windows import Window
from bike_demand_tests.registry.small_model import examples, small_models

with warnings.catch_warnings():
    # As in the registry's tests: whichever comes first would have these imported.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
    import mlflow.store.tracking.sqlalchemy_store

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def here(tmp_path, monkeypatch, database_url):
    """A data directory over a database of its own."""
    return Place(tmp_path / "one home", database_url, monkeypatch)


@pytest.fixture
def there(tmp_path, monkeypatch, server):
    """Another, whose databases are not there yet."""
    url = server.url(f"test_{uuid4().hex}")
    yield Place(tmp_path / "another home", url, monkeypatch)
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        for database in Database:
            name = database_url(url, database).database
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class Place:
    """Commands in a data directory, and what stands in its databases."""

    def __init__(self, home, url, monkeypatch):
        self.home, self.url, self._monkeypatch = home, url, monkeypatch
        self.warehouse = Warehouse(lambda: url)
        self.address = url.set(drivername="postgresql").render_as_string(hide_password=False)

    def run(self, *arguments):
        with self._monkeypatch.context() as patch:
            patch.setenv("BIKE_DEMAND_HOME", "")  # so that what --home sets is undone
            patch.setenv("BIKE_DEMAND_POSTGRES_URL", self.address)
            words = [str(argument) for argument in arguments]
            return CliRunner().invoke(main, ["--home", str(self.home), *words])

    def registry(self):
        settings = Settings(home=self.home, postgres_url=self.address, MLFLOW_TRACKING_URI=None)
        return open_registry(settings)

    def store(self, polls, system_id="oslo"):
        frame = pd.DataFrame(
            {
                "system_id": system_id,
                "polled_at": [START + n * HOUR for n in range(polls)],
                "last_updated": pd.to_datetime([None] * polls, utc=True),
                "http_status": 200,
                "records": range(polls),
                "rejected": 0,
            }
        )
        window = Window(START, START + timedelta(days=9))
        rows = Rows(frame, {"system_id": [system_id]})
        replace(self.warehouse, FEED_POLL, [window], rows)

    def checksum(self):
        query = "SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) AS sum FROM feed_poll t"
        return self.warehouse.frame(query, {})["sum"][0]

    def polls(self):
        return len(read(self.warehouse, FEED_POLL))


def dagster_database(place):
    url = database_url(place.url, Database.DAGSTER)
    databases.create_if_missing(url.set(drivername="postgresql+psycopg"))
    return databases.connect(url)


def test_what_was_backed_up_stands_in_another_place_after_restore(here, there, tmp_path):
    here.store(100)
    with dagster_database(here) as connection:
        connection.execute("CREATE TABLE runs AS SELECT generate_series(1, 10) AS id")
    done = here.run("backup", tmp_path / "b.tar")
    assert done.exit_code == 0, done.output
    assert re.search(r"warehouse +[0-9.]+ MB", done.output)
    done = there.run("restore", tmp_path / "b.tar")
    assert done.exit_code == 0, done.output
    assert there.checksum() == here.checksum()
    with dagster_database(there) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (10,)
    there.store(5, "bergen")  # the restored tables are written like any


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_champion_is_loaded_from_where_its_files_are_restored_to(here, there, tmp_path):
    here.store(1)
    registry = here.registry()
    with registry.recording(), mlflow.start_run() as run:
        pass
    model = small_models()["lightgbm"]
    version = registry.publish(
        model,
        system_id="oslo",
        trained_for=date(2026, 3, 1),
        examples=examples(5),
        run_id=run.info.run_id,
    )
    registry.appoint(version, None)
    # MLflow's pool may hold a connection for a while; a dump minds none.
    assert here.run("backup", tmp_path / "b.tar").exit_code == 0
    done = there.run("restore", tmp_path / "b.tar")
    assert done.exit_code == 0, done.output
    (here.home / "mlflow").rename(tmp_path / "gone")
    restored = there.registry()
    found = restored.champion("oslo")
    assert found is not None
    assert restored.load(found).error == pytest.approx(model.error)


def test_what_is_stored_is_not_lost_unless_it_may(here, tmp_path):
    here.store(3)
    assert here.run("backup", tmp_path / "b.tar").exit_code == 0
    here.store(7)
    refused = here.run("restore", tmp_path / "b.tar")
    assert refused.exit_code == 1
    assert "--replace" in refused.output
    assert here.polls() == 7
    done = here.run("restore", "--replace", tmp_path / "b.tar")
    assert done.exit_code == 0, done.output
    assert here.polls() == 3


def test_files_of_models_are_not_lost_to_a_server_that_is_new(here, there, tmp_path):
    here.store(3)
    assert here.run("backup", tmp_path / "b.tar").exit_code == 0
    model = there.home / "mlflow" / "models" / "precious"
    model.parent.mkdir(parents=True)
    model.write_text("model")
    refused = there.run("restore", tmp_path / "b.tar")
    assert refused.exit_code == 1
    assert f"{there.home / 'mlflow'} are there already: with --replace" in refused.output
    assert model.exists()


@contextmanager
def a_full_disk():
    """What a program has done is the last that there is room for."""
    run = programs.run

    def broken(program, url, arguments):
        run(program, url, arguments)
        raise PermanentStorageError("the disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "run", broken)
        yield


def test_a_restore_that_fails_leaves_what_is_stored(here, tmp_path):
    here.store(3)
    assert here.run("backup", tmp_path / "b.tar").exit_code == 0
    here.store(7)
    with a_full_disk():
        failed = here.run("restore", "--replace", tmp_path / "b.tar")
    assert failed.exit_code == 1
    assert "the disk is full" in failed.output
    assert here.polls() == 7
    # What it left behind is in nobody's way.
    assert here.run("restore", "--replace", tmp_path / "b.tar").exit_code == 0
    assert here.polls() == 3


def test_a_database_in_use_is_not_replaced(here, tmp_path):
    here.store(3)
    assert here.run("backup", tmp_path / "b.tar").exit_code == 0
    with databases.connect(here.url):
        refused = here.run("restore", "--replace", tmp_path / "b.tar")
    assert refused.exit_code == 1
    assert "1 connections" in refused.output
    assert here.polls() == 3


def test_who_connects_during_a_restore_keeps_all_databases_as_they_were(
    here, tmp_path, monkeypatch
):
    here.store(3)
    with dagster_database(here) as connection:
        connection.execute("CREATE TABLE runs AS SELECT 1 AS id")
    assert here.run("backup", tmp_path / "b.tar").exit_code == 0
    here.store(7)
    with dagster_database(here) as connection:
        connection.execute("INSERT INTO runs VALUES (2)")
    connected = []
    run = programs.run

    def slow(program, url, arguments):
        run(program, url, arguments)
        if not connected:
            connected.append(databases.connect(here.url))

    monkeypatch.setattr(programs, "run", slow)
    failed = here.run("restore", "--replace", tmp_path / "b.tar")
    monkeypatch.undo()
    connected[0].close()
    assert failed.exit_code == 1
    assert "Somebody has connected" in failed.output
    assert here.polls() == 7
    with dagster_database(here) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)


def test_a_restore_that_fails_leaves_no_half_of_a_database_on_the_disk(here, tmp_path):
    here.store(3)
    assert here.run("backup", tmp_path / "b.tar").exit_code == 0
    with a_full_disk():
        failed = here.run("restore", "--replace", tmp_path / "b.tar")
    assert f"{tmp_path / 'b.tar'} was not restored" in failed.output
    with databases.connect_beside(here.url) as connection:
        assert not databases.exists(
            connection, here.url.set(database=f"{here.url.database}_restoring")
        )
    assert not (here.home / ".restore").exists()


def test_a_user_who_may_make_no_databases_is_told_what_to_ask_for(here, server, tmp_path):
    here.store(3)
    assert here.run("backup", tmp_path / "b.tar").exit_code == 0
    name = str(here.url.database)
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{name}'")
        connection.execute(f'ALTER DATABASE "{name}" OWNER TO "{name}"')
    try:
        owner = here.url.set(username=name, password=name, drivername="postgresql")
        here.address = owner.render_as_string(hide_password=False)
        refused = here.run("restore", "--replace", tmp_path / "b.tar")
        assert refused.exit_code == 1
        assert f'ALTER ROLE "{name}" CREATEDB' in refused.output
    finally:
        with databases.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" OWNER TO CURRENT_USER')
            connection.execute(f'DROP ROLE "{name}"')


def test_a_backup_of_a_later_postgres_than_the_server_says_so(here, there, tmp_path):
    here.store(3)
    assert here.run("backup", tmp_path / "b.tar").exit_code == 0
    with tarfile.open(tmp_path / "b.tar") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    manifest = json.loads((tmp_path / "unpacked" / "manifest.json").read_text())
    assert manifest["postgres"] >= 15
    manifest["postgres"] = 99
    (tmp_path / "unpacked" / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(tmp_path / "later.tar", "w") as tar:
        for path in (tmp_path / "unpacked").iterdir():
            tar.add(path, path.name)
    refused = there.run("restore", tmp_path / "later.tar")
    assert refused.exit_code == 1
    assert f"{tmp_path / 'later.tar'} is of Postgres 99" in refused.output


@pytest.mark.parametrize("lost", [1, 20_480, 200_000])
def test_a_backup_that_is_cut_off_is_told_and_nothing_is_started_for_it(tmp_path, lost):
    file = tmp_path / "b.tar"
    (tmp_path / "manifest.json").write_text('{"format": 1, "databases": [], "at": "", "files": ""}')
    (tmp_path / "warehouse.dump").write_bytes(b"dump" * 50_000)
    with tarfile.open(file, "w") as tar:
        tar.add(tmp_path / "manifest.json", "manifest.json")
        tar.add(tmp_path / "warehouse.dump", "warehouse.dump")
        end = tar.offset
    file.write_bytes(file.read_bytes()[: end + 1 - lost])
    refused = CliRunner().invoke(main, ["--home", str(tmp_path / "home"), "restore", str(file)])
    assert refused.exit_code == 1
    assert f"{file} is cut off" in refused.output
    assert not (tmp_path / "home").exists()


def test_a_backup_that_somebody_has_compressed_is_read(here, there, tmp_path):
    here.store(3)
    assert here.run("backup", tmp_path / "b.tar").exit_code == 0
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress((tmp_path / "b.tar").read_bytes()))
    done = there.run("restore", tmp_path / "b.tar.gz")
    assert done.exit_code == 0, done.output
    assert there.polls() == 3


def test_a_backup_into_a_directory_that_is_not_there_names_it(here, tmp_path):
    here.store(1)
    refused = here.run("backup", tmp_path / "typo" / "b.tar")
    assert refused.exit_code == 1
    assert f"there is no directory {tmp_path / 'typo'}." in refused.output


def full(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_is_full_is_told_with_the_file_that_it_is_full_for(here, tmp_path, monkeypatch):
    here.store(1)

    monkeypatch.setattr(tarfile.TarFile, "add", full)
    failed = here.run("backup", tmp_path / "b.tar")
    assert failed.exit_code == 1
    assert f"{tmp_path / 'b.tar'} was not written: " in failed.output
    assert "No space left" in failed.output


def test_a_backup_is_whole_or_not_there(here, tmp_path, monkeypatch):
    here.store(3)

    def broken(program, url, arguments):
        raise PermanentStorageError("the disk is full")

    monkeypatch.setattr(programs, "run", broken)
    failed = here.run("backup", tmp_path / "backups.tar")
    assert failed.exit_code == 1
    assert "the disk is full" in failed.output
    assert not [path for path in tmp_path.iterdir() if "backups" in path.name]


def test_a_backup_is_on_the_disk_when_it_is_said_to_be_there(here, tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def noted(descriptor):
        synced.append((os.fstat(descriptor).st_ino, file.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    here.store(1)
    file = tmp_path / "b.tar"
    assert here.run("backup", file).exit_code == 0
    assert synced == [(file.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_a_backup_replaces_no_file(here, tmp_path):
    here.store(3)
    (tmp_path / "b.tar").write_text("precious")
    assert "is there already" in here.run("backup", tmp_path / "b.tar").output
    assert (tmp_path / "b.tar").read_text() == "precious"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not a tar file"),
        ({"other.json": "{}"}, "has no manifest.json"),
        ({"manifest.json": "{"}, "has no manifest.json"),
        ({"manifest.json": json.dumps({"format": 2, "bike_demand": "9.0"})}, "9.0, which is newer"),
    ],
)
def test_a_file_that_is_no_backup_is_told_by_name(here, tmp_path, content, said):
    file = tmp_path / "b.tar"
    file.write_text("nothing of ours")
    if content is not None:
        [(name, text)] = content.items()
        (tmp_path / name).write_text(text)
        with tarfile.open(file, "w") as tar:
            tar.add(tmp_path / name, name)
    refused = here.run("restore", file)
    assert refused.exit_code == 1
    assert said in refused.output
    assert str(file) in refused.output


def test_no_password_is_among_a_programs_arguments(here, tmp_path, monkeypatch):
    here.store(1)
    seen = []
    run = subprocess.run

    def watched(words, **options):
        seen.extend(map(str, words))
        return run(words, **options)

    monkeypatch.setattr(subprocess, "run", watched)
    assert here.run("backup", tmp_path / "b.tar").exit_code == 0
    assert any("pg_dump" in word for word in seen)
    assert not any(str(here.url.password) in word for word in seen)


def test_the_program_is_the_oldest_that_is_no_older_than_the_server(tmp_path, monkeypatch):
    for major in (14, 16, 17):
        program = tmp_path / str(major) / "bin" / "pg_dump"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!{sys.executable}\nprint('pg_dump (PostgreSQL) {major}.2')\n")
        program.chmod(0o755)
    monkeypatch.setattr(programs, "_DEBIAN", tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path / "17" / "bin"))
    assert programs._fitting("pg_dump", 15) == tmp_path / "16" / "bin" / "pg_dump"
    assert programs._fitting("pg_dump", 17) == tmp_path / "17" / "bin" / "pg_dump"
    with pytest.raises(PermanentStorageError, match="server is Postgres 99, and no pg_dump"):
        programs._fitting("pg_dump", 99)


def test_rows_of_some_time_are_exported_in_order_with_what_they_mean(here, tmp_path):
    here.store(10)
    file = tmp_path / "polls.parquet"
    first, last = START + 2 * HOUR, START + 5 * HOUR
    done = here.run(
        "export", "feed_poll", "--from", first.isoformat(), "--to", last.isoformat(), "--out", file
    )
    assert done.exit_code == 0, done.output
    assert "3 rows of feed_poll" in done.output
    frame = pd.read_parquet(file)
    assert [*frame["records"]] == [2, 3, 4]
    assert frame["polled_at"].is_monotonic_increasing
    assert str(frame["polled_at"].dt.tz) == "UTC"
    assert b"[UTC]" in pq.read_schema(file).metadata[b"polled_at"]


def test_a_table_without_time_or_rows_is_exported_as_a_whole(here, tmp_path):
    here.store(0)
    file = tmp_path / "stations.parquet"
    assert here.run("export", "station_information", "--out", file).exit_code == 0
    assert [*pd.read_parquet(file).columns] == [*STATION_INFORMATION.columns]
    refused = here.run("export", "station_information", "--to", "2026-01-01T00:00Z", "--out", file)
    assert refused.exit_code == 2
    assert "has no time" in refused.output


def test_a_table_that_is_not_there_is_told_with_those_that_are(here, tmp_path):
    refused = here.run("export", "feed_pol", "--out", tmp_path / "x.parquet")
    assert refused.exit_code == 2
    assert "feed_poll" in refused.output
    assert not (tmp_path / "x.parquet").exists()


def test_an_export_that_fails_leaves_no_file_and_the_old_one(here, tmp_path):
    here.store(1)
    file = tmp_path / "polls.parquet"
    file.write_text("old")
    with databases.connect(here.url) as connection:
        connection.execute("ALTER TABLE feed_poll RENAME TO elsewhere")
    failed = here.run("export", "feed_poll", "--out", file)
    assert failed.exit_code == 1
    assert "feed_poll" in failed.output
    assert [path.name for path in tmp_path.glob("polls*")] == ["polls.parquet"]
    assert file.read_text() == "old"


def test_an_export_to_a_full_disk_names_the_file(here, tmp_path, monkeypatch):
    here.store(1)
    file = tmp_path / "polls.parquet"

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", full)
    failed = here.run("export", "feed_poll", "--out", file)
    assert failed.exit_code == 1
    assert f"{file} was not written: " in failed.output
    assert not [*tmp_path.glob("polls*")]


def test_urls_of_all_kinds_reach_the_programs(here):
    url = sa.make_url(here.address).update_query_dict({"sslmode": "disable"})
    programs.run("pg_dump", url, ["--schema-only", f"--file={Path('/dev/null')}"])
