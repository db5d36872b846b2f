"""How forecasts fared that came due: the rows of `forecast_accuracy`, and what they amount to.

Sums are made where the rows are, in Postgres. What is done about them is not known here.
"""

from datetime import datetime
from typing import Any, Final

import pandas as pd

from bike_demand.storage.accuracy_figures import figures
from bike_demand.storage.warehouse import Warehouse

# Each horizon's origin by itself (OFFSET keeps the planner from joining whole tables), where what
# is due at a tick lies together. `y` is what came, `persisted` what was at the origin. A number
# instead of quantiles has its absolute error for their loss.
_DUE: Final = """
WITH s AS MATERIALIZED (
    SELECT station_id, num_bikes_available, num_docks_available FROM station_status
    WHERE system_id = %(system)s AND observed_at = %(tick)s AND is_installed AND is_renting
),
due AS (
    SELECT
        hours AS horizon, f.role, coalesce(f.model_version, '') AS model_version,
        s.num_bikes_available AS y, o.num_bikes_available AS persisted,
        f.bikes, f.p10, f.p50, f.p90, f.p_empty,
        CASE WHEN s.num_docks_available IS NOT NULL AND o.num_docks_available IS NOT NULL
            THEN f.p_full END AS p_full,
        (s.num_docks_available = 0)::int AS is_full, (o.num_docks_available = 0)::int AS was_full,
        CASE
            WHEN s.num_bikes_available = f.p10 THEN f.p10_inside
            WHEN s.num_bikes_available = f.p90 THEN f.p90_inside
            WHEN f.p10_inside IS NULL THEN NULL
            ELSE (s.num_bikes_available BETWEEN f.p10 AND f.p90)::int
        END AS inside
    FROM generate_series(1, 24) AS hours
    CROSS JOIN LATERAL (
        SELECT station_id, num_bikes_available, num_docks_available FROM station_status
        WHERE system_id = %(system)s AND observed_at = %(tick)s - hours * interval '1 hour'
        OFFSET 0
    ) AS o
    JOIN s USING (station_id)
    JOIN LATERAL (
        SELECT * FROM station_forecast
        WHERE system_id = %(system)s AND origin_at = %(tick)s - hours * interval '1 hour'
            AND target_at = %(tick)s AND NOT late AND in_service
        OFFSET 0
    ) AS f USING (station_id)
)
SELECT
    horizon, role, model_version, count(*) AS rows, sum(y)::float8 AS bikes,
    sum((y - bikes::float8) ^ 2) AS squared_error, sum(abs(y - p50))::float8 AS absolute_error,
    sum(2 / 3.0 * (
        greatest(0.1 * (y - p10), 0.9 * (p10 - y)) + 0.5 * abs(y - p50)
        + greatest(0.9 * (y - p90), 0.1 * (p90 - y))
    ))::float8 AS quantile_loss,
    CASE WHEN bool_and(inside IS NOT NULL) THEN sum(inside)::float8 END AS inside,
    count(*) FILTER (WHERE y = 0)::float8 AS empty, sum(p_empty)::float8 AS p_empty,
    sum((p_empty::float8 - (y = 0)::int) ^ 2) AS brier_empty,
    count(p_full) AS rows_full,
    coalesce(sum(is_full) FILTER (WHERE p_full IS NOT NULL), 0)::float8 AS "full",
    coalesce(sum(p_full), 0)::float8 AS p_full,
    coalesce(sum((p_full::float8 - is_full) ^ 2), 0) AS brier_full,
    sum((y - persisted)::float8 ^ 2) AS persistence_squared_error,
    sum(abs(y - persisted))::float8 AS persistence_absolute_error,
    sum(((y = 0)::int - (persisted = 0)::int) ^ 2)::float8 AS persistence_brier_empty,
    coalesce(sum((is_full - was_full) ^ 2) FILTER (WHERE p_full IS NOT NULL), 0)::float8
        AS persistence_brier_full
FROM due GROUP BY horizon, role, model_version ORDER BY horizon, role, model_version
"""

_WEEK: Final = f"""
SELECT horizon, count(DISTINCT target_at) AS hours,
    {figures("rows", "rmse", "skill_rmse", "coverage_80")}
FROM forecast_accuracy
WHERE system_id = %(system)s AND target_at > %(since)s AND target_at <= %(until)s
    AND role = 'champion' AND model_version = %(version)s
GROUP BY horizon ORDER BY horizon
"""  # noqa: S608  # all of it stands in the code

_BESIDE: Final = """
SELECT mine.target_at, mine.horizon, mine.quantile_loss AS champion,
    other.quantile_loss AS predecessor, mine.rows
FROM forecast_accuracy AS mine JOIN forecast_accuracy AS other
    ON other.system_id = mine.system_id AND other.target_at = mine.target_at
    AND other.horizon = mine.horizon AND other.rows = mine.rows
WHERE mine.system_id = %(system)s AND mine.target_at > %(since)s AND mine.target_at <= %(until)s
    AND mine.role = 'champion' AND mine.model_version = %(champion)s
    AND other.role = 'predecessor' AND other.model_version = %(predecessor)s
ORDER BY mine.horizon, mine.target_at
"""


def due(warehouse: Warehouse, system_id: str, tick: datetime) -> pd.DataFrame:
    """What came due of a system at a tick: the columns of `forecast_accuracy` but for these two.

    Only forecasts count that were made in time, of stations in service then and at the tick, whose
    bikes are known at both.
    """
    return warehouse.frame(_DUE, {"system": system_id, "tick": tick})


def skill(
    warehouse: Warehouse, system_id: str, version: str, since: datetime, until: datetime
) -> pd.DataFrame:
    """How a champion fared, by `horizon` [h]: `hours`, and some of `accuracy_figures.FIGURES`.

    These are `rows`, `rmse`, `skill_rmse` and `coverage_80`. Skill is `1 - RMSE / RMSE of
    persistence` on the same rows; coverage the probability within the middle 80 % of its
    distributions, 0.8 if calibrated.

    Args:
        warehouse: Where it is stored.
        system_id: Of what.
        version: The champion's.
        since: Targets after this count, UTC.
        until: To this, included.
    """
    values = {"system": system_id, "version": version, "since": since, "until": until}
    return warehouse.frame(_WEEK, values).set_index("horizon")


def beside(
    warehouse: Warehouse,
    system_id: str,
    champion: str,
    predecessor: str,
    since: datetime,
    until: datetime,
) -> pd.DataFrame:
    """Losses of two versions on the same rows: `target_at`, `horizon` [h], and one of each.

    Args:
        warehouse: Where they are stored.
        system_id: Of what.
        champion: A version.
        predecessor: Another.
        since: Targets after this count, UTC.
        until: To this, included.
    """
    values: dict[str, Any] = {"system": system_id, "champion": champion, "since": since}
    values |= {"predecessor": predecessor, "until": until}
    return warehouse.frame(_BESIDE, values)
