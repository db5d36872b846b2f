"""Models and forecasts of a city like New York: 28 days of 2,300 stations, through Dagster.

Run as `python -m benchmarks.training`. It stores 56 days of a simulated city and the features of
the last 28 on a server of its own (about 6 GB in a temporary folder), trains both models,
decides between them, and forecasts. Measuring is a process of its own, so that its peak of memory
is its own.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from benchmarks.station_features import DAY, HOUR, PAST, QUIET, START, fill

DAYS = 28
END = START + PAST + DAYS * DAY
TRAINING_BAR_S, OUTSIDE_BAR_S, PEAK_BAR_GB = 1_500.0, 240.0, 10.0
BODY_BAR_S, FEATURES_BAR_S = 6.0, 3.0


def fill_features(folder: Path, days: int) -> None:
    """Store the features of full hours of some days; models read no others."""
    from bike_demand.forecasting.features import FEATURE_VERSION, LOOKBACK, Surroundings, features
    from bike_demand.forecasting.grid import COLUMNS, TICK, to_grid
    from bike_demand.storage.read import read
    from bike_demand.storage.replace import Rows, replace
    from bike_demand.storage.tables import STATION_FEATURES, STATION_INFORMATION, STATION_STATUS
    from bike_demand.storage.warehouse import open_warehouse
    from bike_demand.storage.windows import Reach, Window

    warehouse = open_warehouse(None, folder)
    stations = read(warehouse, STATION_INFORMATION)
    around = Surroundings(stations, None, "America/New_York", None)
    back = max(first for first, _ in LOOKBACK)
    for day in range(days):
        start = START + PAST + day * DAY
        window = Window(start, start + DAY)
        windows = Reach(lookback=LOOKBACK).of([window])
        status = read(warehouse, STATION_STATUS, windows, columns=["system_id", *COLUMNS])
        grid = to_grid(status, start - back, start + DAY)
        rows = features(grid, grid.index(start) + np.arange(0, 96, HOUR // TICK), around)
        rows = rows.assign(system_id="city", feature_version=FEATURE_VERSION)
        replace(warehouse, STATION_FEATURES, [window], Rows(rows, {"system_id": ["city"]}))
    with warehouse.connection() as connection:
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE station_features")


class Watch:
    """Adds up how long functions take, by some clock [s]."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = {}

    def of(self, owner: Any, name: str, told: str) -> None:
        """Watch a function that an object has."""
        function: Callable[..., Any] = getattr(owner, name)

        def watched(*args: Any, **options: Any) -> Any:
            began = self._clock()
            try:
                return function(*args, **options)
            finally:
                self.seconds[told] = self.seconds.get(told, 0) + self._clock() - began

        setattr(owner, name, watched)


def materialize(instance: dg.DagsterInstance, assets: list[str], key: str) -> float:
    """Seconds that a partition of some assets took."""
    from bike_demand.definitions import defs

    began = time.perf_counter()
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[dg.AssetKey(name) for name in assets],
        instance=instance,
        run_config=QUIET,
        tags={"dagster/asset_partition_range_start": key, "dagster/asset_partition_range_end": key},
    )
    assert result.success
    return time.perf_counter() - began


def measure() -> None:
    """Train, decide, forecast."""
    from bike_demand.defs.forecasting import station_forecast
    from bike_demand.forecasting.learners import LightGBM, XGBoost
    from bike_demand.instance import open_instance
    from bike_demand.resources import PostgresIOManager

    watch, day = Watch(), f"{END - DAY:%Y-%m-%d}"
    for learner in (LightGBM, XGBoost):
        watch.of(learner, "fit", "fit")
    with open_instance() as instance:
        training = materialize(instance, ["lightgbm_model", "xgboost_model"], day)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        outside = training - watch.seconds["fit"]
        print(f"both models: {training:.0f} s (bar {TRAINING_BAR_S:.0f}), ", end="")
        print(f"outside fit {outside:.0f} s (bar {OUTSIDE_BAR_S:.0f}), ", end="")
        print(f"peak {peak:.1f} GB (bar {PEAK_BAR_GB:.0f})", flush=True)
        print(f"champion: {materialize(instance, ['champion_model'], day):.0f} s", flush=True)
        assets, key = ["station_forecast", "station_risk"], f"{END - HOUR:%Y-%m-%d-%H:%M}"
        materialize(instance, assets, key)  # what a process does once
        watch.of(PostgresIOManager, "load_input", "read")
        watch.of(PostgresIOManager, "handle_output", "write")
        watch.of(station_forecast, "Outlook", "features")
        whole = materialize(instance, assets, key)
    told = watch.seconds
    body = whole - told["read"] - told["write"]
    print(f"forecast: body {body:.1f} s with Dagster's own (bar {BODY_BAR_S:.0f}), of it ", end="")
    print(f"features {told['features']:.1f} s (bar {FEATURES_BAR_S:.0f}); ", end="")
    print(f"read {told['read']:.1f} s, write {told['write']:.1f} s")
    figures = [(training, TRAINING_BAR_S), (outside, OUTSIDE_BAR_S), (peak, PEAK_BAR_GB)]
    figures += [(body, BODY_BAR_S), (told["features"], FEATURES_BAR_S)]
    sys.exit(any(value > bar for value, bar in figures))


def main() -> None:
    """Print the figures; exit code 1 if one misses its bar."""
    if sys.argv[1:] == ["--measure"]:
        measure()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["BIKE_DEMAND_HOME"] = name
        (folder / "settings.toml").write_text(
            '[[systems]]\nsystem_id = "city"\ntimezone = "America/New_York"\n'
        )
        began = time.perf_counter()
        fill(folder, DAYS)
        fill_features(folder, DAYS)
        print(f"stored in {time.perf_counter() - began:.0f} s", flush=True)
        command = [sys.executable, "-m", "benchmarks.training", "--measure"]
        done = subprocess.run(command, check=False)

        from bike_demand.storage import embedded

        embedded.stop(folder / "postgres")
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
