"""Where weather is asked for, and what comes back: moments, what can be true of them, the frame.

Pure. How a service's answer becomes moments is said in the modules of the services.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from bike_demand.weather.codes import TEXTS

OBSERVATION: Final = "observation"
FORECAST: Final = "forecast"
REANALYSIS: Final = "reanalysis"

HORIZON: Final = timedelta(hours=48)
"""How far ahead of the request forecasts are kept."""

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far a service's clock may run ahead of ours before an observation is not believed."""

MAX_OBSERVATION_AGE: Final = timedelta(hours=6)
"""An older observation is not the weather now."""

POSSIBLE: Final[Mapping[str, tuple[float, float]]] = {
    "temperature": (-90, 60),
    "apparent_temperature": (-120, 80),
    "relative_humidity": (0, 100),
    "wind_speed": (0, 120),
    "wind_gusts": (0, 120),
    # A quarter of an hour has brought close to 200 mm.
    "precipitation": (0, 1000),
    "rain": (0, 1000),
    "snowfall": (0, 1000),
    "precipitation_probability": (0, 100),
    "cloud_cover": (0, 100),
    "pressure": (850, 1100),
    "visibility": (0, 500_000),
}
"""Measures and the least and greatest value that can be true, in the units of `Report.rows`."""

COLUMNS: Final[Mapping[str, str]] = {
    "kind": "object",
    "valid_at": "datetime64[us, UTC]",
    **dict.fromkeys(POSSIBLE, "float64"),
    "weather_code": "Int64",
    "weather_text": "object",
}
"""Columns of `Report.rows`, in order, and their pandas types."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Place:
    """A point on the globe.

    Attributes:
        lat: Latitude, degrees of WGS 84, -90 to 90.
        lon: Longitude, degrees of WGS 84, -180 to 180.

    Raises:
        ValueError: It is not on the globe.
    """

    lat: float
    lon: float

    def __post_init__(self) -> None:
        # So written, NaN fails too.
        if not (-90 <= self.lat <= 90 and -180 <= self.lon <= 180):
            raise ValueError(f"latitude {self.lat!r}, longitude {self.lon!r} is no place on Earth")


@dataclass(frozen=True, eq=False)
class Report:
    """What a service said of a place's weather.

    Attributes:
        source: `open-meteo` or `openweathermap`.
        fetched_at: When we asked (aware, UTC), of the last request where it took several.
        rows: Columns `COLUMNS`; no two rows have the same `kind` and `valid_at`. May be empty.
            `kind` is `observation`, `forecast` or `reanalysis`; `valid_at` the time stated (UTC).
            Temperatures are °C; humidity, cloud cover and probability %; wind m/s; precipitation
            and its parts rain and snowfall mm/h of water; pressure hPa at sea level; visibility m.
            `weather_code` is WMO 4677, `weather_text` the same in English. What the service does
            not say, or what cannot be true, is null.
    """

    source: str
    fetched_at: datetime
    rows: pd.DataFrame


@dataclass(frozen=True)
class Moment:
    """The weather at one time, as a service states it.

    Attributes:
        valid_at: The time (aware, UTC).
        measures: Values by the names of `POSSIBLE`, in its units, not yet judged.
        code: WMO 4677, or None.
    """

    valid_at: datetime
    measures: Mapping[str, float | None]
    code: int | None


def is_current(moment: Moment, fetched_at: datetime) -> bool:
    """Whether an observation is one of the weather at the time of the request."""
    return fetched_at - MAX_OBSERVATION_AGE <= moment.valid_at <= fetched_at + CLOCK_TOLERANCE


def is_ahead(moment: Moment, fetched_at: datetime) -> bool:
    """Whether a moment is one of the next 48 hours, seen from the time of the request."""
    return fetched_at < moment.valid_at <= fetched_at + HORIZON


def frame(moments: Iterable[tuple[str, Moment]]) -> pd.DataFrame:
    """Moments, each with its kind, as rows of `COLUMNS`.

    Values that cannot be true become null. Moments of which nothing is known are left out.
    """
    rows = [row for kind, moment in moments if (row := _row(kind, moment)) is not None]
    return pd.DataFrame(
        {name: _column([row[name] for row in rows], dtype) for name, dtype in COLUMNS.items()}
    )


def _row(kind: str, moment: Moment) -> dict[str, Any] | None:
    measures = {name: _possible(name, moment.measures.get(name)) for name in POSSIBLE}
    if moment.code is None and all(value is None for value in measures.values()):
        return None
    return {
        "kind": kind,
        "valid_at": (moment.valid_at - _EPOCH) // _MICROSECOND,
        **measures,
        "weather_code": moment.code,
        "weather_text": None if moment.code is None else TEXTS.get(moment.code),
    }


def _possible(name: str, value: float | None) -> float | None:
    least, greatest = POSSIBLE[name]
    return value if value is not None and least <= value <= greatest else None


def _column(cells: list[Any], dtype: Any) -> Any:
    if dtype.startswith("datetime64"):
        moments = np.array(cells, dtype=np.int64).view("datetime64[us]")
        return pd.DatetimeIndex(moments).tz_localize("UTC")
    if dtype == "object":
        column = np.empty(len(cells), dtype=object)
        column[:] = cells
        return column
    if dtype == "float64":
        return np.array(cells, dtype=np.float64)  # None becomes NaN
    return pd.array(cells, dtype=dtype)
