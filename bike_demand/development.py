"""`bike-demand dev`: Dagster's page, daemon and code on this machine, and something to look at.

Where no feed is configured, the simulated city is started beside it and the schedules run, so
that the first thing seen is a pipeline at work. Where one is, it is left to the operator when to
begin.
"""

import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from bike_demand import demo_city, settings
from bike_demand.simulation.plan import Plan

PATIENCE_S = 60
SCHEDULES_VARIABLE = f"{settings.PREFIX}SCHEDULES"


def run(port: int) -> None:
    """Become `dagster dev`. Does not return.

    Args:
        port: Of the web page.

    Raises:
        click.ClickException: The simulated city did not start.
    """
    configured = settings.load()
    if demo_city.stands_in(configured):
        plan = demo_city.founded(configured.home, datetime.now(UTC))
        url = _start_city(demo_city.folder(configured.home), plan)
        demo_city.follow(url, plan)
        if settings.origins(configured)["schedules"] is settings.Origin.DEFAULT:
            os.environ[SCHEDULES_VARIABLE] = "running"
        click.echo(f"No feed is configured: following a simulated city, {url}/gbfs.json")
        _first_look()
    click.echo(
        f"Dagster opens at http://127.0.0.1:{port} (data in {configured.home}; Ctrl-C ends it)."
    )
    sys.stdout.flush()
    arguments = [sys.executable, "-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, arguments)  # noqa: S606  # our own interpreter, no shell


def _start_city(folder: Path, plan: Plan) -> str:
    """Start the city as a process that ends with this one, and give its address."""
    log = folder / "server.log"
    program = "from bike_demand.cli import main; main()"
    options = {
        "--start": f"{plan.start:%Y-%m-%d}",
        "--stations": str(plan.stations),
        "--port": "0",
        "--parent": str(os.getpid()),
    }
    with log.open("w") as output:
        city = subprocess.Popen(  # noqa: S603  # our own interpreter, no shell
            [sys.executable, "-c", program, "simulate", *(w for o in options.items() for w in o)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and city.poll() is None:
        address = _address(log.read_text())
        if address is not None:
            return address
        time.sleep(0.1)
    city.kill()
    raise click.ClickException(f"The simulated city did not start: see {log}.")


def _address(output: str) -> str | None:
    """Where the city answers, once it says so: in settings as a person would write them."""
    told = re.search(r'^weather_url = "(.+)"$', output, re.MULTILINE)
    return told and told[1]


def _first_look() -> None:
    """Materialise the present where nothing is materialised yet: the next tick may be far."""
    from bike_demand.import_history import ASSET
    from bike_demand.instance import open_instance
    from bike_demand.present import materialize_present

    with open_instance() as instance:
        if instance.get_latest_materialization_event(ASSET) is None:
            click.echo("Materialising the present tick and the weather ...")
            materialize_present(instance)
