"""What there is to tell: forecasts that were stored, and champions that changed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bike_demand.storage.warehouse import Warehouse

STORED: Final = "forecast.stored"
CHANGED: Final = "champion.changed"
SKIPPED: Final = "events.skipped"

ORIGINS: Final = timedelta(days=14)
"""A forecast of an origin that lies further back is not told: only a backfill makes it."""

# All of an origin is stored together: of each, one row tells of all.
_FORECASTS: Final = """
SELECT system, origin, role, issued_at, model_version, late
FROM unnest(%(systems)s::text[]) AS system,
    generate_series(
        date_trunc('hour', %(now)s - %(origins)s), %(now)s, interval '15 minutes'
    ) AS origin,
LATERAL (
    SELECT role, issued_at, model_version, late FROM station_forecast
    WHERE system_id = system AND origin_at = origin AND role IN ('champion', 'simple')
    ORDER BY station_id, target_at LIMIT 1
) AS newest
WHERE issued_at > %(since)s
"""
_CHANGES: Final = """
SELECT system_id, at, kind, model_version, replaced, reason FROM model_event
WHERE system_id = ANY(%(systems)s) AND at > %(since)s
    AND kind IN ('promotion', 'rollback', 'pin') AND replaced IS DISTINCT FROM model_version
"""
_STATIONS: Final = """
SELECT count(*) AS stations FROM station_forecast
WHERE system_id = %(system)s AND origin_at = %(origin)s
    AND target_at = %(origin)s + interval '1 hour'
    AND role = %(role)s AND issued_at = %(issued)s
"""


@dataclass(frozen=True)
class Event:
    """Something that has happened.

    Attributes:
        type: What, in the words of the receiver.
        at: When, UTC.
        data: What is to be known of it; times as `told` has them.
        key: What it is the same event by, however often it is told.
    """

    type: str
    at: datetime
    data: Mapping[str, Any]
    key: tuple[str, ...]

    @property
    def id(self) -> str:
        """Of the event: the same at each try, and after a restart."""
        whole = "\n".join((self.type, told(self.at), *self.key))
        return hashlib.sha256(whole.encode()).hexdigest()[:20]

    def body(self) -> bytes:
        """As it is sent, always in the same bytes."""
        event = {"type": self.type, "timestamp": told(self.at), "data": self.data}
        return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def told(at: datetime) -> str:
    """A time as programs are told it: ISO 8601, UTC, with `Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def happened(
    warehouse: Warehouse, systems: Sequence[str], since: datetime, now: datetime
) -> list[Event]:
    """What has happened to forecasts and champions, in order of time.

    A forecast that was made again is one event, the last; how many stations it has, tells
    `stations`.

    Args:
        warehouse: Where the tables are.
        systems: Of which.
        since: Later events than this are wanted, UTC.
        now: UTC.
    """
    values = {"systems": [*systems], "since": since, "now": now, "origins": ORIGINS}
    with warehouse.connection() as connection:
        forecasts = connection.execute(_FORECASTS, values).fetchall()
        changes = connection.execute(_CHANGES, values).fetchall()
    events = [_stored(row) for row in forecasts] + [_changed(row) for row in changes]
    return sorted(events, key=lambda event: (event.at, event.type, event.key))


def stations(warehouse: Warehouse, event: Event) -> Event | None:
    """A stored forecast with its number of stations; any other event as it is.

    Returns:
        None if the forecast is not there any more, for another has taken its place.
    """
    if event.type != STORED:
        return event
    system, origin, role = event.key
    values = {"system": system, "origin": origin, "role": role, "issued": event.at}
    with warehouse.connection() as connection:
        [(count,)] = connection.execute(_STATIONS, values).fetchall()
    if not count:
        return None
    return Event(event.type, event.at, {**event.data, "stations": count}, event.key)


def skipped(events: Sequence[Event]) -> Event:
    """What is told instead of events that are not told any more."""
    first, last = events[0], events[-1]
    types = [event.type for event in events]
    data = {
        "since": told(first.at),
        "until": told(last.at),
        "forecasts": types.count(STORED),
        "champions": types.count(CHANGED),
    }
    return Event(SKIPPED, last.at, data, (first.id, last.id))


def _stored(row: tuple[Any, ...]) -> Event:
    system, origin, role, issued, version, late = row
    data = {
        "system_id": system,
        "origin_at": told(origin),
        "issued_at": told(issued),
        "role": role,
        "model_version": version,
        "late": late,
    }
    return Event(STORED, issued, data, (system, told(origin), role))


def _changed(row: tuple[Any, ...]) -> Event:
    system, at, kind, version, replaced, reason = row
    data = {
        "system_id": system,
        "at": told(at),
        "kind": kind,
        "model_version": version,
        "replaced": replaced,
        "reason": reason,
    }
    return Event(CHANGED, at, data, (system, kind, version))
