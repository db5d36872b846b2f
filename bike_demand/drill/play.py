"""Plays a drill from beginning to end."""

import os
import signal
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import dagster as dg
import sqlalchemy as sa

from bike_demand import demo_city, demonstration, settings
from bike_demand.drill import account
from bike_demand.drill.scene import Scene, alerts
from bike_demand.drill.script import Fault, Kind, script
from bike_demand.freshness import missing
from bike_demand.instance import alone, open_instance
from bike_demand.made import Made, waiting
from bike_demand.purge import purge_runs
from bike_demand.simulation.city import City
from bike_demand.simulation.clock import Clock
from bike_demand.simulation.server import CityServer
from bike_demand.storage.warehouse import open_warehouse

PATIENCE = timedelta(minutes=20)
"""How long beginning and end wait for what can still be made."""

REPORT = "drill.md"


def run(length: timedelta, seed: int) -> None:
    """Bring in the simulated city, let the pipeline run, and print the account.

    Args:
        length: How long faults happen.
        seed: Of the faults.

    Raises:
        click.ClickException: The data directory is somebody's, or something is not as it has to be.
    """
    configured = settings.load()
    if configured.postgres_url is not None:
        raise click.ClickException(
            "A drill kills its Postgres: it works on the bundled one alone. Take postgres_url out "
            "of the settings."
        )
    demonstration.run()
    for number in (signal.SIGINT, signal.SIGTERM):  # in the background both may be ignored
        signal.signal(number, signal.default_int_handler)
    with ExitStack() as stack:
        stack.enter_context(alone(configured.home, "dev"))
        plan = demo_city.founded(configured.home, datetime.now(UTC))
        city = City(plan)
        server = stack.enter_context(CityServer(city, Clock()))
        webhook, told = stack.enter_context(alerts())
        demo_city.follow(server.url, plan)
        os.environ[f"{settings.PREFIX}ALERT_WEBHOOK"] = webhook
        os.environ[f"{settings.PREFIX}SCHEDULES"] = "running"
        with Scene(configured.home, server, _free_port()) as scene:
            click.echo("What the last two days lack is made first.")
            _settle(scene)
            with open_instance() as instance:
                before = _purged(instance)
            began = datetime.now(UTC)
            faults = script(length, seed)
            if not scene.disk_is_ours():
                faults = [fault for fault in faults if fault.kind is not Kind.DISK]
                click.echo("The disk is left alone: it is larger than 8 GiB.")
            played = _play(scene, faults, length, began)
            _settle(scene)
        ended = datetime.now(UTC)
        warehouse = open_warehouse(None, configured.home)
        with open_instance() as instance:
            full = _size(instance)
            day = timedelta(days=1) / (ended - began)
            made = account.Account(
                began,
                ended,
                played,
                account.kept(instance, warehouse, [*city.stations["station_id"]], began, ended),
                *account.runs(instance, began),
                [alert for alert in told if alert.at >= began],
                ((full - before) * day, (_purged(instance) - before) * day),
            )
    (configured.home / REPORT).write_text(made.told())
    click.echo(f"\n{made.told()}\nIt is in {configured.home / REPORT}.")
    if misses := made.misses():
        raise click.ClickException(f"{len(misses)} things are not as they have to be.")


Played = list[tuple[Fault, datetime, datetime]]


def _play(scene: Scene, faults: list[Fault], length: timedelta, began: datetime) -> Played:
    """Do all of it at its time; says when it was done."""
    played: Played = []
    for fault in faults:
        _wait(scene, began + fault.at)
        begin = datetime.now(UTC)
        click.echo(f"{begin:%H:%M:%S} {fault.kind}")
        scene.begin(fault.kind)
        _wait(scene, began + fault.until)
        scene.end(fault.kind)
        played.append((fault, begin, datetime.now(UTC)))
    _wait(scene, began + length)
    return played


def _wait(scene: Scene, until: datetime) -> None:
    while datetime.now(UTC) < until:
        scene.keep()
        time.sleep(min(1.0, max((until - datetime.now(UTC)).total_seconds(), 0.0)))


def _settle(scene: Scene) -> None:
    """Wait until nothing is missing that could be made, and nothing is at work."""
    from bike_demand.cadence import CADENCES

    end = datetime.now(UTC) + PATIENCE
    with open_instance() as instance:
        while (now := datetime.now(UTC)) < end:
            scene.keep()
            _, lacking = missing(CADENCES, now, made := Made(instance), made.begun)
            if all(item.why_left for item in lacking) and not waiting(instance):
                return
            time.sleep(5)


def _purged(instance: dg.DagsterInstance) -> int:
    """The size of Dagster's database without what is deleted in time."""
    purge_runs(instance, datetime.now(UTC))
    everything = datetime.now(UTC).timestamp()
    for state in instance.all_instigator_state():
        instance.purge_ticks(state.instigator_origin_id, state.selector_id, before=everything)
    return _size(instance)


def _size(instance: dg.DagsterInstance) -> int:
    storage: Any = instance.event_log_storage
    with storage.index_connection() as connection:
        connection.execute(sa.text("VACUUM FULL"))
        return int(
            connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one()
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
