"""The weather over a city: a function of its seed and the time, with no path to be walked.

Behind it are a few fields, each a sum of waves with periods from hours to weeks and phases drawn
from the seed, so that any moment of any year can be asked for alone. They are made into a mild
ocean climate. A forecast sees the same fields, bent by errors that belong to the moment forecast
and grow with the time that lies before it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr  # type: ignore[import-untyped]

Floats = NDArray[np.float64]

_WAVES: Final = 32
_DAY: Final = 86_400.0
_YEAR: Final = 365.2425 * _DAY

# Periods of the waves of each field, in days. All fields have mean 0 and variance 1.
_PERIODS: Final = {
    "wetness": (0.4, 8.0),
    "showers": (0.06, 0.4),
    "warmth": (2.0, 25.0),
    "clouds": (0.2, 3.0),
    "wind": (0.3, 6.0),
    "pressure": (3.0, 15.0),
    "damp": (0.3, 5.0),
}

_RAIN_ABOVE: Final = 1.4  # of wetness: it rains 8 % of the time
_SNOW_BELOW: Final = 1.0  # °C
_ERROR_DAYS: Final = 4.0  # after which a forecast has reached most of its error
_ERROR: Final = 0.9  # what that is, in standard deviations of a field


@dataclass(frozen=True)
class _Field:
    """A sum of waves; arrays of shape (waves,)."""

    frequency: Floats  # radians a second
    phase: Floats

    def at(self, seconds: Floats) -> Floats:
        waves = np.sin(seconds[:, None] * self.frequency + self.phase)
        total: Floats = waves.sum(axis=1) * np.sqrt(2 / _WAVES)
        return total


class Weather:
    """The weather of one place.

    Args:
        seed: Of the city.
        timezone: IANA name of its clock: afternoons are warm by it.
    """

    def __init__(self, seed: int, timezone: str) -> None:
        random = np.random.Generator(np.random.PCG64([seed, 0x5EA]))
        self._fields = {name: _field(*range_, random) for name, range_ in _PERIODS.items()}
        self._errors = {name: _field(*range_, random) for name, range_ in _PERIODS.items()}
        new_year = datetime(2024, 1, 1, tzinfo=ZoneInfo(timezone))
        none = timedelta(0)
        sun = (new_year.utcoffset() or none) - (new_year.dst() or none)  # no summer time for it
        self._solar_seconds = sun.total_seconds()

    def observed(self, times: pd.DatetimeIndex) -> pd.DataFrame:
        """The weather as it is.

        Args:
            times: Any instants, UTC.

        Returns:
            A row for each of them: `temperature` and `apparent_temperature` in °C,
            `relative_humidity` and `cloud_cover` in %, `wind_speed` and `wind_gusts` in m/s,
            `precipitation`, `rain` and `snowfall` in mm/h of water, `pressure` at sea level in
            hPa, `visibility` in m, `weather_code` of WMO 4677 as Open-Meteo uses it.
        """
        seconds = _seconds(times)
        fields = {name: field.at(seconds) for name, field in self._fields.items()}
        return self._made_of(fields, times)

    def forecast(self, issued_at: datetime, times: pd.DatetimeIndex) -> pd.DataFrame:
        """The weather as it is foreseen: the columns of `observed` and a probability in %.

        The error of a moment keeps its sign and shrinks as the moment comes nearer, so that a
        later issue is closer to the truth; what lies before the issue is known.
        """
        seconds = _seconds(times)
        lead = np.maximum(seconds - issued_at.timestamp(), 0.0) / _DAY
        error = _ERROR * -np.expm1(-lead / _ERROR_DAYS)
        fields = {
            name: field.at(seconds) + error * self._errors[name].at(seconds)
            for name, field in self._fields.items()
        }
        frame = self._made_of(fields, times)
        # How likely the truth is over the threshold, given that it lies about the forecast.
        doubt = np.maximum(error, 1e-9)
        probability = 100 * ndtr((fields["wetness"] - _RAIN_ABOVE) / doubt)
        frame["precipitation_probability"] = np.rint(probability)
        return frame

    def _made_of(self, fields: dict[str, Floats], times: pd.DatetimeIndex) -> pd.DataFrame:
        local = _seconds(times) + self._solar_seconds
        # Coldest on 25 January and at 4 in the morning.
        season = -np.cos(2 * np.pi * (local / _YEAR - 24 / 365))
        hour = -np.cos(2 * np.pi * (local / _DAY - 4 / 24))

        excess = fields["wetness"] - _RAIN_ABOVE
        shower = np.exp(0.8 * fields["showers"])
        amount = np.where(excess > 0, np.maximum(3.0 * excess * shower, 0.1), 0.0)
        precipitation = np.round(amount, 1).astype(np.float64)
        sky = 45 + 30 * fields["wetness"] + 25 * fields["clouds"]
        cloud = np.clip(np.where(precipitation > 0, np.maximum(sky, 75), sky), 0, 100)
        temperature = (
            15.0 + 5.5 * season + 3.2 * hour * (1.2 - 0.6 * cloud / 100) + 2.6 * fields["warmth"]
        ) - np.where(precipitation > 0, 1.0, 0.0)
        humidity = np.clip(
            72 - 10 * hour + 8 * fields["damp"] + np.where(precipitation > 0, 14, 0), 25, 100
        )
        wind = 3.6 * np.exp(0.45 * fields["wind"] + 0.15 * hour + 0.12 * fields["wetness"])
        gusts = wind * (1.45 + 0.1 * np.tanh(fields["showers"]))
        snow = np.where(temperature < _SNOW_BELOW, precipitation, 0.0)
        fog = (humidity > 97) & (wind < 4) & (precipitation == 0)
        visibility = np.clip(30_000 - 200 * (humidity - 60), 8_000, 30_000)
        visibility = np.where(precipitation > 0, visibility / (1 + precipitation), visibility)
        visibility = np.where(fog, 600.0, visibility)
        thunder = (precipitation >= 8) & (temperature > 12)
        showery = fields["showers"] > 1
        return pd.DataFrame(
            {
                "temperature": np.round(temperature, 1),
                "apparent_temperature": np.round(_felt(temperature, humidity, wind), 1),
                "relative_humidity": np.rint(humidity),
                "wind_speed": np.round(wind, 1),
                "wind_gusts": np.round(gusts, 1),
                "precipitation": precipitation,
                "rain": precipitation - snow,
                "snowfall": snow,
                "cloud_cover": np.rint(cloud),
                "pressure": np.round(1017 + 6 * fields["pressure"] - 3 * fields["wetness"], 1),
                "visibility": np.rint(visibility),
                "weather_code": _code(precipitation, snow, cloud, fog, showery, thunder),
            },
            index=times,
        )


def _field(shortest_days: float, longest_days: float, random: np.random.Generator) -> _Field:
    """Waves of periods spread evenly over the logarithm, and no two in step."""
    low, high = np.log(shortest_days), np.log(longest_days)
    steps = (np.arange(_WAVES) + random.random(_WAVES)) / _WAVES
    periods = np.exp(low + (high - low) * steps) * _DAY
    return _Field(2 * np.pi / periods, random.uniform(0, 2 * np.pi, _WAVES))


def _felt(temperature: Floats, humidity: Floats, wind: Floats) -> Floats:
    """Steadman's apparent temperature in °C, as the Australian bureau uses it."""
    vapour = humidity / 100 * 6.105 * np.exp(17.27 * temperature / (237.7 + temperature))
    return temperature + 0.33 * vapour - 0.70 * wind - 4.0


def _code(
    precipitation: Floats,
    snow: Floats,
    cloud: Floats,
    fog: NDArray[np.bool_],
    showery: NDArray[np.bool_],
    thunder: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """WMO 4677, the worst of what there is."""
    grade = np.digitize(precipitation, [2.5, 7.6])  # light, moderate, heavy
    conditions = [
        thunder,
        snow > 0,
        precipitation >= 0.5,
        precipitation > 0,
        fog,
    ]
    codes = [
        np.full(grade.shape, 95),
        np.array([71, 73, 75])[grade],
        np.where(showery, np.array([80, 81, 82])[grade], np.array([61, 63, 65])[grade]),
        np.where(precipitation < 0.3, 51, 53),
        np.full(grade.shape, 45),
    ]
    return np.select(conditions, codes, np.digitize(cloud, [20, 50, 85])).astype(np.int64)


def _seconds(times: pd.DatetimeIndex) -> Floats:
    """Since 1970."""
    since = times - pd.Timestamp(0, tz="UTC")
    return np.asarray(since / pd.Timedelta(seconds=1), dtype=np.float64)
