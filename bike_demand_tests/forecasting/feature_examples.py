"""Grids, weather and stations at random, for the tests of features."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from bike_demand.forecasting.features import Surroundings
from bike_demand.forecasting.grid import SOURCES, TICK, Grid

START = datetime(2024, 2, 20, tzinfo=UTC)
DAY, WEEK = 96, 672
REACH = 4 * WEEK + 8
"""Ticks that features look back."""
MEASURES = (
    "temperature",
    "apparent_temperature",
    "relative_humidity",
    "wind_speed",
    "precipitation",
    "cloud_cover",
    "weather_code",
)
ARRAYS = (*SOURCES, "report_age")


def random_grid(seed, *, stations=6, ticks=REACH + DAY, holes=0.1, start=START):
    """Counts of 0 to 3, so that much is empty and full; the last station is never empty or full."""
    rng = np.random.default_rng(seed)
    shape = ticks, stations
    values = {name: rng.integers(0, 4, shape).astype(np.float32) for name in ARRAYS}
    values["bikes"][:, -1:] += 1
    values["docks"][:, -1:] += 1
    unknown = rng.random(shape) < holes
    missed = rng.random(ticks) < holes / 4
    unknown[missed] = True
    for name, array in values.items():
        array[unknown] = np.nan
        if name != "bikes":
            array[rng.random(shape) < holes / 4] = np.nan
    ids = np.array([f"s{number:03}" for number in range(stations)], dtype=object)
    fetched = np.datetime64(start.replace(tzinfo=None), "us") + np.arange(ticks) * np.timedelta64(
        900_000_000, "us"
    )
    fetched = fetched + rng.integers(0, 890, ticks).astype("timedelta64[s]")
    fetched[missed] = np.datetime64("NaT")
    return Grid(start=start, station_ids=ids, fetched_at=fetched, **values)


def random_surroundings(grid, seed, *, timezone="America/New_York"):
    """The grid's stations and as many that it does not have; weather of the last two days."""
    rng = np.random.default_rng(seed)
    ids = [*grid.station_ids, *(f"x{number}" for number in range(len(grid.station_ids)))]
    stations = pd.DataFrame(
        {
            "station_id": ids,
            "lat": 40 + rng.random(len(ids)) / 10,
            "lon": -74 + rng.random(len(ids)) / 10,
            "capacity": pd.array(
                [None if rng.random() < 0.3 else int(rng.integers(5, 9)) for _ in ids], "Int64"
            ),
        }
    )
    end = grid.start + len(grid) * TICK
    return Surroundings(stations, random_weather(rng, end), timezone, None)


def random_weather(rng, end):
    """Of the two days before an end and of the one after it, with gaps."""
    parts = []
    for kind, count in (("observation", 60), ("reanalysis", 40), ("forecast", 600)):
        valid = end + pd.to_timedelta(rng.integers(-48 * 4, 48, count) * 15, unit="min")
        issued = {
            "observation": valid + pd.to_timedelta(rng.integers(0, 40, count), unit="min"),
            "reanalysis": valid,
            "forecast": end + pd.to_timedelta(rng.integers(-16, 2, count) * 3, unit="h"),
        }[kind]
        measures = {name: rng.integers(0, 99, count).astype(float) for name in MEASURES}
        parts.append(
            pd.DataFrame({"issued_at": issued, "valid_at": valid, "kind": kind, **measures})
        )
    weather = pd.concat(parts).drop_duplicates(["issued_at", "valid_at", "kind"])
    weather["weather_code"] = weather["weather_code"].astype("Int64")
    weather.loc[rng.random(len(weather)) < 0.1, list(MEASURES[:3])] = np.nan
    return weather.sample(frac=1, random_state=1).reset_index(drop=True)


def blank(grid, rows):
    """The grid without what some rows hold."""
    return scrambled(grid, rows, np.nan)


def scrambled(grid, rows, value):
    arrays = {name: getattr(grid, name).copy() for name in ARRAYS}
    for array in arrays.values():
        array[rows] = value
    return replace(grid, **arrays)


def rearranged(grid, columns):
    """The grid with other stations in its columns, under the ids that stand there."""
    return replace(grid, **{name: getattr(grid, name)[:, columns] for name in ARRAYS})


def later(grid, weather, row):
    """Grid and weather with all that came after a row's snapshot changed."""
    changed = scrambled(grid, slice(row + 1, None), 99)
    known_at = pd.Timestamp(grid.fetched_at[row]).tz_localize("UTC")
    known_at = grid.ticks[row] if pd.isna(known_at) else known_at
    after = weather["issued_at"] > known_at
    weather = weather.copy()
    weather.loc[after, list(MEASURES)] = 77
    more = weather.sample(100, replace=True, random_state=1)
    more = more.assign(
        issued_at=known_at + timedelta(microseconds=1), **dict.fromkeys(MEASURES, 55)
    )
    return changed, pd.concat([weather, more.drop_duplicates(["valid_at", "kind"])])


def same(one, other):
    """Whether two frames are equal to the last bit, nulls included."""
    pd.testing.assert_frame_equal(
        one.reset_index(drop=True), other.reset_index(drop=True), check_exact=True
    )


def status_of(grid):
    """The rows of `station_status` that a grid was made from."""
    row, column = np.nonzero(~np.isnan(grid.bikes))
    fetched = pd.DatetimeIndex(grid.fetched_at[row]).tz_localize("UTC")
    seconds = grid.report_age[row, column]
    age = np.nan_to_num(seconds).astype("timedelta64[s]")
    age[np.isnan(seconds)] = np.timedelta64("NaT")
    return pd.DataFrame(
        {
            "observed_at": grid.ticks[row],
            "station_id": grid.station_ids[column],
            "fetched_at": fetched,
            "last_reported": fetched - pd.TimedeltaIndex(age),
            **{name: getattr(grid, field)[row, column] for field, name in SOURCES.items()},
        }
    )
