"""What loading the definitions costs beside `import dagster`, which nobody is spared.

Run as `python -m benchmarks.loading`. Each process that runs an asset begins with it. Told in CPU
seconds and as a ratio of them, so that a busy machine and a slow one tell about the same.
"""

import statistics
import subprocess
import sys

RUNS = 9
SECONDS_BAR = 2.5

_PROGRAM = """
import time
started = time.process_time()
import dagster
base = time.process_time()
import bike_demand.definitions
print(base - started, time.process_time() - base)
"""


def main() -> None:
    """Print medians and their ratio; exit code 1 if the definitions miss their bar."""
    once()  # compiles what is not compiled yet
    took = [once() for _ in range(RUNS)]
    theirs, ours = (statistics.median(column) for column in zip(*took, strict=True))
    ratio = statistics.median(mine / base for base, mine in took)
    print(f"dagster: {theirs:.2f} s of CPU; the definitions: {ours:.2f} s more", end=" ")
    print(f"(bar {SECONDS_BAR} s), {ratio:.2f} times as much")
    sys.exit(ours > SECONDS_BAR)


def once() -> tuple[float, float]:
    """CPU seconds of `import dagster` and of the definitions after it, in a new process."""
    command = [sys.executable, "-c", _PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs, ours = map(float, done.stdout.split())
    return theirs, ours


if __name__ == "__main__":
    main()
