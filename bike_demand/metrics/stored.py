"""Numbers that tables tell. Queries go by the keys, and stay quick beside millions of rows.

For who knows no more than a connection: neither Dagster nor what tables are declared with.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import psycopg
from psycopg import sql

from bike_demand.metrics import declared
from bike_demand.metrics.declared import Sample
from bike_demand.settings import System

SOURCES: Final = (
    "station_information",
    "station_status",
    "weather",
    "station_features",
    "station_demand",
    "station_forecast",
    "station_risk",
)
"""Tables that refused records may be meant for."""

BANDS: Final = ("none", "minor", "moderate", "critical", "unknown")

_POLLS: Final = """
SELECT system_id, coalesce(http_status::text, 'none'), count(*), coalesce(sum(records), 0)
FROM feed_poll
WHERE system_id = ANY(%(systems)s) AND polled_at > %(now)s - interval '24 hours'
GROUP BY 1, 2
"""
# The key has the source before the time.
_REJECTED: Final = """
SELECT s, wanted, reason, number
FROM unnest(%(systems)s::text[]) AS s, unnest(%(sources)s::text[]) AS wanted,
LATERAL (
    SELECT reason, count(*) AS number FROM rejected_record
    WHERE system_id = s AND source = wanted AND window_start > %(now)s - interval '24 hours'
    GROUP BY reason
) AS refused
"""
_CHAMPION: Final = """
SELECT DISTINCT ON (system_id) system_id, model_version, at, trained_for + interval '1 day'
FROM model_event
WHERE system_id = ANY(%(systems)s) AND kind IN ('promotion', 'rollback', 'pin')
ORDER BY system_id, at DESC
"""
# Of one station: that of all are made together.
_SERVING: Final = """
SELECT DISTINCT s, role, coalesce(model_version, '')
FROM unnest(%(systems)s::text[]) AS s,
LATERAL (
    SELECT origin_at, station_id FROM station_forecast
    WHERE system_id = s ORDER BY origin_at DESC, station_id DESC LIMIT 1
) AS newest
JOIN station_forecast USING (origin_at, station_id)
WHERE system_id = s AND role IN ('champion', 'simple')
"""
_TRAINED: Final = """
SELECT system_id, algorithm, max(trained_for) + interval '1 day' FROM model_evaluation
WHERE system_id = ANY(%(systems)s) GROUP BY 1, 2
"""
_ACCURACY: Final = """
SELECT system_id, role, horizon::text, w.name, sum(rows),
    sqrt(sum(squared_error) / nullif(sum(rows), 0)),
    1 - sqrt(sum(squared_error) / nullif(sum(persistence_squared_error), 0)),
    sum(inside) / nullif(sum(rows), 0),
    1 - sum(brier_empty) / nullif(sum(persistence_brier_empty), 0),
    1 - sum(brier_full) / nullif(sum(persistence_brier_full), 0)
FROM forecast_accuracy,
    (VALUES ('24h', interval '24 hours'), ('7d', interval '7 days')) AS w (name, span)
WHERE system_id = ANY(%(systems)s) AND target_at > %(now)s - w.span AND target_at <= %(now)s
GROUP BY 1, 2, 3, 4
"""
_DRIFT: Final = """
SELECT s, hour, feature, psi, band
FROM unnest(%(systems)s::text[]) AS s JOIN feature_drift ON system_id = s
AND hour = (SELECT max(hour) FROM feature_drift WHERE system_id = s)
"""
_QUALITY: Final = """
SELECT s, window_start, severity, rule, count
FROM unnest(%(systems)s::text[]) AS s JOIN data_quality ON system_id = s
AND window_start = (SELECT max(window_start) FROM data_quality WHERE system_id = s)
"""


@dataclass(frozen=True)
class Tables:
    """What is asked.

    Attributes:
        connection: To the warehouse; autocommits.
        systems: Whose numbers are asked for.
        now: UTC.
    """

    connection: psycopg.Connection
    systems: Sequence[System]
    now: datetime

    @cached_property
    def _values(self) -> dict[str, Any]:
        return {
            "systems": [system.system_id for system in self.systems],
            "sources": [*SOURCES],
            "now": self.now,
        }

    def ask(self, query: "str | sql.Composed") -> list[tuple[Any, ...]]:
        """Rows of an answer; `%(systems)s`, `%(sources)s` and `%(now)s` have values."""
        return self.connection.execute(query, self._values).fetchall()

    def since(self, then: datetime) -> float:
        """How long ago that was [seconds]."""
        return (self.now - then).total_seconds()


def feeds(tables: Tables) -> Iterator[Sample]:
    """What feeds have told, and what of it was refused."""
    records = {system.system_id: 0 for system in tables.systems}
    for system, status, polls, told in tables.ask(_POLLS):
        yield declared.POLLS(polls, system, status)
        records[system] += told
    for system, number in records.items():
        yield declared.RECORDS(number, system)
    for system, source, reason, number in tables.ask(_REJECTED):
        yield declared.REJECTED(number, system, source, reason)


def champions(tables: Tables) -> Iterator[Sample]:
    """Which model serves, since when, and how old models are."""
    for system, version, at, known in tables.ask(_CHAMPION):
        yield declared.CHAMPION(1, system, version)
        yield declared.REIGN(tables.since(at), system)
        yield declared.CHAMPION_AGE(tables.since(known), system)
    for system, role, version in tables.ask(_SERVING):
        yield declared.SERVING(1, system, role, version)
    for system, algorithm, known in tables.ask(_TRAINED):
        yield declared.TRAINING_AGE(tables.since(known), system, algorithm)


def accuracy(tables: Tables) -> Iterator[Sample]:
    """How forecasts that came due have fared; what cannot be said is left out."""
    for system, role, horizon, window, number, rmse, skill, inside, *brier in tables.ask(_ACCURACY):
        labels = (system, role, horizon, window)
        yield declared.FORECASTS(number, *labels)
        told = {declared.RMSE: rmse, declared.SKILL: skill, declared.COVERAGE: inside}
        for metric, value in told.items():
            if value is not None:
                yield metric(value, *labels)
        for event, value in zip(("empty", "full"), brier, strict=True):
            if value is not None:
                yield declared.BRIER_SKILL(value, *labels, event)


def drift(tables: Tables) -> Iterator[Sample]:
    """How far what the champion is asked has moved."""
    hours: dict[str, datetime] = {}
    bands: dict[str, dict[str, int]] = {}
    for system, hour, feature, psi, band in tables.ask(_DRIFT):
        hours[system] = hour
        bands.setdefault(system, dict.fromkeys(BANDS, 0))[band] += 1
        if psi is not None:
            yield declared.PSI(psi, system, feature)
    for system, hour in hours.items():
        yield declared.DRIFT_AGE(tables.since(hour), system)
        for band, number in bands[system].items():
            yield declared.DRIFT_FEATURES(number, system, band)


def quality(tables: Tables) -> Iterator[Sample]:
    """What is wrong with what is stored."""
    windows: dict[str, datetime] = {}
    for system, window, severity, rule, number in tables.ask(_QUALITY):
        windows[system] = window
        yield declared.QUALITY(number, system, severity, rule)
    for system, window in windows.items():
        yield declared.QUALITY_AGE(tables.since(window), system)
