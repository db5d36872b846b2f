"""How long a simulated city's past takes to write, and a very large one to start.

Run as `python -m benchmarks.simulation`. Each case is a process of its own, so that its peak of
memory is its own.
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bike_demand.simulation.city import City
from bike_demand.simulation.plan import Plan
from bike_demand.simulation.recording import write_recording

START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 28
RECORDED_STATIONS = 2_300
LARGE = 100_000
BARS = {"recording": 90.0, "large": 10.0}  # from the command to an answer


def recording() -> None:
    """Write four weeks of a city like New York's."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history.parquet"
        rows = write_recording(Plan(START, RECORDED_STATIONS), START + timedelta(days=DAYS), file)
        print(f"{DAYS} days x {RECORDED_STATIONS:,} stations: {rows:,} rows, ", end="")
        print(f"{file.stat().st_size / 1e6:.0f} MB")


def large() -> None:
    """Start the largest city of the promise, and live an hour of it."""
    began = time.perf_counter()
    city = City(Plan(START, LARGE))
    started = time.perf_counter()
    city.advance(START + timedelta(hours=1))
    hour = time.perf_counter() - started
    began_snapshot = time.perf_counter()
    city.snapshot()
    snapshot = time.perf_counter() - began_snapshot
    print(f"{LARGE:,} stations: construction and warm-up {started - began:.1f} s, ", end="")
    print(f"a step {1000 * hour / 12:.0f} ms, a snapshot {1000 * snapshot:.1f} ms")


def main() -> int:
    """Prints the figures; 1 if one misses its bar."""
    if len(sys.argv) > 1:
        {"recording": recording, "large": large}[sys.argv[1]]()
        return 0
    missed = 0
    for case, bar in BARS.items():
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.simulation", case])
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        print(f"  {seconds:.1f} s with Python's start (bar {bar:.0f}), ", end="")
        print(f"peak {usage.ru_maxrss / 1e6:.2f} GB", flush=True)
        missed |= int(process.returncode != 0 or seconds > bar)
    return missed


if __name__ == "__main__":
    sys.exit(main())
