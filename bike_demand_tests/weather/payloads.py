"""Answers of the services, small and tidy, with parts changed, added, or removed by `...`."""

import json
from datetime import UTC, datetime, timedelta

import pandas as pd

from bike_demand.download.downloader import Limits
from bike_demand.weather.answers import Answer
from bike_demand.weather.report import Place

NOW = datetime(2026, 3, 1, 12, 10, tzinfo=UTC)
HOUR = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
HERE = Place(40.74, -73.97)
QUICK = Limits(connect_seconds=2, read_seconds=2, total_seconds=5)

UNITS = {
    "time": "unixtime",
    "interval": "seconds",
    "temperature_2m": "°C",
    "apparent_temperature": "°C",
    "relative_humidity_2m": "%",
    "wind_speed_10m": "m/s",
    "wind_gusts_10m": "m/s",
    "precipitation": "mm",
    "rain": "mm",
    "showers": "mm",
    "snowfall": "cm",
    "precipitation_probability": "%",
    "cloud_cover": "%",
    "pressure_msl": "hPa",
    "visibility": "m",
    "weather_code": "wmo code",
}


def changed(content, changes):
    return {name: value for name, value in {**content, **changes}.items() if value is not ...}


def open_meteo(current=None, hourly=None, units=None, **changes):
    """An answer of `/v1/forecast` as we ask for it, of two hours unless changed."""
    now = {
        "time": HOUR,
        "interval": 900,
        "temperature_2m": 4.5,
        "apparent_temperature": 1.0,
        "relative_humidity_2m": 80,
        "wind_speed_10m": 3.0,
        "wind_gusts_10m": 7.5,
        "precipitation": 0.6,
        "rain": 0.2,
        "showers": 0.1,
        "snowfall": 0.21,
        "cloud_cover": 100,
        "pressure_msl": 1003.2,
        "visibility": 9000.0,
        "weather_code": 61,
    }
    ahead = {
        "time": [HOUR, HOUR + 3600],
        **{name: [value] * 2 for name, value in now.items() if name not in {"time", "interval"}},
        "precipitation_probability": [70, 30],
    }
    stated = changed(UNITS, units or {})
    content = {
        "latitude": 40.74,
        "longitude": -73.97,
        "utc_offset_seconds": 0,
        "current_units": stated,
        "current": changed(now, current or {}),
        "hourly_units": stated,
        "hourly": changed(ahead, hourly or {}),
    }
    return changed(content, changes)


def conditions(*ids):
    return [{"id": number, "main": "?", "description": "?"} for number in ids]


def step(dt=HOUR, **changes):
    """A moment of OpenWeatherMap, in metric units."""
    content = {
        "dt": dt,
        "main": {"temp": 4.5, "feels_like": 1.0, "pressure": 1003, "humidity": 80},
        "wind": {"speed": 3.0, "deg": 200, "gust": 7.5},
        "clouds": {"all": 75},
        "visibility": 10000,
        "weather": conditions(803),
    }
    return changed(content, changes)


def openweathermap_current(**changes):
    return step(**{"cod": 200, "name": "New York", **changes})


def openweathermap_forecast(*steps, **changes):
    listed = steps or [step(HOUR + hours * 3600, pop=0.4) for hours in range(0, 60, 3)]
    return changed({"cod": "200", "message": 0, "list": list(listed)}, changes)


def answer(content, fetched_at=NOW):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(body, "https://weather.example/v1?…", fetched_at)


def known(row):
    """What a row states, without nulls."""
    return {name: value for name, value in row.items() if not pd.isna(value)}


class Clock:
    """The present, moved only by those who wait."""

    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += timedelta(seconds=seconds)
