"""A scrape of `bike-demand metrics` beside fourteen days of forecasts for 2,300 stations.

Run as `python -m benchmarks.scrape`. On a server of its own in a temporary folder, with as many
rows as there are after two weeks, the newest hour just written; making them takes most of the time.
"""

import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

STATIONS, DAYS, RUNS = 2_300, 14, 60
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SECONDS_BAR = 1.0
SYSTEM = "large"

_FORECASTS = """
INSERT INTO station_forecast (system_id, origin_at, station_id, target_at, role, issued_at, late,
    model_version, horizon, in_service, capacity, bikes, p10, p50, p90, p_empty, p_full)
SELECT %(system)s, origin, md5(station::text), origin + ahead * interval '1 hour', 'champion',
    origin, false, '2', ahead, true, 20, 8, 5, 8, 11, 0.01, 0.01
FROM generate_series(%(first)s, %(last)s, interval '1 hour') AS origin,
    generate_series(1, %(stations)s) AS station, generate_series(1, 24) AS ahead
"""
_STATUS = """
INSERT INTO station_status (system_id, observed_at, station_id, fetched_at, last_reported,
    num_bikes_available)
SELECT %(system)s, tick, md5(station::text), tick, tick, 8
FROM generate_series(%(first)s, %(last)s, interval '15 minutes') AS tick,
    generate_series(1, %(stations)s) AS station
"""
_ACCURACY = """
INSERT INTO forecast_accuracy
SELECT %(system)s, target, horizon, role, role, %(stations)s, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1
FROM generate_series(%(first)s, %(last)s, interval '1 hour') AS target,
    generate_series(1, 24) AS horizon,
    unnest(ARRAY['champion', 'simple', 'challenger', 'predecessor']) AS role
"""
_DRIFT = """
INSERT INTO feature_drift
SELECT %(system)s, hour, 'feature' || feature, '2', 0.1, 'minor', 50000, 24
FROM generate_series(%(first)s, %(last)s, interval '1 hour') AS hour,
    generate_series(1, 80) AS feature
"""


def fill(hour: datetime) -> None:
    """What two weeks leave."""
    from bike_demand import settings
    from bike_demand.storage.warehouse import open_warehouse

    warehouse = open_warehouse(None, settings.load().home)
    with warehouse.connection() as connection:
        connection.autocommit = True
        for first, last in ((hour - DAYS * DAY, hour - HOUR), (hour, hour)):
            values = {"system": SYSTEM, "stations": STATIONS, "first": first, "last": last}
            for query in (_FORECASTS, _STATUS, _ACCURACY, _DRIFT):
                connection.execute(query, values)
            if first < last:
                connection.execute("VACUUM ANALYZE")  # as the server does by itself


def record(instance: dg.DagsterInstance, hour: datetime) -> None:
    """Partitions of two days, and runs of the last hour."""
    from bike_demand.cadence import CADENCES
    from bike_demand.import_history import few_connections

    with few_connections(instance):
        for cadence in CADENCES:
            for window in cadence.windows(hour):
                for asset in cadence.assets:
                    event = dg.AssetMaterialization(asset, partition=cadence.key(window.start))
                    instance.report_runless_asset_event(event)

    @dg.op
    def nothing() -> None: ...

    @dg.job
    def idle() -> None:
        nothing()

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    for _ in range(RUNS):
        idle.execute_in_process(instance=instance, run_config=quiet)


def main() -> None:
    """Print the figures; exit code 1 if the median misses its bar."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["BIKE_DEMAND_HOME"] = name
        (Path(name) / "settings.toml").write_text(
            f'[[systems]]\nsystem_id = "{SYSTEM}"\nurl = "http://127.0.0.1/gbfs.json"\n'
        )
        from bike_demand import settings
        from bike_demand.instance import open_instance
        from bike_demand.metrics.collector import PipelineCollector
        from bike_demand.storage import embedded

        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        began = time.perf_counter()
        fill(hour)
        with open_instance() as instance:
            record(instance, hour)
            print(f"{DAYS} days in {time.perf_counter() - began:.0f} s", flush=True)
            collector = PipelineCollector(settings.load(), lambda: instance)
            seconds = []
            for _ in range(7):
                began = time.perf_counter()
                families = {family.name: family for family in collector.collect()}
                seconds.append(time.perf_counter() - began)
        for sample in families["bike_demand_scrape_seconds"].samples:
            up = families["bike_demand_up"].samples
            [answers] = [one.value for one in up if one.labels == sample.labels]
            print(f"  {sample.labels['source']}: {sample.value * 1000:.0f} ms, up {answers:.0f}")
        numbers = sum(len(family.samples) for family in families.values())
        print(f"a scrape of {numbers} numbers: {sorted(seconds)[3]:.2f} s (bar {SECONDS_BAR})")
        embedded.stop(Path(name) / "postgres")
    sys.exit(sorted(seconds)[3] > SECONDS_BAR)


if __name__ == "__main__":
    main()
