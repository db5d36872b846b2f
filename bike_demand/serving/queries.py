"""What is asked of the warehouse, as plain rows. Keys lead with system and time, as they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import psycopg

from bike_demand.storage.accuracy_figures import figures

SERVED: Final = ("champion", "simple")
"""Roles whose forecasts are for riders."""

# One look into an index for each column but the stations: asked every few seconds.
_STATE: Final = """
SELECT s, f.origin_at, f.issued_at, f.role, f.model_version, f.late,
    (
        SELECT issued_at FROM station_risk
        WHERE system_id = s AND origin_at = f.origin_at AND role = f.role
        ORDER BY station_id DESC LIMIT 1
    ),
    t.observed_at, t.fetched_at,
    (SELECT max(last_seen) FROM station_information WHERE system_id = s),
    (SELECT max(at) FROM model_event WHERE system_id = s)
FROM unnest(%(systems)s::text[]) AS s
LEFT JOIN LATERAL (
    SELECT origin_at, issued_at, role, model_version, late FROM station_forecast
    WHERE system_id = s AND role = ANY(%(roles)s)
    ORDER BY origin_at DESC, station_id DESC, target_at DESC LIMIT 1
) AS f ON true
LEFT JOIN LATERAL (
    SELECT observed_at, fetched_at FROM station_status
    WHERE system_id = s ORDER BY observed_at DESC, station_id DESC LIMIT 1
) AS t ON true
"""
# Rounding makes answers a third smaller, and says as much. A real turned into a numeric at once
# would be rounded to six digits before.
_FORECAST: Final = r"""
SELECT station_id, bool_and(in_service), string_agg(
    horizon || ' "capacity":' || capacity
    || ',"bikes":' || trim_scale(round(bikes::float8::numeric, 2))
    || ',"p10":' || p10 || ',"p50":' || p50 || ',"p90":' || p90
    || ',"p_empty":' || coalesce(trim_scale(round(p_empty::float8::numeric, 4))::text, 'null')
    || ',"p_full":' || coalesce(trim_scale(round(p_full::float8::numeric, 4))::text, 'null'),
    E'\n' ORDER BY horizon
)
FROM station_forecast
WHERE system_id = %(system)s AND origin_at = %(origin)s AND role = %(role)s
GROUP BY station_id
"""
_TARGETS: Final = """
SELECT DISTINCT horizon, target_at FROM station_forecast
WHERE system_id = %(system)s AND origin_at = %(origin)s AND role = %(role)s ORDER BY horizon
"""
_RISKS: Final = """
SELECT station_id, p_empty_hour, p_full_hour, neighbour_id, neighbour_distance, empty_shared,
    full_shared
FROM station_risk
WHERE system_id = %(system)s AND origin_at = %(origin)s AND role = %(role)s
"""
_STATIONS: Final = """
SELECT station_id, name, short_name, lat, lon, capacity, coalesce(is_active, true),
    is_installed AND is_renting, observed_at, last_reported, num_bikes_available,
    num_ebikes_available, num_docks_available
FROM (SELECT * FROM station_information WHERE system_id = %(system)s) AS information
FULL JOIN (
    SELECT * FROM station_status
    WHERE system_id = %(system)s AND observed_at = %(tick)s
) AS status USING (station_id)
"""
_CHAMPION: Final = """
SELECT model_version, at, trained_for, reason FROM model_event
WHERE system_id = %(system)s AND kind IN ('promotion', 'rollback', 'pin')
ORDER BY at DESC, kind LIMIT 1
"""
_PINNED: Final = """
SELECT kind = 'pin' FROM model_event
WHERE system_id = %(system)s AND kind IN ('promotion', 'rollback', 'pin', 'unpin')
ORDER BY at DESC, kind LIMIT 1
"""
_ALGORITHM: Final = """
SELECT algorithm FROM model_evaluation
WHERE system_id = %(system)s AND trained_for = %(day)s AND model_version = %(version)s LIMIT 1
"""
_EVALUATION: Final = """
SELECT horizon, rmse, skill_rmse, skill_crps, pit_coverage_80 FROM model_evaluation
WHERE system_id = %(system)s AND trained_for = %(day)s AND model_version = %(version)s
    AND split = 'test'
ORDER BY horizon
"""
_EVENTS: Final = """
SELECT at, kind, model_version, replaced, reason FROM model_event
WHERE system_id = %(system)s ORDER BY at DESC, kind LIMIT 20
"""
# Tick by tick, so that keys are looked up: they have the station last.
HISTORY: Final = """
SELECT s.observed_at, s.num_bikes_available, s.num_ebikes_available, s.num_docks_available
FROM generate_series(%(first)s, %(last)s, interval '15 minutes') AS tick
CROSS JOIN LATERAL (
    SELECT * FROM station_status
    WHERE system_id = %(system)s AND observed_at = tick AND station_id = %(station)s
) AS s
ORDER BY tick
"""
SCORES: Final = (
    "rows",
    "rmse",
    "mae",
    "persistence_rmse",
    "persistence_mae",
    "skill_rmse",
    "quantile_loss",
    "coverage_80",
    "brier_empty",
    "brier_full",
    "observed_empty",
    "forecast_empty",
)
ACCURACY: Final = f"""
SELECT horizon, role, nullif(model_version, ''), {figures(*SCORES)}
FROM forecast_accuracy
WHERE system_id = %(system)s AND target_at > %(since)s AND target_at <= %(until)s AND rows > 0
GROUP BY horizon, role, model_version
ORDER BY horizon, role, model_version
"""  # noqa: S608  # all of it stands in the code


class State(NamedTuple):
    """What tells one state of a system from the next. All times are UTC.

    Attributes:
        origin_at: Tick that the newest forecast is made from; None, like the next five, if none is.
        issued_at: When it was made.
        role: By a champion or a simple one.
        model_version: Of the champion.
        late: Whether it was made too late.
        risks_at: When its risks were made, which are stored after it; None if they are not yet.
        observed_at: The newest snapshot; None, like the next, if there is none.
        fetched_at: When it was asked for.
        listed_at: When stations were last listed; None if never.
        event_at: When something was last done about models; None if never.
    """

    origin_at: datetime | None
    issued_at: datetime | None
    role: str | None
    model_version: str | None
    late: bool | None
    risks_at: datetime | None
    observed_at: datetime | None
    fetched_at: datetime | None
    listed_at: datetime | None
    event_at: datetime | None


@dataclass(frozen=True)
class ForecastRows:
    """A forecast as it is stored.

    Attributes:
        targets: Time by horizon [h], UTC.
        stations: By station: whether it is in service, and a line for each horizon: the horizon,
            a space, and fields of JSON.
        risks: By station: `p_empty_hour`, `p_full_hour`, `neighbour_id`, `neighbour_distance` [m],
            `empty_shared` and `full_shared`.
    """

    targets: Mapping[int, datetime]
    stations: Mapping[str, tuple[bool, str]]
    risks: Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Reign:
    """The model that forecasts.

    Attributes:
        model_version: Its version.
        since: When it became champion, UTC.
        trained_for: Day it is of, UTC.
        reason: Why.
        pinned: Whether it stays.
    """

    model_version: str
    since: datetime
    trained_for: datetime
    reason: str
    pinned: bool


def states(connection: psycopg.Connection, systems: Sequence[str]) -> dict[str, State]:
    """Of each system what is newest."""
    asked = {"systems": [*systems], "roles": [*SERVED]}
    return {row[0]: State(*row[1:]) for row in connection.execute(_STATE, asked)}


def forecast(connection: psycopg.Connection, system_id: str, state: State) -> ForecastRows:
    """The newest forecast of a system; there is one."""
    asked = {"system": system_id, "origin": state.origin_at, "role": state.role}
    # All that is stored is read: it may take longer than what somebody waits for.
    connection.execute("SET LOCAL statement_timeout = '60s'")
    return ForecastRows(
        targets=dict(connection.execute(_TARGETS, asked).fetchall()),
        stations={row[0]: (row[1], row[2]) for row in connection.execute(_FORECAST, asked)},
        risks={row[0]: row[1:] for row in connection.execute(_RISKS, asked)},
    )


def stations(
    connection: psycopg.Connection, system_id: str, tick: datetime | None
) -> list[tuple[Any, ...]]:
    """All stations ever seen, with what a snapshot says of them: the columns of `city.Station`."""
    return connection.execute(_STATIONS, {"system": system_id, "tick": tick}).fetchall()


def reign(connection: psycopg.Connection, system_id: str) -> Reign | None:
    """Which model forecasts, by what is noted of it; None if none does."""
    asked = {"system": system_id}
    row = connection.execute(_CHAMPION, asked).fetchone()
    if row is None:
        return None
    pinned = connection.execute(_PINNED, asked).fetchone()
    version, since, trained_for, reason = row
    return Reign(version, since, trained_for, reason, bool(pinned and pinned[0]))


def model(
    connection: psycopg.Connection, system_id: str
) -> tuple[Reign | None, str | None, list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The champion, what learnt it, its scores on days it had not seen, and the newest events."""
    found = reign(connection, system_id)
    events = connection.execute(_EVENTS, {"system": system_id}).fetchall()
    if found is None:
        return None, None, [], events
    asked = {"system": system_id, "day": found.trained_for, "version": found.model_version}
    algorithm = connection.execute(_ALGORITHM, asked).fetchone()
    scores = connection.execute(_EVALUATION, asked).fetchall()
    return found, algorithm[0] if algorithm else None, scores, events
