"""What watching costs: an hour of a city like New York, with and without all that watches it.

Run as `python -m benchmarks.monitoring`. It stores a month of 2,300 stations on a server of its
own (about 3 GB in a temporary folder), trains a model of ten days, and then makes the assets of
an hour as Dagster does, each run in a process of its own. Counted is the CPU time of these
processes and of the database: seconds on the wall are others' business, too. Weather, which asks
the outside, is left out on both sides.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import dagster as dg
import psutil

from benchmarks.station_features import DAY, HOUR, KEY_FORMAT, PAST, QUIET, START, fill
from benchmarks.training import Watch, fill_features
from bike_demand import settings
from bike_demand.registry import Registry, Version, open_registry

TRAINED_DAYS: Final = 10
END: Final = START + PAST + (TRAINED_DAYS + 1) * DAY
"""Of what is stored."""

HOURS: Final = 3
BAR: Final = 0.10

FORECAST: Final = ("station_forecast", "station_risk")
WATCHING: Final = ("forecast_accuracy", "feature_drift", "model_watch")


def make(assets: list[str], key: str, config: dict[str, object] | None = None) -> None:
    """Materialise a partition of some assets, here; prints how long counting took [s CPU]."""
    from bike_demand.definitions import build_definitions
    from bike_demand.forecasting.outlook import Outlook
    from bike_demand.instance import open_instance
    from bike_demand.resources.recorded_feed import RecordedStationFeed

    watch = Watch(time.process_time)
    watch.of(Outlook, "counted", "counted")
    recording = str(Path(os.environ["BIKE_DEMAND_HOME"]) / "city.parquet")
    feed = RecordedStationFeed(path=recording, system_id="city")
    defs = build_definitions({"station_feed": feed})
    ends = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
    with open_instance() as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(name) for name in assets],
            instance=instance,
            run_config={**QUIET, "ops": config or {}},
            tags=dict.fromkeys(ends, key),
        )
    assert result.success
    print(watch.seconds.get("counted", 0.0))


class Meter:
    """CPU time of runs and of the database that they use."""

    def __init__(self, server: psutil.Process) -> None:
        self._server = server

    def _used(self) -> float:
        mine = resource.getrusage(resource.RUSAGE_CHILDREN)
        living = self._server.children()
        at_server = [self._server.cpu_times(), *(child.cpu_times() for child in living)]
        ended = at_server[0].children_user + at_server[0].children_system
        return (
            mine.ru_utime
            + mine.ru_stime
            + ended
            + sum(each.user + each.system for each in at_server)
        )

    def run(self, assets: tuple[str, ...], moment: datetime) -> tuple[float, float]:
        """Seconds of CPU that a run took, and of them those spent in counting inputs."""
        before = self._used()
        key = f"{moment:{KEY_FORMAT}}"
        command = [sys.executable, "-m", "benchmarks.monitoring", *assets, key]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return self._used() - before, float(told.split()[-1])


def backdate(hour: datetime) -> None:
    """Store the forecast of an hour as that of each of the 24 before it, too."""
    from bike_demand.storage.tables import FORECAST_INPUT, STATION_FORECAST
    from bike_demand.storage.warehouse import open_warehouse

    with open_warehouse(None, Path(os.environ["BIKE_DEMAND_HOME"])).connection() as connection:
        for table in (STATION_FORECAST, FORECAST_INPUT):
            times = ("origin_at", "target_at", "issued_at")
            instead = {name: f"{name} - h * interval '1 hour'" for name in times}
            instead["late"] = "false"
            names = ", ".join(table.columns)
            values = ", ".join(instead.get(name, name) for name in table.columns)
            connection.execute(
                f"INSERT INTO {table.name} ({names}) SELECT {values} "
                f"FROM {table.name}, generate_series(1, 24) AS h WHERE origin_at = %s",
                [hour],
            )
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE")


def main() -> None:
    """Print the figures; exit code 1 if watching costs more than its bar."""
    if sys.argv[1:]:
        *assets, key = sys.argv[1:]
        make(assets, key)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["BIKE_DEMAND_HOME"] = name
        (folder / "settings.toml").write_text(
            '[[systems]]\nsystem_id = "city"\ntimezone = "America/New_York"\n'
        )
        began = time.perf_counter()
        fill(folder, TRAINED_DAYS + 1)
        registry, challenger = learn(folder)
        print(f"stored and learnt in {time.perf_counter() - began:.0f} s", flush=True)
        from bike_demand.storage import embedded

        try:
            share = compare(folder, registry, challenger)
        finally:
            embedded.stop(folder / "postgres")
    sys.exit(share > BAR)


def learn(folder: Path) -> tuple[Registry, Version]:
    """Store features and train the champion; and another model, to forecast in its shadow."""
    fill_features(folder, TRAINED_DAYS)
    day = START + PAST + (TRAINED_DAYS - 1) * DAY
    config: dict[str, object] = {"pairs_per_group": 100_000}
    models = ("lightgbm_model", "xgboost_model")
    make([*models], f"{day:%Y-%m-%d}", {model: {"config": config} for model in models})
    registry = open_registry(settings.load())
    champion, challenger = registry.versions("city")
    registry.appoint(champion, None)
    return registry, challenger


def compare(folder: Path, registry: Registry, challenger: Version) -> float:
    """What watching costs, as a share of the hour without it."""
    postmaster = int((folder / "postgres/data/postmaster.pid").read_text().split()[0])
    meter = Meter(psutil.Process(postmaster))
    origin = END - (HOURS + 8) * HOUR
    meter.run(FORECAST, origin)
    backdate(origin)
    seconds: dict[str, list[float]] = {}

    def took(what: str, cost: float) -> None:
        seconds.setdefault(what, []).append(cost)

    for number in range(HOURS):
        hour = origin + number * HOUR
        for quarter in range(4):
            moment = hour + quarter * HOUR / 4
            took("station_status", meter.run(("station_status",), moment)[0])
        took("station_features", meter.run(("station_features",), hour)[0])
        took("station_demand", meter.run(("station_demand",), hour)[0])
        registry.challenge("city", None)
        took("forecast", meter.run(FORECAST, hour)[0])
        whole, counted = meter.run((*FORECAST, *WATCHING), hour)
        took("forecast, watched", whole)
        took("of it counting", counted)
        registry.challenge("city", challenger)
        took("with a challenger", meter.run((*FORECAST, *WATCHING), hour)[0])
        start = datetime.combine(hour.date(), datetime.min.time(), UTC)
        took("data_quality", meter.run(("data_quality",), start)[0])
    middle = {what: statistics.median(costs) for what, costs in seconds.items()}
    print(json.dumps({what: round(cost, 2) for what, cost in middle.items()}))
    bare = middle["forecast"] - middle["of it counting"]
    hourly = 4 * middle["station_status"] + middle["station_features"] + middle["station_demand"]
    hourly += bare
    shares = {}
    for what in ("forecast, watched", "with a challenger"):
        watching = middle[what] - bare + middle["data_quality"] / 4
        shares[what] = watching / hourly
        print(f"{what}: {watching:.1f} s of CPU beside {hourly:.1f} s, {shares[what]:.1%}", end="")
        print(f" (bar {BAR:.0%})")
    return shares["forecast, watched"]


if __name__ == "__main__":
    main()
