"""One setting, three databases, each used by its real consumer."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from bike_demand.storage import databases
from bike_demand.storage.databases import Database
from bike_demand.storage.errors import DatabaseUnavailableError, PermanentStorageError
from bike_demand.storage.warehouse import Warehouse


@pytest.mark.parametrize(
    "spelling",
    [
        "postgres://me:p%40ss@db:5433/bikes?sslmode=require",
        "postgresql://me:p%40ss@db:5433/bikes?sslmode=require",
        "postgresql+psycopg2://me:p%40ss@db:5433/bikes?sslmode=require",
    ],
)
def test_every_spelling_of_a_url_leads_to_the_same_database(tmp_path, spelling):
    url = databases.locate(spelling, tmp_path)
    assert url.drivername == "postgresql+psycopg"
    assert url.password == "p@ss"  # noqa: S105
    assert "sslmode=require" in databases.conninfo(url)


def test_the_databases_stand_side_by_side_under_their_drivers(tmp_path):
    warehouse = databases.locate("postgresql://me@db/bikes", tmp_path)
    assert {
        database.name: str(databases.database_url(warehouse, database)) for database in Database
    } == {
        "WAREHOUSE": "postgresql+psycopg://me@db/bikes",
        "DAGSTER": "postgresql+psycopg2://me@db/bikes_dagster",
        "MLFLOW": "postgresql+psycopg2://me@db/bikes_mlflow",
    }


@pytest.mark.parametrize(
    "broken",
    [
        "postgresql://me:secret@db:port/bikes",
        "postgresql://me:se@secret@db/bikes",
        "mysql://me:secret@db/bikes",
        "secret",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_repeating_it(tmp_path, broken):
    with pytest.raises(DatabaseUnavailableError, match="must look like") as failure:
        databases.locate(broken, tmp_path)
    assert "secret" not in str(failure.value)


def test_a_password_of_any_characters_connects(server):
    password = "a b+c%d@e/f:g'h\\\\i é"  # noqa: S105
    role = f"odd_{uuid4().hex}"
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(password)
            )
        )
    given = server.url("postgres").set(username=role, password=password)
    url = databases.locate(given.render_as_string(hide_password=False), Path())
    with databases.connect(url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (role,)


def test_an_option_that_libpq_does_not_know_is_named_without_the_password(server, tmp_path):
    url = databases.locate("postgresql://me:hidden-word@db/bikes?sslmod=require", tmp_path)
    with pytest.raises(DatabaseUnavailableError, match=r"\['sslmod'\]") as told:
        databases.connect(url)
    assert "hidden-word" not in str(told.value)


def test_options_of_the_url_hold_beside_our_own(server):
    url = server.url("postgres").update_query_dict({"options": "-csearch_path=mine"})
    with databases.connect(url) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("mine",)
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)


def test_a_user_who_may_not_make_tables_is_told_what_to_ask_for(server):
    role, name = f"guest_{uuid4().hex}", f"closed_{uuid4().hex}"
    databases.create_if_missing(server.url(name))
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'visitor'")
    url = server.url(name).set(username=role, password="visitor")  # noqa: S106
    with pytest.raises(PermanentStorageError, match="GRANT CREATE ON SCHEMA"):
        Warehouse(lambda: url).url()


def test_many_processes_that_need_a_missing_database_make_one(server):
    url = server.url(f"made_{uuid4().hex}")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(databases.create_if_missing, [url] * 6))
    with databases.connect(url) as connection:
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)


def test_a_database_that_may_not_be_made_is_told_to_the_administrator(server):
    name = f"guest_{uuid4().hex}"
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'visitor'")
    url = server.url("not_there").set(username=name, password="visitor")  # noqa: S106
    with pytest.raises(DatabaseUnavailableError, match='CREATE DATABASE "not_there" OWNER') as told:
        databases.create_if_missing(url)
    assert "visitor" not in str(told.value)


def test_a_wrong_password_is_told_and_not_shown(server):
    url = server.url("postgres").set(password="hidden-word")  # noqa: S106
    with pytest.raises(DatabaseUnavailableError, match="password authentication failed") as told:
        databases.create_if_missing(url)
    assert "hidden-word" not in str(told.value)


def test_the_warehouse_is_used_by_sqlalchemy_through_psycopg_3(warehouse):
    with warehouse.engine.connect() as connection:
        assert connection.scalar(sa.text("SHOW timezone")) == "UTC"
        assert isinstance(connection.connection.driver_connection, psycopg.Connection)


def test_dagster_stores_a_run_in_its_database(server):
    import dagster as dg
    from dagster_postgres import DagsterPostgresStorage

    url = databases.database_url(server.url(f"w_{uuid4().hex}"), Database.DAGSTER)
    databases.create_if_missing(url)
    storage = DagsterPostgresStorage(url.render_as_string(hide_password=False))
    run = dg.DagsterRun(job_name="any")
    storage.run_storage.add_run(run)
    assert storage.run_storage.has_run(run.run_id)


# MLflow's own models use what pydantic and SQLAlchemy will drop.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_mlflow_stores_an_experiment_in_its_database(server, tmp_path):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    url = databases.database_url(server.url(f"w_{uuid4().hex}"), Database.MLFLOW)
    databases.create_if_missing(url)
    store = SqlAlchemyStore(url.render_as_string(hide_password=False), tmp_path.as_uri())
    experiment = store.create_experiment("any")
    assert store.get_experiment(experiment).name == "any"
