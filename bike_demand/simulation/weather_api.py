"""A city's weather as Open-Meteo answers for it: `/v1/forecast` and `/v1/archive`.

Pure: a query's parameters and the present in, the content of the answer out. Names, units, time
ranges and messages follow https://open-meteo.com/en/docs; of what it has, that which the city has
too. The city is one place: any coordinates have its weather.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from bike_demand.simulation.weather import Weather

ARCHIVE_LAG: Final = timedelta(days=2)
"""What is younger than this is null in the archive."""

INTERVAL: Final = timedelta(minutes=15)
"""What `current` holds is of these minutes; amounts fell in them."""

FORECAST_DAYS, MAX_FORECAST_DAYS, MAX_PAST_DAYS = 7, 16, 92
ARCHIVE_START: Final = pd.Timestamp("1940-01-01", tz="UTC")
MAX_ARCHIVE_DAYS: Final = 3660
ELEVATION: Final = 20.0  # m

_HOUR: Final = pd.Timedelta(hours=1)
_DAY: Final = pd.Timedelta(days=1)
_QUARTERS: Final = _HOUR // INTERVAL
# The barometric formula in the standard atmosphere.
_SURFACE_PRESSURE: Final = (1 - 0.0065 * ELEVATION / 288.15) ** 5.255
_SHOWERS: Final = (80, 82)  # WMO codes

Floats = npt.NDArray[np.float64]
T = TypeVar("T")


class BadRequestError(ValueError):
    """A query cannot be answered; the message is the answer's `reason`."""


@dataclass(frozen=True)
class _Unit:
    """How a quantity is written: `factor` times the city's own unit, plus `offset`."""

    symbol: str
    digits: int
    factor: float = 1.0
    offset: float = 0.0


# For each unit that may be chosen its parameter, and the choices; the first is the default.
_CHOICES: Final[Mapping[str, Mapping[str, _Unit]]] = {
    "temperature_unit": {
        "celsius": _Unit("°C", 1),
        "fahrenheit": _Unit("°F", 1, 1.8, 32.0),
    },
    "wind_speed_unit": {
        "kmh": _Unit("km/h", 1, 3.6),
        "ms": _Unit("m/s", 2),
        "mph": _Unit("mp/h", 1, 3600 / 1609.344),
        "kn": _Unit("kn", 1, 3600 / 1852),
    },
    "precipitation_unit": {
        "mm": _Unit("mm", 2),
        "inch": _Unit("inch", 3, 1 / 25.4),
    },
}
# A depth of snow, by the unit of precipitation: 7 cm from 10 mm of water.
_SNOW: Final = {"mm": _Unit("cm", 2, 0.7), "inch": _Unit("inch", 3, 0.7 / 2.54)}
_TIMES: Final = {"iso8601": "iso8601", "unixtime": "unixtime"}
_FIXED: Final = {
    "percent": _Unit("%", 0),
    "pressure": _Unit("hPa", 1),
    "distance": _Unit("m", 0),
    "code": _Unit("wmo code", 0),
}

# For each variable the unit it is in.
_VARIABLES: Final = {
    "temperature_2m": "temperature_unit",
    "apparent_temperature": "temperature_unit",
    "relative_humidity_2m": "percent",
    "precipitation": "precipitation_unit",
    "rain": "precipitation_unit",
    "showers": "precipitation_unit",
    "snowfall": "snow",
    "precipitation_probability": "percent",
    "weather_code": "code",
    "cloud_cover": "percent",
    "pressure_msl": "pressure",
    "surface_pressure": "pressure",
    "visibility": "distance",
    "wind_speed_10m": "wind_speed_unit",
    "wind_gusts_10m": "wind_speed_unit",
}
_AMOUNTS: Final = ["precipitation", "rain", "showers", "snowfall"]
_PROBABILITY: Final = "precipitation_probability"


def forecast(weather: Weather, now: datetime, query: Mapping[str, str]) -> dict[str, Any]:
    """The answer of `/v1/forecast`.

    What is past is as it was, what is to come as it is foreseen now. An hour's amounts fell in the
    60 minutes before it.

    Args:
        weather: The city's.
        now: The present (aware, UTC).
        query: The parameters; unknown ones are ignored.

    Raises:
        BadRequestError: The query cannot be answered.
    """
    answer = _place(query)
    units = _units(query)
    unix = _choice(query, "timeformat", _TIMES) == "unixtime"
    present = pd.Timestamp(now).floor("15min")

    names = _variables(query, "current", without=_PROBABILITY)
    if names:
        frame = _quarters(weather.observed(pd.DatetimeIndex([present]))).iloc[0]
        answer["current_units"] = {
            "time": "unixtime" if unix else "iso8601",
            "interval": "seconds",
            **{name: units[name].symbol for name in names},
        }
        answer["current"] = {
            "time": _time(present, unix=unix),
            "interval": int(INTERVAL.total_seconds()),
            **{name: _written(np.array([frame[name]]), units[name])[0] for name in names},
        }

    names = _variables(query, "hourly")
    if names:
        first, last = _forecast_range(query, present)
        foreseen = weather.forecast(present.to_pydatetime(), _quarters_of(first, last))
        answer |= _hourly(_hours(foreseen), names, units, unix=unix)
    return answer


def archive(weather: Weather, now: datetime, query: Mapping[str, str]) -> dict[str, Any]:
    """The answer of `/v1/archive`: as `forecast`, of the past, null where too young to be known."""
    answer = _place(query)
    units = _units(query)
    unix = _choice(query, "timeformat", _TIMES) == "unixtime"
    present = pd.Timestamp(now)
    names = _variables(query, "hourly", without=_PROBABILITY)
    limits = ARCHIVE_START, present.floor("D")
    stated = _stated_range(query, limits)
    if stated is None:
        raise BadRequestError("Parameter 'start_date' and 'end_date' must be set")
    first, last = stated
    if last - first > MAX_ARCHIVE_DAYS * _DAY:
        raise BadRequestError(f"The archive answers for at most {MAX_ARCHIVE_DAYS} days at once")
    if names:
        frame = _hours(weather.observed(_quarters_of(first, last)))
        frame.loc[frame.index > present - ARCHIVE_LAG] = np.nan
        answer |= _hourly(frame, names, units, unix=unix)
    return answer


def _hourly(
    frame: pd.DataFrame, names: list[str], units: Mapping[str, _Unit], *, unix: bool
) -> dict[str, Any]:
    return {
        "hourly_units": {
            "time": "unixtime" if unix else "iso8601",
            **{name: units[name].symbol for name in names},
        },
        "hourly": {
            "time": [_time(moment, unix=unix) for moment in frame.index],
            **{name: _written(frame[name].to_numpy(float), units[name]) for name in names},
        },
    }


def _quarters(weather: pd.DataFrame) -> pd.DataFrame:
    """The city's weather by Open-Meteo's names; amounts in mm of water in a quarter of an hour."""
    showery = weather["weather_code"].between(*_SHOWERS)
    amount = 1 / _QUARTERS
    frame = pd.DataFrame(
        {
            "temperature_2m": weather["temperature"],
            "apparent_temperature": weather["apparent_temperature"],
            "relative_humidity_2m": weather["relative_humidity"],
            "precipitation": weather["precipitation"] * amount,
            "rain": weather["rain"].mask(showery, 0.0) * amount,
            "showers": weather["rain"].where(showery, 0.0) * amount,
            "snowfall": weather["snowfall"] * amount,
            "weather_code": weather["weather_code"],
            "cloud_cover": weather["cloud_cover"],
            "pressure_msl": weather["pressure"],
            "surface_pressure": weather["pressure"] * _SURFACE_PRESSURE,
            "visibility": weather["visibility"],
            "wind_speed_10m": weather["wind_speed"],
            "wind_gusts_10m": weather["wind_gusts"],
        }
    )
    if _PROBABILITY in weather:
        frame[_PROBABILITY] = weather[_PROBABILITY]
    return frame


def _quarters_of(first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """The quarters of the hours `first` to `last`; an hour is named after its end."""
    return pd.date_range(first - _HOUR + INTERVAL, last, freq=INTERVAL)


def _hours(weather: pd.DataFrame) -> pd.DataFrame:
    """The weather at full hours, with the amounts of the quarters up to them."""
    quarters = _quarters(weather)
    frame = quarters.iloc[_QUARTERS - 1 :: _QUARTERS].astype(float)
    for name in _AMOUNTS:
        frame[name] = quarters[name].to_numpy().reshape(-1, _QUARTERS).sum(axis=1)
    return frame


def _forecast_range(
    query: Mapping[str, str], present: pd.Timestamp
) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The first and last hour asked for."""
    today = present.floor("D")
    limits = today - MAX_PAST_DAYS * _DAY, today + (MAX_FORECAST_DAYS - 1) * _DAY
    stated = _stated_range(query, limits)
    if stated is not None:
        return stated
    if "past_hours" in query or "forecast_hours" in query:
        first = present.floor("h")
        ahead = _whole(query, "forecast_hours", MAX_FORECAST_DAYS * 24, MAX_FORECAST_DAYS * 24)
        back = _whole(query, "past_hours", MAX_PAST_DAYS * 24, 0)
    else:
        first = today
        ahead = 24 * _whole(query, "forecast_days", MAX_FORECAST_DAYS, FORECAST_DAYS)
        back = 24 * _whole(query, "past_days", MAX_PAST_DAYS, 0)
    return first - back * _HOUR, first + (ahead - 1) * _HOUR


def _stated_range(
    query: Mapping[str, str], limits: tuple[pd.Timestamp, pd.Timestamp]
) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """The range between `start_date` and `end_date`, or `start_hour` and `end_hour`, if any."""
    kinds = [kind for kind in ("date", "hour") if {f"start_{kind}", f"end_{kind}"} & query.keys()]
    if not kinds:
        return None
    relative = {"forecast_days", "past_days", "forecast_hours", "past_hours"} & query.keys()
    if relative:
        raise BadRequestError(
            f"Parameter '{min(relative)}' is mutually exclusive with 'start_date' and 'end_date'"
        )
    kind = kinds[-1]
    first, last = (_moment(query, f"{end}_{kind}", kind, limits) for end in ("start", "end"))
    if last < first:
        raise BadRequestError("End-date must be larger or equals than start-date")
    return first, last + 23 * _HOUR if kind == "date" else last


def _moment(
    query: Mapping[str, str], name: str, kind: str, limits: tuple[pd.Timestamp, pd.Timestamp]
) -> pd.Timestamp:
    given = query.get(name, "")
    pattern = "%Y-%m-%d" if kind == "date" else "%Y-%m-%dT%H:%M"
    try:
        moment = pd.Timestamp(datetime.strptime(given, pattern).replace(tzinfo=UTC)).floor("h")
    except ValueError:
        example = "2026-05-01" if kind == "date" else "2026-05-01T12:00"
        raise BadRequestError(
            f"Invalid date format in '{name}'. Make sure to use {example!r}. Given {given!r}."
        ) from None
    low, high = limits
    if not low <= moment.floor("D") <= high:
        raise BadRequestError(
            f"Parameter '{name}' is out of allowed range from {low:%Y-%m-%d} to {high:%Y-%m-%d}"
        )
    return moment


def _place(query: Mapping[str, str]) -> dict[str, Any]:
    """The head of an answer."""
    latitude = _coordinate(query, "latitude", 90)
    longitude = _coordinate(query, "longitude", 180)
    timezone = query.get("timezone", "GMT")
    if timezone not in {"GMT", "UTC"}:
        raise BadRequestError(f"This server's times are in UTC: timezone GMT, not {timezone!r}")
    return {
        "latitude": latitude,
        "longitude": longitude,
        "generationtime_ms": 0.1,
        "utc_offset_seconds": 0,
        "timezone": timezone,
        "timezone_abbreviation": timezone,
        "elevation": ELEVATION,
    }


def _coordinate(query: Mapping[str, str], name: str, limit: int) -> float:
    try:
        value = float(query[name])
    except KeyError:
        raise BadRequestError(f"Parameter '{name}' must be set") from None
    except ValueError:
        raise BadRequestError(f"Parameter '{name}' is one number here, not a list") from None
    if not -limit <= value <= limit:
        raise BadRequestError(
            f"{name.capitalize()} must be in range of -{limit} to {limit}°. Given: {value}."
        )
    return round(value, 4)


def _units(query: Mapping[str, str]) -> dict[str, _Unit]:
    """For each variable how it is to be written."""
    by_kind = _FIXED | {name: _choice(query, name, units) for name, units in _CHOICES.items()}
    by_kind["snow"] = _choice(query, "precipitation_unit", _SNOW)
    return {name: by_kind[kind] for name, kind in _VARIABLES.items()}


def _choice(query: Mapping[str, str], name: str, choices: Mapping[str, T]) -> T:
    given = query.get(name, next(iter(choices)))
    if given not in choices:
        raise BadRequestError(f"Parameter '{name}' is one of {', '.join(choices)}, not {given!r}")
    return choices[given]


def _variables(query: Mapping[str, str], name: str, *, without: str = "") -> list[str]:
    names = [word for word in query.get(name, "").split(",") if word]
    for word in names:
        if word not in _VARIABLES or word == without:
            raise BadRequestError(
                f"Data corrupted at path '{name}'. Cannot initialize a variable from invalid "
                f"String value {word}."
            )
    return names


def _whole(query: Mapping[str, str], name: str, maximum: int, default: int) -> int:
    given = query.get(name, str(default))
    if not given.isdecimal() or int(given) > maximum:
        words = name.replace("_", " ").capitalize()
        raise BadRequestError(f"{words} is invalid. Allowed range 0 to {maximum}. Given {given}.")
    return int(given)


def _time(moment: pd.Timestamp, *, unix: bool) -> str | int:
    return int(moment.timestamp()) if unix else moment.strftime("%Y-%m-%dT%H:%M")


def _written(values: Floats, unit: _Unit) -> list[float | int | None]:
    """Rounded values as JSON has them; whole numbers where the unit has no decimals."""
    converted = np.round(values * unit.factor + unit.offset, unit.digits)
    kind = float if unit.digits else int
    return [None if math.isnan(value) else kind(value) for value in converted.tolist()]
