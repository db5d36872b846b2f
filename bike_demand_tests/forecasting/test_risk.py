"""Whether a station is empty, or full, for an hour: what counts, what is learnt, what is said."""

import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bike_demand.backtest import read_grid
from bike_demand.forecasting.examples import Joined
from bike_demand.forecasting.features import Surroundings, features
from bike_demand.forecasting.grid import Grid
from bike_demand.forecasting.learners import LightGBM, XGBoost
from bike_demand.forecasting.risk import (
    FEATURES_AHEAD,
    LEAST_EVENTS,
    RiskModel,
    events_of,
    hourly_paths,
    learn_risk,
)
from bike_demand.forecasting.scores import brier
from bike_demand.forecasting.splits import Split, hourly_origins
from bike_demand.history.recording import open_recording
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.recording import write_recording
from bike_demand_tests.forecasting.feature_examples import random_grid

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
SPLIT = Split(BEGIN + 7 * DAY, 14 * DAY, 2 * DAY)
PATH = 25
LEARNERS = [LightGBM(rounds=60, threads=1), XGBoost(rounds=60, threads=1)]


NAMES = (
    *("bikes", "ebikes", "disabled", "docks", "docks_disabled"),
    *("installed", "renting", "returning", "report_age"),
)
NAN = float("nan")


def counts(none=(), unknown=()):
    """Of a path that begins an hour after the grid: two, but none at some ticks from its origin."""
    values = np.full((4 + PATH + 3, 1), 2, dtype=np.float32)
    values[[4 + tick for tick in none]] = 0
    values[[4 + tick for tick in unknown]] = NAN
    return values


def by_hand(bikes=None, docks=None):
    """A station that is in service all the time."""
    arrays = {name: np.ones((4 + PATH + 3, 1), dtype=np.float32) for name in NAMES}
    arrays["bikes"] = counts() if bikes is None else bikes
    arrays["docks"] = counts() if docks is None else docks
    return Grid(
        start=BEGIN - HOUR,
        station_ids=np.array(["a"], dtype=object),
        fetched_at=np.full(4 + PATH + 3, np.datetime64("2026-03-02")),
        **arrays,
    )


def events(bikes=None, docks=None):
    """Whether the station was empty and full for an hour."""
    grid = by_hand(bikes, docks)
    paths = hourly_paths(grid, BEGIN, BEGIN + 7 * HOUR)
    assert paths.origins.tolist() == [4]
    found = events_of(grid, paths)
    return found["empty"][0], found["full"][0]


@pytest.mark.parametrize(
    ("none", "happened"),
    [
        pytest.param(range(7, 12), 1, id="sixty minutes from the first to the last tick"),
        pytest.param(range(7, 11), 0, id="three quarters of an hour"),
        pytest.param([1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14], 0, id="never five in a row"),
        pytest.param(range(5), 1, id="from the origin on"),
        pytest.param(range(-4, 4), 0, id="mostly before the origin"),
        pytest.param(range(-4, 5), 1, id="before the origin and for an hour from it on"),
        pytest.param(range(20, 25), 1, id="to the last tick of the path"),
        pytest.param(range(21, 28), 0, id="mostly after the path"),
        pytest.param(range(25), 1, id="all the time"),
        pytest.param([], 0, id="never"),
    ],
)
def test_five_ticks_in_a_row_from_the_origin_to_six_hours_after_it_are_an_hour(none, happened):
    assert events(bikes=counts(none)) == (happened, 0)
    assert events(docks=counts(none)) == (0, happened)


@pytest.mark.parametrize(
    ("none", "unknown", "happened"),
    [
        pytest.param([7, 8, 10, 11], [9], NAN, id="it may have been five in a row"),
        pytest.param(range(7, 12), [1, 6, 20, 21, 22, 23], 1, id="five are known"),
        pytest.param(range(7, 12), range(20, 25), NAN, id="five are known, and five are hidden"),
        pytest.param([7, 8, 11], [9, 20, 21], 0, id="it cannot have been five in a row"),
        pytest.param([], range(10, 15), NAN, id="an hour of which nothing is known"),
        pytest.param([], range(10, 14), 0, id="not quite an hour of which nothing is known"),
        pytest.param([], range(21, 28), 0, id="what is unknown is mostly after the path"),
        pytest.param([], range(-4, 0), 0, id="what is unknown was before the path"),
    ],
)
def test_what_is_unknown_leaves_doubt_where_it_could_have_made_an_hour(none, unknown, happened):
    np.testing.assert_array_equal(events(bikes=counts(none, unknown)), [happened, 0])
    np.testing.assert_array_equal(events(docks=counts(none, unknown)), [0, happened])


def test_full_is_not_known_without_the_docks_at_the_origin():
    np.testing.assert_array_equal(events(docks=counts(range(7, 12), [0])), [0, NAN])


def one_by_one(values, origin):
    """The definition once more: try every way to fill in what is unknown."""
    path = values[origin : origin + PATH]
    hidden = any(np.isnan(path[first : first + 5]).all() for first in range(PATH - 4))
    if np.isnan(path[0]) or hidden:
        return NAN
    found = set()
    for unknown in (0, 1):
        run = longest = 0
        for value in path:
            run = run + 1 if (unknown if np.isnan(value) else value) == 0 else 0
            longest = max(longest, run)
        found.add(longest >= 5)
    return float(found.pop()) if len(found) == 1 else NAN


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    holes=st.sampled_from([0, 0.02, 0.1, 0.4]),
    empty=st.sampled_from([0.1, 0.5, 0.8, 1]),
)
def test_events_are_those_of_their_definition(seed, holes, empty):
    rng = np.random.default_rng(seed)
    grid = random_grid(seed, stations=3, ticks=80, holes=holes, start=BEGIN)
    for values in (grid.bikes, grid.docks):
        values[(rng.random(values.shape) < empty) & ~np.isnan(values)] = 0
    grid.installed[:], grid.renting[:] = 1, 1
    paths = hourly_paths(grid, BEGIN, BEGIN + 20 * HOUR)
    where = [*zip(paths.origins, paths.stations, strict=True)]
    for event, values in (("empty", grid.bikes), ("full", grid.docks)):
        expected = [one_by_one(values[:, station], origin) for origin, station in where]
        np.testing.assert_array_equal(events_of(grid, paths)[event], expected)


def test_paths_begin_at_full_hours_and_end_before_the_end():
    grid = random_grid(1, stations=1, ticks=4 * 24, holes=0, start=BEGIN)
    grid.installed[:], grid.renting[:] = 1, 1
    paths = hourly_paths(grid, BEGIN + HOUR, BEGIN + 12 * HOUR)
    assert paths.origins.tolist() == [4, 8, 12, 16, 20]
    assert paths.targets.tolist() == [28, 32, 36, 40, 44]
    assert paths.dropped == 0
    assert len(hourly_paths(grid, BEGIN, BEGIN + 6 * HOUR)) == 0


@pytest.mark.parametrize(
    ("name", "value"), [("bikes", NAN), ("installed", 0), ("renting", 0), ("renting", NAN)]
)
def test_a_station_counts_that_is_in_service_and_known_at_the_origin(name, value):
    grid = by_hand()
    getattr(grid, name)[8] = value
    assert len(hourly_paths(grid, BEGIN, BEGIN + 7 * HOUR)) == 1
    getattr(grid, name)[4] = value
    paths = hourly_paths(grid, BEGIN, BEGIN + 7 * HOUR)
    assert (len(paths), paths.dropped) == (0, 1)


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("risk")
    path = folder / "city.parquet"
    write_recording(Plan(BEGIN, stations=12), SPLIT.end, path)
    city = read_grid(open_recording(path, folder / "cache"), SPLIT)
    # With few bikes and few docks, so that two weeks have enough events.
    fewer = {name: np.maximum(getattr(city, name) - 7, 0) for name in ("bikes", "docks")}
    return replace(city, **fewer)


def sampled(grid, begin, end):
    ids = pd.DataFrame({"station_id": grid.station_ids})
    stations = ids.assign(lat=np.nan, lon=np.nan, capacity=np.nan)
    around = Surroundings(stations, None, "Europe/Lisbon", None)
    joined = Joined(grid, features(grid, hourly_origins(grid, begin, end), around), around)
    paths = joined.of(hourly_paths(grid, begin, end))
    return paths, joined.examples(paths, FEATURES_AHEAD), events_of(grid, paths)


def learn(grid, learner):
    paths, examples, events = sampled(grid, SPLIT.start, SPLIT.train_end)
    return learn_risk(learner, examples, paths, events, blocks(grid))


def blocks(grid):
    starts = [grid.index(SPLIT.start + days * DAY) for days in (6, 12)]
    return [(start, start + 2 * 96) for start in starts]


@pytest.fixture(scope="module", params=LEARNERS, ids=lambda learner: learner.name)
def model(request, grid):
    return learn(grid, request.param)


@pytest.fixture(scope="module")
def later(grid):
    return sampled(grid, SPLIT.train_end, SPLIT.end)


@pytest.mark.parametrize("event", ["empty", "full"])
def test_it_is_better_than_persistence(model, later, event):
    _, examples, events = later
    learnt, persistence = (
        np.nanmean(brier(events[event], risk.forecast(examples)[f"p_{event}_hour"]))
        for risk in (model, RiskModel())
    )
    assert learnt < 0.9 * persistence


def test_it_says_probabilities(model, later):
    _, examples, events = later
    forecast = model.forecast(examples)
    assert list(forecast) == ["p_empty_hour", "p_full_hour"]
    for event in ("empty", "full"):
        probability = forecast[f"p_{event}_hour"]
        assert ((probability >= 0) & (probability <= 1)).all()
        assert probability.mean() == pytest.approx(np.nanmean(events[event]), abs=0.05)


def test_it_can_be_stored(model, later):
    _, examples, _ = later
    again = pickle.loads(pickle.dumps(model))  # noqa: S301  # our own
    for name, probability in model.forecast(examples).items():
        assert (again.forecast(examples)[name] == probability).all()


def test_nothing_after_the_end_is_learnt(grid, later):
    end = grid.index(SPLIT.train_end)
    bikes, docks = grid.bikes.copy(), grid.docks.copy()
    bikes[end:], docks[end:] = docks[end:], bikes[end:].copy()
    one, again = (
        learn(city, LEARNERS[0]) for city in (grid, replace(grid, bikes=bikes, docks=docks))
    )
    _, examples, _ = later
    for name, probability in one.forecast(examples).items():
        assert (again.forecast(examples)[name] == probability).all()


def test_nothing_learnt_is_persistence(grid, later):
    paths, examples, _ = later
    said = RiskModel().forecast(examples)
    assert (said["p_empty_hour"] == (paths.at_origin(grid.bikes) == 0)).all()
    assert (said["p_full_hour"] == (paths.at_origin(grid.docks) == 0)).all()


def test_what_members_say_is_averaged(later):
    _, examples, _ = later
    always = [lambda features, p=p: np.full(len(features), p) for p in (0.2, 0.6)]
    said = RiskModel(empty=tuple(always)).forecast(examples)["p_empty_hour"]
    assert said == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("fitted", "held", "members"),
    [(LEAST_EVENTS, 1, 1), (LEAST_EVENTS - 1, 9, 0), (LEAST_EVENTS, 0, 0)],
)
def test_what_is_too_rare_is_not_learnt(grid, fitted, held, members):
    paths, examples, events = sampled(grid, SPLIT.start, SPLIT.train_end)
    [block] = blocks(grid)[:1]
    seldom = np.zeros(len(paths))
    seldom[:fitted] = 1
    seldom[np.flatnonzero(paths.origins >= block[0])[:held]] = 1
    model = learn_risk(Watched(), examples, paths, events | {"full": seldom}, [block])
    assert (len(model.empty), len(model.full)) == (1, members)


def test_a_member_does_not_learn_paths_that_overlap_with_its_block(grid):
    paths, examples, events = sampled(grid, SPLIT.start, SPLIT.train_end)
    told = replace(examples, features=paths.origins[:, None].astype(np.float32))
    watched = Watched()
    learn_risk(watched, told, paths, events, blocks(grid))
    for (begin, end), (fitted, held) in zip(blocks(grid) * 2, watched.seen, strict=True):
        assert ((fitted + PATH <= begin) | (fitted >= end)).all()
        assert ((held >= begin) & (held + PATH <= end)).all()
        assert (fitted < begin).any()
        assert len(held) == pytest.approx((2 * 24 - 6) * len(grid.station_ids), rel=0.1)


class Watched:
    """Remembers origins, which are given to it as features."""

    name = "watched"

    def __init__(self):
        self.seen = []

    def fit(self, features, held, targets):
        assert [target.objective for target in targets] == ["probability"]
        self.seen.append((features[:, 0], held[:, 0]))
        return [None]


def test_where_docks_are_not_told_full_is_not_known(grid):
    plain = replace(grid, docks=np.full_like(grid.docks, np.nan))
    model = learn(plain, LEARNERS[0])
    _, examples, events = sampled(plain, SPLIT.train_end, SPLIT.end)
    assert np.isnan(events["full"]).all()
    assert np.isnan(model.forecast(examples)["p_full_hour"]).all()
    assert np.isfinite(model.forecast(examples)["p_empty_hour"]).all()


def test_features_of_another_horizon_are_refused(later):
    _, examples, _ = later
    other = replace(examples, horizons=examples.horizons + 1)
    with pytest.raises(ValueError, match="3 h ahead"):
        RiskModel().forecast(other)
