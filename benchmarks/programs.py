"""What programs wait for: a what-if of a city of 2,300 stations, and a look for what is to be told.

Run as `python -m benchmarks.programs`. Postgres in a temporary folder holds a day of snapshots, the
full hours of the 28 days before, and two days of forecasts; the model has learnt noise, so that
what is measured is all but the trees themselves.
"""

import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from benchmarks.serving import fill, started

DAYS, FORECASTS, ASKED = 28, 48, 20

_HOURS = """
INSERT INTO station_status (system_id, observed_at, station_id, fetched_at, last_reported,
    num_bikes_available, num_ebikes_available, num_docks_available, is_installed, is_renting,
    is_returning)
SELECT system_id, observed_at - day * interval '1 day', station_id,
    fetched_at - day * interval '1 day', last_reported - day * interval '1 day',
    num_bikes_available, num_ebikes_available, num_docks_available, is_installed, is_renting,
    is_returning
FROM station_status, generate_series(1, %s) AS day
WHERE extract(minute FROM observed_at) = 0
ON CONFLICT DO NOTHING
"""
_FORECASTS = """
INSERT INTO station_forecast
SELECT system_id, origin_at - hour * interval '1 hour', station_id,
    target_at - hour * interval '1 hour', role, issued_at - hour * interval '1 hour', late,
    model_version, horizon, in_service, capacity, bikes, p10, p50, p90, p_empty, p_full,
    p10_inside, p90_inside
FROM station_forecast, generate_series(1, %s) AS hour
"""


def _publish(url: str, home: str, system_id: str) -> None:
    """A champion that has learnt noise."""
    from bike_demand.resources.tracking import Tracking
    from bike_demand_tests.registry import small_model

    tests: Any = small_model
    registry = Tracking(url=url, home=home).registry()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with registry.recording():
            import mlflow

            with mlflow.start_run() as run:
                run_id = run.info.run_id
        version = registry.publish(
            tests.small_models()["lightgbm"],
            system_id=system_id,
            trained_for=(datetime.now(UTC) - timedelta(days=2)).date(),
            examples=tests.examples(5),
            run_id=run_id,
        )
    registry.appoint(version, None)


def main() -> None:
    """Print the figures."""
    import requests

    from bike_demand.announce import OVERLAP, happened, stations
    from bike_demand.storage import databases, embedded
    from bike_demand.storage.warehouse import Warehouse
    from bike_demand_tests.processes import free_ports
    from bike_demand_tests.serving.city import SYSTEM

    with tempfile.TemporaryDirectory() as home:
        server = embedded.ensure_running(Path(home) / "postgres")
        url = server.url("city").render_as_string(hide_password=False)
        fill(url)
        with databases.connect(sa.make_url(url), autocommit=True) as connection:
            connection.execute(_HOURS, [DAYS])
            connection.execute(_FORECASTS, [FORECASTS])
            connection.execute("ANALYZE")
        warehouse, now = Warehouse(lambda: sa.make_url(url)), datetime.now(UTC)
        looks = []
        for _ in range(ASKED):
            began = time.perf_counter()
            found = happened(warehouse, [SYSTEM], now - OVERLAP, now)
            looks.append(time.perf_counter() - began)
        began = time.perf_counter()
        stations(warehouse, found[-1])
        counted = time.perf_counter() - began
        print(
            f"a look for what is to be told: {1e3 * statistics.median(looks):.0f} ms "
            f"({len(found)} events within a day), an event's stations {1e3 * counted:.0f} ms"
        )
        _publish(url, home, SYSTEM)
        [port] = free_ports(1)
        environment = os.environ | {
            "BIKE_DEMAND_HOME": home,
            "BIKE_DEMAND_POSTGRES_URL": url,
            "BIKE_DEMAND_SYSTEMS": json.dumps(
                [{"system_id": SYSTEM, "timezone": "America/New_York"}]
            ),
            "BIKE_DEMAND_SERVING_RATE": "0",
        }
        command = "from bike_demand.cli import main; main()"
        serve = [sys.executable, "-c", command, "serve", "--port", str(port)]
        with started(serve, port, environment) as process:
            body = {
                "station_id": "s0007",
                "observations": [{"observed_at": now.isoformat(), "num_bikes_available": 3}],
            }
            took = []
            before = process.memory_info().rss / 1e6
            for _ in range(ASKED + 1):
                began = time.perf_counter()
                answer = requests.post(f"http://127.0.0.1:{port}/predict", json=body, timeout=60)
                took.append(time.perf_counter() - began)
                answer.raise_for_status()
            [worker] = process.children()
            print(
                f"a what-if: the first {took[0]:.1f} s, then {statistics.median(took[1:]):.2f} s; "
                f"its process {worker.memory_info().rss / 1e6:.0f} MB, the server "
                f"{process.memory_info().rss / 1e6:.0f} MB ({before:.0f} MB before)"
            )
            worker_id = worker.pid
        print(f"the process has ended with the server: {not psutil.pid_exists(worker_id)}")
        embedded.stop(Path(home) / "postgres")


if __name__ == "__main__":
    main()
