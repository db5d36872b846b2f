"""The asset `model_watch`, which acts on what the hour has shown, and the sensor that retrains.

When something is done, stands in `bike_demand.watch`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import dagster as dg

from bike_demand import accuracy, model_events, settings, watch
from bike_demand.automation import RETRIES, in_the_same_run, utc_now
from bike_demand.cadence import MODELS, PRESENT, WATCH
from bike_demand.defs import systems
from bike_demand.defs.training.job import training_job
from bike_demand.registry import (
    APPOINTED_AT,
    REPLACED,
    RESTORED_AT,
    Candidate,
    Registry,
    RegistryError,
    Version,
    on_probation,
)
from bike_demand.resources import PostgresIOManager
from bike_demand.resources.tracking import Tracking
from bike_demand.storage.replace import replace
from bike_demand.storage.tables import FEATURE_DRIFT, FORECAST_ACCURACY, MODEL_EVENT
from bike_demand.storage.warehouse import Warehouse
from bike_demand.storage.windows import Window

NAME: Final = "model_watch"

_DRIFT: Final = """
SELECT feature, psi, band FROM feature_drift
WHERE system_id = %(system)s AND hour = %(hour)s AND model_version = %(version)s
"""
_ACTED: Final = """
SELECT max(at) FROM model_event
WHERE system_id = %(system)s AND at >= %(since)s AND kind IN ('retraining', 'nothing_new')
"""
_FEATURES: Final = "SELECT max(observed_at) FROM station_features WHERE system_id = %(system)s"
_ASKED: Final = """
SELECT system_id, at, figures::json ->> 'day' AS day FROM model_event
WHERE kind = 'retraining' AND at > %(since)s ORDER BY at
"""


@dg.asset(
    name=NAME,
    partitions_def=WATCH.partitions,
    freshness_policy=WATCH.freshness,
    automation_condition=in_the_same_run(),
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    deps=[FORECAST_ACCURACY.name, FEATURE_DRIFT.name],
    retry_policy=RETRIES,
    group_name="monitoring",
    kinds={"python", "mlflow", "postgres"},
    code_version="1",
)
def model_watch(
    context: dg.AssetExecutionContext,
    tracking: Tracking,
    io_manager: dg.ResourceParam[PostgresIOManager],
) -> dg.MaterializeResult[Any]:
    """What was done about each champion in this hour; also a row of `model_event`, if anything.

    For two days after its promotion a champion that does worse than its predecessor is taken back.
    One without skill over a week, or whose inputs have moved, is to be challenged by a model of
    fewer, newer days, at most once a day. Of hours that are over nothing is done.
    """
    hour, now = systems.single_partition(context).start, utc_now()
    if hour != WATCH.newest(now):
        told = {"done": f"Nothing: {hour:%Y-%m-%d %H:%M} is over."}
        return dg.MaterializeResult(metadata=told)
    warehouse, done = io_manager.warehouse(), dict[str, str]()
    with tracking.in_use() as registry:
        for system in settings.load().systems:
            try:
                look = _Look(registry, warehouse, system.system_id, hour, now)
                done[system.system_id] = look.act()
            except RegistryError as error:  # for good: the forecast's check tells of it, too
                done[system.system_id] = f"Nothing: {error}"
    for system_id, what in done.items():
        context.log.info(f"{system_id}: {what}")
    return dg.MaterializeResult(metadata=done)


class _Look:
    """One system's champion, at some hour."""

    def __init__(
        self,
        registry: Registry,
        warehouse: Warehouse,
        system_id: str,
        hour: datetime,
        now: datetime,
    ) -> None:
        self._registry, self._warehouse = registry, warehouse
        self._system_id, self._hour, self._now = system_id, hour, now

    def act(self) -> str:
        """Do what is to be done, and say what it was."""
        champion = self._registry.champion(self._system_id)
        if champion is None:
            return "Nothing: there is no champion."
        if self._registry.is_pinned(self._system_id):
            return f"Nothing: {champion} is pinned."
        if on_probation(champion, self._now):
            return self._judge(champion)
        reason = self._trouble(champion)
        return f"Nothing: {champion} does well." if reason is None else self._ask(champion, reason)

    def _judge(self, champion: Version) -> str:
        since = datetime.fromisoformat(champion.tags[APPOINTED_AT])
        losses = accuracy.beside(
            self._warehouse,
            self._system_id,
            champion.version,
            champion.tags[REPLACED],
            since,
            self._hour,
        )
        reason = watch.worse(losses)
        if reason is None:
            return f"Nothing: {champion} is on probation, and not worse than its predecessor."
        before = self._registry.take_back(champion)
        if before is None:  # on probation there is one
            raise RegistryError(f"{champion} has no predecessor")
        at = before.tags[RESTORED_AT]
        self._note("rollback", at, before, champion.version, reason.told, reason.figures)
        return f"{champion} was taken back: {reason.told}"

    def _trouble(self, champion: Version) -> watch.Reason | None:
        values = {"system": self._system_id, "hour": self._hour, "version": champion.version}
        moved = watch.drifted(self._warehouse.frame(_DRIFT, values))
        return moved or watch.no_skill(
            accuracy.skill(
                self._warehouse,
                self._system_id,
                champion.version,
                self._hour - watch.WEEK,
                self._hour,
            )
        )

    def _ask(self, champion: Version, reason: watch.Reason) -> str:
        """Have another candidate trained, unless it was today, or there is nothing to learn."""
        midnight = datetime.combine(self._now.date(), time(), UTC)
        values = {"system": self._system_id, "since": midnight}
        if self._newest(_ACTED, values) is not None:
            return f"Nothing more today: {reason.told}"
        day = MODELS.newest(self._now)
        waits = self._comes_by_itself(day)
        if waits:
            day -= MODELS.period
        known = self._nothing_new(day)
        if known and waits:
            return f"Nothing yet: {reason.told} The newest day's own models come first."
        figures = {**reason.figures, "day": f"{day:%Y-%m-%d}"}
        told = f"{reason.told} {known or f'A model of fewer days to {day:%Y-%m-%d} is trained.'}"
        kind: model_events.Kind = "nothing_new" if known else "retraining"
        self._note(kind, self._now.isoformat(), champion, None, told, figures)
        return told

    def _comes_by_itself(self, day: datetime) -> bool:
        """Whether the daily models of a day are still to come.

        Dagster knows of a day that it was made, not of which systems: were one system's candidates
        trained before, nobody's daily models would be.
        """
        if self._now >= MODELS.due_at(Window(day, day + MODELS.period)):
            return False
        return self._learnt(day, "daily") is None

    def _nothing_new(self, day: datetime) -> str | None:
        newest = self._newest(_FEATURES, {"system": self._system_id})
        if newest is None or newest < day:
            return f"Nothing new to learn from: there are no features of {day:%Y-%m-%d}."
        version = self._learnt(day, "recency")
        if version is not None:
            return f"Nothing new to learn from: {version} has learnt the same, the same way."
        return None

    def _learnt(self, day: datetime, candidate: Candidate) -> Version | None:
        """A version that was trained for a day, so; None if there is none."""
        for version in self._registry.versions(self._system_id):
            if version.candidate == candidate and version.trained_for == day.date():
                return version
        return None

    def _newest(self, query: str, values: Mapping[str, Any]) -> datetime | None:
        with self._warehouse.connection() as connection:
            [(newest,)] = connection.execute(query, values).fetchall()
        found: datetime | None = newest
        return found

    def _note(
        self,
        kind: model_events.Kind,
        at: str,
        version: Version,
        replaced: str | None,
        told: str,
        figures: Mapping[str, Any],
    ) -> None:
        event = model_events.event(kind, at, version, replaced, told, figures)
        replace(self._warehouse, MODEL_EVENT, None, model_events.rows([event]))


def retraining_sensor_at(now: Callable[[], datetime] = utc_now) -> dg.SensorDefinition:
    """The sensor, by some clock, UTC."""

    @dg.sensor(
        name="retraining_sensor",
        job=training_job,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus(settings.load().schedules.upper()),
        description="Has models of fewer days trained, when model_watch asks for them.",
    )
    def retraining_sensor(
        _context: dg.SensorEvaluationContext, io_manager: dg.ResourceParam[PostgresIOManager]
    ) -> dg.SensorResult:
        since = now() - timedelta(days=1)
        asked = io_manager.warehouse().frame(_ASKED, {"since": since})
        requests = [
            retraining(str(row["system_id"]), date.fromisoformat(row["day"]))
            for _, row in asked.iterrows()
        ]
        return dg.SensorResult(run_requests=requests)  # each key is run once

    return retraining_sensor


def retraining(system_id: str, day: date) -> dg.RunRequest:
    """A run that trains other candidates of a system for a day, and has the better one judged."""
    of_system = {"systems": [system_id]}
    models = {"config": {**of_system, "recency": True}}
    return dg.RunRequest(
        run_key=f"retraining {system_id} {day}",
        partition_key=f"{day}",
        run_config={
            "ops": {
                "lightgbm_model": models,
                "xgboost_model": models,
                "champion_model": {"config": of_system},
            }
        },
        tags=MODELS.tags(PRESENT),
    )


retraining_sensor = retraining_sensor_at()
