"""The rules that stored data has to keep: one place, each a question in words and in SQL.

A rule asks rows of one system in a window `[start, end)` and says which of them break it. Where it
needs more of the past, its SQL looks back. Keys lead with the system and then time: nothing is
asked by time alone. Why each is as it is: docs/data-quality.md.
"""

from dataclasses import dataclass
from typing import Final, Literal

from bike_demand.forecasting.features import FEATURES
from bike_demand.weather.report import POSSIBLE

Severity = Literal["critical", "error", "warning"]


@dataclass(frozen=True)
class Rule:
    """A question to what is stored.

    Attributes:
        name: Of the rule.
        severity: critical: do not trust what is made of it; error: something is lost or wrong;
            warning: look when there is time.
        finds: What breaks it, in words.
        asked: SQL of the rows that are asked; `system`, `start`, `end` and `live` are its values.
        broken: SQL condition on such a row.
        sample: Columns of such a row that say which it is, and what is wrong.
        rows: SQL: how many rows such a row stands for.
    """

    name: str
    severity: Severity
    finds: str
    asked: str
    broken: str
    sample: tuple[str, ...]
    rows: str = "1"


_STATUS: Final = """
SELECT status.*, capacity,
  num_bikes_available + num_docks_available + coalesce(num_bikes_disabled, 0)
    + coalesce(num_docks_disabled, 0) AS room
FROM station_status AS status
LEFT JOIN station_information USING (system_id, station_id)
WHERE system_id = %(system)s AND observed_at >= %(start)s AND observed_at < %(end)s
"""
_STATUS_KEY: Final = ("observed_at", "station_id")

_NO_TIME, _NO_TEXT = "NULL::timestamptz", "NULL::text"
_KEYS: Final = {
    "station_information": (_NO_TIME, "station_id", _NO_TIME, _NO_TEXT),
    "feed_poll": ("polled_at", _NO_TEXT, _NO_TIME, _NO_TEXT),
    "station_status": ("observed_at", "station_id", _NO_TIME, _NO_TEXT),
    "weather": ("issued_at", _NO_TEXT, "valid_at", "kind"),
    "station_features": ("observed_at", "station_id", _NO_TIME, _NO_TEXT),
    "station_demand": ("hour", "station_id", _NO_TIME, _NO_TEXT),
    "station_forecast": ("origin_at", "station_id", "target_at", "role"),
    "station_risk": ("origin_at", "station_id", _NO_TIME, "role"),
}
_COPIES: Final = """
SELECT '{table}' AS source, {at} AS at, {station} AS station_id, {other} AS valid_at,
  {kind} AS kind, count(*) AS copies
FROM {table} WHERE system_id = %(system)s {within} GROUP BY 2, 3, 4, 5
"""
_ALL_KEYS: Final = "UNION ALL".join(
    _COPIES.format(
        table=table,
        at=at,
        station=station,
        other=other,
        kind=kind,
        within="" if at == _NO_TIME else f"AND {at} >= %(start)s AND {at} < %(end)s",
    )
    for table, (at, station, other, kind) in _KEYS.items()
)

_TIMES: Final = """
SELECT 'station_status' AS source, observed_at AS at, station_id AS key, fetched_at AS asked_at,
  last_reported AS told_at
FROM station_status
WHERE system_id = %(system)s AND observed_at >= %(start)s AND observed_at < %(end)s
UNION ALL
SELECT 'feed_poll', polled_at, NULL, polled_at, last_updated
FROM feed_poll WHERE system_id = %(system)s AND polled_at >= %(start)s AND polled_at < %(end)s
UNION ALL
SELECT 'weather', issued_at, kind, fetched_at, CASE WHEN kind <> 'forecast' THEN valid_at END
FROM weather WHERE system_id = %(system)s AND issued_at >= %(start)s AND issued_at < %(end)s
UNION ALL
SELECT 'station_risk', origin_at, station_id, issued_at, origin_at
FROM station_risk WHERE system_id = %(system)s AND origin_at >= %(start)s AND origin_at < %(end)s
"""
_TIMES_SAMPLE: Final = ("source", "at", "key", "asked_at", "told_at")

_REPORTS: Final = """
SELECT observed_at, asked_at, newest, age,
  greatest(newest, (
    SELECT max(last_updated) FROM feed_poll
    WHERE system_id = %(system)s AND polled_at >= observed_at
      AND polled_at < observed_at + interval '15 minutes'
  )) AS told_at
FROM (
  SELECT observed_at, max(fetched_at) AS asked_at, max(last_reported) AS newest,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY fetched_at - last_reported) AS age
  FROM station_status
  WHERE system_id = %(system)s AND observed_at >= %(start)s AND observed_at < %(end)s
  GROUP BY observed_at
) AS tick
"""

_ENDS: Final = """
SELECT first_at, last_at, count(*) AS stations,
  count(*) FILTER (WHERE first.num_bikes_available <> last.num_bikes_available) AS moved
FROM (
  SELECT min(observed_at) AS first_at, max(observed_at) AS last_at FROM station_status
  WHERE system_id = %(system)s AND observed_at >= %(start)s AND observed_at < %(end)s
) AS ends
JOIN station_status AS first ON first.system_id = %(system)s AND first.observed_at = first_at
JOIN station_status AS last ON last.system_id = %(system)s AND last.observed_at = last_at
  AND last.station_id = first.station_id
WHERE last_at >= first_at + interval '3 hours' AND first.is_renting AND last.is_renting
GROUP BY first_at, last_at HAVING count(*) >= 100
"""

_REPORTING: Final = """
SELECT observed_at,
  count(*) FILTER (
    WHERE coalesce(last_reported, fetched_at) > fetched_at - interval '1 day'
  ) AS reporting,
  (
    SELECT count(*) FROM station_information
    WHERE system_id = %(system)s AND is_active
      AND first_seen < observed_at + interval '15 minutes'
  ) AS active
FROM station_status JOIN station_information USING (system_id, station_id)
WHERE system_id = %(system)s AND observed_at >= %(start)s AND observed_at < %(end)s AND is_active
GROUP BY observed_at
"""

_TICKS: Final = """
SELECT tick AS observed_at, polls, http_status, EXISTS (
    SELECT FROM station_status WHERE system_id = %(system)s AND observed_at = tick
  ) AS stored
FROM generate_series(
  %(start)s::timestamptz, %(end)s::timestamptz - interval '15 minutes', interval '15 minutes'
) AS tick
CROSS JOIN LATERAL (
  SELECT count(*) AS polls, max(http_status) AS http_status FROM feed_poll
  WHERE system_id = %(system)s AND polled_at >= tick AND polled_at < tick + interval '15 minutes'
) AS poll
WHERE polls > 0 OR tick BETWEEN (
  SELECT min(observed_at) FROM station_status WHERE system_id = %(system)s
) AND CASE WHEN %(live)s THEN %(end)s ELSE (
  SELECT max(observed_at) FROM station_status WHERE system_id = %(system)s
) END
"""

_STATIONS: Final = """
SELECT station_id, ticks, is_active, first_seen, last_seen, lat, lon,
  max(ticks) OVER () AS most_ticks,
  abs(lat - (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY lat) FROM station_information
    WHERE system_id = %(system)s)) AS lat_off,
  abs(lon - (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY lon) FROM station_information
    WHERE system_id = %(system)s)) AS lon_off
FROM (
  SELECT station_id, count(*) AS ticks FROM station_status
  WHERE system_id = %(system)s AND observed_at >= %(start)s AND observed_at < %(end)s
  GROUP BY station_id
) AS seen
FULL JOIN (SELECT * FROM station_information WHERE system_id = %(system)s) AS information
  USING (station_id)
"""

_DERIVED: Final = """
SELECT source, at, station_id, fetched_at IS NOT NULL AS known
FROM (
  SELECT 'station_features' AS source, observed_at AS at, station_id FROM station_features
  WHERE system_id = %(system)s AND observed_at >= %(start)s AND observed_at < %(end)s
  UNION ALL
  SELECT 'station_risk', origin_at, station_id FROM station_risk
  WHERE system_id = %(system)s AND origin_at >= %(start)s AND origin_at < %(end)s
) AS derived
LEFT JOIN (
  SELECT observed_at AS at, station_id, fetched_at FROM station_status
  WHERE system_id = %(system)s AND observed_at >= %(start)s AND observed_at < %(end)s
) AS status USING (at, station_id)
"""

_SUCCESSIONS: Final = """
SELECT observed_at, before, stayed, least(
    (SELECT count(*) FROM station_status WHERE system_id = %(system)s AND observed_at = before),
    (SELECT count(*) FROM station_status AS now
      WHERE system_id = %(system)s AND now.observed_at = succession.observed_at)
  ) AS stations
FROM (
  SELECT observed_at, lag(observed_at) OVER (ORDER BY observed_at) AS before
  FROM (
    SELECT DISTINCT observed_at FROM station_status
    WHERE system_id = %(system)s AND observed_at >= %(start)s - interval '2 hours'
      AND observed_at < %(end)s
  ) AS tick
) AS succession
CROSS JOIN LATERAL (
  SELECT count(*) AS stayed FROM station_status AS old JOIN station_status AS now
    USING (system_id, station_id)
  WHERE system_id = %(system)s AND old.observed_at = before
    AND now.observed_at = succession.observed_at
) AS both_ticks
WHERE before IS NOT NULL AND observed_at >= %(start)s
"""

_CHANGES: Final = """
SELECT station_id, observed_at, before, bikes, two_before
FROM (
  SELECT station_id, observed_at, num_bikes_available AS bikes,
    lag(num_bikes_available) OVER ticks AS before, lag(observed_at) OVER ticks AS before_at,
    lag(num_bikes_available, 2) OVER ticks AS two_before,
    lag(observed_at, 2) OVER ticks AS two_before_at
  FROM station_status
  WHERE system_id = %(system)s AND observed_at >= %(start)s - interval '30 minutes'
    AND observed_at < %(end)s
  WINDOW ticks AS (PARTITION BY station_id ORDER BY observed_at)
) AS change
WHERE observed_at >= %(start)s AND before_at = observed_at - interval '15 minutes'
  AND (two_before_at IS NULL OR two_before_at >= observed_at - interval '30 minutes')
"""

_DAY: Final = """
WITH day AS (
  SELECT station_id, lat, lon, 0.006 / cos(radians(lat)) AS lon_near, most AS bikes,
    least = most AND serves AS still, most >= least + 4 AND serves AS moves
  FROM (
    SELECT station_id, min(num_bikes_available) AS least, max(num_bikes_available) AS most,
      bool_and(is_renting AND is_returning) AS serves
    FROM station_status
    WHERE system_id = %(system)s AND observed_at >= %(end)s - interval '1 day'
      AND observed_at < %(end)s
    GROUP BY station_id HAVING count(*) >= 72 AND max(observed_at) >= %(start)s
  ) AS station
  JOIN station_information USING (station_id) WHERE system_id = %(system)s
), moving AS MATERIALIZED (SELECT lat, lon FROM day WHERE moves)
SELECT station_id, bikes, moved, usual
FROM day AS own
CROSS JOIN LATERAL (
  SELECT count(*) AS moved FROM moving
  WHERE own.still AND moving.lat BETWEEN own.lat - 0.006 AND own.lat + 0.006
    AND moving.lon BETWEEN own.lon - own.lon_near AND own.lon + own.lon_near
) AS near
CROSS JOIN LATERAL (
  SELECT CASE WHEN count(before) >= 48
    THEN round(24.0 * count(*) FILTER (WHERE known <> before) / count(before), 1) END AS usual
  FROM (
    SELECT num_bikes_available AS known,
      lag(num_bikes_available) OVER (ORDER BY hour) AS before
    FROM generate_series(
      %(end)s - interval '8 days',
      CASE WHEN moved >= 3 THEN %(end)s - interval '25 hours' END,
      interval '1 hour'
    ) AS hour
    CROSS JOIN LATERAL (
      SELECT num_bikes_available FROM station_status
      WHERE system_id = %(system)s AND observed_at = hour
        AND station_id = own.station_id LIMIT 1
    ) AS tick
  ) AS week
) AS past
"""

_WEATHER: Final = """
SELECT * FROM weather
WHERE system_id = %(system)s AND issued_at >= %(start)s AND issued_at < %(end)s
"""

_HALF_HOURS: Final = """
SELECT half_hour, EXISTS (
    SELECT FROM weather
    WHERE system_id = %(system)s AND issued_at >= half_hour
      AND issued_at < half_hour + interval '30 minutes' AND kind <> 'forecast'
  ) AS told
FROM generate_series(
  %(start)s::timestamptz, %(end)s::timestamptz - interval '30 minutes', interval '30 minutes'
) AS half_hour
WHERE %(live)s AND half_hour > (
  SELECT min(issued_at) FROM weather WHERE system_id = %(system)s
)
"""

_FORETOLD: Final = """
SELECT observed.valid_at, observed.temperature AS observed, foretold.temperature AS foretold,
  foretold.issued_at
FROM weather AS observed CROSS JOIN LATERAL (
  SELECT issued_at, temperature FROM weather AS told
  WHERE system_id = %(system)s AND kind = 'forecast'
    AND issued_at >= observed.valid_at - interval '24 hours'
    AND issued_at < observed.valid_at - interval '30 minutes'
    AND told.valid_at BETWEEN observed.valid_at - interval '30 minutes'
      AND observed.valid_at + interval '30 minutes'
  ORDER BY issued_at DESC LIMIT 1
) AS foretold
WHERE system_id = %(system)s AND observed.issued_at >= %(start)s AND observed.issued_at < %(end)s
  AND kind <> 'forecast' AND observed.temperature IS NOT NULL AND foretold.temperature IS NOT NULL
"""

_FEATURES: Final = """
SELECT * FROM station_features
WHERE system_id = %(system)s AND observed_at >= %(start)s AND observed_at < %(end)s
"""

_KNOWN: Final = """
SELECT key AS feature, now_rows, before_rows, 1 - now_known::double precision / now_rows AS nulls,
  1 - before_known::double precision / nullif(before_rows, 0) AS nulls_before
FROM (
  SELECT count(*) AS now_rows, {counts} FROM station_features
  WHERE system_id = %(system)s AND observed_at >= %(start)s AND observed_at < %(end)s
) AS now
CROSS JOIN (
  SELECT count(*) AS before_rows, {counts} FROM station_features
  WHERE system_id = %(system)s AND observed_at >= %(start)s - interval '1 day'
    AND observed_at < %(end)s - interval '1 day'
) AS before
CROSS JOIN LATERAL (SELECT key, value::bigint AS now_known FROM jsonb_each(to_jsonb(now))) AS known
CROSS JOIN LATERAL (
  SELECT value::bigint AS before_known FROM jsonb_each(to_jsonb(before)) AS told
  WHERE told.key = known.key
) AS known_before
WHERE now_rows > 0
"""
_UNKNOWABLE: Final = [feature.name for feature in FEATURES if feature.dtype == "float32"]

_FORECASTS: Final = """
SELECT * FROM station_forecast
WHERE system_id = %(system)s AND origin_at >= %(start)s AND origin_at < %(end)s
"""
_FORECAST_KEY: Final = ("origin_at", "station_id", "target_at", "role")

_DUE: Final = """
SELECT observed_at AS origin_at, station_id, coalesce(hours, 0) AS hours
FROM station_status LEFT JOIN (
  SELECT origin_at AS observed_at, station_id, count(*) AS hours FROM station_forecast
  WHERE system_id = %(system)s AND origin_at >= %(start)s AND origin_at < %(end)s
    AND role IN ('champion', 'simple')
  GROUP BY origin_at, station_id
) AS told USING (observed_at, station_id)
WHERE system_id = %(system)s AND observed_at >= %(start)s AND observed_at < %(end)s
  AND observed_at = date_trunc('hour', observed_at) AND %(live)s
  AND observed_at >= (SELECT min(origin_at) FROM station_forecast WHERE system_id = %(system)s)
"""

_REJECTED: Final = """
SELECT source, reason, count(*) AS records FROM rejected_record
WHERE system_id = %(system)s AND window_start >= %(start)s AND window_start < %(end)s
GROUP BY source, reason
UNION ALL
SELECT 'feed_poll', NULL, coalesce(sum(records - coalesce(rejected, 0)), 0) FROM feed_poll
WHERE system_id = %(system)s AND polled_at >= %(start)s AND polled_at < %(end)s
"""


def _outside(bounds: dict[str, tuple[float, float]]) -> str:
    """The condition that a column has a value that it cannot have."""
    return " OR ".join(
        f'"{name}" NOT BETWEEN {low} AND {high}' for name, (low, high) in bounds.items()
    )


_BOUNDS_BY_UNIT: Final = {
    "0-23": (0, 23),
    "0-3": (0, 3),
    "1 Mon - 7 Sun": (1, 7),
    "1-12": (1, 12),
    "1-366": (1, 366),
    "0-1": (0, 1),
    "0 or 1": (0, 1),
    "0-99": (0, 99),
    "docks": (0, 1_000_000),
    "bikes": (0, 1_000_000),
    "bikes/h": (0, 1_000_000),
    "min": (0, 1440),
}
FEATURE_BOUNDS: Final = {
    feature.name: POSSIBLE.get(feature.name) or _BOUNDS_BY_UNIT[feature.unit]
    for feature in FEATURES
    if (feature.unit in _BOUNDS_BY_UNIT and "_change_" not in feature.name)
    or feature.name in POSSIBLE
}
"""Of features that have any, the least and greatest value; changes and ages have none."""


RULES: Final = (
    Rule(
        "duplicate_keys",
        "critical",
        "Rows of a table that share their key: it was restored or written without its constraint",
        _ALL_KEYS,
        "copies > 1",
        ("source", "at", "station_id", "valid_at", "kind", "copies"),
        rows="copies",
    ),
    Rule(
        "times_in_the_future",
        "critical",
        "Asked for after now, or told of a time over five minutes after it was asked for",
        _TIMES,
        "asked_at > now() + interval '5 minutes' OR told_at > asked_at + interval '5 minutes'",
        _TIMES_SAMPLE,
    ),
    Rule(
        "times_too_early",
        "error",
        "Of a time before 2015, when there were no such feeds",
        _TIMES,
        "asked_at < '2015-01-01T00:00Z' OR told_at < '2015-01-01T00:00Z'",
        _TIMES_SAMPLE,
    ),
    Rule(
        "wrong_tick",
        "critical",
        "Snapshots that were not fetched in the quarter of an hour that they stand under",
        _STATUS,
        "fetched_at < observed_at OR fetched_at >= observed_at + interval '15 minutes'",
        (*_STATUS_KEY, "fetched_at"),
    ),
    Rule(
        "values_missing",
        "error",
        "Stations without a count of bikes, a time, or the flags that say whether they serve",
        _STATUS,
        "num_nulls(num_bikes_available, fetched_at, is_installed, is_renting, is_returning) > 0",
        _STATUS_KEY,
    ),
    Rule(
        "negative_counts",
        "critical",
        "Stations with fewer than no bikes or docks",
        _STATUS,
        "least(num_bikes_available, num_ebikes_available, num_bikes_disabled, "
        "num_docks_available, num_docks_disabled) < 0",
        (*_STATUS_KEY, "num_bikes_available", "num_docks_available"),
    ),
    Rule(
        "more_ebikes_than_bikes",
        "error",
        "Stations with more e-bikes than bikes, which they are among",
        _STATUS,
        "num_ebikes_available > num_bikes_available",
        (*_STATUS_KEY, "num_ebikes_available", "num_bikes_available"),
    ),
    Rule(
        "capacity_contradicted",
        "warning",
        "Stations whose bikes, docks and what is out of order are over two more than their "
        "declared capacity, or less than half of it though they serve",
        _STATUS,
        "capacity > 0 AND (room > capacity + 2 OR is_renting AND room * 2 < capacity)",
        (*_STATUS_KEY, "room", "capacity"),
    ),
    Rule(
        "impossible_jumps",
        "warning",
        "Changes by more than 30 bikes in a quarter of an hour, or by 8 or more there and back in "
        "two",
        _CHANGES,
        "abs(bikes - before) > 30 OR bikes = two_before AND abs(bikes - before) >= 8",
        (*_STATUS_KEY, "two_before", "before", "bikes"),
    ),
    Rule(
        "stations_stuck",
        "warning",
        "Stations that serve and had the same number of bikes for a day, while three or more "
        "stations within 700 m moved by four or more; in the week before it had another than an "
        "hour ago in eight hours of a day or more",
        _DAY,
        "usual >= 8",
        ("station_id", "bikes", "moved", "usual"),
    ),
    Rule(
        "few_stations_report",
        "error",
        "Snapshots in which fewer than 90 % of the active stations have a report of the last day",
        _REPORTING,
        "reporting < 0.9 * active",
        ("observed_at", "reporting", "active"),
    ),
    Rule(
        "reports_old",
        "warning",
        "Snapshots in which half of the stations last reported over an hour before",
        _REPORTS,
        "age > interval '1 hour'",
        ("observed_at", "age"),
    ),
    Rule(
        "feed_frozen",
        "critical",
        "Snapshots in which neither the feed nor any station told of the last two hours",
        _REPORTS,
        "told_at < asked_at - interval '2 hours'",
        ("observed_at", "told_at"),
    ),
    Rule(
        "nothing_moves",
        "error",
        "A hundred or more stations that serve, of which none has another number of bikes at the "
        "window's end than at its begin",
        _ENDS,
        "moved = 0",
        ("first_at", "last_at", "stations"),
    ),
    Rule(
        "ticks_missing",
        "error",
        "Quarters of an hour without a snapshot since the first, of a recording up to its last; "
        "and polls that brought none",
        _TICKS,
        "NOT stored",
        ("observed_at", "polls", "http_status"),
    ),
    Rule(
        "status_without_station",
        "warning",
        "Stations that report and have no facts",
        _STATIONS,
        "ticks IS NOT NULL AND first_seen IS NULL",
        ("station_id", "ticks"),
    ),
    Rule(
        "station_without_status",
        "warning",
        "Active stations of a live system that are in no snapshot, while others are",
        _STATIONS,
        "ticks IS NULL AND is_active AND first_seen < %(start)s AND most_ticks > 0 AND %(live)s",
        ("station_id", "first_seen", "last_seen"),
    ),
    Rule(
        "stations_misplaced",
        "warning",
        "Active stations without a place, or over two degrees from the middle of their system",
        _STATIONS,
        "is_active AND (num_nulls(lat, lon) > 0 OR lat_off > 2 OR lon_off > 2)",
        ("station_id", "lat", "lon"),
    ),
    Rule(
        "derived_without_status",
        "error",
        "Features and forecasts of stations that have no status at their origin",
        _DERIVED,
        "NOT known",
        ("source", "at", "station_id"),
    ),
    Rule(
        "ids_replaced",
        "critical",
        "Snapshots in which fewer than half of the stations of the one before are",
        _SUCCESSIONS,
        "stations >= 5 AND stayed * 2 < stations",
        ("observed_at", "before", "stations", "stayed"),
    ),
    Rule(
        "weather_impossible",
        "error",
        "Weather that cannot be true anywhere on Earth",
        _WEATHER,
        _outside(dict(POSSIBLE)),
        ("issued_at", "valid_at", "kind", *POSSIBLE),
    ),
    Rule(
        "weather_gaps",
        "warning",
        "Half hours of a live system without an observation, since it had its first",
        _HALF_HOURS,
        "NOT told",
        ("half_hour",),
    ),
    Rule(
        "weather_unforeseen",
        "warning",
        "Observations over 8 °C from what had been forecast within the day before",
        _FORETOLD,
        "abs(observed - foretold) > 8",
        ("valid_at", "observed", "foretold", "issued_at"),
    ),
    Rule(
        "features_unknown",
        "warning",
        "Features of which more than half is null, and less than a tenth was a day before",
        _KNOWN.format(
            counts=", ".join(f'count("{feature}") AS "{feature}"' for feature in _UNKNOWABLE)
        ),
        "nulls > 0.5 AND nulls_before < 0.1 OR feature = 'bikes' AND nulls > 0",
        ("feature", "nulls", "nulls_before"),
    ),
    Rule(
        "features_impossible",
        "error",
        "Features with a value that they cannot have",
        _FEATURES,
        _outside(FEATURE_BOUNDS),
        ("observed_at", "station_id"),
    ),
    Rule(
        "forecasts_missing",
        "error",
        "Stations of a live system that were there at an hour and were not forecast for the next "
        "24, since the first forecast",
        _DUE,
        "hours < 24",
        ("origin_at", "station_id", "hours"),
    ),
    Rule(
        "forecasts_unordered",
        "critical",
        "Forecasts whose quantiles are not in order, or whose probabilities are none",
        _FORECASTS,
        "NOT (p10 <= p50 AND p50 <= p90) OR p_empty IS NULL OR p_empty NOT BETWEEN 0 AND 1 "
        "OR p_full NOT BETWEEN 0 AND 1",
        (*_FORECAST_KEY, "p10", "p50", "p90", "p_empty", "p_full"),
    ),
    Rule(
        "forecasts_outside_capacity",
        "critical",
        "Forecasts of fewer than no bikes, of more than there is room for, or of no number",
        _FORECASTS,
        "p10 < 0 OR p90 > capacity OR bikes NOT BETWEEN 0 AND capacity + 0.01",
        (*_FORECAST_KEY, "bikes", "p10", "p90", "capacity"),
    ),
    Rule(
        "forecasts_misdated",
        "critical",
        "Forecasts that are not of as many hours ahead as they say, or not of the next 24",
        _FORECASTS,
        "horizon NOT BETWEEN 1 AND 24 OR target_at <> origin_at + horizon * interval '1 hour'",
        (*_FORECAST_KEY, "horizon"),
    ),
    Rule(
        "records_rejected",
        "warning",
        "Records that a feed sent and that were refused, by reason",
        _REJECTED,
        "reason IS NOT NULL",
        ("source", "reason", "records"),
        rows="records",
    ),
)
"""All there are, in the order in which they are told."""
