"""What OpenWeatherMap's answers mean: objects with a part for each phenomenon that there is.

Pure. An answer does not state its units: they are those that were asked for.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from bike_demand.weather.answers import (
    Answer,
    as_list,
    as_object,
    check_order,
    instant,
    number,
    read_object,
    said,
    show,
)
from bike_demand.weather.codes import OPENWEATHERMAP, says_rain, says_snow
from bike_demand.weather.errors import InvalidWeatherError
from bike_demand.weather.report import (
    FORECAST,
    OBSERVATION,
    Moment,
    Report,
    frame,
    is_ahead,
    is_current,
)
from bike_demand.weather.units import TEMPERATURE, WIND

SOURCE: Final = "openweathermap"

System: TypeAlias = Literal["standard", "metric", "imperial"]
"""A system of units by OpenWeatherMap's name. Precipitation is mm and pressure hPa in all."""

_TEMPERATURES: Mapping[System, str] = {"standard": "K", "metric": "°C", "imperial": "°F"}
_WINDS: Mapping[System, str] = {"standard": "m/s", "metric": "m/s", "imperial": "mph"}


def read_current(answer: Answer, system: System) -> Moment:
    """The moment of an answer of `/data/2.5/weather`.

    Raises:
        InvalidWeatherError: It is no such answer.
    """
    return _moment(_read(answer), system, answer)


def read_forecast(answer: Answer, system: System) -> list[Moment]:
    """The moments, three hours apart, of an answer of `/data/2.5/forecast`.

    Raises:
        InvalidWeatherError: It is no such answer.
    """
    entries = as_list(_read(answer).get("list"), "`list`", answer)
    moments = [
        _moment(as_object(entry, "an entry of `list`", answer), system, answer) for entry in entries
    ]
    check_order(moments, answer)
    return moments


def report(fetched_at: datetime, now: Moment, ahead: Iterable[Moment]) -> Report:
    """The report of both answers, as seen from the time of the request (aware)."""
    rows = [(OBSERVATION, now)] if is_current(now, fetched_at) else []
    rows += [(FORECAST, moment) for moment in ahead if is_ahead(moment, fetched_at)]
    return Report(SOURCE, fetched_at, frame(rows))


def _read(answer: Answer) -> Mapping[str, Any]:
    content = read_object(answer)
    status = content.get("cod", 200)
    if status not in (200, "200"):  # the number from `weather`, the text from `forecast`
        raise InvalidWeatherError(
            answer.feed, f"it says {show(status)}, {said(content.get('message'))}"
        )
    return content


def _moment(content: Mapping[str, Any], system: System, answer: Answer) -> Moment:
    valid_at = instant(content.get("dt"))
    if valid_at is None:
        raise InvalidWeatherError(answer.feed, f"`dt` is {show(content.get('dt'))}, no time")
    main, wind = _part(content, "main"), _part(content, "wind")
    celsius, metres = TEMPERATURE[_TEMPERATURES[system]], WIND[_WINDS[system]]
    ids = _ids(content)
    rain = _rate(content, "rain", expected=ids is None or says_rain(ids))
    snow = _rate(content, "snow", expected=ids is None or says_snow(ids))
    temperature, felt = number(main.get("temp")), number(main.get("feels_like"))
    speed, gusts = number(wind.get("speed")), number(wind.get("gust"))
    share = number(content.get("pop"))
    # `pressure` is that at sea level too, by the documentation; it was not always.
    at_sea = number(main.get("sea_level"))
    return Moment(
        valid_at,
        {
            "temperature": None if temperature is None else celsius(temperature),
            "apparent_temperature": None if felt is None else celsius(felt),
            "relative_humidity": number(main.get("humidity")),
            "wind_speed": None if speed is None else metres(speed),
            "wind_gusts": None if gusts is None else metres(gusts),
            "precipitation": None if rain is None or snow is None else rain + snow,
            "rain": rain,
            "snowfall": snow,
            "precipitation_probability": None if share is None else share * 100,
            "cloud_cover": number(_part(content, "clouds").get("all")),
            "pressure": number(main.get("pressure")) if at_sea is None else at_sea,
            "visibility": number(content.get("visibility")),
        },
        # Of several conditions the first is the primary one.
        None if not ids else OPENWEATHERMAP[ids[0]],
    )


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = content.get(name)
    return part if isinstance(part, dict) else {}


def _ids(content: Mapping[str, Any]) -> list[int] | None:
    """The ids of the conditions that are stated; None if there are none, or one nobody knows."""
    conditions = content.get("weather")
    if not isinstance(conditions, list) or not conditions:
        return None
    ids = []
    for condition in conditions:
        stated = number(condition.get("id")) if isinstance(condition, dict) else None
        if stated is None or stated not in OPENWEATHERMAP:
            return None
        ids.append(int(stated))
    return ids


def _rate(content: Mapping[str, Any], name: str, *, expected: bool) -> float | None:
    """Rain or snow in mm/h.

    The documentation says of what is missing that it did "not happen", so that is 0, unless
    the conditions say that it falls (`expected`), or nothing that can be read: then it is unknown.
    """
    if content.get(name) is None:
        return None if expected else 0.0
    part = _part(content, name)
    hourly, of_three_hours = number(part.get("1h")), number(part.get("3h"))
    if hourly is not None:
        return hourly
    return None if of_three_hours is None else of_three_hours / 3
