"""Whole days of the pipeline, driven tick by tick by a clock of our own.

Schedules, conditions and sensors are the project's; so are keys, partitions, dependencies, tags
and run requests. What an asset's body does is a stand-in: it asks the `World` whether it can be
done, so that a day takes seconds. Runs are Dagster's, on an instance of their own.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster import DagsterRunStatus
from dagster._core.test_utils import freeze_time

from bike_demand import cadence as cadences
from bike_demand import settings
from bike_demand.automation import closed_partition, condition_sensor, present_partition
from bike_demand.cadence import ASSET_TAG, CADENCES, Cadence
from bike_demand.data_times import Age, stale_at
from bike_demand.definitions import CONDITIONS, build_definitions
from bike_demand.defs.ingestion.stations import stations_job
from bike_demand.defs.ingestion.weather import weather_job
from bike_demand.defs.monitoring.alert_sensor import alert_sensor_at
from bike_demand.defs.monitoring.freshness_sensor import freshness_sensor_at
from bike_demand.defs.training.job import training_job
from bike_demand.failures import PermanentFailure
from bike_demand.made import Made
from bike_demand.resources import PostgresIOManager
from bike_demand.settings import System
from bike_demand.storage.windows import Window
from bike_demand_tests.automation.channel import Channel

# The sensors look each minute; these are those at which something can have changed.
MINUTES = {0, 2, 5, 10, 15, 20, 30, 35, 40, 45, 50}
LOOKS = {
    cadences.FEATURES: {2},
    cadences.DEMAND: {10},
    cadences.FORECAST: {0, 15},  # the later snapshots are as the second
    cadences.QUALITY: {20},
}
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass
class World:
    """What can be done when, and what has been.

    Attributes:
        trouble: Of an asset and a window's begin, now: raise what its body would.
        silent: Of an asset, now: the systems that its source says nothing of.
        systems: All.
        made: Begins of windows, by asset and system.
        succeeded: How many runs made an asset's window.
    """

    trouble: Callable[[str, datetime, datetime], None] = lambda *_: None
    silent: Callable[[str, datetime], Collection[str]] = lambda *_: ()
    systems: tuple[str, ...] = ("a",)
    made: dict[tuple[str, str], set[datetime]] = field(default_factory=dict)
    succeeded: Counter[tuple[str, datetime]] = field(default_factory=Counter)

    def make(self, asset: str, start: datetime, end: datetime, now: datetime) -> None:
        """What a body does: it ends well if there is a system that it can do it for."""
        cadence = next((one for one in CADENCES if asset in one.assets), None)
        if cadence and cadence.live and not start <= now < end:
            raise PermanentFailure(f"{asset} of {start} cannot be asked for at {now}")
        self.trouble(asset, start, now)
        silent = self.silent(asset, now)
        able = [
            system
            for system in self.systems
            if system not in silent and (not cadence or self.has_needs(cadence, start, system))
        ]
        if not able:
            raise PermanentFailure(f"{asset} of {start}: no system")
        for system in able:
            self.made.setdefault((asset, system), set()).add(start)
        if cadence:
            self.succeeded[asset, start] += 1

    def has_needs(self, cadence: Cadence, start: datetime, system: str) -> bool:
        """Whether of a system there is what a window is made from."""
        return all(
            sum(
                start + need.since <= one < start + need.until
                for one in self.made.get((need.asset, system), ())
            )
            >= need.least
            for need in cadence.needs
        )

    def can_make(self, cadence: Cadence, start: datetime) -> bool:
        """Whether of some system there is."""
        return any(self.has_needs(cadence, start, system) for system in self.systems)

    def ages(self, _: object, systems: Collection[System]) -> list[Age]:
        """As the tables would tell, of `bike_demand.data_times`."""
        found = []
        for cadence in CADENCES:
            for system in systems:
                newest = max(self.made.get((cadence.name, system.system_id), ()), default=None)
                at = stale_at(cadence, system, newest)
                found.append(Age(cadence.name, system.system_id, newest, at))
        return found


class Days:
    """A clock, and all that looks at it."""

    def __init__(self, world: World, start: datetime, folder: Path, postgres_url: str) -> None:
        self.world, self.start, self.now = world, start, start
        self.channel = Channel()
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder))
        self.configured = settings.load()
        self.defs = self._stand_ins()
        self.repository = self.defs.get_repository_def()
        self.schedules = [
            present_partition("stations_job", cadences.STATUS, self.configured, lambda: self.now),
            present_partition("weather_job", cadences.WEATHER, self.configured, lambda: self.now),
            closed_partition("training_job", cadences.MODELS, self.configured, self._too_little),
        ]
        self.sensor = freshness_sensor_at(lambda: self.now)
        self.alerts = alert_sensor_at(lambda: self.now)
        self.io_manager = PostgresIOManager(url=postgres_url)
        self.cursor: str | None = None
        self.alerted: str | None = None
        self.conditions: dict[str, object] = {}
        self.asked: Counter[tuple[str, str]] = Counter()
        self.lines: list[str] = []

    def _too_little(self, _: object, window: Window) -> str | None:
        return None if self.world.can_make(cadences.MODELS, window.start) else "too little history"

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
        for together in CONDITIONS:
            one, assets = together[0], [name for each in together for name in each.assets]
            if self.now.minute not in LOOKS[one]:
                continue
            sensor = condition_sensor(together, self.configured)
            result = dg.evaluate_automation_conditions(
                self.defs,
                self.instance,
                asset_selection=dg.AssetSelection.assets(*assets),
                evaluation_time=self.now,
                cursor=self.conditions.get(one.name),
            )
            self.conditions[one.name] = result.cursor
            if result.total_requested:
                [keys] = {
                    tuple(sorted(result.get_requested_partitions(dg.AssetKey(asset))))
                    for asset in assets
                }
                for key in keys:
                    self._run(
                        dg.RunRequest(
                            partition_key=key,
                            asset_selection=[dg.AssetKey(asset) for asset in assets],
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
        context = dg.build_sensor_context(
            self.instance, cursor=self.alerted, resources={"io_manager": self.io_manager}
        )
        self.alerted = self.alerts.evaluate_tick(context).cursor

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
        for system in self.world.systems:
            self.world.made.setdefault((asset, system), set()).update(starts)
        for start in sorted(starts):
            self.instance.report_runless_asset_event(
                dg.AssetMaterialization(asset, partition=cadence.key(start))
            )

    def missing(self, cadence: Cadence) -> list[str]:
        """Keys of partitions that should exist since the first tick and do not."""
        windows = self._windows(cadence)
        there = Made(self.instance)(cadence.name, windows)
        return sorted(key for key in windows if key not in there)

    def makeable(self, cadence: Cadence) -> list[str]:
        """Of the missing ones those that could be made from what is there."""
        windows = self._windows(cadence)
        return [
            key
            for key in self.missing(cadence)
            if not cadence.live and self.world.can_make(cadence, windows[key])
        ]

    def _windows(self, cadence: Cadence) -> dict[str, datetime]:
        back = self.now - self.start - cadence.grace + MINUTE
        found = cadence.windows(self.now, back)
        return {cadence.key(window.start): window.start for window in found}

    def failed(self) -> int:
        """How many runs did."""
        return len(self.instance.get_runs(dg.RunsFilter(statuses=[DagsterRunStatus.FAILURE])))

    def account(self) -> Mapping[str, int]:
        """What came of it, for the table of all such days."""
        kinds = Counter(kind for kind, _ in self.channel.told())
        return {
            "partitions due": sum(len(self._windows(cadence)) for cadence in CADENCES),
            "missing": sum(len(self.missing(cadence)) for cadence in CADENCES),
            "makeable": sum(len(self.makeable(cadence)) for cadence in CADENCES),
            "made twice": sum(number > 1 for number in self.world.succeeded.values()),
            "runs": sum(self.asked.values()),
            "of them failed": self.failed(),
            "retries": sum(number - 1 for number in self.asked.values()),
            "alerts": kinds["opened"] + kinds["notice"],
            "recoveries": kinds["recovered"],
        }


def _is_due(cron: str, now: datetime) -> bool:
    minute, hour, *_ = cron.split()

    def fits(field: str, value: int) -> bool:
        if field == "*":
            return True
        if field.startswith("*/"):
            return value % int(field[2:]) == 0
        return value == int(field)

    return fits(minute, now.minute) and fits(hour, now.hour)
