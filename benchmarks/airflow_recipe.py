"""The recipe of a well-known Airflow tutorial for bike-share: what it reports and what it serves.

Run as `python -m benchmarks.airflow_recipe FILE`, FILE a recording of eight weeks or so, such as
Bay Wheels, spring 2023. The recipe is rebuilt here from its description, habits and all; each
habit is a field of `Habits`, so that it can be given up by itself. Nothing of this is used
elsewhere.
"""

import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final, Protocol

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.grid import Grid, to_grid
from bike_demand.history.recording import open_recording

START: Final = datetime(2023, 3, 8, tzinfo=UTC)
"""From when on the recipe's table has rows."""

TRAINING, TEST = timedelta(days=28), timedelta(days=14)
HORIZONS: Final = (1, 3, 6, 12, 24)  # hours
REPAIRED_HORIZONS: Final = (1, 6, 24)  # a model each
HOUR, DAY, WEEK = 4, 96, 672  # ticks
LAGS: Final = (1, 24, 168)  # rows of 15 minutes, called hours
WINDOWS: Final = (3, 6, 24)  # likewise
TRAINED_SHARE: Final = 0.8
MOST_LEARNED: Final = 200_000  # rows, drawn at random; all of them take minutes more
SEED: Final = 42
THREADS: Final = 2

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]


class Model(Protocol):
    """What both libraries make."""

    def fit(self, X: Any, y: Any) -> Any:  # noqa: N803
        """Learn."""

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Foretell."""


class Split(Enum):
    """How the rows that a model is scored on are set apart: a fifth of them."""

    RANDOM = "random rows"
    TIME = "the last rows by time"


class Way(Enum):
    """How a feature row for a time to come is made, by a project that has this recipe."""

    APPENDED = "row appended, gaps filled"
    CARRIED_WINDOWS = "row appended, last rolling means"
    LAST_ROW = "last row, other calendar"
    CALENDAR = "calendar only, rest filled"


@dataclass(frozen=True)
class Habits:
    """What the recipe does; false where it was repaired.

    Attributes:
        target_in_window: Rolling means hold the row's own value.
        rows_for_hours: 24 rows of 15 minutes are "24 h", in lags and in windows.
        filled: What is missing is replaced by the column's mean.
        no_horizon: The target is of the same time as the features.
        split: How rows are set apart.
    """

    target_in_window: bool = True
    rows_for_hours: bool = True
    filled: bool = True
    no_horizon: bool = True
    split: Split = Split.RANDOM


RECIPE: Final = Habits()
REPAIRED: Final = Habits(
    target_in_window=False, rows_for_hours=False, filled=False, no_horizon=False, split=Split.TIME
)


@dataclass(frozen=True, eq=False)
class Table:
    """Station status as the recipe has it, a row per station and snapshot, sorted by both.

    Attributes:
        grid: Where the rows come from; the recipe never sees it.
        station: Column of the grid, shape (N,).
        tick: Row of the grid.
        bikes: What is to be forecast.
        split_tick: The first tick of the test.
    """

    grid: Grid
    station: Numbers
    tick: Numbers
    bikes: "pd.Series[float]"
    split_tick: int

    def row_of(self, tick: Numbers, station: Numbers) -> Numbers:
        """Which rows have these ticks and stations; all must be there."""
        width = len(self.grid.station_ids)
        places = np.full(len(self.grid) * width, -1, dtype=np.int64)
        places[self.tick * width + self.station] = np.arange(len(self.tick))
        found: Numbers = places[tick * width + station]
        assert (found >= 0).all()
        return found

    def before(self, rows: Numbers, lag: Numbers | int) -> Floats:
        """The bikes some ticks before those of rows, by the clock; NaN where not known."""
        tick = self.tick[rows] - lag
        values = self.grid.bikes[np.clip(tick, 0, len(self.grid) - 1), self.station[rows]]
        return np.where((tick >= 0) & (tick < len(self.grid)), values, np.float32(np.nan))


def read(file: Path) -> Table:
    """The four weeks and the two after them."""
    with tempfile.TemporaryDirectory() as cache:
        recording = open_recording(file, Path(cache))
        status = pd.concat([recording.read(day).status for day in recording.days()])
    grid = to_grid(status, START, START + TRAINING + TEST)
    station, tick = np.nonzero(np.isfinite(grid.bikes.T))
    bikes = pd.Series(grid.bikes[tick, station])
    return Table(grid, station, tick, bikes, grid.index(START + TRAINING))


# The recipe


def by_rows(table: Table, habits: Habits, ahead: int = 0) -> list[Floats]:
    """Lags and rolling means of all rows, as the recipe makes them.

    Args:
        table: The rows.
        habits: Which of the recipe's to keep.
        ahead: 1 for what a row appended after each would have as lags.
    """
    by_station = table.bikes.groupby(table.station)
    every = np.arange(len(table.tick))
    if habits.rows_for_hours:
        lags = [by_station.shift(lag - ahead).to_numpy(np.float32) for lag in LAGS]
    else:
        lags = [table.before(every, lag * HOUR) for lag in LAGS]
    held = table.bikes if habits.target_in_window or ahead else by_station.shift(1)
    scale = 1 if habits.rows_for_hours else HOUR
    windows = [
        held.groupby(table.station).rolling(width * scale).mean().to_numpy(np.float32)
        for width in WINDOWS
    ]
    return [*lags, *windows]


def calendar(table: Table, tick: Numbers) -> list[Floats]:
    """Hour, weekday, month and weekend; in UTC, as the table's times are."""
    ticks = table.grid.start + pd.to_timedelta(tick * 15, unit="min")
    parts = (ticks.hour, ticks.dayofweek, ticks.month, ticks.dayofweek >= 5)
    return [np.asarray(part, dtype=np.float32) for part in parts]


def filled(features: Floats, means: Floats | None) -> Floats:
    """With the means where there is no number, if means are given."""
    return features if means is None else np.where(np.isnan(features), means, features)


def models() -> dict[str, Model]:
    """Both, as they come."""
    from lightgbm import LGBMRegressor
    from xgboost import XGBRegressor

    return {
        "LightGBM": LGBMRegressor(n_jobs=THREADS, random_state=SEED, verbose=-1),
        "XGBoost": XGBRegressor(n_jobs=THREADS, random_state=SEED),
    }


def parts(table: Table, rows: Numbers, split: Split) -> tuple[Numbers, Numbers]:
    """Places in `rows` to learn from and to be scored on."""
    if split is Split.RANDOM:
        order = np.random.default_rng(SEED).permutation(len(rows))
    else:
        order = np.argsort(table.tick[rows], kind="stable")
    cut = int(TRAINED_SHARE * len(rows))
    return order[:cut], order[cut:]


@dataclass(frozen=True, eq=False)
class Trained:
    """A model, what fills its gaps, and its errors on the rows that were set apart."""

    model: Model
    means: Floats | None
    errors: Floats


def train(table: Table, features: Floats, target: Floats, habits: Habits, name: str) -> Trained:
    """Fit a model on four fifths of the training rows that have a target, score it on the rest.

    Args:
        table: The rows.
        features: Of all rows, test included.
        target: Of all rows; NaN where there is none to learn from.
        habits: Fill and split.
        name: Of the model.
    """
    rows = np.flatnonzero(np.isfinite(target))
    # All the rows that there are, those it is scored on too: the habit.
    means = np.asarray(np.nanmean(features[rows], axis=0, dtype=np.float64), dtype=np.float32)
    kept = means if habits.filled else None
    learned, scored = parts(table, rows, habits.split)
    learned = np.random.default_rng(SEED).permutation(learned)[:MOST_LEARNED]
    model = models()[name]
    model.fit(filled(features[rows[learned]], kept), target[rows[learned]])
    foretold = model.predict(filled(features[rows[scored]], kept))
    return Trained(model, kept, foretold - target[rows[scored]])


def without_horizon(table: Table, habits: Habits, name: str, features: Floats) -> Trained:
    """The recipe: a row's own bikes are its target."""
    known = np.where(table.tick < table.split_tick, table.bikes, np.nan)
    return train(table, features, known.astype(np.float32), habits, name)


# The honest rows


@dataclass(frozen=True)
class Rows:
    """Rows of the table that a forecast is made at, and those that it is made for."""

    origin: Numbers
    target: Numbers


def honest_rows(table: Table, hours: int) -> Rows:
    """Hourly origins and targets within the test.

    A station must be open at both, have been open in training, and its bikes be known at both
    and a day and a week before the target: the rows of the project's own backtest.
    """
    grid, ahead = table.grid, hours * HOUR
    known = np.isfinite(grid.bikes)
    open_ = known & (grid.installed == 1) & (grid.renting == 1)
    learned = open_[: table.split_tick].any(axis=0)
    origin = np.arange(table.split_tick, len(grid) - ahead, HOUR)
    target = origin + ahead
    counts = open_[origin] & open_[target] & known[target - DAY] & known[target - WEEK] & learned
    at, station = np.nonzero(counts)
    return Rows(table.row_of(origin[at], station), table.row_of(target[at], station))


def served(table: Table, rows: Rows, habits: Habits, way: Way, ready: list[Floats]) -> Floats:
    """Features for targets from what is known at origins.

    Args:
        table: The rows.
        rows: Origins and targets.
        habits: Which of the recipe's to keep.
        way: How to make do.
        ready: `by_rows` of the table; one row ahead unless the last row is carried.
    """
    found = np.stack([values[rows.origin] for values in ready], axis=1)
    lags, windows = found[:, : len(LAGS)], found[:, len(LAGS) :]
    ahead = table.tick[rows.target] - table.tick[rows.origin]
    if way is not Way.LAST_ROW and not habits.rows_for_hours:
        for place, lag in enumerate(LAGS):
            known = lag * HOUR >= ahead
            lags[:, place] = np.where(known, table.before(rows.target, lag * HOUR), np.nan)
    # A window that holds the value to be forecast cannot be had; one that does not, can.
    if way is Way.APPENDED and habits.target_in_window:
        windows[:] = np.nan
    if way is Way.CALENDAR:
        found[:] = np.nan
    return np.column_stack([found, *calendar(table, table.tick[rows.target])])


def with_horizon(table: Table, rows: Numbers, habits: Habits, hours: int) -> Floats:
    """Features at origins for targets some hours on: the same to learn from and to serve.

    The windows end at the origin, which is before the target. Lags by the clock count from the
    target, and reach back to the origin at least.
    """
    lags_and_windows = by_rows(table, replace(habits, target_in_window=True))
    found = [values[rows] for values in lags_and_windows]
    if not habits.rows_for_hours:
        for place, lag in enumerate(LAGS):
            found[place] = table.before(rows, (max(lag, hours) - hours) * HOUR)
    return np.column_stack([*found, *calendar(table, table.tick[rows] + hours * HOUR)])


# Scores


def rmse(errors: NDArray[Any]) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(np.square(errors, dtype=np.float64))))


def both(errors: NDArray[Any]) -> str:
    """RMSE and, in brackets, MAE."""
    return f"{rmse(errors):.2f} ({np.mean(np.abs(errors), dtype=np.float64):.2f})"


def served_errors(
    table: Table, rows: Rows, habits: Habits, way: Way, ready: list[Floats], of: Trained
) -> Floats:
    """Of a model of the recipe, on honest rows."""
    features = filled(served(table, rows, habits, way, ready), of.means)
    errors: Floats = of.model.predict(features) - table.bikes.to_numpy()[rows.target]
    return errors


def reported_and_served(table: Table, tests: dict[int, Rows]) -> tuple[str, str]:
    """What the recipe reports, by split and model, and what its promoted model serves."""
    bikes = table.bikes.to_numpy()
    own, ahead = by_rows(table, RECIPE), by_rows(table, RECIPE, ahead=1)
    features = np.column_stack([*own, *calendar(table, table.tick)])
    reported, trained = {}, {}
    for split in Split:
        found = {
            name: without_horizon(table, replace(RECIPE, split=split), name, features)
            for name in models()
        }
        reported[split.value] = {name: both(of.errors) for name, of in found.items()}
        if split is RECIPE.split:
            trained = found
    promoted = min(trained, key=lambda name: rmse(trained[name].errors))
    of = trained[promoted]
    lines: dict[str, dict[str, str]] = {}
    constant = bikes[table.tick < table.split_tick].mean()
    for hours, rows in tests.items():
        target, column = bikes[rows.target], f"{hours} h"
        told = of.model.predict(filled(features[rows.target], of.means))
        cells = {"rows": f"{len(target):,}", "target in its own features": both(told - target)}
        for way in Way:
            ready = own if way is Way.LAST_ROW else ahead
            cells[way.value] = both(served_errors(table, rows, RECIPE, way, ready, of))
        cells["persistence"] = both(bikes[rows.origin] - target)
        cells["constant"] = both(constant - target)
        lines[column] = cells
    return (
        pd.DataFrame(reported).T.to_string(),
        f"{promoted} was promoted.\n{pd.DataFrame(lines).to_string()}",
    )


def ablation(table: Table, tests: dict[int, Rows]) -> str:
    """What LightGBM reports and serves when a habit is given up."""
    repairs = {
        "the recipe": RECIPE,
        "window without target": replace(RECIPE, target_in_window=False),
        "hours by the clock": replace(RECIPE, rows_for_hours=False),
        "no fill": replace(RECIPE, filled=False),
        "a real horizon": replace(RECIPE, no_horizon=False),
        "all of them": REPAIRED,
    }
    lines = {}
    for label, habits in repairs.items():
        score = scores_without_horizon if habits.no_horizon else scores_with_horizon
        reported, honest = score(table, habits, tests)
        lines[f"{label}: reported"] = {h: f"{value:.2f}" for h, value in reported.items()}
        lines[f"{label}: served"] = {h: f"{value:.2f}" for h, value in honest.items()}
    return pd.DataFrame(lines).T.rename(columns="{} h".format).to_string()


Scores = tuple[dict[int, float], dict[int, float]]


def scores_without_horizon(table: Table, habits: Habits, tests: dict[int, Rows]) -> Scores:
    """One model for all horizons: RMSE as reported, and served by a row appended."""
    features = np.column_stack([*by_rows(table, habits), *calendar(table, table.tick)])
    of = without_horizon(table, habits, "LightGBM", features)
    ahead = by_rows(table, habits, ahead=1)
    honest = {
        hours: rmse(served_errors(table, rows, habits, Way.APPENDED, ahead, of))
        for hours, rows in tests.items()
    }
    return dict.fromkeys(tests, rmse(of.errors)), honest


def scores_with_horizon(table: Table, habits: Habits, tests: dict[int, Rows]) -> Scores:
    """A model for each horizon: RMSE as reported, and served."""
    bikes = table.bikes.to_numpy()
    every = np.arange(len(bikes))
    reported, honest = {}, {}
    for hours, rows in tests.items():
        features = with_horizon(table, every, habits, hours)
        # What lies beyond the training span is not known when it ends.
        learnable = table.tick < table.split_tick - hours * HOUR
        target = np.where(learnable, table.before(every, -hours * HOUR), np.float32(np.nan))
        of = train(table, features, target, habits, "LightGBM")
        told = of.model.predict(filled(features[rows.origin], of.means))
        reported[hours] = rmse(of.errors)
        honest[hours] = rmse(told - bikes[rows.target])
    return reported, honest


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(file: Path) -> None:
    """Print what the recipe reports, what it serves, and what each habit costs."""
    began = time.perf_counter()
    table = read(file)
    tests = {hours: honest_rows(table, hours) for hours in HORIZONS}
    few = {hours: tests[hours] for hours in REPAIRED_HORIZONS}
    training = int((table.tick < table.split_tick).sum())
    reported, honest = reported_and_served(table, tests)
    click.echo(f"RMSE (MAE) in bikes. {training:,} training rows: at most {MOST_LEARNED:,} of four")
    click.echo(f"fifths are learned from, all of one fifth is scored. Reported:\n{reported}\n")
    click.echo(f"The 14 days after, by horizon. {honest}\n")
    click.echo(f"One habit given up, LightGBM, RMSE:\n{ablation(table, few)}\n")
    click.echo(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
