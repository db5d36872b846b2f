"""What Open-Meteo's answers mean: series of values by name, each in the unit that is stated.

Pure. Names from before 2023 (`windspeed_10m`) are read like those of today. What it calls
`current` is what its models say of the last quarter of an hour.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bike_demand.weather import units
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
from bike_demand.weather.codes import wmo_code
from bike_demand.weather.errors import InvalidWeatherError
from bike_demand.weather.report import (
    FORECAST,
    OBSERVATION,
    REANALYSIS,
    Moment,
    Report,
    frame,
    is_ahead,
    is_current,
)
from bike_demand.weather.units import Units

SOURCE: Final = "open-meteo"

# Our measure, its names there, its units.
_STATES: tuple[tuple[str, tuple[str, ...], Units], ...] = (
    ("temperature", ("temperature_2m",), units.TEMPERATURE),
    ("apparent_temperature", ("apparent_temperature",), units.TEMPERATURE),
    ("relative_humidity", ("relative_humidity_2m", "relativehumidity_2m"), units.PERCENTAGE),
    ("wind_speed", ("wind_speed_10m", "windspeed_10m"), units.WIND),
    ("wind_gusts", ("wind_gusts_10m", "windgusts_10m"), units.WIND),
    ("precipitation_probability", ("precipitation_probability",), units.PERCENTAGE),
    ("cloud_cover", ("cloud_cover", "cloudcover"), units.PERCENTAGE),
    # Not `surface_pressure`, which says more of the ground's height than of the weather.
    ("pressure", ("pressure_msl",), units.PRESSURE),
    ("visibility", ("visibility",), units.DISTANCE),
)
# Sums over the time before: the hour, or `interval` seconds in `current`.
_SUMS: tuple[tuple[str, tuple[str, ...], Units], ...] = (
    ("precipitation", ("precipitation",), units.WATER),
    ("rain", ("rain",), units.WATER),
    ("showers", ("showers",), units.WATER),
    ("snowfall", ("snowfall",), units.SNOW_DEPTH),
)
_CODE = ("weather_code", "weathercode")

_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)
_MAX_UTC_OFFSET = 24 * 3600

_Series = Sequence[float | None]


def read_present(answer: Answer) -> Report:
    """The observation and the forecast of an answer of `/v1/forecast`.

    Raises:
        InvalidWeatherError: It is no such answer.
    """
    content = _read(answer)
    now = observation(content, answer)
    rows = [(OBSERVATION, now)] if is_current(now, answer.fetched_at) else []
    rows += [
        (FORECAST, hour) for hour in hours(content, answer) if is_ahead(hour, answer.fetched_at)
    ]
    return Report(SOURCE, answer.fetched_at, frame(rows))


def read_past(answer: Answer, start: datetime, end: datetime) -> Report:
    """The hours of an answer of `/v1/archive` from `start` to before `end`, and not yet to come.

    Raises:
        InvalidWeatherError: It is no such answer.
    """
    rows = [
        (REANALYSIS, hour)
        for hour in hours(_read(answer), answer)
        if start <= hour.valid_at < end and hour.valid_at <= answer.fetched_at
    ]
    return Report(SOURCE, answer.fetched_at, frame(rows))


def observation(content: Mapping[str, Any], answer: Answer) -> Moment:
    """The `current` part of an answer. Raises `InvalidWeatherError` if there is none."""
    current = as_object(content.get("current"), "`current`", answer)
    block = _Block(content, "current", {name: [value] for name, value in current.items()}, answer)
    (interval,) = block.read(("interval",), units.DURATION)
    # Without a known duration a sum is no rate.
    per_hour = 3600 / interval if interval is not None and interval > 0 else None
    return block.moments(per_hour)[0]


def hours(content: Mapping[str, Any], answer: Answer) -> list[Moment]:
    """The `hourly` part of an answer. Raises `InvalidWeatherError` if there is none."""
    block = _Block(content, "hourly", as_object(content.get("hourly"), "`hourly`", answer), answer)
    return block.moments(1.0)


def _read(answer: Answer) -> Mapping[str, Any]:
    content = read_object(answer)
    if content.get("error"):
        raise InvalidWeatherError(answer.feed, f"it says {said(content.get('reason'))}")
    return content


class _Block:
    """One block of an answer, `current` or `hourly`: lists by name, and the units of each."""

    def __init__(
        self, content: Mapping[str, Any], name: str, lists: Mapping[str, Any], answer: Answer
    ) -> None:
        self._name = name
        self._lists = lists
        self._answer = answer
        self._units = as_object(content.get(f"{name}_units"), f"`{name}_units`", answer)
        self._times = self._read_times(content.get("utc_offset_seconds"))

    def moments(self, per_hour: float | None) -> list[Moment]:
        """The block's moments, sums made rates by the given factor, or nothing without one."""
        measures = {name: self.read(names, table) for name, names, table in _STATES}
        for name, names, table in _SUMS:
            measures[name] = [
                None if value is None or per_hour is None else value * per_hour
                for value in self.read(names, table)
            ]
        measures["rain"] = _rain(measures["rain"], measures.pop("showers"))
        codes = self.read(_CODE, units.WMO_CODE)
        moments = [
            Moment(
                time, {name: series[at] for name, series in measures.items()}, wmo_code(codes[at])
            )
            for at, time in enumerate(self._times)
        ]
        check_order(moments, self._answer)
        return moments

    def read(self, names: Sequence[str], table: Units) -> _Series:
        """The first of the series that is there, in our unit; nothing but None without any.

        Raises:
            InvalidWeatherError: It is no list of the right length, or its unit is none we know.
        """
        name = next((name for name in names if name in self._lists), None)
        if name is None:
            return [None] * len(self._times)
        series = as_list(self._lists[name], f"`{self._name}.{name}`", self._answer)
        if len(series) != len(self._times):
            raise self._invalid(f"{len(self._times)} times and {len(series)} values of `{name}`")
        values = [number(value) for value in series]
        if all(value is None for value in values):
            return values  # models without the measure answer so, in the unit "undefined"
        unit = self._units.get(name)
        convert = table.get(unit) if isinstance(unit, str) else None
        if convert is None:
            raise self._invalid(f"`{self._name}.{name}` is in the unknown unit {show(unit)}")
        return [None if value is None else convert(value) for value in values]

    def _read_times(self, utc_offset: object) -> list[datetime]:
        stated = as_list(self._lists.get("time"), f"`{self._name}.time`", self._answer)
        unit = self._units.get("time")
        if unit == "unixtime":
            times = [instant(value) for value in stated]
        elif unit == "iso8601":
            offset = number(utc_offset)
            if offset is None or abs(offset) > _MAX_UTC_OFFSET:
                raise self._invalid(f"`utc_offset_seconds` is {show(utc_offset)}")
            times = [_from_local(value, timedelta(seconds=offset)) for value in stated]
        else:
            raise self._invalid(f"`{self._name}.time` is in the unknown unit {show(unit)}")
        readable = [time for time in times if time is not None]
        if len(readable) < len(times):
            bad = next(value for value, time in zip(stated, times, strict=True) if time is None)
            raise self._invalid(f"`{self._name}.time` holds {show(bad)}, which is no time")
        return readable

    def _invalid(self, problem: str) -> InvalidWeatherError:
        return InvalidWeatherError(self._answer.feed, problem)


def _from_local(value: object, utc_offset: timedelta) -> datetime | None:
    if not isinstance(value, str) or not _LOCAL_TIME.fullmatch(value):
        return None
    try:
        local = datetime.fromisoformat(value).replace(tzinfo=UTC)
    except ValueError:
        return None
    return instant(local.timestamp() - utc_offset.total_seconds())


def _rain(large_scale: _Series, showers: _Series) -> _Series:
    """Rain of both kinds. A model that does not tell them apart has no showers at all."""
    if all(value is None for value in showers):
        return large_scale
    return [
        None if one is None or other is None else one + other
        for one, other in zip(large_scale, showers, strict=True)
    ]
