"""What `/metrics` tells: requests of this process, what it holds, and what tables tell.

Numbers of tables are those of `bike_demand.metrics` that need nothing but the warehouse.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bike_demand.metrics import declared, stored
from bike_demand.metrics.declared import Metric, Sample
from bike_demand.serving.database import Database
from bike_demand.serving.follow import Follower
from bike_demand.serving.problems import Problem
from bike_demand.settings import System

TABLES: Final[Mapping[str, Callable[[stored.Tables], Iterable[Sample]]]] = {
    "feeds": stored.feeds,
    "champions": stored.champions,
    "accuracy": stored.accuracy,
    "drift": stored.drift,
    "quality": stored.quality,
}
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
"""Of durations [s]."""


class Numbers:
    """Requests, by what they asked for and what came of it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "bike_demand_serving_requests",
            "Requests answered; route is none where there is no such path",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "bike_demand_serving_request_seconds",
            "How long answers took",
            ["route"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request that was answered.

        Args:
            route: Its path as it is declared, so that there are few.
            method: Of HTTP.
            status: Of HTTP; 0 if who asked went away.
            seconds: It took.
        """
        key = (route, method if method in _METHODS else "other", status)
        found = self._known.get(key)
        if found is None:
            counted = self._requests.labels(key[0], key[1], str(status))
            found = self._known[key] = (counted, self._seconds.labels(route))
        found[0].inc()
        found[1].observe(seconds)

    def told(self, accepted: str) -> tuple[bytes, str]:
        """All numbers, as who scrapes reads them, and their content type.

        Args:
            accepted: `Accept`, of who scrapes.
        """
        encode, media = choose_encoder(accepted)
        return encode(self.registry), media


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS"})


class Held(Collector):
    """What is held, and what tables tell, read at each scrape.

    Args:
        follower: Holds it.
        database: Has the tables.
        now: UTC.
    """

    def __init__(self, follower: Follower, database: Database, now: Callable[[], datetime]) -> None:
        self._follower = follower
        self._database = database
        self._now = now

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: what there may be is known only when it is asked for."""
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What there is now."""
        yield from self._of_memory()
        families: dict[Metric, GaugeMetricFamily] = {}
        for sample in self._of_tables():
            metric = sample.metric
            family = families.get(metric)
            if family is None:
                family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
                families[metric] = family
            family.add_metric([*sample.labels], sample.value)
        yield from families.values()

    def _of_memory(self) -> Iterator[GaugeMetricFamily]:
        age = GaugeMetricFamily(
            "bike_demand_serving_forecast_age_seconds",
            "Since the origin of the forecast that is served",
            labels=["system"],
        )
        stale = GaugeMetricFamily(
            "bike_demand_serving_stale",
            "1 if a system's next forecast is overdue",
            labels=["system"],
        )
        try:
            cities = self._follower.cities
        except Problem:
            cities = {}
        now = self._now()
        for city in cities.values():
            stale.add_metric([city.system_id], city.is_stale(now))
            if city.forecast is not None:
                since = (now - city.forecast.origin_at).total_seconds()
                age.add_metric([city.system_id], since)
        yield age
        yield stale

    def _systems(self) -> list[System]:
        return [System(system_id=name) for name in self._follower.cities]

    def _of_tables(self) -> Iterator[Sample]:
        for source, read in TABLES.items():
            try:
                found = self._database.read(
                    lambda connection, read=read: [  # type: ignore[misc]
                        *read(stored.Tables(connection, self._systems(), self._now()))
                    ]
                )
            except Problem:
                yield declared.UP(False, source)  # noqa: FBT003
            else:
                yield from found
                yield declared.UP(True, source)  # noqa: FBT003
