"""What holds for all features, whatever the status, the weather and the stations are."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bike_demand.forecasting.features import (
    FEATURES,
    LOOKBACK,
    TARGET_FEATURES,
    TARGET_LOOKBACK,
    features,
    target_features,
)
from bike_demand.forecasting.grid import TICK, to_grid
from bike_demand_tests.forecasting.feature_examples import (
    ARRAYS,
    DAY,
    REACH,
    blank,
    later,
    random_grid,
    random_surroundings,
    rearranged,
    same,
    scrambled,
    status_of,
)

HOUR = timedelta(hours=1)
SEEDS = st.integers(0, 2**32 - 1)
HOLES = st.sampled_from([0, 0.03, 0.3])
HORIZONS = st.sampled_from([1, 6, 24]).map(lambda hours: hours * HOUR)
few = settings(max_examples=6, deadline=None)


def both(grid, origins, around, horizon=3 * HOUR):
    """Features and those of a target, side by side."""
    return pd.concat(
        [features(grid, origins, around), target_features(grid, origins, horizon, around)], axis=1
    )


def reach(grid, begin, end, lookback):
    """Rows of the grid that are declared to be read for origins in [begin, end)."""
    read = np.zeros(len(grid), dtype=bool)
    read[begin:end] = True
    for first, second in lookback:
        read[max(begin - first // TICK, 0) : max(end - second // TICK, 0)] = True
    return read


@few
@given(seed=SEEDS, holes=HOLES, horizon=HORIZONS, row=st.integers(REACH, REACH + DAY - 1))
def test_nothing_that_came_after_an_origin_changes_its_features(seed, holes, horizon, row):
    grid = random_grid(seed, holes=holes)
    around = random_surroundings(grid, seed)
    changed, weather = later(grid, around.weather, row)
    same(
        both(grid, [row], around, horizon),
        both(changed, [row], replace(around, weather=weather), horizon),
    )


@few
@given(seed=SEEDS, holes=HOLES, horizon=HORIZONS, hour=st.integers(0, 23))
def test_an_hour_alone_has_the_features_it_has_in_a_backfill(seed, holes, horizon, hour):
    grid = random_grid(seed, holes=holes)
    around = random_surroundings(grid, seed)
    month = both(grid, np.arange(DAY, len(grid)), around, horizon)
    begin = REACH + 4 * hour
    rows = slice(begin, begin + 4)
    alone = blank(grid, ~(reach(grid, begin, begin + 4, LOOKBACK + TARGET_LOOKBACK)))
    there = month["observed_at"].isin(grid.ticks[rows])
    same(month[there], both(alone, np.arange(begin, begin + 4), around, horizon))


@few
@given(seed=SEEDS, holes=HOLES)
def test_an_hour_read_from_the_warehouse_alone_has_the_features_of_a_backfill(seed, holes):
    grid = random_grid(seed, holes=holes)
    around = random_surroundings(grid, seed)
    begin, end = REACH + 40, REACH + 44
    status = status_of(blank(grid, ~reach(grid, begin, end, LOOKBACK)))
    again = to_grid(status, grid.start + 40 * TICK, grid.start + end * TICK)
    same(
        features(grid, range(begin, end), around),
        features(again, range(begin - 40, end - 40), around),
    )


@few
@given(seed=SEEDS, order=st.permutations(range(6)))
def test_stations_in_another_order_give_the_same_rows_in_that_order(seed, order):
    grid = random_grid(seed)
    around = random_surroundings(grid, seed)
    name = {f"s{new:03}": f"s{old:03}" for new, old in enumerate(order)}
    called = {old: new for new, old in name.items()}
    stations = around.stations.assign(
        station_id=[called.get(one, one) for one in around.stations["station_id"]]
    ).sample(frac=1, random_state=seed)
    origins = range(REACH, REACH + 8)
    moved = both(rearranged(grid, order), origins, replace(around, stations=stations))
    moved["station_id"] = moved["station_id"].map(name)
    same(both(grid, origins, around), moved.sort_values(["observed_at", "station_id"]))


@few
@given(seed=SEEDS, origins=st.sets(st.integers(0, REACH + DAY - 1), min_size=1, max_size=6))
def test_it_does_not_matter_which_other_origins_are_asked_for(seed, origins):
    grid = random_grid(seed)
    around = random_surroundings(grid, seed)
    one_by_one = [both(grid, [row], around) for row in sorted(origins)]
    same(pd.concat(one_by_one), both(grid, [*origins], around))


@settings(max_examples=2, deadline=None)
@given(seed=SEEDS)
def test_a_feature_looks_back_as_far_as_it_says_and_no_further(seed):
    grid, row = random_grid(seed), REACH
    around = random_surroundings(grid, seed)
    whole = both(grid, [row], around)
    declared = (*FEATURES, *TARGET_FEATURES)
    for lookback in {feature.lookback for feature in declared}:
        oldest = grid.ticks[row] - lookback
        seen = around.weather[around.weather[["issued_at", "valid_at"]].min(axis=1) >= oldest]
        cut = both(
            scrambled(grid, slice(0, row - lookback // TICK), 99),
            [row],
            replace(around, weather=seen),
        )
        names = [feature.name for feature in declared if feature.lookback == lookback]
        same(whole[names], cut[names])


@pytest.mark.parametrize("number", range(len(LOOKBACK)))
def test_all_ticks_that_are_declared_to_be_read_matter(number):
    grid = random_grid(1, stations=2, holes=0)
    around = replace(random_surroundings(grid, 1), weather=None)
    whole = features(grid, [REACH], around)
    first, second = (span // TICK for span in LOOKBACK[number])
    for row in range(REACH - first, REACH + 1 - second):
        assert not whole.equals(features(blank(grid, row), [REACH], around)), row


def test_each_hour_that_is_declared_to_be_read_for_targets_matters():
    grid = random_grid(1, holes=0)
    around = random_surroundings(grid, 1, timezone="UTC")
    first = 28 * DAY + 4
    for hours in range(24):
        horizon = max(hours, 1) * HOUR
        whole = target_features(grid, [REACH], horizon, around)
        without = blank(grid, REACH - first + 4 * hours)
        assert not whole.equals(target_features(without, [REACH], horizon, around)), hours


def test_rows_are_of_the_stations_known_at_an_origin_by_origin_and_station():
    grid = random_grid(2, holes=0.3)
    origins = [REACH + 5, REACH, REACH + 5, REACH + 1]
    frame = features(grid, origins, random_surroundings(grid, 2))
    expected = [
        (grid.ticks[row], station)
        for row in sorted(set(origins))
        for column, station in enumerate(grid.station_ids)
        if not np.isnan(grid.bikes[row, column])
    ]
    assert [*zip(frame["observed_at"], frame["station_id"], strict=True)] == expected


def test_columns_are_as_declared():
    grid = random_grid(3)
    around = random_surroundings(grid, 3)
    assert {name: str(dtype) for name, dtype in features(grid, [REACH], around).dtypes.items()} == {
        "observed_at": "datetime64[us, UTC]",
        "station_id": "object",
        **{feature.name: feature.dtype for feature in FEATURES},
    }
    ahead = target_features(grid, [REACH], HOUR, around)
    assert {name: str(dtype) for name, dtype in ahead.dtypes.items()} == {
        feature.name: feature.dtype for feature in TARGET_FEATURES
    }


def test_names_are_unique_across_origin_and_target():
    names = [feature.name for feature in (*FEATURES, *TARGET_FEATURES)]
    assert len(names) == len(set(names))


def test_no_origins_give_no_rows():
    grid = random_grid(4, ticks=8)
    assert len(both(grid, [], random_surroundings(grid, 4))) == 0


def test_a_snapshot_that_is_missing_gives_no_rows_and_null_lags():
    grid = blank(random_grid(5, holes=0), REACH)
    around = random_surroundings(grid, 5)
    assert features(grid, [REACH], around).empty
    after = features(grid, [REACH + 1], around)
    assert after["bikes_lag_15m"].isna().all()
    assert after["bikes_lag_30m"].notna().all()


def test_a_station_that_is_new_has_no_history_and_takes_none_from_others():
    grid = random_grid(6, holes=0)
    around = random_surroundings(grid, 6)
    for name in ARRAYS:
        getattr(grid, name)[: REACH + 4, 2] = np.nan
    before = both(grid, [REACH + 3], around)
    others = np.array([column for column in range(6) if column != 2])
    fewer = replace(
        grid,
        station_ids=grid.station_ids[others],
        **{name: getattr(grid, name)[:, others] for name in ARRAYS},
    )
    same(before, both(fewer, [REACH + 3], around))
    first = both(grid, [REACH + 4], around).set_index("station_id").loc["s002"]
    past = [f.name for f in (*FEATURES, *TARGET_FEATURES) if f.source == "station_status"]
    past = [f for f in past if any(word in f for word in ("lag", "week", "day", "change", "since"))]
    known = {name for name in past if not np.isnan(first[name]) and "system" not in name}
    assert known <= {"minutes_since_empty", "minutes_since_full"}
    assert first["coverage"] == np.float32(1 / 97)
    assert np.isnan(first["bikes_deviation_24h"])


@pytest.mark.parametrize(
    ("night", "hours"),
    [
        (datetime(2024, 3, 10, 5, tzinfo=UTC), [0, 1, 3, 4]),
        (datetime(2024, 11, 3, 4, tzinfo=UTC), [0, 1, 1, 2]),
    ],
)
def test_a_change_of_clocks_moves_the_local_hour_and_no_lag(night, hours):
    grid = random_grid(7, holes=0, ticks=DAY, start=night)
    frame = features(grid, range(16), random_surroundings(grid, 7))
    of_one = frame[frame["station_id"] == "s001"]
    assert of_one["hour"].tolist() == list(np.repeat(hours, 4))
    assert of_one["bikes_lag_1h"].tolist()[4:] == of_one["bikes"].tolist()[:-4]


@pytest.mark.parametrize("origins", [[-1], [0, DAY]])
def test_an_origin_off_the_grid_is_refused(origins):
    grid = random_grid(8, ticks=DAY)
    with pytest.raises(ValueError, match="not all on a grid of 96"):
        features(grid, origins, random_surroundings(grid, 8))


@pytest.mark.parametrize("horizon", [timedelta(0), timedelta(minutes=20), 25 * HOUR, -HOUR])
def test_a_horizon_of_no_ticks_or_of_more_than_a_day_is_refused(horizon):
    grid = random_grid(9, ticks=DAY)
    with pytest.raises(ValueError, match="a horizon is"):
        target_features(grid, [5], horizon, random_surroundings(grid, 9))
