"""A model beside the simple forecasts: groups, and what the model may not see."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bike_demand.backtest import read_grid
from bike_demand.forecasting.examples import Joined
from bike_demand.forecasting.features import Surroundings, features
from bike_demand.forecasting.learners import LightGBM
from bike_demand.forecasting.model import put_together, train
from bike_demand.forecasting.risk import RiskModel, events_of, hourly_paths
from bike_demand.forecasting.splits import Split, hourly_origins
from bike_demand.forecasting.yardstick import NothingToScoreError, Yardstick, neighbourhoods
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


def joined(grid):
    ids = pd.DataFrame({"station_id": grid.station_ids})
    stations = ids.assign(lat=np.nan, lon=np.nan, capacity=np.nan)
    around = Surroundings(stations, None, "Europe/Lisbon", None)
    known = features(grid, hourly_origins(grid, SPLIT.start, SPLIT.end), around)
    return Joined(grid, known, around), around


@pytest.fixture(scope="module")
def model(grid):
    learner = LightGBM(rounds=30, threads=1)
    rows, _ = joined(grid)
    learnt = [*train(rows, grid, SPLIT.start, SPLIT.train_end, [learner], 10_000)]
    return put_together(learnt, learner.name, SPLIT.train_end, "x")


@pytest.fixture
def score(model):
    def run(grid):
        rows, around = joined(grid)
        yardstick = Yardstick(rows, grid, SPLIT, around)
        return yardstick.score(6 * HOUR, {"lightgbm": model}, "lightgbm", ["hour"])

    return run


def test_what_is_forecast_does_not_depend_on_what_comes_after_it(grid, score):
    noon = grid.index(SPLIT.train_end + 12 * HOUR)
    bikes, docks = grid.bikes.copy(), grid.docks.copy()
    bikes[noon:], docks[noon:] = docks[noon:], bikes[noon:].copy()
    changed = score(replace(grid, bikes=bikes, docks=docks))["by_hour"]
    before = score(grid)["by_hour"]
    same = [hour for hour in before if changed[hour] == before[hour]]
    assert sorted(same, key=int) == [str(hour) for hour in range(6, 12)]


@pytest.fixture
def score_risk(model):
    """As persistence, or with the probability of being empty for an hour that is given."""

    def run(grid, probability=None):
        rows, around = joined(grid)
        told = () if probability is None else (lambda rows: np.full(len(rows), probability),)
        of_model = replace(model, risk=RiskModel(empty=told))
        yardstick = Yardstick(rows, grid, SPLIT, around)
        return yardstick.score_risk({"lightgbm": of_model}, "lightgbm")

    return run


@pytest.fixture(scope="module")
def scarce(grid):
    """The city with few bikes and few docks."""
    fewer = {name: np.maximum(getattr(grid, name) - 7, 0) for name in ("bikes", "docks")}
    return replace(grid, **fewer)


def test_the_risk_of_an_hour_is_scored_beside_persistence(scarce, score_risk):
    scores = score_risk(scarce, 0.5)["empty"]
    paths = hourly_paths(scarce, SPLIT.train_end, SPLIT.end)
    happened = events_of(scarce, paths)["empty"]
    known = ~np.isnan(happened)
    persisted = (paths.at_origin(scarce.bikes) == 0) != happened
    assert scores["n"] == known.sum() > 6 * 16
    assert scores["share"] == pytest.approx(happened[known].mean())
    assert scores["brier"] == scores["algorithms"]["lightgbm"]["brier"] == pytest.approx(0.25)
    assert scores["persistence_brier"] == pytest.approx(persisted[known].mean())
    assert scores["skill_brier"] == pytest.approx(1 - 0.25 / persisted[known].mean())


def test_a_risk_that_was_too_rare_to_learn_has_no_skill(scarce, score_risk):
    assert score_risk(scarce)["empty"]["skill_brier"] == 0


def test_there_is_no_skill_where_persistence_makes_no_error(grid, score_risk):
    plenty = replace(grid, bikes=grid.bikes + 1)
    scores = score_risk(plenty, 0.5)["empty"]
    assert (scores["share"], scores["persistence_brier"]) == (0, 0)
    assert np.isnan(scores["skill_brier"])


def test_a_system_that_does_not_tell_its_docks_has_no_score_of_being_full_for_an_hour(
    grid, score_risk
):
    scores = score_risk(replace(grid, docks=np.full_like(grid.docks, np.nan)))
    assert scores["full"]["n"] == 0
    assert all(np.isnan(scores["full"][name]) for name in ("share", "brier", "skill_brier"))
    assert scores["empty"] == score_risk(grid)["empty"]


def test_a_grid_without_a_path_that_counts_is_told(grid, score_risk):
    closed = replace(grid, renting=np.zeros_like(grid.renting))
    with pytest.raises(NothingToScoreError, match="6 h after them"):
        score_risk(closed)


def test_a_system_that_does_not_tell_its_docks_has_no_score_of_full(grid, score):
    unknown = replace(grid, docks=np.full_like(grid.docks, np.nan))
    scores = score(unknown)
    assert np.isnan(scores["model"]["brier_full"])
    assert np.isnan(scores["skill_brier_full"])
    assert scores["model"]["rmse"] > 0


def test_a_grid_without_a_row_that_counts_is_told(grid, score):
    closed = replace(grid, renting=np.zeros_like(grid.renting))
    with pytest.raises(NothingToScoreError, match="for the test, 6 h ahead"):
        score(closed)


def test_a_neighbourhood_is_a_square_told_by_its_south_west_corner():
    stations = pd.DataFrame({"station_id": ["b", "a"], "lat": [38.715, 0], "lon": [-9.145, np.nan]})
    found = neighbourhoods(stations, np.array(["a", "b", "c"], dtype=object))
    assert found.tolist() == ["unknown", "38.70,-9.16", "unknown"]
