"""Where MLflow keeps runs and models, and how it is spoken to: soon refused, silent, discreet.

That is a database of its own beside the warehouse, with files in the data directory; or the server
that `MLFLOW_TRACKING_URI` names, which has its own place for files. MLflow's errors leave this
module as the two of `errors`, without the passwords that MLflow repeats. What is kept there is not
known here.
"""

import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

import psycopg
import sqlalchemy as sa

from bike_demand.download.urls import origin, public_url
from bike_demand.registry.errors import RegistryError, RegistryUnavailableError
from bike_demand.registry.fluent import environment, functions_at
from bike_demand.storage import databases
from bike_demand.storage.databases import Database
from bike_demand.storage.embedded import EmbeddedPostgresError
from bike_demand.storage.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from requests import RequestException

EXPERIMENT: Final = "bike_demand"
"""Of MLflow, that all runs belong to."""

PATIENCE_S: Final = 10
"""For a server's first word."""

TABLES_LOCK: Final = 0x6D6C666C
"""'mlfl': one process at a time makes MLflow's tables."""

TABLES_PATIENCE_S: Final = 300

# Read by MLflow, in part when it is imported. Without them a server that is down is asked for
# minutes, MLflow's makers are told of each use, the console has a line for each step and addresses
# with their passwords, and models take files along from the working directory.
for _name, _value in {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
}.items():
    os.environ.setdefault(_name, _value)

_PASSING = {"TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED"}
_SERVER_ERRORS = 500
_SHOWN = 1000


class Store:
    """MLflow, wherever it is.

    Args:
        server: The address of an MLflow server; `None` for a database beside the warehouse.
        postgres_url: As in `databases.locate`.
        home: The data directory.
    """

    def __init__(self, server: str | None, postgres_url: str | None, home: Path) -> None:
        self._server, self._postgres_url = server, postgres_url
        self._home, self._files = home, home / "mlflow"
        self._prepared: str | None = None
        self._preparing = threading.Lock()

    @contextmanager
    def client(self, doing: str) -> Iterator["MlflowClient"]:
        """MLflow's client, bound to this place whatever the environment says.

        Args:
            doing: What is being done, to what, for the message of an error.

        Raises:
            RegistryUnavailableError: MLflow does not answer.
            RegistryError: It refuses what the body of the `with` asks for.
        """
        with self._errors(doing):
            from mlflow import MlflowClient

            uri = self._uri(doing)
            yield MlflowClient(tracking_uri=uri, registry_uri=uri)

    @contextmanager
    def in_use(self, doing: str) -> Iterator[None]:
        """MLflow's own functions, as `mlflow.start_run`, record here; afterwards all is as before.

        A run that is active in this thread is not, meanwhile. MLflow knows one place for the whole
        process, so that other threads have to wait.

        Args and errors are those of `client`.
        """
        with self._errors(doing), functions_at(self._uri(doing), self.experiment_id()):
            yield

    def experiment_id(self) -> str:
        """The experiment's, which is made unless it is there.

        Raises:
            RegistryUnavailableError: MLflow does not answer.
            RegistryError: Its files belong to another data directory.
        """
        with self.client(f"Looking for the experiment {EXPERIMENT}") as client:
            experiment = client.get_experiment_by_name(EXPERIMENT)
            if experiment is None:
                location = None if self._server is not None else self._files.as_uri()
                with tolerated("RESOURCE_ALREADY_EXISTS"):  # somebody was quicker
                    client.create_experiment(EXPERIMENT, artifact_location=location)
                return self.experiment_id()
            if self._server is None:
                self._refuse_other_home(experiment.artifact_location)
            return str(experiment.experiment_id)

    def download(self, uri: str, folder: Path) -> Path:
        """Fetch a file that MLflow keeps; for the body of `client`, which tells MLflow's errors.

        Raises:
            FileNotFoundError: It is not there.
        """
        from mlflow import artifacts

        place, _, name = uri.rpartition("/")
        tracking_uri = self._uri(f"Fetching {name}")
        found = artifacts.list_artifacts(artifact_uri=place, tracking_uri=tracking_uri)
        if name not in {file.path.rpartition("/")[2] for file in found}:
            raise FileNotFoundError(uri)
        return Path(
            artifacts.download_artifacts(uri, dst_path=str(folder), tracking_uri=tracking_uri)
        )

    def _refuse_other_home(self, location: str) -> None:
        """MLflow keeps absolute paths: it would go on writing to where a directory once was."""
        if urlsplit(location).scheme != "file":
            return  # somebody has made the experiment, with a place of their own
        there = Path(url2pathname(urlsplit(location).path))
        if there != self._files and not (there.exists() and there.samefile(self._files)):
            raise RegistryError(
                f"The models of this database are kept in {there}, which is not in the data "
                f"directory {self._home}. If that was moved, leave a link behind: "
                f"ln -s {self._files} {there}. For several machines with one database, let "
                "MLFLOW_TRACKING_URI name an MLflow server."
            )

    def _uri(self, doing: str) -> str:
        """For MLflow, password included, never for a log. Something answers there."""
        if self._server is not None:
            from mlflow.utils import credentials, rest_utils

            host: Any = credentials.get_default_host_creds(self._server)  # type: ignore[no-untyped-call]
            ask: Any = rest_utils.http_request
            ask(host, "/health", "GET", max_retries=0, timeout=PATIENCE_S)
            return self._server
        try:
            warehouse = databases.locate(self._postgres_url, self._home)
            url = databases.database_url(warehouse, Database.MLFLOW)
            patience = {"connect_timeout": str(PATIENCE_S), **url.query}
            uri = url.set(query=patience).render_as_string(hide_password=False)
            with self._preparing:
                if self._prepared != uri:
                    _prepare(url, uri, self._files)
                    self._prepared = uri
        except (DatabaseUnavailableError, EmbeddedPostgresError) as error:
            raise RegistryUnavailableError(f"{doing}: {error}") from None
        except (sa.exc.OperationalError, psycopg.OperationalError) as error:
            raise self._unavailable(doing, error) from None
        return uri

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """MLflow's are ours, without the secrets that are in them and in what they come from."""
        from mlflow.exceptions import MlflowException
        from requests import RequestException

        try:
            yield
        except MlflowException as error:
            if error.error_code in _PASSING or isinstance(error.__context__, RequestException):
                raise self._unavailable(doing, error) from None
            raise RegistryError(f"{doing}: MLflow says: {self._discreet(error)}") from None
        except RequestException as error:  # as MLflow raises where it moves files
            if not self._is_of_server(error):
                raise
            if error.response is not None and error.response.status_code < _SERVER_ERRORS:
                raise RegistryError(f"{doing}: MLflow says: {self._discreet(error)}") from None
            raise self._unavailable(doing, error) from None

    def _is_of_server(self, error: "RequestException") -> bool:
        asked = None if error.request is None else error.request.url
        return bool(asked and self._server) and origin(str(asked)) == origin(str(self._server))

    def _unavailable(self, doing: str, error: Exception) -> RegistryUnavailableError:
        where = "in Postgres" if self._server is None else f"at {public_url(self._server)}"
        return RegistryUnavailableError(
            f"{doing}: MLflow {where} does not answer; look whether it runs. "
            f"{self._discreet(error)}"
        )

    def _discreet(self, error: Exception) -> str:
        """What it says, in one line and without what logs in."""
        said = " ".join(str(error).split())
        for secret in _secrets(self._server or self._prepared or self._postgres_url or ""):
            said = said.replace(secret, "***")
        return said[:_SHOWN]


@contextmanager
def tolerated(error_code: str) -> Iterator[None]:
    """An error of MLflow's that stands for an answer; the body ends with it."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != error_code:
            raise


def _secrets(url: str) -> list[str]:
    """User and password, however they may be spelt, the longest first."""
    user_info = re.split("[/?#]", url.partition("://")[2])[0].rpartition("@")[0]
    password = user_info.partition(":")[2]
    spelt = {user_info, password, unquote(user_info), unquote(password)}
    spelt |= {quote(unquote(password)), quote(unquote(password), safe="")}
    return sorted(spelt - {""}, key=len, reverse=True)


def _prepare(url: sa.URL, uri: str, files: Path) -> None:
    """Make MLflow's database and tables, or bring them up to date, whoever else does the same."""
    databases.create_if_missing(url)
    with databases.connect(url, autocommit=True) as connection, warnings.catch_warnings():
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false)", [f"{TABLES_PATIENCE_S}s"]
        )
        connection.execute("SELECT pg_advisory_lock(%s)", [TABLES_LOCK])
        warnings.simplefilter("ignore", DeprecationWarning)  # what its tables use of SQLAlchemy
        from mlflow.exceptions import MlflowException
        from mlflow.store.model_registry import sqlalchemy_store as of_models
        from mlflow.store.tracking import sqlalchemy_store as of_runs

        runs: Any = of_runs.SqlAlchemyStore
        models: Any = of_models.SqlAlchemyStore
        # Here MLflow makes the engines that it keeps for this address. As everywhere in this
        # project, a connection per use: none is stale after a restart, or shared by a fork.
        with environment({"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"}):
            try:
                runs(uri, files.as_uri())
            except MlflowException:  # another MLflow has made the tables
                _bring_up_to_date(url, uri)
                runs(uri, files.as_uri())
            models(uri)


def _bring_up_to_date(url: sa.URL, uri: str) -> None:
    """What `mlflow db upgrade` does."""
    from alembic.util import CommandError
    from mlflow.db import upgrade
    from mlflow.version import VERSION

    command: Any = upgrade.callback
    try:
        command(uri)
    except CommandError as error:
        raise RegistryError(
            f"The tables in {databases.describe(url)} were made by another MLflow than {VERSION}, "
            f"a newer one most likely: {error}. Run the bike_demand that has made them."
        ) from None
