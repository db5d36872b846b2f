"""A model beside the simple forecasts: groups, and what the model may not see."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bike_demand.backtest import read_grid
from bike_demand.forecasting.features import Surroundings
from bike_demand.forecasting.splits import Split
from bike_demand.forecasting.yardstick import NothingToLearnError, Yardstick, neighbourhoods
from bike_demand.history.recording import open_recording
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.recording import write_recording

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
SPLIT = Split(BEGIN + 7 * DAY, 14 * DAY, DAY)


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("yardstick")
    path = folder / "city.parquet"
    write_recording(Plan(BEGIN, stations=6), SPLIT.end, path)
    return read_grid(open_recording(path, folder / "cache"), SPLIT)


def score(grid):
    ids = pd.DataFrame({"station_id": grid.station_ids})
    stations = ids.assign(lat=np.nan, lon=np.nan, capacity=np.nan)
    surroundings = Surroundings(stations, None, "Europe/Lisbon", None)
    return Yardstick(grid, SPLIT, surroundings).score(6 * HOUR, ["hour"])


def test_what_is_forecast_does_not_depend_on_what_comes_after_it(grid):
    noon = grid.index(SPLIT.train_end + 12 * HOUR)
    bikes, docks = grid.bikes.copy(), grid.docks.copy()
    bikes[noon:], docks[noon:] = docks[noon:], bikes[noon:].copy()
    changed = score(replace(grid, bikes=bikes, docks=docks))["by_hour"]
    before = score(grid)["by_hour"]
    same = [hour for hour in before if changed[hour] == before[hour]]
    assert sorted(same, key=int) == [str(hour) for hour in range(6, 12)]


def test_a_system_that_does_not_tell_its_docks_has_no_score_of_full(grid):
    unknown = replace(grid, docks=np.full_like(grid.docks, np.nan))
    scores = score(unknown)
    assert np.isnan(scores["model"]["brier_full"])
    assert np.isnan(scores["skill_brier_full"])
    assert scores["model"]["rmse"] > 0


def test_a_grid_without_a_row_that_counts_is_told(grid):
    closed = replace(grid, renting=np.zeros_like(grid.renting))
    with pytest.raises(NothingToLearnError, match="for learning, 6 h ahead"):
        score(closed)


def test_a_neighbourhood_is_a_square_told_by_its_south_west_corner():
    stations = pd.DataFrame({"station_id": ["b", "a"], "lat": [38.715, 0], "lon": [-9.145, np.nan]})
    found = neighbourhoods(stations, np.array(["a", "b", "c"], dtype=object))
    assert found.tolist() == ["unknown", "38.70,-9.16", "unknown"]
