"""What the local clock and calendar show at a tick. They are known for any time to come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.feature import Feature
from bike_demand.forecasting.grid import TICK

MORNING_RUSH: Final = range(7, 10)
"""Local hours, on working days."""

EVENING_RUSH: Final = range(16, 19)


def _declared(name: str, meaning: str, unit: str = "", dtype: str = "bool") -> Feature:
    return Feature(name, meaning, unit, timedelta(0), "clock", dtype)


CALENDAR: Final = (
    _declared("hour", "Hour on the local clock", "0-23", "int16"),
    _declared("quarter_hour", "Quarter of that hour", "0-3", "int16"),
    _declared("weekday", "ISO weekday of the local date", "1 Mon - 7 Sun", "int16"),
    _declared("weekend", "Saturday or Sunday"),
    _declared("month", "Month of the local date", "1-12", "int16"),
    _declared("day_of_year", "Day of the local year", "1-366", "int16"),
    _declared("holiday", "Public holiday; false where the country is not known"),
    _declared("morning_rush", "7:00 to 10:00 on a working day"),
    _declared("evening_rush", "16:00 to 19:00 on a working day"),
)


def calendar(
    ticks: pd.DatetimeIndex, timezone: str, country: str | None
) -> Mapping[str, NDArray[Any]]:
    """The features of `CALENDAR` at some ticks.

    Args:
        ticks: UTC, N of them.
        timezone: IANA name of the local clock.
        country: See `holidays_of`; if not given, the country whose time zone it is.

    Returns:
        Arrays of shape (N,).
    """
    local = ticks.tz_convert(timezone)
    country = country or country_of(timezone)
    free = holidays_of(country, tuple(sorted(set(local.year)))) if country else frozenset()
    holiday = np.array([day in free for day in local.date], dtype=bool)
    weekend = np.asarray(local.dayofweek) >= 5
    working = ~weekend & ~holiday
    return {
        "hour": np.asarray(local.hour),
        "quarter_hour": np.asarray(local.minute) // 15,
        "weekday": np.asarray(local.dayofweek) + 1,
        "weekend": weekend,
        "month": np.asarray(local.month),
        "day_of_year": np.asarray(local.dayofyear),
        "holiday": holiday,
        "morning_rush": working & np.isin(local.hour, MORNING_RUSH),
        "evening_rush": working & np.isin(local.hour, EVENING_RUSH),
    }


@dataclass(frozen=True, eq=False)
class LocalDays:
    """What the local clock and calendar show around the ticks of a grid.

    Attributes:
        ahead: Of UTC, in ticks.
        free: Whether the date is no working day: a weekend or a holiday.
    """

    ahead: NDArray[np.int64]
    free: NDArray[np.bool_]


def local_days(
    start: datetime, rows: NDArray[np.int64], timezone: str, country: str | None
) -> LocalDays:
    """The local clock and calendar at some ticks, arrays of the shape of `rows`.

    Args:
        start: Of a grid, UTC.
        rows: Of it, before and after its ends as well.
        timezone: See `calendar`.
        country: See `calendar`.
    """
    found, place = np.unique(rows, return_inverse=True)
    times = pd.DatetimeIndex(pd.Timestamp(start) + found * pd.Timedelta(TICK))
    local = times.tz_convert(timezone).tz_localize(None)
    ahead = np.asarray((local - times.tz_localize(None)) // pd.Timedelta(TICK), dtype=np.int64)
    shown = calendar(times, timezone, country)
    free = shown["weekend"] | shown["holiday"]
    return LocalDays(ahead[place].reshape(rows.shape), free[place].reshape(rows.shape))


@cache
def country_of(timezone: str) -> str | None:
    """The country a time zone belongs to (ISO 3166), from `zone.tab` of the IANA database.

    None for what belongs to no country (`UTC`) and for old names (`US/Pacific`).
    """
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    return {zone: country for country, _, zone, *_ in rows}.get(timezone)


@cache
def holidays_of(country: str, years: tuple[int, ...]) -> frozenset[date]:
    """Public holidays, with the days on which they are observed if they fall on a weekend.

    Args:
        country: ISO 3166 code of a country (`US`) or of a part of it (`US-CA`).
        years: Of the local calendar.

    Returns:
        Dates; none for a country that the library `holidays` does not know, and the country's for
        a part that it does not.
    """
    import holidays

    nation, _, part = country.partition("-")
    known = holidays.list_supported_countries()
    if nation not in known:
        return frozenset()
    subdivision = part if part in known[nation] else None
    return frozenset(holidays.country_holidays(nation, subdivision, years=years))
