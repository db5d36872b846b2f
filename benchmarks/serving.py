"""The API beside a bare FastAPI app: requests per second of one worker each, and its memory.

Run as `python -m benchmarks.serving`. Postgres in a temporary folder holds a city of 2,300 stations
with a day of snapshots and a forecast of 24 hours; the load comes from another process, over 50
connections on loopback, for a few seconds in each of several turns, so that both apps are measured
in one run and on one machine's mood.
"""

import asyncio
import gzip
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

STATIONS, CONNECTIONS, TURNS, SECONDS = 2_300, 50, 5, 4.0
RELATIVE_BAR, CITY_BAR, MEMORY_BAR, RECOVERY_BAR = 0.4, 60.0, 300.0, 5.0

_HELLO = """
import sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
async def hello():
    return {"hello": "world"}
uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False)
"""
_SERVE = "from bike_demand.cli import main; main()"


async def _ask(host: str, port: int, paths: list[str], until: float, offset: int) -> list[float]:
    """Seconds that each answer on one connection took."""
    reader, writer = await asyncio.open_connection(host, port)
    took: list[float] = []
    number = offset
    try:
        while (began := time.perf_counter()) < until:
            path = paths[number % len(paths)]
            number += 1
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode("latin-1"))
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            await reader.readexactly(length)
            took.append(time.perf_counter() - began)
    finally:
        writer.close()
    return took


async def _load(port: int, paths: list[str], seconds: float) -> list[float]:
    until = time.perf_counter() + seconds
    asked = [_ask("127.0.0.1", port, paths, until, 7 * one) for one in range(CONNECTIONS)]
    return [second for took in await asyncio.gather(*asked) for second in took]


def load(port: int, paths: list[str], seconds: float) -> None:
    """Print requests per second, and the 50th and 99th of a hundred durations [ms], as JSON."""
    import uvloop

    took = sorted(uvloop.run(_load(port, paths, seconds)))
    told = {
        "rate": len(took) / seconds,
        "p50": 1000 * took[len(took) // 2],
        "p99": 1000 * took[len(took) * 99 // 100],
    }
    print(json.dumps(told))


def measured(port: int, paths: list[str], seconds: float = SECONDS) -> dict[str, float]:
    """The same, by another process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving", str(port), str(seconds), *paths],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


@contextmanager
def started(command: list[str], port: int, environment: dict[str, str]) -> Iterator[psutil.Process]:
    """A server, from when it answers to when it is ended; what it logs is written to nowhere."""
    import requests

    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                requests.get(f"http://127.0.0.1:{port}/", timeout=5)
                break
            except requests.ConnectionError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def fill(url: str) -> list[str]:
    """Store the city; ids of its stations."""
    from datetime import UTC, datetime

    import sqlalchemy as sa

    from bike_demand.storage.warehouse import Warehouse
    from bike_demand_tests.serving import city

    address = sa.make_url(url)
    Warehouse(lambda: address).url()
    city.fill(address, datetime.now(UTC), stations=STATIONS)
    return [f"s{number:04}" for number in range(1, STATIONS + 1) if number != 4]


def reloaded(url: str, address: str) -> float:
    """Seconds from when the next forecast is stored to when it is served, without being asked."""
    from datetime import UTC, datetime, timedelta

    import requests
    import sqlalchemy as sa

    from bike_demand_tests.serving import city

    city.forecast_again(sa.make_url(url), datetime.now(UTC) + timedelta(hours=1), version="8")
    began = time.monotonic()
    while requests.get(f"{address}/forecast", timeout=60).json()["model_version"] != "8":
        time.sleep(0.05)
    return time.monotonic() - began


def recovered(directory: Path, url: str, address: str) -> float:
    """Seconds from when Postgres, killed under load, lets in to when history is answered."""
    import requests
    import sqlalchemy as sa

    from bike_demand.storage import databases, embedded
    from bike_demand.storage.errors import DatabaseUnavailableError

    asked = f"{address}/history/s0007"
    for _ in range(20):
        requests.get(asked, timeout=60)
    pid = int((directory / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    while requests.get(asked, timeout=60).status_code != 503:
        time.sleep(0.05)
    embedded.ensure_running(directory)
    while True:
        try:
            databases.connect(sa.make_url(url)).close()
            break
        except DatabaseUnavailableError:
            time.sleep(0.02)
    began = time.monotonic()
    while requests.get(asked, timeout=60).status_code != 200:
        time.sleep(0.02)
    return time.monotonic() - began


def main() -> None:
    """Print the figures; exit code 1 if one misses its bar."""
    import requests

    from bike_demand.storage import embedded
    from bike_demand_tests.processes import free_ports

    with tempfile.TemporaryDirectory() as name:
        server = embedded.ensure_running(Path(name) / "postgres")
        url = server.url("city").render_as_string(hide_password=False)
        began = time.perf_counter()
        ids = fill(url)
        print(f"{STATIONS} stations are stored in {time.perf_counter() - began:.0f} s", flush=True)
        bare, port = free_ports(2)
        systems = [{"system_id": "citibike_nyc", "timezone": "America/New_York"}]
        environment = os.environ | {
            "BIKE_DEMAND_HOME": name,
            "BIKE_DEMAND_POSTGRES_URL": url,
            "BIKE_DEMAND_SYSTEMS": json.dumps(systems),
            "BIKE_DEMAND_SERVING_RATE": "0",  # all of the load has one address
        }
        with (
            started([sys.executable, "-c", _HELLO, str(bare)], bare, environment),
            started(
                [sys.executable, "-c", _SERVE, "serve", "--port", str(port)], port, environment
            ) as process,
        ):
            address = f"http://127.0.0.1:{port}"
            answer = requests.get(f"{address}/forecast", timeout=60)
            targets = [
                hour["target_at"]
                for hour in requests.get(
                    f"{address}/stations/{ids[0]}/forecast", timeout=60
                ).json()["forecast"]
            ]
            print(
                f"the whole city is {len(answer.content) / 1e3:.0f} kB, "
                f"{len(gzip.compress(answer.content, 5)) / 1e3:.0f} kB compressed"
            )
            stations = [f"/stations/{one}/forecast" for one in ids]
            whole = [f"/forecast?at={target}" for target in targets]
            past = [f"/history/{one}" for one in ids[:200]]
            turns: dict[str, list[dict[str, float]]] = {
                name: [] for name in ("hello", "station", "city", "history")
            }
            for _ in range(TURNS):
                turns["hello"].append(measured(bare, ["/"]))
                turns["station"].append(measured(port, stations))
                turns["city"].append(measured(port, whole))
                turns["history"].append(measured(port, past))
            memory = process.memory_info().rss / 1e6
            seconds = reloaded(url, address)
            print(f"a new forecast was served {seconds:.1f} s after it was stored (bar 60)")
            recovery = recovered(Path(name) / "postgres", url, address)
        embedded.stop(Path(name) / "postgres")
    found = {
        name: {key: statistics.median(turn[key] for turn in of) for key in ("rate", "p50", "p99")}
        for name, of in turns.items()
    }
    for name, figures in found.items():
        print(
            f"{name:>8}: {figures['rate']:8.0f} requests/s, median {figures['p50']:.1f} ms, "
            f"99 % within {figures['p99']:.1f} ms"
        )
    # Turn by turn: what else the machine does, it does to both.
    relative = statistics.median(
        one["rate"] / hello["rate"]
        for one, hello in zip(turns["station"], turns["hello"], strict=True)
    )
    print(f"a station's forecast at {relative:.2f} x hello (bar {RELATIVE_BAR})")
    print(f"the whole city {found['city']['rate']:.0f} times/s (bar {CITY_BAR:.0f})")
    print(f"memory {memory:.0f} MB (bar {MEMORY_BAR:.0f})")
    print(f"history was answered {recovery:.1f} s after Postgres was (bar {RECOVERY_BAR:.0f})")
    good = relative >= RELATIVE_BAR and found["city"]["rate"] >= CITY_BAR and memory <= MEMORY_BAR
    sys.exit(not (good and recovery <= RECOVERY_BAR))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        load(int(sys.argv[1]), sys.argv[3:], float(sys.argv[2]))
    else:
        main()
