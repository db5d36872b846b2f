import base64
import re
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from bike_demand.forecasting.weather_chart import weather_chart


def forecast(temperatures, wet=0.0):
    times = pd.date_range("2026-03-01 12:00", periods=len(temperatures), freq="h", tz="UTC")
    return pd.DataFrame(
        {"valid_at": times, "temperature": temperatures, "precipitation": wet},
    ).astype({"temperature": "float64", "precipitation": "float64"})


def drawing(markdown):
    [encoded] = re.findall(r"base64,([\w+/=]+)\)", markdown)
    return ET.fromstring(base64.b64decode(encoded))  # noqa: S314  # our own


def elements(markdown, tag):
    return list(drawing(markdown).iter(f"{{http://www.w3.org/2000/svg}}{tag}"))


def test_the_line_has_a_point_for_each_known_temperature_and_the_extremes_are_told():
    markdown = weather_chart(forecast([3, None, 7, 12]))
    [line] = elements(markdown, "polyline")
    assert len(line.get("points").split()) == 3
    assert {"3 °C", "12 °C"} <= {text.text for text in elements(markdown, "text")}


def test_rain_is_bars_and_no_rain_is_none():
    assert len(elements(weather_chart(forecast([3, 4, 5], wet=[0, 1.5, None])), "rect")) == 1
    assert elements(weather_chart(forecast([3, 4, 5])), "rect") == []


def test_a_cloudburst_stays_within_the_picture():
    [bar, _] = elements(weather_chart(forecast([3, 4], wet=[80, 40])), "rect")
    assert float(bar.get("y")) >= 0


@pytest.mark.parametrize("temperatures", [[], [5], [None, None]])
def test_too_little_to_draw_is_said(temperatures):
    assert weather_chart(forecast(temperatures)) == "No temperatures are forecast."


def test_the_picture_is_small():
    assert len(weather_chart(forecast([n % 17 for n in range(48)], wet=1.0))) < 12_000
