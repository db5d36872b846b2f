"""`bike-demand dev`: Dagster's page, daemon and code on this machine, and something to look at.

Where no feed is configured, the simulated city is started beside it and the schedules run, so
that the first thing seen is a pipeline at work. Where one is, it is left to the operator when to
begin.
"""

import os
import re
import socket
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click
import psutil

from bike_demand import demo_city, settings
from bike_demand.instance import abandoned, alone, fail, open_instance
from bike_demand.simulation.plan import Plan
from bike_demand.storage.warehouse import open_warehouse

ROOT = Path(__file__).parents[1]
MARK = "_BIKE_DEMAND_DEV"
"""In the environment of all that a `dev` starts: its data directory."""


def command(*words: str) -> list[str]:
    """Of `bike-demand`, by this interpreter: the script may not be on the path."""
    return [sys.executable, "-c", "from bike_demand.cli import main; main()", *words]


def run(port: int) -> None:
    """Become `dagster dev`. Does not return.

    Args:
        port: Of the web page.

    Raises:
        click.ClickException: Another `dev` runs in the data directory, the port is taken, or the
            simulated city did not start.
    """
    configured = settings.load()
    # Dagster reads dagster.yaml and workspace.yaml in the folder it runs in.
    os.environ[settings.HOME_VARIABLE] = os.environ[MARK] = str(configured.home)
    os.chdir(ROOT)
    _check_free(port)
    with ExitStack() as stack:
        lock = stack.enter_context(alone(configured.home, "dev"))
        os.set_inheritable(lock, True)  # noqa: FBT003  # held until Dagster ends
        _end_left_behind(configured.home)
        if configured.postgres_url is None and (configured.home / "postgres").is_dir():
            with open_instance() as instance:  # ours alone
                fail(instance, abandoned(instance))
        warehouse = open_warehouse(configured.revealed_postgres_url(), configured.home)
        with warehouse.connection() as connection:
            reason = demo_city.stands_in(configured, connection)
        if not reason:
            _bring_the_city(configured)
        click.echo(
            f"Dagster opens at http://127.0.0.1:{port} (data in {configured.home}; Ctrl-C ends it)."
        )
        sys.stdout.flush()
        program = [sys.executable, "-m", "dagster", "dev"]
        arguments = [*program, "--host", "127.0.0.1", "--port", str(port)]
        os.execv(sys.executable, arguments)  # noqa: S606  # our own interpreter, no shell


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise click.ClickException(
                f"Port {port} cannot be had ({error.strerror}). Choose another: dev --port NUMBER"
            ) from None


def _end_left_behind(home: Path) -> None:
    """A `dagster dev` that was killed leaves a daemon, which takes ticks and fails them."""
    left = []
    for process in psutil.process_iter():
        try:
            module = [*process.cmdline(), "", "", ""][2]  # python -m dagster…
            if module.startswith("dagster") and process.environ().get(MARK) == str(home):
                process.terminate()
                left.append(process)
        except psutil.Error:  # gone, or somebody else's
            continue
    if left:
        _, alive = psutil.wait_procs(left, timeout=10)
        for process in alive:
            process.kill()
        click.echo(f"Ended {len(left)} processes that an earlier dev had left behind.")


def _bring_the_city(configured: settings.Settings) -> None:
    plan = demo_city.founded(configured.home, datetime.now(UTC))
    url = _start_city(demo_city.folder(configured.home), plan)
    demo_city.follow(url, plan)
    if settings.origins(configured)["schedules"] is settings.Origin.DEFAULT:
        os.environ[f"{settings.PREFIX}SCHEDULES"] = "running"
    click.echo(f"No feed is configured: following a simulated city, {url}/gbfs.json")
    try:
        _first_look()
    except click.ClickException as error:  # the page shows more of it
        click.echo(f"Warning: {error.message}", err=True)


def _start_city(folder: Path, plan: Plan) -> str:
    """Start the city as a process that ends with this one, and give its address."""
    log = folder / "server.log"
    options = {
        "--start": f"{plan.start:%Y-%m-%d}",
        "--stations": str(plan.stations),
        "--port": "0",
        "--parent": str(os.getpid()),
    }
    with log.open("a") as errors:
        city = subprocess.Popen(  # noqa: S603  # our own interpreter, no shell
            command("simulate", *(word for option in options.items() for word in option)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    for line in city.stdout or ():  # settings as a person would write them
        if told := re.match(r'weather_url = "(.+)"$', line):
            return told[1]
    raise click.ClickException(f"The simulated city did not start: see {log}.")


def _first_look() -> None:
    """Materialise the present where nothing is materialised yet: the next tick may be far."""
    from bike_demand.import_history import ASSET
    from bike_demand.present import materialize_present

    with open_instance() as instance:
        if instance.get_latest_materialization_event(ASSET) is None:
            click.echo("Materialising the present tick and the weather ...")
            materialize_present(instance)
