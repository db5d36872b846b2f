"""A simulated city beside a real one: Bay Wheels, eight weeks of spring 2023.

Run as `python -m benchmarks.realism [--plot docs/images/simulated_city.png]`. It measures the
same figures on both, prints them side by side and draws them. The recorded data lie in
`../shared/data`; nothing but statistics of them is shown.
"""

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.simulation.city import City
from bike_demand.simulation.plan import Plan

DATA = Path(__file__).parents[2] / "shared/data/baywheels/station_status_2023-03_2023-04.parquet"
START = datetime(2023, 3, 1, tzinfo=UTC)
TIMEZONE = "America/Los_Angeles"
WEEKS, TRAINING_WEEKS = 8, 6
STATIONS = 508
LEAST_RECORDED = 0.6  # of the ticks, for a station to count
TICK = timedelta(minutes=15)
HOUR, DAY = 4, 96  # ticks
HORIZONS = {
    "15 min": 1, "1 h": HOUR, "3 h": 3 * HOUR, "6 h": 6 * HOUR, "12 h": 12 * HOUR,
    "24 h": DAY, "7 d": 7 * DAY,
}  # fmt: skip
CHANGE_LAGS = {
    "15 min": 1, "30 min": 2, "1 h": HOUR, "3 h": 3 * HOUR, "24 h": DAY, "7 d": 7 * DAY,
}  # fmt: skip
LEVEL_LAGS = {"3 h": 3 * HOUR, "12 h": 12 * HOUR, "24 h": DAY, "3 d": 3 * DAY, "7 d": 7 * DAY}

Floats = NDArray[Any]


@dataclass(frozen=True)
class Observed:
    """Counts at ticks; not a number where nothing was recorded or the station was closed.

    Attributes:
        ticks: Of shape (T,), local time.
        bikes: Available bikes, shape (T, S).
        docks: Available docks.
    """

    ticks: pd.DatetimeIndex
    bikes: Floats
    docks: Floats


def ticks_of(weeks: int) -> pd.DatetimeIndex:
    """The ticks of some weeks from the start, UTC."""
    return pd.date_range(START, periods=weeks * 7 * DAY, freq=TICK)


def bay_wheels(file: Path, weeks: int = WEEKS) -> Observed:
    """The recorded city; a tick holds the first snapshot fetched in its 15 minutes."""
    ticks = ticks_of(weeks)
    columns = ["fetched_at", "station_id", "num_bikes_available", "num_docks_available"]
    rows = pd.read_parquet(
        file,
        columns=[*columns, "is_installed", "is_renting"],
        filters=[("fetched_at", "<", ticks[-1] + TICK)],
    )
    snapshots = rows["fetched_at"].drop_duplicates().sort_values()
    first = snapshots[~snapshots.dt.floor(TICK).duplicated()]
    rows = rows[rows["fetched_at"].isin(first) & rows["is_installed"] & rows["is_renting"]]
    rows = rows.assign(
        tick=rows["fetched_at"].dt.floor(TICK), station_id=rows["station_id"].astype(str)
    ).drop_duplicates(["tick", "station_id"])
    wide = rows.pivot_table(
        index="tick", columns="station_id", values=columns[2:], sort=True
    ).reindex(ticks)
    bikes, docks = (wide[name] for name in columns[2:])
    # Where there is no dock, being empty means nothing.
    often = (bikes.notna().mean() > LEAST_RECORDED) & ((bikes + docks).median() > 0)
    return Observed(
        ticks.tz_convert(TIMEZONE),
        bikes.loc[:, often].to_numpy(np.float32),
        docks.loc[:, often].to_numpy(np.float32),
    )


def simulated(stations: int = STATIONS, weeks: int = WEEKS, seed: int = 1) -> Observed:
    """A city of ours over the same weeks."""
    ticks = ticks_of(weeks)
    city = City(Plan(START, stations, seed, TIMEZONE))
    bikes = np.full((len(ticks), stations), np.nan, dtype=np.float32)
    docks = bikes.copy()
    for row, tick in enumerate(ticks):
        city.advance(tick.to_pydatetime())
        now = city.snapshot()
        bikes[row] = np.where(now.is_renting, now.num_bikes_available, np.nan)
        docks[row] = np.where(now.is_renting, now.num_docks_available, np.nan)
    return Observed(ticks.tz_convert(TIMEZONE), bikes, docks)


def changes(seen: Observed, ticks: int = 1) -> Floats:
    """By how much the bikes of stations differ after some ticks."""
    later: Floats = seen.bikes[ticks:] - seen.bikes[:-ticks]
    return later


def rmse(errors: Floats) -> float:
    """Of the errors that there are."""
    return float(np.sqrt(np.nanmean(errors**2, dtype=np.float64)))


def correlation(values: Floats, lag: int) -> float:
    """Of values with themselves some ticks before, all stations together."""
    before, after = values[:-lag], values[lag:]
    both = np.isfinite(before + after)
    return float(np.corrcoef(before[both], after[both])[0, 1])


def figures(seen: Observed) -> dict[str, float]:
    """What is compared, by name."""
    step = changes(seen)
    known = step[np.isfinite(step)]
    level = seen.bikes - np.nanmean(seen.bikes, axis=0)
    size = np.nanmedian(seen.bikes + seen.docks, axis=0)
    runs = empty_runs(seen)
    found = {
        "empty, % of station-ticks": 100 * share(seen.bikes == 0, seen.bikes),
        "full, %": 100 * share(seen.docks == 0, seen.docks),
        "empty for, median h": float(np.median(runs)) / HOUR,
        "empty for, mean h": float(np.mean(runs)) / HOUR,
        "mean fill of stations, mean": float(np.mean(np.nanmean(seen.bikes, axis=0) / size)),
        "mean fill of stations, spread": float(np.std(np.nanmean(seen.bikes, axis=0) / size)),
        "changes per station and day, median": float(np.median(busyness(seen))),
        "changes per station and day, 90 %": float(np.quantile(busyness(seen), 0.9)),
        "no change in 15 min, %": 100 * float(np.mean(known == 0)),
        "change in 15 min, std": float(known.std(dtype=np.float64)),
        "change of 5 or more, %": 100 * float(np.mean(np.abs(known) >= 5)),
        "change of 10 or more, %": 100 * float(np.mean(np.abs(known) >= 10)),
    }
    found |= {
        f"autocorrelation of change, {n}": correlation(step, k) for n, k in CHANGE_LAGS.items()
    }
    found |= {
        f"autocorrelation of level, {n}": correlation(level, k) for n, k in LEVEL_LAGS.items()
    }
    for name, ticks in HORIZONS.items():
        if ticks < len(seen.ticks):
            found[f"persistence RMSE, {name}"] = rmse(changes(seen, ticks))
            found[f"persistence MAE, {name}"] = float(np.nanmean(np.abs(changes(seen, ticks))))
    return found


def share(condition: Floats, of: Floats) -> float:
    """How often a condition holds where something is known."""
    return float(condition[np.isfinite(of)].mean())


def empty_runs(seen: Observed) -> Floats:
    """How many ticks stations stay empty, each time; what was not recorded stays as it was."""
    known = pd.DataFrame(seen.bikes).ffill().to_numpy()
    empty = np.pad((known == 0).T.astype(np.int8), ((0, 0), (1, 1)))
    edges = np.diff(empty.ravel())
    lengths: Floats = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return lengths


def busyness(seen: Observed) -> Floats:
    """Bikes that come or go between ticks, per station and day, shape (S,)."""
    moves: Floats = np.nanmean(np.abs(changes(seen)), axis=0) * DAY
    return moves


def forecasts(seen: Observed) -> dict[str, float]:
    """RMSE over the last two weeks of what is easily forecast from the first six."""
    cut = TRAINING_WEEKS * 7 * DAY
    hour = np.asarray(seen.ticks.dayofweek * 24 + seen.ticks.hour)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a station may miss an hour of the week
        week = np.stack([np.nanmean(seen.bikes[:cut][hour[:cut] == h], 0) for h in range(168)])
    usual = week[hour]
    odd = seen.bikes - usual
    found = {
        "same time yesterday": rmse(changes(seen, DAY)[cut - DAY :]),
        "average by hour of week": rmse(odd[cut:]),
    }
    for name in ("1 h", "3 h", "6 h", "12 h", "24 h"):
        lag = HORIZONS[name]
        before, after = odd[: cut - lag], odd[lag:cut]
        both = np.isfinite(before + after)
        weight = float((before[both] * after[both]).sum() / (before[both] ** 2).sum())
        errors = odd[cut:] - weight * odd[cut - lag : -lag]
        found[f"blend of persistence and average, {name}"] = rmse(errors)
    return found


def by_hour(seen: Observed, *, weekend: bool) -> Floats:
    """Mean size of the change in 15 minutes by the hour of the local clock, shape (24,)."""
    size = np.abs(changes(seen))
    ticks = seen.ticks[:-1]
    days = np.asarray(ticks.dayofweek >= 5) == weekend
    return np.array([np.nanmean(size[days & (ticks.hour == hour)]) for hour in range(24)])


def draw(cities: dict[str, Observed], file: Path) -> None:
    """Six pictures of both cities."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.6), layout="constrained")
    styles = [("#0072B2", "-"), ("#D55E00", "--")]  # told apart by who sees no colour
    horizons = [1, 2, 4, 8, 12, 24, 48, 96, 192, 384, 672]
    lags = np.r_[1:96:4, 96:1345:12]
    for (name, seen), (colour, style) in zip(cities.items(), styles, strict=True):
        look: dict[str, Any] = {"ls": style, "color": colour, "lw": 2, "label": name}
        hours = np.arange(25)
        for axis, weekend in zip(axes[0, :2], (False, True), strict=True):
            profile = by_hour(seen, weekend=weekend)
            axis.step(hours, np.r_[profile, profile[-1]], where="post", **look)
        axes[0, 2].plot(np.linspace(0, 100, STATIONS), np.sort(busyness(seen)), **look)
        errors = [rmse(changes(seen, ticks)) for ticks in horizons]
        axes[1, 0].plot(np.array(horizons) / HOUR, errors, marker="o", ms=4, **look)
        level = seen.bikes - np.nanmean(seen.bikes, axis=0)
        axes[1, 1].plot(lags / DAY, [correlation(level, lag) for lag in lags], **look)
        step = np.abs(changes(seen))
        sizes = np.arange(16)
        often = [100 * share(step == size, step) for size in sizes]
        axes[1, 2].plot(sizes, often, marker="o", ms=4, **look)

    for axis, title in zip(axes[0, :2], ("Weekdays", "Weekends"), strict=True):
        axis.set(title=f"{title}: change in 15 min", xlabel="hour of the local clock")
        axis.set(ylabel="bikes, mean of the size", ylim=(0, 0.6), xticks=range(0, 25, 6))
    axes[0, 2].set(title="How busy stations are", xlabel="stations, quietest first (%)")
    axes[0, 2].set(ylabel="changes per day", yscale="log", ylim=(0.1, 150))
    axes[1, 0].set(
        title="Error of persistence", xlabel="horizon (log)", xscale="log", ylim=(0, 6.5)
    )
    axes[1, 0].set(ylabel="RMSE (bikes)")
    marks = {0.25: "15 min", 1: "1 h", 6: "6 h", 24: "1 d", 168: "7 d"}
    axes[1, 0].set_xticks(list(marks), list(marks.values()), minor=False)
    axes[1, 0].minorticks_off()
    axes[1, 1].set(title="Memory of the level", xlabel="days before", xticks=range(0, 15, 2))
    axes[1, 1].set(ylabel="autocorrelation", ylim=(-0.1, 1))
    axes[1, 2].set(title="Size of the change in 15 min", xlabel="bikes", xticks=range(0, 16, 3))
    axes[1, 2].set(ylabel="station-ticks (%, log)", yscale="log")
    for axis in axes.flat:
        axis.grid(color="#dddddd", lw=0.6)
    axes[0, 0].legend(frameon=False, loc="upper left")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)
    plt.close(figure)


@click.command()
@click.option("--data", default=DATA, type=click.Path(exists=True, path_type=Path))
@click.option("--plot", type=click.Path(path_type=Path), help="Draw both cities into this file.")
def main(data: Path, plot: Path | None) -> None:
    """Measure both, print a table, draw."""
    cities = {"Bay Wheels": bay_wheels(data), "simulated": simulated()}
    measured = {name: figures(seen) | forecasts(seen) for name, seen in cities.items()}
    table = pd.DataFrame(measured)
    table["ratio"] = table["simulated"] / table["Bay Wheels"]
    click.echo(table.round(3).to_string())
    for name, seen in cities.items():
        click.echo(f"{name}: {seen.bikes.shape[1]} stations, {len(seen.ticks):,} ticks")
    if plot is not None:
        draw(cities, plot)


if __name__ == "__main__":
    main()
