"""A model of a small simulated city: what it learns from, and what it says."""

import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bike_demand.backtest import read_grid
from bike_demand.forecasting.examples import NAMES, Joined
from bike_demand.forecasting.features import Surroundings, features
from bike_demand.forecasting.learners import LightGBM, XGBoost
from bike_demand.forecasting.model import (
    GROUPS,
    HORIZONS,
    put_together,
    train,
)
from bike_demand.forecasting.risk import EVENTS, FEATURES_AHEAD, events_of, hourly_paths
from bike_demand.forecasting.splits import (
    Split,
    TooLittleHistoryError,
    hourly_origins,
    hourly_pairs,
)
from bike_demand.history.recording import open_recording
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.recording import write_recording

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
SPLIT = Split(BEGIN + 7 * DAY, 14 * DAY, 2 * DAY)
LEARNERS = [LightGBM(rounds=60, threads=1), XGBoost(rounds=60, threads=1)]


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    path = folder / "city.parquet"
    write_recording(Plan(BEGIN, stations=8), SPLIT.end, path)
    return read_grid(open_recording(path, folder / "cache"), SPLIT)


def join(grid):
    ids = pd.DataFrame({"station_id": grid.station_ids})
    stations = ids.assign(lat=np.nan, lon=np.nan, capacity=np.nan)
    around = Surroundings(stations, None, "Europe/Lisbon", None)
    known = features(grid, hourly_origins(grid, SPLIT.start, SPLIT.end), around)
    return Joined(grid, known, around)


def learn(grid, learners=LEARNERS, begin=SPLIT.start, pairs=20_000):
    learnt = [*train(join(grid), grid, begin, SPLIT.train_end, learners, pairs)]
    return {one.name: put_together(learnt, one.name, SPLIT.train_end, "7") for one in learners}


@pytest.fixture(scope="module")
def models(grid):
    return learn(grid)


def scored(grid, hours):
    horizon = hours * HOUR
    pairs = hourly_pairs(grid, SPLIT.train_end, SPLIT.end, horizon)
    return pairs, join(grid).examples(pairs, horizon)


def means(model, examples):
    found = np.full(len(examples), np.nan)
    for rows, distribution in model.forecast(examples):
        found[rows] = distribution.mean()
    return found


@pytest.fixture(params=[learner.name for learner in LEARNERS])
def model(request, models):
    return models[request.param]


@pytest.mark.parametrize("hours", [3, 12])
def test_it_is_better_than_persistence(grid, model, hours):
    pairs, examples = scored(grid, hours)
    after = pairs.of(grid.bikes)
    error = np.mean((means(model, examples) - after) ** 2)
    assert error < 0.9 * np.mean((examples.bikes - after) ** 2)


def test_every_row_has_one_forecast_between_0_and_its_room(grid, model):
    _, examples = scored(grid, 2)
    seen = np.zeros(len(examples), dtype=int)
    for rows, distribution in model.forecast(examples):
        seen[rows] += 1
        masses = np.diff(distribution.cumulative, axis=1, prepend=0)
        assert (masses >= -1e-9).all()
        assert distribution.cumulative[:, -1] == pytest.approx(1)
        assert (distribution.capacity == examples.room[rows]).all()
    assert (seen == 1).all()


def test_it_says_what_it_has_learnt_from(model):
    assert model.data_until == SPLIT.train_end - HOUR
    assert model.feature_version == "7"
    held = model.validation()
    assert [*held] == [*HORIZONS]
    assert held[1][1] < model.error < held[24][1]
    assert model.pairs > 50_000


def test_every_horizon_belongs_to_one_group():
    assert sorted(hour for hours in GROUPS for hour in hours) == [*HORIZONS]


def test_nothing_after_the_end_is_learnt(grid, models):
    end = grid.index(SPLIT.train_end)
    bikes, docks = grid.bikes.copy(), grid.docks.copy()
    bikes[end:], docks[end:] = docks[end:], bikes[end:].copy()
    again = learn(replace(grid, bikes=bikes, docks=docks), LEARNERS[:1])["lightgbm"]
    _, examples = scored(grid, 6)
    assert (means(again, examples) == means(models["lightgbm"], examples)).all()


def test_a_closed_station_teaches_nothing(grid, models):
    renting = grid.renting.copy()
    renting[:, 0] = 0
    closed = learn(replace(grid, renting=renting), LEARNERS[:1])["lightgbm"]
    assert closed.pairs == pytest.approx(models["lightgbm"].pairs * 7 / 8, rel=0.1)


def test_a_station_that_was_never_seen_before_has_a_forecast(grid, model):
    _, examples = scored(grid, 5)
    features = np.full((1, len(NAMES)), np.nan, dtype=np.float32)
    features[0, NAMES.index("bikes")], features[0, -1] = 3, 5
    new = replace(
        examples.part(slice(0, 1)),
        features=features,
        bikes=np.array([3]),
        room=np.array([10]),
        docked=np.array([True]),
    )
    assert 0 < means(model, new)[0] < 10


def test_where_docks_are_not_told_the_end_is_not_moved(grid):
    plain = replace(grid, docks=np.full_like(grid.docks, np.nan))
    model = learn(plain, LEARNERS[:1])["lightgbm"]
    assert all(member.full is None for group in model.groups for member in group.members)
    _, examples = scored(plain, 4)
    seen = np.fmax.accumulate(grid.bikes, axis=0)
    assert (examples.room <= np.nanmax(seen)).all()
    assert np.isfinite(means(model, examples)).all()


def test_its_risk_is_learnt_beside_the_groups(grid):
    fewer = {name: np.maximum(getattr(grid, name) - 7, 0) for name in ("bikes", "docks")}
    often = replace(grid, **fewer)  # empty and full often enough
    model = learn(often, [LightGBM(rounds=3, threads=1)])["lightgbm"]
    assert len(model.risk.empty) == len(model.risk.full) == 2
    paths = hourly_paths(often, SPLIT.train_end, SPLIT.end)
    said = model.risk.forecast(join(often).examples(paths, FEATURES_AHEAD))
    happened = events_of(often, paths)
    for event in EVENTS:
        probability = said[f"p_{event}_hour"]
        certain = np.quantile(probability, [0.2, 0.8])
        seldom, mostly = probability <= certain[0], probability >= certain[1]
        assert np.nanmean(happened[event][mostly]) > np.nanmean(happened[event][seldom]) + 0.3


def test_fewer_pairs_are_taken_where_there_are_too_many(grid):
    few = learn(grid, LEARNERS[:1], pairs=4_000)["lightgbm"]
    assert 5 * 3_000 < few.pairs < 5 * 4_800


def test_it_can_be_stored(grid, model):
    _, examples = scored(grid, 6)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301  # our own
    assert (means(again, examples) == means(model, examples)).all()


def test_too_little_history_says_how_much_there_is_and_is_needed(grid):
    with pytest.raises(TooLittleHistoryError, match=r"5\.0 days to learn from.*7 are needed"):
        learn(grid, begin=SPLIT.train_end - 5 * DAY)


def test_a_time_without_rows_says_what_is_missing(grid):
    with pytest.raises(TooLittleHistoryError, match="installed and renting"):
        learn(replace(grid, renting=np.zeros_like(grid.renting)))
