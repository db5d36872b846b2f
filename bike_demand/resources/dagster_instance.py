"""Where Dagster keeps its own state: runs and events in Postgres, logs in the data directory.

`dagster.yaml` names these classes. They take no configuration there, for what stands in it
is visible in process arguments: server and data directory come from the settings.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import sqlalchemy as sa
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.auth import PgTokenProvider

from bike_demand import settings
from bike_demand.storage import databases


class _Unconfigured:
    """A part of the instance that takes everything from the settings."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing is configured in `dagster.yaml`."""
        return {}


class PostgresInstanceStorage(_Unconfigured, DagsterPostgresStorage):
    """Dagster's runs, events and schedules, in a database beside the warehouse."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As Dagster's own."""
        super().__init__(*args, **kwargs)
        for storage in (self.run_storage, self.event_log_storage, self.schedule_storage):
            _ask_before_use(storage)

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003  # Dagster passes it by name
    ) -> Self:
        """Find or start the server, make the database if need be, and connect to it."""
        configured = settings.load()
        own = configured.revealed_dagster_postgres_url()
        postgres_url = configured.revealed_postgres_url()
        url = databases.locate_dagster(own, postgres_url, configured.home)
        databases.create_if_missing(url)
        if own is not None or postgres_url is not None:
            return cls(url.render_as_string(hide_password=False), inst_data=inst_data)
        return cls(
            url.set(password=None).render_as_string(),
            inst_data=inst_data,
            token_provider=_EmbeddedServer(configured.home),
        )


def _ask_before_use(storage: Any) -> None:
    """The web page keeps connections; those of before a restart of the server are no use.

    Without this, the first clicks after a restart are errors.
    """
    keep = storage.optimize_for_webserver

    def optimize_for_webserver(*args: Any, **kwargs: Any) -> None:
        keep(*args, **kwargs)
        engine: sa.Engine = storage._engine  # noqa: SLF001  # Dagster has no other name for it

        def ask(connection: Any, *_: object) -> None:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                raise sa.exc.InvalidatePoolError from error  # another one is made

        sa.event.listen(engine, "checkout", ask)

    storage.optimize_for_webserver = optimize_for_webserver


class _EmbeddedServer(PgTokenProvider):
    """Asked for the password at each connection, and so the place to start a dead server."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self._home = home

    def _fetch_token(self) -> tuple[str, float]:
        password = databases.locate(None, self._home).password
        return str(password), time.time()  # already old: asked for anew each time


class _InHome(_Unconfigured):
    """A folder of the data directory that the settings name."""

    folder: ClassVar[str]

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003
    ) -> Self:
        """Keep files in that folder."""
        directory = settings.resolve_home() / cls.folder
        return cls(str(directory), inst_data=inst_data)  # type: ignore[call-arg]


class HomeComputeLogManager(_InHome, LocalComputeLogManager):
    """Output of runs."""

    folder = "logs"


class HomeArtifactStorage(_InHome, LocalArtifactStorage):
    """Files that runs leave behind."""

    folder = "artifacts"
