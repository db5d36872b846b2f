"""Units that services answer in, and the way from each to ours. Which value has which is not here.

A table a quantity: what a service calls the unit, and what turns a value into °C, m/s, mm of
water, hPa, % or m.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

Units: TypeAlias = Mapping[str, Callable[[float], float]]


def _as_it_is(value: float) -> float:
    return value


def _times(factor: float) -> Callable[[float], float]:
    return lambda value: value * factor


# Open-Meteo's snowfall is a depth which it computes at 7 cm of snow for 10 mm of water.
_WATER_MM_PER_SNOW_CM = 10 / 7

TEMPERATURE: Final[Units] = {
    "°C": _as_it_is,
    "°F": lambda value: (value - 32) * 5 / 9,
    "K": lambda value: value - 273.15,
}
WIND: Final[Units] = {
    "m/s": _as_it_is,
    "km/h": lambda value: value / 3.6,
    "mp/h": _times(0.44704),
    "mph": _times(0.44704),
    "kn": _times(1852 / 3600),
}
WATER: Final[Units] = {"mm": _as_it_is, "inch": _times(25.4)}
SNOW_DEPTH: Final[Units] = {
    "cm": _times(_WATER_MM_PER_SNOW_CM),
    "inch": _times(2.54 * _WATER_MM_PER_SNOW_CM),
}
PRESSURE: Final[Units] = {"hPa": _as_it_is}
PERCENTAGE: Final[Units] = {"%": _as_it_is}
DISTANCE: Final[Units] = {"m": _as_it_is, "ft": _times(0.3048)}
DURATION: Final[Units] = {"seconds": _as_it_is}
WMO_CODE: Final[Units] = {"wmo code": _as_it_is}
