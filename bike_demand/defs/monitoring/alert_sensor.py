"""The sensor that tells people: what is wrong, once, and once that it is over.

Only runs that nobody launched by hand are told of: who launches one sees how it ends.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus

from bike_demand import data_times, freshness, settings, stale
from bike_demand.alerts import Incident, Message, Outbox, changes, channels, lasting
from bike_demand.automation import utc_now
from bike_demand.cadence import ASSET_TAG, CADENCES, Cadence
from bike_demand.made import Made
from bike_demand.resources import PostgresIOManager
from bike_demand.settings import Settings
from bike_demand.storage.windows import Window

ASLEEP = timedelta(minutes=15)
"""So long without a look, and nothing ran."""

_BY_ASSET = {asset: cadence for cadence in CADENCES for asset in cadence.assets}
_DECISIONS = """
SELECT DISTINCT ON (system_id) system_id, trained_for, decision, reason, applied, detail
FROM champion_decision ORDER BY system_id, trained_for DESC
"""


def alert_sensor_at(now: Callable[[], datetime] = utc_now) -> dg.SensorDefinition:
    """The sensor, by some clock, UTC."""

    @dg.sensor(
        name="alert_sensor",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus(settings.load().schedules.upper()),
        description=(
            "Tells people of failing runs, old data and champions: Slack, e-mail, a webhook, "
            "whichever the settings name; else the log."
        ),
    )
    def alert_sensor(
        context: dg.SensorEvaluationContext, io_manager: dg.ResourceParam[PostgresIOManager]
    ) -> dg.SensorResult:
        configured, moment = settings.load(), now().astimezone(UTC)
        kept = json.loads(context.cursor) if context.cursor else {}
        known = {key: Incident.from_json(one) for key, one in kept.get("open", {}).items()}
        failing = {name: Incident.from_json(one) for name, one in kept.get("failing", {}).items()}
        since = datetime.fromisoformat(kept["at"]) if "at" in kept else moment
        failing |= _failed(context.instance, configured, since, failing)
        failing = _still(context.instance, failing)
        warehouse = io_manager.warehouse()
        systems = [system.system_id for system in configured.systems]
        hushed = {key: datetime.fromisoformat(at) for key, at in kept.get("hushed", {}).items()}
        old, hushed = stale.incidents(
            data_times.ages(warehouse, systems),
            stale.Known(known, failing, hushed),
            moment,
            page_url=configured.page_url,
            slept=moment - since > ASLEEP,
        )
        known, messages = changes(known, [*failing.values(), *old], moment)
        if moment - since > ASLEEP:
            messages.append(_slept(since, moment, configured))
        decided, notices = _decisions(
            warehouse.frame(_DECISIONS, {}).to_dict("records"), kept.get("decided"), configured
        )
        messages += notices
        targets, outbox = channels(configured), Outbox(kept.get("outbox"))
        for trouble in outbox.send(targets, messages):
            context.log.warning(trouble)
        for message in messages:
            context.log.info(f"{message.kind}: {message.title}. {message.text} {message.link}")
        kept = {
            "at": moment.isoformat(),
            "open": {key: incident.to_json() for key, incident in known.items()},
            "failing": {name: incident.to_json() for name, incident in failing.items()},
            "hushed": {key: at.isoformat() for key, at in hushed.items()},
            "decided": decided,
            "outbox": outbox.to_json(),
        }
        told = f"{len(known)} incidents are open, {len(messages)} messages are new."
        return dg.SensorResult(skip_reason=told, cursor=json.dumps(kept))

    return alert_sensor


alert_sensor = alert_sensor_at()


def _failed(
    instance: dg.DagsterInstance,
    configured: Settings,
    since: datetime,
    known: Mapping[str, Incident],
) -> dict[str, Incident]:
    """By asset, the run that failed last; since when, as it was known."""
    records = instance.get_run_records(
        dg.RunsFilter(
            statuses=[DagsterRunStatus.FAILURE], updated_after=since - timedelta(minutes=5)
        ),
        ascending=True,
    )
    found: dict[str, Incident] = {}
    made = Made(instance)
    for record in records:
        run = record.dagster_run
        name = run.tags.get(ASSET_TAG)
        if name not in _BY_ASSET or record.end_time is None:
            continue
        at = datetime.fromtimestamp(record.end_time, UTC)
        partition = run.tags.get("dagster/partition")
        if partition and _lacks(made, _BY_ASSET[name], partition):
            continue  # that which it lacks is told
        reason, permanent = _reason(instance, run.run_id)
        found[name] = Incident(
            key=f"{name} failing",
            asset=name,
            partition=partition,
            since=known[name].since
            if name in known
            else found[name].since
            if name in found
            else at,
            what=f"The run of {name} for {partition or 'no partition'} failed: {reason}.",
            todo=(
                "It is not tried again as it is: do what the message says."
                if permanent
                else "The freshness sensor tries again where that can help."
            ),
            link=f"{configured.page_url}/runs/{run.run_id}",
        )
    return found


def _lacks(made: Made, cadence: Cadence, key: str) -> bool:
    """Whether there is too little of what a partition is made from."""
    window = cadence.partitions.time_window_for_partition_key(key)
    return bool(
        cadence.needs
        and freshness.lacking(cadence, Window(window.start, window.end), CADENCES, made)
    )


def _reason(instance: dg.DagsterInstance, run_id: str) -> tuple[str, bool]:
    """Why a run failed, without a full stop, and whether for good."""
    entries = instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE)
    for entry in entries:
        event = entry.dagster_event
        failure = None if event is None else event.step_failure_data
        if failure is None:
            continue
        if failure.user_failure_data and failure.user_failure_data.description:
            return _in_a_line(failure.user_failure_data.description), True
        if failure.error:
            cause = failure.error.cause or failure.error
            return _in_a_line(cause.message), False
    return "its process ended before it did", False


def _in_a_line(message: str) -> str:
    return " ".join(message.split())[:400].rstrip(".")


def _still(instance: dg.DagsterInstance, failing: Mapping[str, Incident]) -> dict[str, Incident]:
    """Those whose partition, or a later one, has not been made since."""
    return {name: one for name, one in failing.items() if not _is_over(instance, one)}


def _is_over(instance: dg.DagsterInstance, incident: Incident) -> bool:
    event = instance.get_latest_materialization_event(dg.AssetKey(incident.asset))
    made = event and event.dagster_event and event.dagster_event.partition
    if event is None or made is None or incident.partition is None:
        return False
    if made == incident.partition:
        run = instance.get_run_record_by_id(incident.link.rpartition("/")[2])
        return run is not None and event.timestamp > (run.end_time or 0)
    # Keys of a cadence are written so that the later is the greater.
    return bool(made > incident.partition)


def _slept(since: datetime, now: datetime, configured: Settings) -> Message:
    return Message(
        id=f"slept {since.isoformat()}",
        kind="notice",
        asset=None,
        partition=None,
        since=since.isoformat(),
        title=f"Nothing ran for {lasting(now - since)}",
        text=(
            f"Neither schedules nor sensors looked at the clock from {since:%Y-%m-%d %H:%M} to "
            f"{now:%Y-%m-%d %H:%M} UTC: Dagster's daemon was down, or they were switched off. What "
            "can still be made of that time is being made; 'bike-demand status' tells how far."
        ),
        link=f"{configured.page_url}/deployment/daemons",
    )


def _decisions(
    rows: list[dict[Any, Any]], known: dict[str, str] | None, configured: Settings
) -> tuple[dict[str, str], list[Message]]:
    """The newest decision of each system, and what is to be told; nothing at the first look."""
    decided = {row["system_id"]: row["trained_for"].isoformat() for row in rows}
    messages = []
    for row in rows:
        system, day = row["system_id"], f"{row['trained_for']:%Y-%m-%d}"
        if known is None or known.get(system, "") >= decided[system]:
            continue
        what = "promoted" if row["applied"] else "refused"
        messages.append(
            Message(
                id=f"champion_model {system} {day}",
                kind="notice",
                asset="champion_model",
                partition=day,
                since=decided[system],
                title=f"{system}: the model of {day} was {what} ({row['reason']})",
                text=row["detail"],
                link=f"{configured.page_url}/assets/champion_model?partition={day}",
            )
        )
    return {**(known or {}), **decided}, messages
