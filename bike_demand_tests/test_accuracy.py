"""How forecasts fared, against the same made row by row."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bike_demand import accuracy
from bike_demand.forecasting.scores import pinball
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import FORECAST_ACCURACY, STATION_FORECAST, STATION_STATUS
from bike_demand.storage.windows import Window

HOUR = timedelta(hours=1)
TICK = datetime(2026, 3, 6, 12, tzinfo=UTC)
STATIONS = [f"s{number}" for number in range(40)]


def status(rng, hours):
    """Counts of some hours, with stations that are closed, unknown or without docks."""
    rows = [
        {
            "system_id": "city",
            "observed_at": TICK - hour * HOUR,
            "station_id": station,
            "fetched_at": TICK,
            "num_bikes_available": rng.integers(0, 6),
            "num_docks_available": None if station == "s1" else rng.integers(0, 4),
            "is_installed": True,
            "is_renting": rng.random() > 0.1,
        }
        for hour in range(hours)
        for station in STATIONS
        if rng.random() > 0.05
    ]
    frame = pd.DataFrame(rows).reindex(columns=[*STATION_STATUS.columns])
    return frame.astype({"num_docks_available": "Int32"})


def forecasts(rng):
    """Of all that comes due at the tick, and of what comes later."""
    rows = [
        {
            "station_id": station,
            "origin_at": TICK - horizon * HOUR,
            "target_at": TICK + ahead * HOUR,
            "horizon": horizon + ahead,
            "role": role,
            "model_version": version,
            "late": rng.random() < 0.1,
            "in_service": rng.random() > 0.1,
            "bikes": np.float32(rng.uniform(0, 5)),
            **dict(zip(("p10", "p50", "p90"), sorted(rng.integers(0, 6, 3)), strict=True)),
            "p_empty": np.float32(rng.random()),
            "p_full": None if rng.random() < 0.1 else np.float32(rng.random()),
            "p10_inside": np.float32(rng.random()),
            "p90_inside": np.float32(rng.random()),
        }
        for horizon in range(1, 25)
        for station in STATIONS
        for role, version in (("champion", "7"), ("simple", None))
        for ahead in (0, 1)
    ]
    frame = pd.DataFrame(rows)
    return frame[frame["horizon"] <= 24].assign(system_id="city", issued_at=TICK, capacity=9)


def by_hand(forecast, known):
    """One row at a time."""
    counts = known.set_index(["observed_at", "station_id"])
    found = {}
    for row in forecast[forecast["target_at"] == TICK].to_dict("records"):
        here, there = (TICK, row["station_id"]), (row["origin_at"], row["station_id"])
        if row["late"] or not row["in_service"] or not {here, there} <= set(counts.index):
            continue
        came, was = counts.loc[here], counts.loc[there]
        if not came["is_renting"]:
            continue
        y, persisted = int(came["num_bikes_available"]), int(was["num_bikes_available"])
        levels = {0.1: row["p10"], 0.5: row["p50"], 0.9: row["p90"]}
        loss = np.mean([pinball(np.array([y]), np.array([q]), at)[0] for at, q in levels.items()])
        if y == row["p10"]:
            inside = float(row["p10_inside"])
        elif y == row["p90"]:
            inside = float(row["p90_inside"])
        else:
            inside = float(row["p10"] < y < row["p90"])
        docks, before = came["num_docks_available"], was["num_docks_available"]
        told = not pd.isna(docks) and not pd.isna(before) and row["p_full"] is not None
        told = told and not np.isnan(row["p_full"])
        sums = {
            "rows": 1,
            "bikes": y,
            "squared_error": (y - float(row["bikes"])) ** 2,
            "absolute_error": abs(y - row["p50"]),
            "quantile_loss": 2 * loss,
            "inside": inside,
            "empty": y == 0,
            "p_empty": float(row["p_empty"]),
            "brier_empty": (float(row["p_empty"]) - (y == 0)) ** 2,
            "rows_full": told,
            "full": told and docks == 0,
            "p_full": float(row["p_full"]) if told else 0,
            "brier_full": (float(row["p_full"]) - int(docks == 0)) ** 2 if told else 0,
            "persistence_squared_error": (y - persisted) ** 2,
            "persistence_absolute_error": abs(y - persisted),
            "persistence_brier_empty": (y == 0) != (persisted == 0),
            "persistence_brier_full": told and (docks == 0) != (before == 0),
        }
        key = row["horizon"], row["role"], row["model_version"] or ""
        sofar = found.setdefault(key, dict.fromkeys(sums, 0.0))
        for name, value in sums.items():
            sofar[name] += float(value)
    return found


@pytest.fixture
def stored(warehouse):
    rng = np.random.default_rng(3)
    known, forecast = status(rng, 25), forecasts(rng)
    windows = [Window(TICK - 25 * HOUR, TICK + HOUR)]
    covers = {"system_id": ["city"]}
    replace(warehouse, STATION_STATUS, windows, Rows(known, covers))
    roles = {**covers, "role": ["champion", "simple"]}
    frame = forecast.reindex(columns=[*STATION_FORECAST.columns])
    replace(warehouse, STATION_FORECAST, windows, Rows(frame, roles))
    return known, forecast


def test_sums_are_those_of_single_rows(stored, warehouse):
    known, forecast = stored
    found = accuracy.due(warehouse, "city", TICK)
    expected = by_hand(forecast, known)
    keys = ["horizon", "role", "model_version"]
    assert [*found[keys].itertuples(index=False, name=None)] == sorted(expected)
    for row in found.to_dict("records"):
        sums = expected[row["horizon"], row["role"], row["model_version"]]
        assert {name: row[name] for name in sums} == pytest.approx(sums, abs=1e-5)


def test_where_nothing_came_due_there_are_no_rows(warehouse):
    assert accuracy.due(warehouse, "city", TICK).empty


def test_forecasts_that_do_not_tell_what_is_inside_have_no_calibration(stored, warehouse):
    with warehouse.connection() as connection:
        connection.execute("UPDATE station_forecast SET p10_inside = NULL, p90_inside = NULL")
    assert accuracy.due(warehouse, "city", TICK)["inside"].isna().all()


def test_skill_adds_hours_up(stored, warehouse):
    for number in range(3):
        tick = TICK + number * HOUR
        rows = accuracy.due(warehouse, "city", TICK).assign(system_id="city", target_at=tick)
        window = Window(tick, tick + HOUR)
        replace(warehouse, FORECAST_ACCURACY, [window], Rows(rows, {"system_id": ["city"]}))
    found = accuracy.skill(warehouse, "city", "7", TICK - HOUR, TICK + 2 * HOUR)
    one = rows[(rows["role"] == "champion") & (rows["horizon"] == 6)].iloc[0]
    told = found.loc[6]
    assert (told["hours"], told["rows"]) == (3, 3 * one["rows"])
    by_hand = 1 - (one["squared_error"] / one["persistence_squared_error"]) ** 0.5
    assert told["skill_rmse"] == pytest.approx(by_hand)
    assert told["coverage_80"] == pytest.approx(one["inside"] / one["rows"])
    assert accuracy.skill(warehouse, "city", "8", TICK - HOUR, TICK + HOUR).empty
