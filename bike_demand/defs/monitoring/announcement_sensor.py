"""The sensor that tells programs: of each forecast that is stored, and each champion that changes.

What is told, and how far that has come, stands in `announce`.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from bike_demand import announce, settings
from bike_demand.announce import SENSOR, Event, Progress, Receiver, RefusedError, Server
from bike_demand.automation import utc_now
from bike_demand.resources import PostgresIOManager
from bike_demand.storage.warehouse import Warehouse

BUDGET_S: Final = 20.0
"""After which no further event is begun: Dagster ends a tick after a minute, and forgets it."""


def announcement_sensor_at(
    now: Callable[[], datetime] = utc_now, clock: Callable[[], float] = time.monotonic
) -> dg.SensorDefinition:
    """The sensor, by some clocks.

    Args:
        now: The present, UTC.
        clock: What a tick may take is measured by it [s].
    """

    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus(settings.load().schedules.upper()),
        description=(
            "Tells programs of each forecast that is stored and each champion that changes: a "
            "webhook, by signed events, and the server, whichever the settings name."
        ),
    )
    def announcement_sensor(
        context: dg.SensorEvaluationContext, io_manager: dg.ResourceParam[PostgresIOManager]
    ) -> dg.SensorResult:
        configured, moment = settings.load(), now().astimezone(UTC)
        receiver, server = Receiver.of(configured), Server.of(configured)
        if receiver is None and server is None:
            # What was kept stays: who is named again is told what they have missed.
            return dg.SensorResult(
                skip_reason="Nobody is told: the settings have neither forecast_webhook nor "
                "serving_url with serving_reload_token.",
                cursor=context.cursor,
            )
        progress, trouble = Progress.read(context.cursor)
        if trouble:
            context.log.warning(trouble)
        warehouse = io_manager.warehouse()
        progress = progress or Progress()
        systems = [system.system_id for system in configured.systems]
        found = announce.happened(warehouse, systems, progress.since(moment), moment)
        told = []
        newest = found[-1].id if found else progress.newest
        if server is not None and newest != progress.newest:
            # Before the webhook: who hears of a forecast and asks the server for it, gets it.
            told.append(_reload(server, context))
        progress = replace(progress, newest=newest)
        if receiver is not None:
            if progress.position is None:
                progress = progress.begun(found, moment)
            tick = _Tick(context, warehouse, receiver, moment, clock)
            progress, what = tick.deliver(found, progress)
            told.append(what)
        return dg.SensorResult(
            skip_reason=" ".join(told) or "Nothing is new.", cursor=progress.written()
        )

    return announcement_sensor


class _Tick:
    """One round of telling the receiver."""

    def __init__(
        self,
        context: dg.SensorEvaluationContext,
        warehouse: Warehouse,
        receiver: Receiver,
        now: datetime,
        clock: Callable[[], float],
    ) -> None:
        self._context, self._warehouse, self._receiver = context, warehouse, receiver
        self._now, self._clock = now, clock

    def deliver(self, found: list[Event], progress: Progress) -> tuple[Progress, str]:
        """Tell what is not told, in order, until something fails or the time is over.

        Returns:
            How far it has come, and that in words.
        """
        queue = announce.undelivered(found, progress, self._now).queue()
        if queue and progress.again_at is not None and self._now < progress.again_at:
            return progress, (
                f"{len(queue)} events wait: the receiver is asked again at "
                f"{progress.again_at:%H:%M:%S} UTC."
            )
        done, end, sent = set(progress.delivered), self._clock() + BUDGET_S, 0
        for event, ids in queue:
            if self._clock() >= end:
                break
            whole = announce.stations(self._warehouse, event)
            if whole is not None:
                try:
                    self._receiver.deliver(whole, self._now)
                except RefusedError as refusal:
                    progress = progress.refused(self._now, refusal.retry_after)
                    self._context.log.warning(
                        f"The webhook did not take {event.type} {event.id}: {refusal}; "
                        f"{len(queue) - sent} events wait."
                    )
                    break
                progress = progress.taken()
                sent += 1
                self._context.log.info(f"Told the webhook: {event.type} {event.id}.")
            done |= ids
        return progress.moved(found, done, self._now), f"{sent} of {len(queue)} events were told."


def _reload(server: Server, context: dg.SensorEvaluationContext) -> str:
    try:
        server.reload()
    except RefusedError as refusal:
        context.log.warning(f"The server was not told: {refusal}; it will look by itself.")
        return "The server was not told."
    return "The server was told."


announcement_sensor = announcement_sensor_at()
