"""Whole days of the pipeline, driven tick by tick by a clock of our own.

Schedules, conditions and sensors are the project's; so are keys, partitions, dependencies, tags
and run requests. What an asset's body does is a stand-in: it asks the `World` whether it can be
done, so that a day takes seconds. Runs are Dagster's, on an instance of their own.
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster import DagsterRunStatus
from dagster._core.test_utils import freeze_time

from bike_demand import cadence as cadences
from bike_demand import settings
from bike_demand.automation import closed_partition, condition_sensor, present_partition
from bike_demand.cadence import ASSET_TAG, CADENCES
from bike_demand.definitions import build_definitions
from bike_demand.defs.ingestion.stations import stations_job
from bike_demand.defs.ingestion.weather import weather_job
from bike_demand.defs.monitoring.freshness_sensor import freshness_sensor_at
from bike_demand.defs.training.job import training_job
from bike_demand.failures import PermanentFailure
from bike_demand.made import Made

# The sensors look each minute; these are those at which something can have changed.
MINUTES = {0, 2, 5, 10, 15, 20, 30, 35, 40, 45, 50}
CONDITIONS = {cadences.FEATURES: {2}, cadences.DEMAND: {10}, cadences.FORECAST: {0, 15}}
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass
class World:
    """What can be done when: of an asset and a window, raise what its body would."""

    trouble: Callable[[str, datetime, datetime], None] = lambda *_: None
    made: dict[str, set[datetime]] = field(default_factory=dict)
    succeeded: Counter[tuple[str, datetime]] = field(default_factory=Counter)

    def make(self, asset: str, start: datetime, end: datetime, now: datetime) -> None:
        """Whether a body ends well."""
        cadence = next((one for one in CADENCES if asset in one.assets), None)
        if cadence and cadence.live and not start <= now < end:
            raise PermanentFailure(f"{asset} of {start} cannot be asked for at {now}")
        self.trouble(asset, start, now)
        for need in cadence.needs if cadence else ():
            there = sum(
                start + need.since <= one < start + need.until
                for one in self.made.get(need.asset, ())
            )
            if there < need.least:
                raise PermanentFailure(f"{asset} of {start}: {there} of {need.least}")
        self.made.setdefault(asset, set()).add(start)
        if cadence:
            self.succeeded[asset, start] += 1


class Days:
    """A clock, and all that looks at it."""

    def __init__(self, world: World, start: datetime, folder: Path) -> None:
        self.world, self.now = world, start
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder))
        self.configured = settings.load()
        self.defs = self._stand_ins()
        self.repository = self.defs.get_repository_def()
        self.schedules = [
            present_partition("stations_job", cadences.STATUS, self.configured, lambda: self.now),
            present_partition("weather_job", cadences.WEATHER, self.configured, lambda: self.now),
            closed_partition("training_job", cadences.MODELS, self.configured, lambda *_: None),
        ]
        self.sensor = freshness_sensor_at(lambda: self.now)
        self.cursor: str | None = None
        self.conditions: dict[str, object] = {}
        self.asked: Counter[tuple[str, str]] = Counter()
        self.lines: list[str] = []

    def _stand_ins(self) -> dg.Definitions:
        real = build_definitions()
        return dg.Definitions(
            assets=[
                self._stand_in(definition)
                for definition in real.resolve_asset_graph().assets_defs
                if definition.is_executable and [*definition.specs]
            ],
            jobs=[stations_job, weather_job, training_job],
            executor=dg.in_process_executor,
        )

    def _stand_in(self, definition: dg.AssetsDefinition) -> dg.AssetsDefinition:
        world, days = self.world, self
        specs = [*definition.specs]

        @dg.multi_asset(
            name="stand_in_for_" + min(spec.key.to_user_string() for spec in specs),
            specs=[spec.replace_attributes(metadata={}) for spec in specs],
        )
        def body(context: dg.AssetExecutionContext):
            start, end = days.now, days.now
            if context.has_partition_key:
                window = context.partition_time_window
                start, end = window.start, window.end
            for spec in specs:
                world.make(spec.key.to_user_string(), start, end, days.now)
                yield dg.MaterializeResult(asset_key=spec.key)

        return body

    def pass_time(self, until: datetime, *, daemon: bool = True) -> None:
        """Up to a time, at the minutes at which anything looks at the clock."""
        while self.now < until:
            if daemon and self.now.minute in MINUTES:
                with freeze_time(self.now):
                    self._tick()
            self.now += MINUTE

    def _tick(self) -> None:
        for schedule in self.schedules:
            if _is_due(schedule.cron_schedule, self.now):
                context = dg.build_schedule_context(
                    self.instance,
                    repository_def=self.repository,
                    scheduled_execution_time=self.now,
                )
                for request in schedule.evaluate_tick(context).run_requests or ():
                    self._run(request, schedule.job_name)
        for one, minutes in CONDITIONS.items():
            if self.now.minute not in minutes:
                continue
            sensor = condition_sensor(one, self.configured)
            result = dg.evaluate_automation_conditions(
                self.defs,
                self.instance,
                asset_selection=dg.AssetSelection.assets(*one.assets),
                evaluation_time=self.now,
                cursor=self.conditions.get(one.name),
            )
            self.conditions[one.name] = result.cursor
            if result.total_requested:
                [keys] = {
                    tuple(sorted(result.get_requested_partitions(dg.AssetKey(asset))))
                    for asset in one.assets
                }
                for key in keys:
                    self._run(
                        dg.RunRequest(
                            partition_key=key,
                            asset_selection=[dg.AssetKey(asset) for asset in one.assets],
                            tags=sensor.run_tags,
                        )
                    )
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, repository_def=self.repository
        )
        tick = self.sensor.evaluate_tick(context)
        self.cursor = tick.cursor
        self.lines.append(tick.skip_message or "")
        for request in tick.run_requests or ():
            self._run(request)

    def _run(self, request: dg.RunRequest, job: str | None = None) -> None:
        definition = (
            self.defs.resolve_job_def(job)
            if job
            else self.defs.resolve_implicit_global_asset_job_def()
        )
        self.asked[request.tags[ASSET_TAG], request.partition_key] += 1
        definition.execute_in_process(
            partition_key=request.partition_key,
            asset_selection=request.asset_selection,
            instance=self.instance,
            tags={"dagster/partition": request.partition_key, **request.tags},
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )

    def were_made(self, asset: str, starts: Collection[datetime]) -> None:
        """By somebody else, now."""
        [cadence] = [one for one in CADENCES if asset in one.assets]
        self.world.made.setdefault(asset, set()).update(starts)
        for start in sorted(starts):
            self.instance.report_runless_asset_event(
                dg.AssetMaterialization(asset, partition=cadence.key(start))
            )

    def missing(self, cadence: cadences.Cadence, back: timedelta = DAY) -> list[str]:
        """Keys of partitions that should exist and do not."""
        windows = [cadence.key(window.start) for window in cadence.windows(self.now, back)]
        made = Made(self.instance)
        return sorted(key for key in windows if key not in made(cadence.name, windows))

    def failed(self) -> int:
        return len(self.instance.get_runs(dg.RunsFilter(statuses=[DagsterRunStatus.FAILURE])))


def _is_due(cron: str, now: datetime) -> bool:
    minute, hour, *_ = cron.split()

    def fits(field: str, value: int) -> bool:
        if field == "*":
            return True
        if field.startswith("*/"):
            return value % int(field[2:]) == 0
        return value == int(field)

    return fits(minute, now.minute) and fits(hour, now.hour)
