"""Keeping what is in memory as new as what is stored: a thread that looks every few seconds."""

import logging
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import psycopg

from bike_demand import demo_city
from bike_demand.serving import queries
from bike_demand.serving.city import City, forecast_of, stations_of
from bike_demand.serving.database import Database
from bike_demand.serving.problems import Problem
from bike_demand.settings import Settings, System

EVERY_S: Final = 5.0
"""How often is looked; what a look costs is a few looks into indexes."""

FORECAST: Final = 6
"""How many of the first fields of a `State` are a forecast's."""

_LOG: Final = logging.getLogger(__name__)


class Follower:
    """What is in memory, and the thread that replaces it.

    Args:
        configured: Says which systems there are.
        database: Where they are stored.
        every_s: How often is looked [s].
    """

    def __init__(self, configured: Settings, database: Database, every_s: float = EVERY_S) -> None:
        self._configured = configured
        self._database = database
        self._every_s = every_s
        self._cities: Mapping[str, City] | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._failing = False

    @property
    def has_looked(self) -> bool:
        """Whether the database has ever answered."""
        return self._cities is not None

    @property
    def cities(self) -> Mapping[str, City]:
        """All systems, as in the settings.

        Raises:
            Problem: The database has never answered.
        """
        if self._cities is None:
            raise Problem("database-unavailable", "It has not answered since this server started.")
        return self._cities

    def start(self) -> None:
        """Look once, and go on in a thread; a database that is down is looked for again."""
        self._try()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def look(self, *, anew: bool = False) -> Mapping[str, City]:
        """Read what is newer than what is in memory, and give all.

        Args:
            anew: Read everything.

        Raises:
            Problem: The database does not answer.
        """
        with self._lock:  # who comes second finds the work done
            before = {} if anew else dict(self._cities or {})
            self._cities = self._database.read(
                lambda connection: MappingProxyType(self._read(connection, before))
            )
            return self._cities

    def _read(self, connection: psycopg.Connection, before: dict[str, City]) -> dict[str, City]:
        """All systems as of one moment, so that forecast and risks are of one origin."""
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            systems = demo_city.seen_from_elsewhere(self._configured, connection).systems
            states = queries.states(connection, [system.system_id for system in systems])
            return {
                system.system_id: self._city(
                    connection, system, states[system.system_id], before.get(system.system_id)
                )
                for system in systems
            }

    def _city(
        self,
        connection: psycopg.Connection,
        system: System,
        state: queries.State,
        before: City | None,
    ) -> City:
        if before is not None and before.state == state:
            return before
        name = system.system_id
        # Snapshots come four times as often as forecasts, which are most of the work.
        if before is not None and before.state[:FORECAST] == state[:FORECAST]:
            forecast = before.forecast
        elif state.origin_at is None:
            forecast = None
        else:
            forecast = forecast_of(state, queries.forecast(connection, name, state))
        _LOG.info("%s: what is stored is read again", name)
        return City(
            system_id=name,
            timezone=system.timezone or "UTC",
            state=state,
            stations=stations_of(queries.stations(connection, name, state.observed_at)),
            forecast=forecast,
            reign=queries.reign(connection, name),
        )

    def _follow(self) -> None:
        while not self._stop.wait(self._every_s):
            self._try()

    def _try(self) -> None:
        try:
            self.look()
        except Problem as problem:
            if not self._failing:
                _LOG.warning("What is stored cannot be followed: %s", problem.detail)
            self._failing = True
        except Exception:  # noqa: BLE001  # whatever it is, the thread has to live
            _LOG.exception("What is stored cannot be followed")
            self._failing = True
        else:
            if self._failing:
                _LOG.info("What is stored is followed again")
            self._failing = False
