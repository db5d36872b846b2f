"""A tick of the freshness sensor beside a year of materialised 15-minute partitions.

Run as `python -m benchmarks.freshness_sensor`. The events are those of real materialisations, on a
server of its own in a temporary folder; making them takes most of the time.
"""

import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

PARTITIONS = 35_040
SECONDS_BAR, MEGABYTES_BAR = 2.0, 300.0


def fill(instance: dg.DagsterInstance) -> None:
    """Make each quarter of the last year materialised, but the present one."""
    from bike_demand.cadence import STATUS
    from bike_demand.import_history import few_connections

    newest = STATUS.newest(datetime.now(UTC))
    began = time.perf_counter()
    with few_connections(instance):
        for number in range(1, PARTITIONS):
            key = STATUS.key(newest - number * STATUS.period)
            instance.report_runless_asset_event(dg.AssetMaterialization(STATUS.name, partition=key))
    print(f"{PARTITIONS:,} partitions in {time.perf_counter() - began:.0f} s", flush=True)


def main() -> None:
    """Print the figures; exit code 1 if one misses its bar."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["BIKE_DEMAND_HOME"] = name
        os.environ["BIKE_DEMAND_FIRST_PARTITION"] = "2020-01-01"
        from bike_demand.definitions import defs
        from bike_demand.defs.monitoring.freshness_sensor import freshness_sensor
        from bike_demand.instance import open_instance
        from bike_demand.storage import embedded

        with open_instance() as instance:
            fill(instance)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            repository = defs.get_repository_def()
            seconds = []
            for _ in range(5):
                context = dg.build_sensor_context(instance, repository_def=repository)
                began = time.perf_counter()
                tick = freshness_sensor.evaluate_tick(context)
                seconds.append(time.perf_counter() - began)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            print(f"asked for {len(tick.run_requests or ())} runs")
            print(f"a tick: {sorted(seconds)[2]:.2f} s (bar {SECONDS_BAR})")
            print(f"the process: {peak:.0f} MB (bar {MEGABYTES_BAR:.0f}), {peak - before:.0f} more")
        embedded.stop(Path(name) / "postgres")
    sys.exit(max(seconds) > SECONDS_BAR or peak > MEGABYTES_BAR)


if __name__ == "__main__":
    main()
