"""What `bike-demand dev` costs where nothing runs: memory and CPU of all its processes.

Run as `python -m benchmarks.idle [MINUTES]`, begun a little after a quarter of an hour for the time
between two ticks; a run that falls into it is counted, too. The home is a temporary folder.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.processes import bike_demand, free_port

MINUTES = 10
GIGABYTES_BAR, CORE_BAR = 1.3, 0.15
SETTLE_S = 120


def main() -> None:
    """Print the figures; exit code 1 if one misses its bar."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    with tempfile.TemporaryDirectory() as name:
        dev = subprocess.Popen(
            bike_demand("dev", "--port", free_port()),
            env={**os.environ, "BIKE_DEMAND_HOME": name},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(SETTLE_S)
            gigabytes, core = watched(Path(name), minutes)
        finally:
            for process in processes(Path(name)):
                process.kill()
            dev.wait()
    print(f"resident: {gigabytes:.2f} GB (bar {GIGABYTES_BAR}); CPU: {core:.1%} of a core", end=" ")
    print(f"(bar {CORE_BAR:.0%})")
    sys.exit(gigabytes > GIGABYTES_BAR or core > CORE_BAR)


def watched(home: Path, minutes: float) -> tuple[float, float]:
    """The most memory in GB, shared pages counted once, and the cores that were busy."""
    most, busy = 0.0, 0.0
    last: dict[int, float] = {}
    for _ in range(round(minutes * 6)):
        now = {}
        memory: dict[str, float] = {}
        for process in processes(home):
            try:
                times = process.cpu_times()
                told = " ".join(process.cmdline())[:90] + f" [{process.pid}]"
                memory[told] = process.memory_full_info().pss / 1e9
            except psutil.Error:
                continue
            now[process.pid] = times.user + times.system
        busy += sum(at - last.get(pid, 0.0) for pid, at in now.items()) if last else 0.0
        last = now
        if sum(memory.values()) > most:
            most, parts = sum(memory.values()), memory
        time.sleep(10)
    for told, size in sorted(parts.items(), key=lambda part: -part[1])[:12]:
        print(f"  {size * 1e3:5.0f} MB  {told}")
    return most, busy / (minutes * 60)


def processes(home: Path) -> set[psutil.Process]:
    """All that have the home in their environment or arguments, and what they started."""
    found = set()
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and (
                process.environ().get("BIKE_DEMAND_HOME") == str(home)
                or str(home) in " ".join(process.cmdline())
            ):
                found |= {process, *process.children(recursive=True)}
        except psutil.Error:
            continue
    return found


if __name__ == "__main__":
    main()
