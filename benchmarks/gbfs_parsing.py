"""How long one Citi Bike snapshot takes from bytes to typed frames. The bar: 60 ms.

Run with `python -m benchmarks.gbfs_parsing`. The payload is a recorded one, which is not part of
this repository; without it the benchmark says so and ends.
"""

import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bike_demand.gbfs.document import read_document
from bike_demand.gbfs.parse import StationStatus, station_status

PAYLOAD = (
    Path(__file__).parents[2] / "shared/data/gbfs/citibike_nyc_v1.1_2024-10-02/station_status.json"
)
BAR_MILLISECONDS = 60.0
ROUNDS = 50


def parse(body: bytes) -> StationStatus:
    """One snapshot, from bytes to frames."""
    fetched_at = datetime(2024, 10, 2, 19, 5, tzinfo=UTC)
    return station_status(read_document(body, url="https://city.example", fetched_at=fetched_at))


def main() -> int:
    """Prints the figures; 1 if the median misses the bar."""
    if not PAYLOAD.exists():
        print("skipped: no recorded payload at ../shared/data/gbfs")
        return 0
    body = PAYLOAD.read_bytes()
    result = parse(body)
    milliseconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        parse(body)
        milliseconds.append(1000 * (time.perf_counter() - began))
    median = statistics.median(milliseconds)
    print(f"{len(result.rows)} stations, {len(body) / 1000:.0f} kB, {ROUNDS} rounds")
    print(
        f"median {median:.1f} ms, fastest {min(milliseconds):.1f}, slowest {max(milliseconds):.1f}"
        f" (bar: {BAR_MILLISECONDS:.0f} ms)"
    )
    return int(median > BAR_MILLISECONDS)


if __name__ == "__main__":
    sys.exit(main())
