"""What is to come from one origin: by a model and without one, at every station."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bike_demand.forecasting.features import LOOKBACK, LOOKS_BACK, Surroundings
from bike_demand.forecasting.grid import TICK, Grid
from bike_demand.forecasting.model import HORIZONS
from bike_demand.forecasting.outlook import COLUMNS, LOOKS_AHEAD, Outlook
from bike_demand.storage.windows import Reach, Window

ORIGIN = datetime(2026, 3, 30, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
STATIONS = [f"s{number}" for number in range(6)]


def city(known_from=ORIGIN - LOOKS_BACK, seed=3):
    """Stations that fill and empty with the day; what is after the origin is not known."""
    drawn = np.random.default_rng(seed)
    ticks = int((LOOKS_BACK + LOOKS_AHEAD) / TICK) + 1
    hours = np.arange(ticks)[:, None] / 4 + np.arange(6) * 4
    level = 10 + 8 * np.sin(hours * np.pi / 12) + drawn.normal(0, 2, (ticks, 6))
    bikes = np.clip(np.rint(level), 0, 20).astype(np.float32)
    bikes[: int((known_from - (ORIGIN - LOOKS_BACK)) / TICK)] = np.nan
    bikes[int(LOOKS_BACK / TICK) + 1 :] = np.nan
    known = np.where(np.isnan(bikes), np.nan, 1).astype(np.float32)
    start = ORIGIN - LOOKS_BACK
    fetched = np.datetime64(start.replace(tzinfo=None), "us") + np.arange(ticks) * np.timedelta64(
        15, "m"
    )
    return Grid(
        start=start,
        station_ids=np.array(STATIONS, dtype=object),
        fetched_at=np.where(np.isnan(known).all(axis=1), np.datetime64("NaT"), fetched),
        bikes=bikes,
        ebikes=known * np.nan,
        disabled=known * 0,
        docks=20 - bikes,
        docks_disabled=known * 0,
        installed=known,
        renting=known,
        returning=known,
        report_age=known * 60,
    )


def places(**columns):
    frame = pd.DataFrame({"station_id": STATIONS, "lat": 40.0 + np.arange(6) / 1000, "lon": -74.0})
    return Surroundings(frame.assign(capacity=20).assign(**columns), None, "America/New_York", None)


def blank(grid, name, columns):
    values = getattr(grid, name).copy()
    values[:, columns] = np.nan
    return replace(grid, **{name: values})


@pytest.fixture(scope="module")
def simple():
    return Outlook(city(), ORIGIN, places()).forecast(None)


def test_every_station_has_a_row_for_each_of_24_hours(simple):
    assert [*simple.columns] == [*COLUMNS]
    assert simple["station_id"].tolist() == [*STATIONS] * len(HORIZONS)
    assert simple["horizon"].tolist() == [hours for hours in HORIZONS for _ in STATIONS]


def test_quantiles_are_ordered_and_all_lies_within_the_room(simple):
    assert ((simple["p10"] <= simple["p50"]) & (simple["p50"] <= simple["p90"])).all()
    assert (simple["p90"] <= simple["capacity"]).all()
    assert simple["bikes"].between(0, simple["capacity"]).all()
    assert simple[["p_empty", "p_full"]].stack().between(0, 1).all()


def test_without_a_model_the_daily_course_is_foreseen(simple):
    """The blend knows that what fills by day empties by night; persistence does not."""
    own = simple[simple["station_id"] == "s0"].set_index("horizon")["bikes"]
    assert abs(own[24] - own[1]) < 4
    assert abs(own[12] - own[24]) > 5


def test_a_city_of_one_hour_is_forecast_to_stay_as_it_is():
    grid = city(known_from=ORIGIN - HOUR)
    rows = Outlook(grid, ORIGIN, places()).forecast(None)
    now = grid.bikes[grid.index(ORIGIN)]
    assert rows.groupby("station_id")["bikes"].agg(["min", "max"]).T.to_numpy() == pytest.approx(
        np.stack([now, now]), abs=1e-3
    )
    assert (rows["p10"] == rows["p90"]).all()


def test_what_comes_after_the_origin_changes_nothing(simple):
    grid = city()
    later = grid.index(ORIGIN) + 1
    changed = {}
    for field in fields(grid):
        if field.name not in {"start", "station_ids", "fetched_at"}:
            values = getattr(grid, field.name).copy()
            values[later:] = 1
            changed[field.name] = values
    pd.testing.assert_frame_equal(
        Outlook(replace(grid, **changed), ORIGIN, places()).forecast(None), simple
    )


def test_what_the_asset_reads_of_the_past_is_all_that_features_look_at():
    """Full hours of 28 days, and every tick of what `LOOKBACK` names."""
    grid = city()
    reach = Reach(lookback=LOOKBACK, hourly=LOOKS_BACK)
    windows = reach.of([Window(ORIGIN, ORIGIN + TICK)])
    read = np.array([any(w.start <= tick < w.end for w in windows) for tick in grid.ticks])
    thin = {}
    for field in fields(grid):
        if field.name not in {"start", "station_ids", "fetched_at"}:
            values = getattr(grid, field.name).copy()
            values[~read] = np.nan
            thin[field.name] = values
    fetched = np.where(read, grid.fetched_at, np.datetime64("NaT"))
    seen = Outlook(replace(grid, **thin, fetched_at=fetched), ORIGIN, places())._examples
    whole = Outlook(grid, ORIGIN, places())._examples
    np.testing.assert_array_equal(seen.features, whole.features)
    np.testing.assert_array_equal(seen.room, whole.room)


def test_a_station_that_is_not_known_at_the_origin_has_no_forecast():
    grid = city()
    bikes = grid.bikes.copy()
    bikes[grid.index(ORIGIN), 2] = np.nan
    rows = Outlook(replace(grid, bikes=bikes), ORIGIN, places()).forecast(None)
    assert "s2" not in set(rows["station_id"])
    assert len(rows) == 5 * 24


def test_a_station_without_docks_has_no_probability_of_being_full():
    rows = Outlook(blank(city(), "docks", [1]), ORIGIN, places()).forecast(None)
    assert (rows["p_full"].isna() == (rows["station_id"] == "s1")).all()


def test_a_station_that_does_not_rent_is_forecast_and_marked():
    grid = city()
    renting = grid.renting.copy()
    renting[grid.index(ORIGIN), 4] = 0
    rows = Outlook(replace(grid, renting=renting), ORIGIN, places()).forecast(None)
    assert set(rows.loc[~rows["in_service"], "station_id"]) == {"s4"}
    assert len(rows) == 6 * 24


def test_without_a_model_what_is_empty_is_expected_to_stay_so():
    grid = city()
    bikes, docks = grid.bikes.copy(), grid.docks.copy()
    row = grid.index(ORIGIN)
    bikes[row], docks[row] = [0, 0, 20, 5, 5, 5], [20, 20, 0, 15, 15, 15]
    risks = Outlook(replace(grid, bikes=bikes, docks=docks), ORIGIN, places()).risks(None)
    assert risks["p_empty_hour"].tolist() == [1, 1, 0, 0, 0, 0]
    assert risks["p_full_hour"].tolist() == [0, 0, 1, 0, 0, 0]
    assert risks["neighbour_id"].tolist() == ["s1", "s0", "s1", "s2", "s3", "s4"]
    assert risks["empty_shared"].tolist() == [True, True, True, False, False, False]
    assert risks["full_shared"].tolist() == [False, False, False, True, False, False]


def test_the_distance_of_a_neighbour_is_in_metres():
    risks = Outlook(city(), ORIGIN, places()).risks(None)
    assert risks["neighbour_distance"].to_numpy() == pytest.approx(111.2, abs=0.1)


def test_a_neighbour_that_is_out_of_service_is_passed_by():
    grid = city()
    renting = grid.renting.copy()
    renting[grid.index(ORIGIN), 1] = 0
    risks = Outlook(replace(grid, renting=renting), ORIGIN, places()).risks(None)
    assert risks["neighbour_id"].tolist() == ["s2", "s0", "s3", "s2", "s3", "s4"]


def test_stations_without_a_place_have_no_neighbour():
    risks = Outlook(city(), ORIGIN, places(lat=np.nan)).risks(None)
    assert risks["neighbour_id"].isna().all()
    assert risks["neighbour_distance"].isna().all()
    assert risks["empty_shared"].isna().all()
