"""Weather in a number: WMO code table 4677 in words, and OpenWeatherMap's ids in it.

Where Open-Meteo reads the table in its own way (1 to 3 as the amount of cloud), that is what stands
here, so that a code means the same from either source.
"""

from collections.abc import Iterable, Mapping
from typing import Final

TEXTS: Final[Mapping[int, str]] = {
    0: "Clear sky",
    1: "Mainly clear",
    2: "Partly cloudy",
    3: "Overcast",
    4: "Smoke or volcanic ash",
    5: "Haze",
    6: "Dust in the air",
    7: "Blowing dust or sand",
    8: "Dust whirls",
    10: "Mist",
    17: "Thunderstorm without precipitation",
    18: "Squalls",
    19: "Tornado",
    45: "Fog",
    48: "Freezing fog",
    51: "Light drizzle",
    53: "Drizzle",
    55: "Heavy drizzle",
    56: "Light freezing drizzle",
    57: "Freezing drizzle",
    58: "Light drizzle and rain",
    59: "Drizzle and rain",
    61: "Light rain",
    63: "Rain",
    65: "Heavy rain",
    66: "Light freezing rain",
    67: "Freezing rain",
    68: "Light rain and snow",
    69: "Rain and snow",
    71: "Light snow",
    73: "Snow",
    75: "Heavy snow",
    77: "Snow grains",
    79: "Ice pellets",
    80: "Light rain showers",
    81: "Rain showers",
    82: "Violent rain showers",
    85: "Light snow showers",
    86: "Snow showers",
    87: "Light showers of ice pellets",
    88: "Showers of ice pellets",
    95: "Thunderstorm",
    96: "Thunderstorm with light hail",
    97: "Heavy thunderstorm",
    99: "Thunderstorm with heavy hail",
}
"""English for the WMO codes that either source gives: Open-Meteo's 28, and `OPENWEATHERMAP`'s."""

_OPENWEATHERMAP_IDS: Mapping[int, tuple[int, ...]] = {
    # Shares of the sky as Open-Meteo draws the lines: mainly clear to 50 %, partly cloudy to 80 %.
    0: (800,),
    1: (801, 802),
    2: (803,),
    3: (804,),
    4: (711, 762),
    5: (721,),
    6: (761,),
    7: (751,),
    8: (731,),
    10: (701,),
    # Thunderstorms that name no precipitation.
    17: (210, 211, 212, 221),
    18: (771,),
    19: (781,),
    45: (741,),
    51: (300,),
    53: (301,),
    55: (302,),
    58: (310,),
    59: (311, 312),
    61: (500,),
    63: (501,),
    # "Very heavy" and "extreme" are heavy: the table goes no further.
    65: (502, 503, 504),
    67: (511,),
    68: (615,),
    69: (616,),
    71: (600,),
    73: (601,),
    75: (602,),
    # "Sleet" is ice pellets (also 612, 613), as rain with snow has ids of its own (615, 616).
    79: (611,),
    80: (321, 520),
    # The table's 81 is moderate or heavy; its 82, violent, has no id.
    81: (313, 314, 521, 522, 531),
    85: (620,),
    86: (621, 622),
    87: (612,),
    88: (613,),
    95: (200, 201, 230, 231, 232),
    97: (202,),
}

OPENWEATHERMAP: Final[Mapping[int, int]] = {
    condition: code for code, ids in _OPENWEATHERMAP_IDS.items() for condition in ids
}
"""All ids that OpenWeatherMap documents, and the WMO code of each."""

_SLEET = frozenset({611, 612, 613})
_SNOW = frozenset({600, 601, 602, 615, 616, 620, 621, 622}) | _SLEET
_RAIN = (
    frozenset({200, 201, 202, 230, 231, 232, 615, 616})
    | {known for known in OPENWEATHERMAP if 300 <= known < 600}
    | _SLEET
)


def wmo_code(number: float | None) -> int | None:
    """A WMO code of 4677 (0 to 99), or None for what is none."""
    if number is None or not 0 <= number <= 99 or number != int(number):
        return None
    return int(number)


def says_rain(ids: Iterable[int]) -> bool:
    """Whether any of OpenWeatherMap's ids says that rain falls, alone or in a mixture."""
    return not _RAIN.isdisjoint(ids)


def says_snow(ids: Iterable[int]) -> bool:
    """Whether any of OpenWeatherMap's ids says that snow or ice falls, alone or in a mixture."""
    return not _SNOW.isdisjoint(ids)
