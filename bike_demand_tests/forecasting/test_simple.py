"""The simple forecasts, against a second implementation and real data's known figures."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bike_demand.backtest import read_grid
from bike_demand.forecasting.scores import summary
from bike_demand.forecasting.simple import (
    SIMPLE,
    SimpleForecasts,
    WeeklyMeans,
    blend_weight,
    hours_of_week,
)
from bike_demand.forecasting.splits import Split
from bike_demand.forecasting.yardstick import losses_of_simple
from bike_demand.history.recording import open_recording
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.recording import write_recording
from bike_demand_tests.forecasting.naive_backtest import NaiveBacktest

DAY = timedelta(days=1)
BEGIN = datetime(2026, 3, 9, tzinfo=UTC)  # the clocks of Lisbon go forward on the 29th
START = BEGIN + timedelta(days=7)


def scores_of_simple(grid, split, timezone, hours):
    horizon = timedelta(hours=hours)
    simple = SimpleForecasts(grid, split, timezone)
    pairs = simple.test_pairs(horizon)
    losses = losses_of_simple(simple.outcome(pairs), simple.forecasts(pairs, horizon))
    scores = {name: summary(each) for name, each in losses.items()}
    return {"n": len(pairs), "dropped": pairs.dropped, "simple": scores}


@pytest.fixture(scope="module")
def patchy(tmp_path_factory):
    """A file of a small city with holes of every kind, and its rows."""
    folder = tmp_path_factory.mktemp("patchy")
    write_recording(Plan(BEGIN, stations=5, seed=3), BEGIN + 24 * DAY, folder / "whole.parquet")
    rows = pd.read_parquet(folder / "whole.parquet")
    rows["station_id"] = rows["station_id"].astype(str)
    random = np.random.default_rng(5)
    ids = sorted(rows["station_id"].unique())
    rows = rows[
        (random.random(len(rows)) > 0.03)
        & ~rows["fetched_at"].isin(random.choice(rows["fetched_at"].unique(), 60, replace=False))
    ].reset_index(drop=True)
    again = rows.iloc[::7].copy()  # a second, later snapshot with other numbers
    again["fetched_at"] += timedelta(minutes=6)
    again["num_bikes_available"] += 1
    missing = ~again["fetched_at"].sub(timedelta(minutes=6)).isin(rows["fetched_at"])
    rows = pd.concat([rows, again[~missing]], ignore_index=True)
    for column, share in (("is_renting", 0.02), ("is_installed", 0.01)):
        flags = rows[column].astype("boolean")
        flags[random.random(len(rows)) < share] = False
        flags[random.random(len(rows)) < share / 2] = pd.NA
        rows[column] = flags
    idle = (rows["station_id"] == ids[0]) & (rows["fetched_at"] < START + 14 * DAY)
    rows.loc[idle, "is_renting"] = False  # it has no average
    docks = rows["num_docks_available"].astype("Int32")
    docks[random.random(len(rows)) < 0.05] = pd.NA
    rows["num_docks_available"] = docks
    path = folder / "patchy.parquet"
    rows.to_parquet(path)
    grid = read_grid(open_recording(path, folder / "cache"), Split(START, 14 * DAY, 3 * DAY))
    records = [
        {
            "fetched_at": row.fetched_at.to_pydatetime(),
            "station_id": row.station_id,
            "bikes": int(row.num_bikes_available),
            "docks": None if row.num_docks_available is pd.NA else int(row.num_docks_available),
            "installed": row.is_installed is not pd.NA and bool(row.is_installed),
            "renting": row.is_renting is not pd.NA and bool(row.is_renting),
        }
        for row in rows.itertuples()
    ]
    return grid, NaiveBacktest(records, START, 14, 3, "Europe/Lisbon")


@pytest.mark.parametrize("hours", [1, 6, 24])
def test_every_score_of_the_simple_forecasts_is_that_of_a_second_implementation(patchy, hours):
    grid, naive = patchy
    split = Split(START, 14 * DAY, 3 * DAY)
    found = scores_of_simple(grid, split, "Europe/Lisbon", hours)
    expected = naive.scores(hours)
    assert (found["n"], found["dropped"]) == (expected["n"], expected["dropped"])
    for name in SIMPLE:
        assert found["simple"][name] == pytest.approx(expected["simple"][name], rel=1e-9)


BAY_WHEELS = {
    1: (142_535, 1.289, 1.275),
    3: (132_866, 2.298, 2.211),
    6: (131_572, 3.394, 3.096),
    12: (127_930, 4.520, 3.846),
    24: (137_556, 4.472, 3.976),
}


def test_bay_wheels_has_the_figures_that_others_found(shared_data, tmp_path):
    file = shared_data / "baywheels" / "station_status_2023-03_2023-04.parquet"
    split = Split(datetime(2023, 3, 8, tzinfo=UTC), 28 * DAY, 14 * DAY)
    grid = read_grid(open_recording(file, tmp_path), split)
    found = {
        hours: scores_of_simple(grid, split, "America/Los_Angeles", hours) for hours in BAY_WHEELS
    }
    for hours, (n, persistence, blend) in BAY_WHEELS.items():
        assert found[hours]["n"] == n
        simple = found[hours]["simple"]
        assert simple["persistence"]["rmse"] == pytest.approx(persistence, abs=0.001)
        assert simple["blend"]["rmse"] == pytest.approx(blend, abs=0.001)


def test_the_hour_of_the_week_is_that_of_the_local_clock():
    ticks = pd.DatetimeIndex(["2026-03-29T00:45Z", "2026-03-29T01:00Z", "2026-03-29T23:00Z"])
    assert hours_of_week(ticks, "Europe/Lisbon").tolist() == [144, 146, 0]


def weekly_means():
    values = np.array([[1, 4], [3, np.nan], [8, np.nan]], dtype=np.float32)
    return WeeklyMeans(values, np.array([5, 5, 6]), np.array([0, 1, 1]))


def test_an_average_is_of_the_ticks_in_its_hour_and_else_of_all_the_stations_ticks():
    hours, stations = np.array([5, 6, 7, 7]), np.array([0, 0, 0, 1])
    assert weekly_means().at(hours, stations).tolist() == [2, 8, 4, 4]


def test_an_average_can_leave_a_block_out():
    means = weekly_means()
    blocks, hours, stations = np.array([0, 1, 1]), np.array([5, 5, 6]), np.array([0, 0, 0])
    assert means.without(blocks, hours, stations).tolist() == [3, 1, 1]
    assert np.isnan(means.without(np.array([0]), np.array([5]), np.array([1]))).all()


def test_the_weight_of_a_blend_is_the_one_with_the_least_squares():
    persistence, average = np.array([4.0, 0, 8]), np.array([0.0, 4, 4])
    outcome = 0.25 * persistence + 0.75 * average
    assert blend_weight(persistence, average, outcome) == pytest.approx(0.25)


@pytest.mark.parametrize(("outcome", "weight"), [(9.0, 1), (-3.0, 0)])
def test_the_weight_of_a_blend_stays_between_0_and_1(outcome, weight):
    assert blend_weight(np.array([4.0]), np.array([0.0]), np.array([outcome])) == weight


def test_a_blend_of_nothing_is_persistence():
    nothing = np.array([np.nan])
    assert blend_weight(nothing, nothing, nothing) == 1
