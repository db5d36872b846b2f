"""Answers broken at random: the outcome is rows in range, or the stated error.

`WEATHER_FUZZ_CASES=9999 pytest bike_demand_tests/weather/test_fuzz.py` runs that many a test.
"""

import copy
import json
import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bike_demand.weather.errors import InvalidWeatherError
from bike_demand.weather.open_meteo_answers import read_past, read_present
from bike_demand.weather.openweathermap_answers import read_current, read_forecast, report
from bike_demand.weather.report import COLUMNS, HORIZON, POSSIBLE
from bike_demand_tests.weather.payloads import (
    HOUR,
    NOW,
    answer,
    open_meteo,
    openweathermap_current,
    openweathermap_forecast,
    step,
)

fuzzed = settings(
    max_examples=int(os.environ.get("WEATHER_FUZZ_CASES", "100")),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

START, END = NOW - timedelta(days=1), NOW + timedelta(days=1)

READERS = [
    lambda read: read_present(read).rows,
    lambda read: read_past(read, START, END).rows,
    *(
        lambda read, system=system: report(NOW, read_current(read, system), []).rows
        for system in ("standard", "metric", "imperial")
    ),
    lambda read: (
        report(NOW, read_current(answer(step()), "metric"), read_forecast(read, "metric")).rows
    ),
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, HOUR, HOUR + 3600, HOUR * 1000, 2**63, 10**25, -(10**400), 500, 616]),
    st.floats(),
    st.text(st.characters(), max_size=8),  # halves of surrogate pairs and NUL included
    st.sampled_from(["", "200", "°C", "°F", "mm", "inch", "iso8601", "2026-03-01T12:00", "\ud800"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
MADE = [
    open_meteo(),
    openweathermap_current(rain={"1h": 0.5}, snow={"3h": 0.5}),
    openweathermap_forecast(step(HOUR + 3600, pop=0.5), step(HOUR + 7200, rain={"3h": 2})),
]


def check_rows(rows):
    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == dict(COLUMNS)
    for name, (least, greatest) in POSSIBLE.items():
        assert rows[name].dropna().between(least, greatest).all()
    assert rows["weather_code"].dropna().between(0, 99).all()
    assert not rows.duplicated(["kind", "valid_at"]).any()
    assert not rows["valid_at"].isna().any()
    ahead = rows[rows["kind"] == "forecast"]["valid_at"]
    assert ((ahead > NOW) & (ahead <= NOW + HORIZON)).all()
    known = rows.drop(columns=["kind", "valid_at", "weather_text"]).notna().any(axis=1)
    assert known.all()


def check_outcome(body):
    """Reads an answer in every way; anything but the stated error is let through."""
    for reader in READERS:
        try:
            rows = reader(answer(body))
        except InvalidWeatherError as error:
            message = str(error)
            assert len(message) < 1000
            message.encode()
            assert "\n" not in message
        else:
            check_rows(rows)


def places(node):
    """Every place in a document, as its container and key."""
    found = []
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in items:
        found.append((node, key))
        if isinstance(child, dict | list):
            found += places(child)
    return found


@st.composite
def broken(draw):
    """The bytes of an answer with a few places changed, and perhaps a few bytes."""
    content = copy.deepcopy(draw(st.sampled_from(MADE)))
    for _ in range(draw(st.integers(0, 5))):
        everywhere = places(content)
        if not everywhere:
            break
        container, key = everywhere[draw(st.integers(0, len(everywhere) - 1))]
        change = draw(st.sampled_from(["replace", "replace", "delete", "repeat"]))
        if change == "replace":
            container[key] = draw(values)
        elif change == "delete":
            del container[key]
        elif isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
    body = json.dumps(content).encode()
    at = draw(st.integers(0, len(body)))
    return draw(
        st.sampled_from([body, body, body, body, body[:at], body[:at] + b"\xff" + body[at:]])
    )


@fuzzed
@given(broken())
def test_a_broken_answer_is_rows_in_range_or_the_stated_error(body):
    check_outcome(body)


@fuzzed
@given(st.one_of(st.binary(), values.map(lambda value: json.dumps(value).encode())))
def test_anything_at_all_is_rows_in_range_or_the_stated_error(body):
    check_outcome(body)


@pytest.mark.parametrize("depth", [100, 900, 990, 10_000, 100_000])
def test_depth_is_no_trouble(depth):
    deep = "[" * depth + "]" * depth
    check_outcome(f'{{"current": {deep}, "hourly": {deep}, "list": {deep}, "dt": {deep}}}'.encode())


@pytest.mark.parametrize("content", MADE)
def test_the_answers_that_are_broken_here_are_read_when_whole(content):
    read = answer(content)
    rows = []
    for reader in READERS:
        try:
            rows.append(len(reader(read)))
        except InvalidWeatherError:
            continue
    assert max(rows) >= 1
