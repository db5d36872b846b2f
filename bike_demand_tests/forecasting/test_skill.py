"""What forecasts are worth, on a simulated city: a change that loses skill is seen here.

The floors lie some way below what was measured, since three days of a small city say little more.
"""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from bike_demand.backtest import read_grid
from bike_demand.forecasting.examples import Joined
from bike_demand.forecasting.features import Surroundings, features
from bike_demand.forecasting.learners import LightGBM
from bike_demand.forecasting.model import put_together, train
from bike_demand.forecasting.promotion import GATED
from bike_demand.forecasting.splits import Split, hourly_origins
from bike_demand.forecasting.yardstick import Yardstick
from bike_demand.history.recording import open_recording
from bike_demand.simulation.city import City
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.recording import write_recording

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
SPLIT = Split(BEGIN + 7 * DAY, 21 * DAY, 4 * DAY)
FLOORS = {1: (0.02, 0.10), 3: (0.06, 0.20), 6: (0.09, 0.26), 12: (0.08, 0.30), 24: (0.01, 0.22)}
"""By hours ahead, skill in RMSE and in CRPS."""


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    folder, plan = tmp_path_factory.mktemp("skill"), Plan(BEGIN, stations=60)
    write_recording(plan, SPLIT.end, folder / "city.parquet")
    grid = read_grid(open_recording(folder / "city.parquet", folder / "cache"), SPLIT)
    stations = City(plan).stations[["station_id", "lat", "lon", "capacity"]]
    around = Surroundings(pd.DataFrame(stations), None, plan.timezone, None)
    known = features(grid, hourly_origins(grid, SPLIT.start, SPLIT.end), around)
    joined = Joined(grid, known, around)
    learner = LightGBM(threads=1)
    parts = [*train(joined, grid, SPLIT.start, SPLIT.train_end, [learner], 30_000)]
    models = {"model": put_together(parts, learner.name, SPLIT.train_end, "1")}
    yardstick = Yardstick(joined, grid, SPLIT, around)
    each = {hours: yardstick.score(timedelta(hours=hours), models, "model") for hours in GATED}
    return each, yardstick.score_risk(models, "model")


@pytest.mark.parametrize("hours", GATED)
def test_the_model_beats_the_best_simple_forecast_by_what_it_used_to(scores, hours):
    rmse, crps = FLOORS[hours]
    assert scores[0][hours]["skill_rmse"] > rmse
    assert scores[0][hours]["skill_crps"] > crps


@pytest.mark.parametrize("hours", GATED)
def test_distributions_hold_what_they_say(scores, hours):
    assert 0.74 < scores[0][hours]["model"]["pit_coverage_80"] < 0.87


@pytest.mark.parametrize("event", ["empty", "full"])
def test_the_risk_of_an_hour_beats_persistence(scores, event):
    assert scores[1][event]["skill_brier"] > 0
