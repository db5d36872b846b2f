"""From a schedule's tick to the stored snapshot, with a real daemon: 2,300 stations, each minute.

Run as `python -m benchmarks.scheduled_status [TICKS]`. The simulated city, the daemon and the code
server are processes of their own; the schedule is the project's, asked each minute instead of each
quarter of an hour, so that twenty ticks take twenty minutes.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import dagster as dg
import numpy as np
from dagster import DagsterEventType
from dagster._core.storage.tags import SCHEDULED_EXECUTION_TIME_TAG

from benchmarks.processes import bike_demand, free_port

STATIONS = 2_300
TICKS = 20
TICK_BAR_S, OURS_BAR_S = 9.0, 1.5
ROOT = Path(__file__).parents[1]
EACH_MINUTE = """
import dagster as dg
from bike_demand import definitions
from bike_demand.cadence import LIVE, STATUS
from datetime import UTC

@dg.schedule(job_name="stations_job", cron_schedule="* * * * *",
             default_status=dg.DefaultScheduleStatus.RUNNING)
def each_minute(context):
    moment = context.scheduled_execution_time.astimezone(UTC)
    return dg.RunRequest(partition_key=STATUS.key(STATUS.newest(moment)), tags=STATUS.tags(LIVE))

defs = dg.Definitions.merge(definitions.defs, dg.Definitions(schedules=[each_minute]))
"""


def started(command: list[str], **options: object) -> subprocess.Popen[str]:
    """A process, and its own to be ended with it."""
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        command, cwd=ROOT, start_new_session=True, text=True, **options
    )


def main() -> None:
    """Print the figures; exit code 1 if one misses its bar."""
    ticks = int(sys.argv[1]) if len(sys.argv) > 1 else TICKS
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        os.environ["BIKE_DEMAND_HOME"] = name
        simulate = bike_demand("simulate", "--stations", str(STATIONS), "--port", "0")
        city = started(simulate, stdout=subprocess.PIPE)
        assert city.stdout
        told: list[str] = []
        for line in city.stdout:  # what it says to put into settings.toml comes last
            told.append(line)
            if line.startswith("weather_url"):
                break
        settings = told[told.index("[[systems]]\n") :]
        (home / "settings.toml").write_text("".join(settings))
        (home / "each_minute.py").write_text(EACH_MINUTE)
        dev = [sys.executable, "-m", "dagster", "dev", "-f", str(home / "each_minute.py")]
        dagster = started([*dev, "--port", free_port()], stderr=subprocess.DEVNULL)
        try:
            time.sleep(60 * (ticks + 1.5))
            missed = report()
        finally:
            for process in (dagster, city):
                os.killpg(process.pid, signal.SIGKILL)
            from bike_demand.storage import embedded

            embedded.stop(home / "postgres")
    sys.exit(missed)


def report() -> bool:
    """Print when runs were asked for, began and had stored their rows; whether a bar is missed."""
    from bike_demand.instance import open_instance

    whole, ours = [], []
    with open_instance() as instance:
        runs = instance.get_run_records(
            dg.RunsFilter(tags={"dagster/schedule_name": "each_minute"})
        )
        for record in runs:
            asked = record.dagster_run.tags[SCHEDULED_EXECUTION_TIME_TAG]
            events = {
                entry.dagster_event.event_type: entry.timestamp
                for entry in instance.all_logs(record.dagster_run.run_id)
                if entry.dagster_event and entry.dagster_event.step_key == "station_status"
            }
            stored = events.get(DagsterEventType.ASSET_MATERIALIZATION)
            if stored is not None:
                whole.append(stored - datetime.fromisoformat(asked).timestamp())
                ours.append(stored - events[DagsterEventType.STEP_START])
    missed = False
    for what, seconds, bar in (
        ("tick to stored", whole, TICK_BAR_S),
        ("the step: fetch, check, store", ours, OURS_BAR_S),
    ):
        middle, most = np.quantile(seconds, [0.5, 0.95])
        missed |= bool(most > bar)
        print(f"{what}: p50 {middle:.2f} s, p95 {most:.2f} s (bar {bar}), of {len(seconds)} ticks")
    return missed


if __name__ == "__main__":
    main()
