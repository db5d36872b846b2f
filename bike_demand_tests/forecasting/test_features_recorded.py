"""Features of a real city's history: the San Francisco Bay Area in spring 2023."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from bike_demand.forecasting.features import LOOKBACK, Surroundings, features, target_features
from bike_demand.forecasting.grid import TICK, Grid, to_grid
from bike_demand_tests.forecasting.feature_examples import blank, same

START = datetime(2023, 3, 22, 15, tzinfo=UTC)
MORNING = datetime(2023, 4, 19, 15, tzinfo=UTC)
"""Wednesday, 8:00 on the clocks of San Francisco, and four weeks before."""

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class City:
    grid: Grid
    around: Surroundings


@pytest.fixture(scope="module")
def city(shared_data):
    folder = shared_data / "baywheels"
    within = [("fetched_at", ">=", START), ("fetched_at", "<", MORNING + 4 * HOUR)]
    table = pq.read_table(folder / "station_status_2023-03_2023-04.parquet", filters=within)
    status = table.to_pandas().assign(station_id=lambda rows: rows["station_id"].astype(object))
    status["observed_at"] = status["fetched_at"].dt.floor(TICK)
    status = status.drop_duplicates(["observed_at", "station_id"])
    facts = json.loads((folder / "station_information.json").read_text())["data"]["stations"]
    stations = pd.DataFrame(facts)[["station_id", "lat", "lon", "capacity"]]
    return City(
        to_grid(status, START, MORNING + 4 * HOUR),
        Surroundings(stations, None, "America/Los_Angeles", None),
    )


def test_an_hour_of_real_history_is_made_from_what_is_declared_to_be_read(city):
    begin = city.grid.index(MORNING)
    unread = np.ones(len(city.grid), dtype=bool)
    unread[begin : begin + 4] = False
    for first, second in LOOKBACK:
        unread[begin - first // TICK : begin + 4 - second // TICK] = False
    origins = range(begin, begin + 4)
    same(
        features(city.grid, origins, city.around),
        features(blank(city.grid, unread), origins, city.around),
    )


def test_what_followed_in_past_weeks_tells_something_of_what_follows(city):
    begin = city.grid.index(MORNING)
    frame = features(city.grid, [begin], city.around)
    change = city.grid.bikes[begin + 12] - city.grid.bikes[begin]
    actual = pd.Series(change[~np.isnan(city.grid.bikes[begin])])
    assert actual.corr(frame["bikes_weeks_change_3h"]) > 0.2
    ahead = target_features(city.grid, [begin], 3 * HOUR, city.around)
    same(ahead[["target_bikes_weeks_change"]].set_axis([0], axis=1),
         frame[["bikes_weeks_change_3h"]].set_axis([0], axis=1))  # fmt: skip


def test_a_real_morning_is_a_rush_and_most_of_it_is_known(city):
    frame = features(city.grid, [city.grid.index(MORNING)], city.around)
    assert frame["morning_rush"].all()
    assert len(frame) > 450
    shares = frame.notna().mean()
    assert shares[["near_fill", "coverage", "bikes_weeks_mean", "minutes_since_empty"]].min() > 0.95
    assert (frame["capacity"] >= frame["bikes"]).mean() > 0.95
