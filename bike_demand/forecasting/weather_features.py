"""The weather at an origin and, as it was forecast, at a target: what was known of either.

A row counts from `issued_at` on, whatever time it speaks of. Only the origin's weather may come
from a reanalysis, which nobody had at the time, and then it says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.feature import Feature
from bike_demand.forecasting.grid import Floats

OBSERVATION_AGE: Final = timedelta(hours=2)
"""Older observations are not the weather at an origin."""

REANALYSIS_AGE: Final = timedelta(hours=1)
"""A reanalysis has each full hour."""

ISSUE_AGE: Final = timedelta(hours=24)
"""Older forecasts are not used; those of 48 hours then still reach all targets."""

NEAR: Final = timedelta(minutes=90)
"""How far from a target the hour may be that a forecast speaks of: some are of 3 hours."""

_MEASURES: Final = {
    "temperature": ("Temperature at 2 m", "°C"),
    "apparent_temperature": ("Temperature as it feels", "°C"),
    "relative_humidity": ("Relative humidity at 2 m", "%"),
    "wind_speed": ("Wind at 10 m", "m/s"),
    "precipitation": ("Rain and snow, as water", "mm/h"),
    "cloud_cover": ("Sky covered", "%"),
    "weather_code": ("WMO code table 4677", "0-99"),
}

WEATHER_NOW: Final = (
    *(
        Feature(name, f"{meaning}, at the origin", unit, OBSERVATION_AGE, "weather")
        for name, (meaning, unit) in _MEASURES.items()
    ),
    Feature(
        "weather_is_reanalysis",
        "The weather at the origin was not observed but reanalysed later",
        "",
        OBSERVATION_AGE,
        "weather",
        "bool",
    ),
)

WEATHER_AHEAD: Final = tuple(
    Feature(
        name,
        f"{meaning}, as the latest forecast known at the origin has it for the target",
        unit,
        ISSUE_AGE,
        "weather",
    )
    for name, (meaning, unit) in _MEASURES.items()
)

_Instants = NDArray[np.int64]
"""Microseconds since 1970."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """Weather of one kind.

    Attributes:
        issued: Shape (N,), ascending.
        valid: Shape (N,); ascending within an issue.
        values: Shape (N + 1, 7), by `_MEASURES`; the last row is NaN, so that -1 is unknown.
    """

    issued: _Instants
    valid: _Instants
    values: Floats

    def pick(self, rows: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        return dict(zip(_MEASURES, self.values[rows].T, strict=True))


def weather_now(
    ticks: pd.DatetimeIndex, known_at: pd.DatetimeIndex, weather: pd.DataFrame | None
) -> Mapping[str, NDArray[Any]]:
    """The features of `WEATHER_NOW`.

    Args:
        ticks: The N origins, UTC.
        known_at: When their snapshots were fetched, UTC: what was issued later is not known.
        weather: Rows of the table `weather` of one system, in any order.

    Returns:
        Arrays of shape (N,).
    """
    now = _instants(ticks)
    observed, reanalysed = _rows(weather, "observation"), _rows(weather, "reanalysis")
    latest = _latest(observed, _instants(known_at))
    latest[_speaks_of_before(observed, latest, now - _us(OBSERVATION_AGE))] = -1
    hour = _latest(reanalysed, now)
    hour[_speaks_of_before(reanalysed, hour, now - _us(REANALYSIS_AGE) + 1)] = -1
    hour[latest >= 0] = -1
    from_reanalysis = hour >= 0
    seen, made = observed.pick(latest), reanalysed.pick(hour)
    return {
        **{name: np.where(from_reanalysis, made[name], seen[name]) for name in _MEASURES},
        "weather_is_reanalysis": from_reanalysis,
    }


def weather_ahead(
    targets: pd.DatetimeIndex,
    ticks: pd.DatetimeIndex,
    known_at: pd.DatetimeIndex,
    weather: pd.DataFrame | None,
) -> Mapping[str, NDArray[Any]]:
    """The features of `WEATHER_AHEAD`.

    Args:
        targets: What is forecast for, UTC, one for each of the N origins.
        ticks: See `weather_now`, as for the others.
        known_at: See `weather_now`.
        weather: See `weather_now`.

    Returns:
        Arrays of shape (N,).
    """
    forecast = _rows(weather, "forecast")
    issues, begins = np.unique(forecast.issued, return_index=True)
    ends = [*begins[1:], len(forecast.issued)]
    chosen = np.full(len(targets), -1)
    newest = np.searchsorted(issues, _instants(known_at), side="right") - 1
    fresh = _instants(ticks) - _us(ISSUE_AGE)
    for row, target in enumerate(_instants(targets)):
        issue = newest[row]
        if issue >= 0 and issues[issue] >= fresh[row]:
            begin, end = begins[issue], ends[issue]
            distance = np.abs(forecast.valid[begin:end] - target)
            nearest = int(np.argmin(distance))  # the earlier one of two
            if distance[nearest] <= _us(NEAR):
                chosen[row] = begin + nearest
    return forecast.pick(chosen)


def _latest(rows: _Rows, known_at: _Instants) -> NDArray[np.intp]:
    """Of the rows issued by each instant, the one that speaks of the latest time; or -1."""
    by_time = np.lexsort((rows.issued, rows.valid))
    rank = np.empty(len(by_time), dtype=np.intp)
    rank[by_time] = np.arange(len(by_time))
    best = np.append(by_time[np.maximum.accumulate(rank)], -1)
    return best[np.searchsorted(rows.issued, known_at, side="right") - 1]


def _speaks_of_before(rows: _Rows, chosen: NDArray[np.intp], limit: _Instants) -> NDArray[np.bool_]:
    """Whether the chosen rows speak of a time before a limit."""
    return np.append(rows.valid, np.iinfo(np.int64).max)[chosen] < limit


def _rows(weather: pd.DataFrame | None, kind: str) -> _Rows:
    if weather is None or weather.empty:
        nothing = np.empty(0, dtype=np.int64)
        return _Rows(nothing, nothing, np.full((1, len(_MEASURES)), np.nan, dtype=np.float32))
    rows = weather[weather["kind"] == kind]
    issued, valid = (_instants(pd.DatetimeIndex(rows[name])) for name in ("issued_at", "valid_at"))
    order = np.lexsort((valid, issued))
    values = np.full((len(rows) + 1, len(_MEASURES)), np.nan, dtype=np.float32)
    for column, name in enumerate(_MEASURES):
        values[:-1, column] = rows[name].to_numpy(dtype=np.float32, na_value=np.nan)[order]
    return _Rows(issued[order], valid[order], values)


def _instants(times: pd.DatetimeIndex) -> _Instants:
    return np.asarray(times.tz_convert(None), dtype="datetime64[us]").astype(np.int64)


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
