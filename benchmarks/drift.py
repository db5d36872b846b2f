"""Drift over a month after a training: as it was, and with half the stations twice as busy.

Run as `python -m benchmarks.drift RECORDING STATION_INFORMATION TIMEZONE START`, for Bay Wheels
from 2023-03-01: the model learns 28 days from START, and each hour after two more days is compared.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from bike_demand import settings
from bike_demand.backtest import read_grid, stations_of
from bike_demand.forecasting import watched
from bike_demand.forecasting.drift import BANDS, Counts, Reference
from bike_demand.forecasting.examples import Joined
from bike_demand.forecasting.features import FEATURE_VERSION, Surroundings, features
from bike_demand.forecasting.grid import TICK, Grid
from bike_demand.forecasting.learners import LightGBM
from bike_demand.forecasting.model import Model, put_together, train
from bike_demand.forecasting.splits import DAY, HOUR, Pairs, Split, hourly_origins, in_service
from bike_demand.history.recording import open_recording
from bike_demand.resources.recorded_feed import CACHE

LEARNT = 28 * DAY
PAIRS, ROUNDS = 100_000, 150
NIGHTS = (7, 10, 14, 17, 21, 24)
"""Days after the training on which half the stations become twice as busy."""


def doubled(grid: Grid, start: datetime) -> Grid:
    """From a time on changes of half the stations are twice as large, as far as there is room."""
    chosen = np.random.default_rng(0).permutation(len(grid.station_ids))[
        : len(grid.station_ids) // 2
    ]
    bikes, docks, room = grid.bikes.copy(), grid.docks.copy(), grid.bikes + grid.docks
    for station in chosen:
        known = np.flatnonzero(~np.isnan(room[:, station]))
        known = known[known >= grid.index(start)]
        for before, row in pairwise(known):
            change = grid.bikes[row, station] - grid.bikes[before, station]
            now = np.clip(bikes[before, station] + 2 * change, 0, room[row, station])
            bikes[row, station], docks[row, station] = now, room[row, station] - now
    return replace(grid, bikes=bikes, docks=docks)


class Month:
    """A model, and what it would have been asked."""

    def __init__(self, grid: Grid, around: Surroundings, start: datetime) -> None:
        """Learn."""
        self.grid, self.around, until = grid, around, start + LEARNT
        joined = self.joined(grid, start, until)
        parts = [*train(joined, grid, start, until, [LightGBM(rounds=ROUNDS)], PAIRS)]
        self.model: Model = put_together(parts, "lightgbm", until, FEATURE_VERSION)
        self.reference: Reference = watched.reference(
            self.model, joined, grid, start, until, around.timezone
        )

    def joined(self, grid: Grid, begin: datetime, end: datetime) -> Joined:
        """Features of full hours."""
        return Joined(
            grid, features(grid, hourly_origins(grid, begin, end), self.around), self.around
        )

    def indices(self, grid: Grid, begin: datetime, end: datetime) -> pd.DataFrame:
        """By feature and hour."""
        joined, counts = self.joined(grid, begin, end), dict[str, dict[datetime, Counts]]()
        found = {}
        for row in hourly_origins(grid, begin, end):
            origin = grid.ticks[row].to_pydatetime()
            stations = np.flatnonzero(~np.isnan(grid.bikes[row]) & in_service(grid)[row])
            if len(stations):
                origins = np.full(len(stations), row)
                pairs = Pairs(origins, origins + watched.AHEAD // TICK, stations, 0)
                examples = joined.examples(pairs, watched.AHEAD)
                means = np.full(len(examples), np.nan, dtype=np.float32)
                for part, distribution in self.model.forecast(examples):
                    means[part] = distribution.mean()
                ids = grid.station_ids[stations]
                asked = watched.counted(self.reference, examples, ids, means)
                for name, each in {**asked, **watched.came(self.reference, grid, origin)}.items():
                    counts.setdefault(name, {})[origin] = each
            told = watched.drift(self.reference, counts, origin, self.around.timezone)
            found[origin] = told.set_index("feature")["psi"]
        return pd.DataFrame(found)


def of_recording(arguments: Sequence[str]) -> tuple[Month, datetime, datetime]:
    """The month that a command names; when its training ends, and when its last day does, UTC."""
    path, information, timezone, day = arguments
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    recording = open_recording(Path(path), settings.resolve_home() / CACHE, timezone=timezone)
    end = recording.span.end.replace(hour=0, minute=0, second=0, microsecond=0)
    grid = read_grid(recording, Split(start, LEARNT, end - start - LEARNT))
    stations = stations_of(Path(information), recording, grid)
    month = Month(grid, Surroundings(stations, None, timezone, None), start)
    return month, start + LEARNT, end


def main() -> None:
    """Print the figures; exit code 1 if an ordinary hour is critical, or a doubled day is not."""
    month, learnt, end = of_recording(sys.argv[1:])
    grid, timezone, begin = month.grid, month.around.timezone, learnt + 2 * DAY
    ordinary = month.indices(grid, learnt, end).loc[:, begin:]
    highest = ordinary.max(axis=1).sort_values(ascending=False)
    print(f"{ordinary.shape[1]} hours: {highest.head(5).round(3).to_dict()}")
    missed = bool(highest.iloc[0] >= BANDS["critical"])
    for number in NIGHTS:
        night = learnt + number * DAY
        midnight = pd.Timestamp(night).tz_convert(timezone).normalize() + pd.Timedelta(days=1)
        begun = midnight.tz_convert("UTC").to_pydatetime()
        changed = month.indices(doubled(grid, begun), begun - DAY, begun + 25 * HOUR)
        after = changed.loc[:, begun:].max()
        critical = after[after >= BANDS["critical"]]
        told = "never" if critical.empty else f"after {(critical.index[0] - begun) / HOUR:.0f} h"
        missed |= critical.empty or critical.index[0] - begun > timedelta(hours=24)
        print(f"half the stations doubled from {begun:%Y-%m-%d %H:%M} UTC: critical {told}")
    sys.exit(missed)


if __name__ == "__main__":
    main()
