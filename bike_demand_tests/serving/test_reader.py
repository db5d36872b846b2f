"""The role that the API's server reads with."""

from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner

from bike_demand.cli import main
from bike_demand.storage import databases, reader
from bike_demand.storage.errors import PermanentStorageError
from bike_demand.storage.warehouse import Warehouse
from bike_demand_tests.serving.city import NOW, Clock, configured, fill, running

PASSWORD = "a-word'of the reader\\s"  # noqa: S105

WRITES = (
    "INSERT INTO feed_poll (system_id, polled_at) VALUES ('a', now())",
    "UPDATE station_information SET name = 'x'",
    "DELETE FROM station_status",
    "TRUNCATE station_forecast",
    "DROP TABLE station_risk",
    "CREATE TABLE x (a int)",
    "CREATE TEMPORARY TABLE x (a int)",
    "ALTER TABLE weather ADD COLUMN x int",
    "CREATE SCHEMA x",
    "CREATE ROLE x",
    "COPY feed_poll FROM PROGRAM 'true'",
)


@pytest.fixture
def role(server):
    """A name of this test alone: roles are of all databases of a server."""
    name = f"reader_{uuid4().hex}"
    yield name
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])
        if found.fetchone():
            connection.execute(f'DROP ROLE "{name}"')


@pytest.fixture
def reading_url(warehouse, database_url, role):
    reader.admit(warehouse, PASSWORD, role)
    yield database_url.set(username=role, password=PASSWORD)
    with databases.connect(database_url) as connection:
        connection.execute(f'DROP OWNED BY "{role}"')


def test_it_reads_every_table_and_writes_none_even_if_it_wants_to(reading_url):
    with databases.connect(reading_url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        assert len(tables) > 15
        for (table,) in tables:
            connection.execute(f'SELECT * FROM "{table}" LIMIT 1')  # noqa: S608
        for statement in WRITES:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_a_table_that_is_made_later_is_read_too(reading_url, database_url):
    with databases.connect(database_url) as connection:
        connection.execute("CREATE TABLE later (a int)")
    with databases.connect(reading_url) as connection:
        assert connection.execute("SELECT * FROM later").fetchall() == []


def test_to_be_let_in_twice_is_no_harm_and_changes_no_password(warehouse, reading_url, role):
    reader.admit(warehouse, "another", role)
    databases.connect(reading_url).close()


def test_the_server_needs_no_more(tmp_path, database_url, reading_url):
    fill(database_url, NOW)
    with running(configured(tmp_path, reading_url), Clock(NOW)) as api:
        for path in ("/ready", "/forecast", "/history/s0017", "/accuracy", "/model", "/systems"):
            assert api.get(path).status_code == 200
        assert 'bike_demand_up{source="quality"} 1.0' in api.get("/metrics").text


def test_the_server_cannot_write_as_the_owner_either(tmp_path, city_url):
    with running(configured(tmp_path, city_url), Clock(NOW)) as api:
        database = api.app.state.serving.database

        def write(connection):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("DELETE FROM station_status")
            return True

        assert database.read(write)


def test_who_may_not_make_roles_is_told_what_to_ask_for(database_url, role):
    weak = f"weak_{uuid4().hex}"
    with databases.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {weak} LOGIN PASSWORD 'x'")
        connection.execute(f"GRANT SELECT ON alembic_version TO {weak}")
    url = database_url.set(username=weak, password="x")  # noqa: S106
    with pytest.raises(PermanentStorageError, match="Ask an administrator for: CREATE ROLE"):
        reader.admit(Warehouse(lambda: url), "word", role)
    with databases.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {weak}")
        connection.execute(f"DROP ROLE {weak}")


def test_migrating_lets_it_in_where_its_password_is_set(
    tmp_path, monkeypatch, postgres_url, database_url, server
):
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", postgres_url)
    name = f"test_{uuid4().hex}"
    dagster = server.url(name).render_as_string(hide_password=False)
    monkeypatch.setenv("BIKE_DEMAND_DAGSTER_POSTGRES_URL", dagster)
    monkeypatch.setenv("BIKE_DEMAND_SERVING_DB_PASSWORD", "a-word")
    told = CliRunner().invoke(main, ["migrate"])
    assert told.exit_code == 0, told.output
    assert f"The role {reader.ROLE} may read it." in told.output
    assert "a-word" not in told.output
    url = database_url.set(username=reader.ROLE, password="a-word")  # noqa: S106
    databases.connect(url).close()
    with databases.connect(database_url) as connection:
        connection.execute(f"DROP OWNED BY {reader.ROLE}")
        connection.execute(f"DROP ROLE {reader.ROLE}")
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
