"""A scrape: every source is read, and one that cannot be read costs its own numbers only."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Final, TypeVar

import dagster as dg
import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bike_demand import demo_city
from bike_demand.instance import open_instance
from bike_demand.metrics import assets, declared, runs, stored
from bike_demand.metrics.declared import METRICS, Metric, Sample
from bike_demand.settings import Settings
from bike_demand.storage.errors import StorageError
from bike_demand.storage.warehouse import Warehouse, open_warehouse

TABLES: Final[Mapping[str, Callable[[stored.Tables], Iterable[Sample]]]] = {
    "ages": assets.ages,
    "rows": assets.rows,
    "sizes": assets.large,
    "feeds": stored.feeds,
    "champions": stored.champions,
    "accuracy": stored.accuracy,
    "drift": stored.drift,
    "quality": stored.quality,
}
DAGSTER: Final[Mapping[str, Callable[[runs.Storage], Iterable[Sample]]]] = {
    "partitions": runs.partitions,
    "runs": runs.ended_and_not,
    "daemons": runs.daemons,
}
TIMEOUT: Final = "5s"
"""How long a query may take."""

_LOG: Final = logging.getLogger(__name__)
_Opened = TypeVar("_Opened")


class PipelineCollector(Collector):
    """Reads all numbers whenever it is asked.

    Args:
        configured: The settings.
        open_instance: Opens Dagster's instance, which is then kept; its numbers are not.
    """

    def __init__(
        self, configured: Settings, open_instance: Callable[[], dg.DagsterInstance] = open_instance
    ) -> None:
        self._configured = configured
        self._warehouse = _impatient(
            open_warehouse(configured.revealed_postgres_url(), configured.home)
        )
        self._open_instance = open_instance
        self._instance: dg.DagsterInstance | None = None
        self._lock = threading.Lock()

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """What there may be."""
        yield from _families().values()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What there is now. One scrape at a time: two at once would only take turns."""
        families = _families()
        with self._lock:
            for sample in self._samples(datetime.now(UTC)):
                families[sample.metric].add_metric([*sample.labels], sample.value)
        yield from families.values()

    def _samples(self, now: datetime) -> Iterator[Sample]:
        with ExitStack() as stack:
            tables = _tried("the warehouse", lambda: stack.enter_context(self._tables(now)))
            for source, read in TABLES.items():
                yield from _read(source, tables, read)
        storage = _tried("Dagster's storage", lambda: self._storage(now))
        for source, tell in DAGSTER.items():
            yield from _read(source, storage, tell)

    @contextmanager
    def _tables(self, now: datetime) -> Iterator[stored.Tables]:
        with self._warehouse.connection() as connection:
            connection.autocommit = True
            systems = demo_city.seen_from_elsewhere(self._configured, connection).systems
            yield stored.Tables(connection, systems, now)

    def _storage(self, now: datetime) -> runs.Storage:
        if self._instance is None:
            self._instance = self._open_instance()
        return runs.Storage(self._instance, now)


def _impatient(warehouse: Warehouse) -> Warehouse:
    """The same, with queries that are given up: somebody may hold a lock for long."""

    def locate() -> sa.URL:
        url = warehouse.url()  # here, where it may take its time, tables are made
        given = url.query.get("options", os.environ.get("PGOPTIONS", ""))
        return url.update_query_dict({"options": f"{given} -c statement_timeout={TIMEOUT}"})

    return Warehouse(locate)


def _families() -> dict[Metric, GaugeMetricFamily]:
    return {
        metric: GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for metric in METRICS
    }


def _read(
    source: str, opened: _Opened | None, read: Callable[[_Opened], Iterable[Sample]]
) -> list[Sample]:
    """All numbers of a source, or none; whether it could be read, and how long it took."""
    began = time.perf_counter()
    found = None if opened is None else _tried(source, lambda: [*read(opened)])
    return [
        *(found or []),
        declared.UP(found is not None, source),
        declared.SCRAPE(time.perf_counter() - began, source),
    ]


def _tried(what: str, work: Callable[[], _Opened]) -> _Opened | None:
    """What comes of it; None, and a line in the log, if nothing does."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001  # whatever a database raises when it is down
        # A driver's own message may hold an address with its password.
        told = str(error) if isinstance(error, StorageError) else type(error).__name__
        _LOG.warning("No numbers of %s: %s", what, told)
        return None
