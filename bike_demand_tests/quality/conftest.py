"""Four clean weeks of a simulated city, stored as a live system's would be."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest

from bike_demand.forecasting.features import FEATURE_VERSION, LOOKS_BACK, Surroundings, features
from bike_demand.forecasting.grid import TICK, to_grid
from bike_demand.forecasting.outlook import LOOKS_AHEAD, Outlook
from bike_demand.forecasting.splits import hourly_origins
from bike_demand.history.recording import open_recording
from bike_demand.simulation import city
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.recording import write_recording
from bike_demand.simulation.weather import Weather
from bike_demand.storage import databases
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import (
    FEED_POLL,
    STATION_FEATURES,
    STATION_FORECAST,
    STATION_INFORMATION,
    STATION_RISK,
    STATION_STATUS,
    WEATHER,
)
from bike_demand.storage.warehouse import Warehouse
from bike_demand.storage.windows import Window

SYSTEM = "city"
END = datetime(2026, 3, 29, tzinfo=UTC)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
START = END - 4 * WEEK
WINDOW = 4 * HOUR
PLAN = Plan(START, stations=120, timezone="America/New_York")
ONE = {"system_id": [SYSTEM]}


@pytest.fixture(scope="session")
def clean(server, migrated_template, tmp_path_factory):
    """A warehouse with the four weeks: status and weather throughout, the rest of their end.

    No station falls silent in them: one that does is stuck.
    """
    url = server.url(f"clean_{uuid4().hex}")
    with databases.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{url.database}" TEMPLATE "{migrated_template}"')
    warehouse = Warehouse(lambda: url)
    stations = store_stations(warehouse)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(city, "_FALLS_SILENT", 0.0)
        status = store_status(warehouse, tmp_path_factory.mktemp("recording"))
    weather = store_weather(warehouse)
    surroundings = Surroundings(stations, weather, PLAN.timezone, None)
    store_features(warehouse, status, surroundings)
    store_forecasts(warehouse, status, surroundings)
    with databases.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return warehouse


def store_stations(warehouse):
    stations = city.City(PLAN).stations
    facts = stations.assign(system_id=SYSTEM, is_active=True, first_seen=START, last_seen=END)
    facts = facts.reindex(columns=[*STATION_INFORMATION.columns])
    replace(warehouse, STATION_INFORMATION, None, Rows(facts, ONE))
    return stations


def store_status(warehouse, folder: Path):
    write_recording(PLAN, END, folder / "city.parquet")
    recording = open_recording(folder / "city.parquet", folder)
    frames = []
    for day in recording.days():
        recorded = recording.read(day)
        status = recorded.status.assign(system_id=SYSTEM)[[*STATION_STATUS.columns]]
        polls = recorded.polls.assign(
            system_id=SYSTEM, http_status=200, last_updated=recorded.polls["polled_at"]
        )[[*FEED_POLL.columns]]
        along = {FEED_POLL.name: Rows(polls, ONE)}
        replace(warehouse, STATION_STATUS, [day], Rows(status, ONE, along))
        frames.append(status)
    return pd.concat(frames, ignore_index=True)


def store_weather(warehouse):
    """Asked for each half hour: an observation, and the hours of a day ahead."""
    weather, asked = Weather(PLAN.seed, PLAN.timezone), pd.date_range(START, END, freq="30min")
    frames = []
    for at in asked[:-1]:
        hours = pd.date_range(at.ceil("h"), periods=25, freq="h")
        told = weather.forecast(at, hours).assign(valid_at=hours, kind="forecast")
        now = weather.observed(pd.DatetimeIndex([at])).assign(valid_at=at, kind="observation")
        frames += [told[told["valid_at"] > at].assign(issued_at=at), now.assign(issued_at=at)]
    rows = pd.concat(frames, ignore_index=True)
    rows["issued_at"] += timedelta(seconds=6)
    rows = rows.assign(system_id=SYSTEM, fetched_at=rows["issued_at"], source="open-meteo")
    rows = rows.reindex(columns=[*WEATHER.columns])
    rows["weather_text"] = rows["weather_text"].astype(object)
    covers = {**ONE, "kind": ["forecast", "observation"]}
    replace(warehouse, WEATHER, [Window(START, END)], Rows(rows, covers))
    return rows


def store_features(warehouse, status, surroundings):
    begin = END - 3 * DAY
    grid = to_grid(status, START, END)
    rows = features(grid, hourly_origins(grid, begin, END), surroundings)
    rows = rows.assign(system_id=SYSTEM, feature_version=FEATURE_VERSION)
    replace(warehouse, STATION_FEATURES, [Window(begin, END)], Rows(rows, ONE))


def store_forecasts(warehouse, status, surroundings):
    begin = END - 2 * WINDOW
    forecasts, risks = [], []
    for origin in pd.date_range(begin, END, freq="h", inclusive="left"):
        at = origin.to_pydatetime()
        grid = to_grid(
            status[status["observed_at"] <= origin], at - LOOKS_BACK, at + LOOKS_AHEAD + TICK
        )
        outlook = Outlook(grid, at, surroundings)
        shared = {
            "system_id": SYSTEM,
            "origin_at": origin,
            "role": "simple",
            "issued_at": origin + timedelta(seconds=30),
            "late": False,
            "model_version": None,
        }
        rows = outlook.forecast(None).assign(**shared)
        hours = pd.to_timedelta(rows["horizon"], unit="h")
        forecasts.append(
            rows.assign(target_at=origin + hours).reindex(columns=[*STATION_FORECAST.columns])
        )
        risks.append(outlook.risks(None).assign(**shared))
    for table, frames in ((STATION_FORECAST, forecasts), (STATION_RISK, risks)):
        rows = Rows(frames, {**ONE, "role": ["champion", "simple"]})
        replace(warehouse, table, [Window(begin, END)], rows)


@pytest.fixture
def connection(clean):
    """To the four weeks; what a test does to them is undone."""
    with clean.connection() as opened:
        yield opened
        opened.rollback()
