"""What the pipeline depends on, and whether it answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import dagster as dg

from bike_demand.download.urls import public_url
from bike_demand.registry import RegistryError, RegistryUnavailableError, open_registry
from bike_demand.settings import Settings
from bike_demand.storage.embedded import EmbeddedPostgresError
from bike_demand.storage.errors import StorageError
from bike_demand.storage.warehouse import open_warehouse

TIMEOUT_S: Final = 10


@dataclass(frozen=True)
class Service:
    """One of them.

    Attributes:
        name: What it is.
        seconds: It took to answer; None if it did not.
        detail: What it said, or why it is held to be down.
    """

    name: str
    seconds: float | None
    detail: str

    @property
    def answers(self) -> bool:
        """Whether it does."""
        return self.seconds is not None


def postgres(configured: Settings) -> Service:
    """Where tables, runs and, by default, models are."""

    def ask() -> str:
        warehouse = open_warehouse(configured.revealed_postgres_url(), configured.home)
        with warehouse.connection() as connection:
            [row] = connection.execute("SHOW server_version").fetchall()
        return f"version {row[0]}"

    return _asked("postgres", ask)


def registry(configured: Settings) -> Service:
    """Where models are."""

    def ask() -> str:
        found = open_registry(configured)
        champions = {
            system.system_id: found.champion(system.system_id) for system in configured.systems
        }
        return ", ".join(
            f"{name}: version {one.version}" if one else f"{name}: no champion"
            for name, one in champions.items()
        )

    return _asked("registry", ask)


def sources(configured: Settings) -> list[Service]:
    """Feeds, and sources of weather of systems with a feed; whatever answers by HTTP is there."""
    feeds = {
        system.system_id: system.url or next(iter(system.feeds.values()), None)
        for system in configured.systems
    }
    weather = sorted(
        system.weather_url or _weather(configured)
        for system in configured.systems
        if feeds[system.system_id]
    )
    return [
        *(_asked(f"feed of {name}", _reaching(url)) for name, url in feeds.items() if url),
        *(_asked("weather", _reaching(url)) for url in dict.fromkeys(weather)),
    ]


def _weather(configured: Settings) -> str:
    key = configured.openweather_api_key
    return "https://api.openweathermap.org" if key else "https://api.open-meteo.com"


def _reaching(url: str) -> Callable[[], str]:
    def ask() -> str:
        import requests

        try:
            answer = requests.get(url, timeout=TIMEOUT_S, stream=True)
        except requests.RequestException as error:
            raise OSError(f"{public_url(url)}: {type(error).__name__}") from None
        answer.close()
        if answer.status_code >= 500:
            raise OSError(f"{public_url(url)} answered {answer.status_code}")
        return public_url(url)

    return ask


def daemons(instance: dg.DagsterInstance) -> list[Service]:
    """Dagster's own, by their heartbeats."""
    return [
        Service(
            f"daemon {name.lower().replace('_', ' ')}",
            0.0 if status.healthy else None,
            "beats" if status.healthy else "does not run: start 'bike-demand dev' or the daemon",
        )
        for name, status in sorted(instance.get_daemon_statuses().items())
        if status.required
    ]


def _asked(name: str, ask: Callable[[], str]) -> Service:
    began = time.perf_counter()
    try:
        detail = ask()
    except (
        OSError,
        StorageError,
        EmbeddedPostgresError,
        RegistryError,
        RegistryUnavailableError,
    ) as error:
        return Service(name, None, " ".join(str(error).split()))
    return Service(name, time.perf_counter() - began, detail)
