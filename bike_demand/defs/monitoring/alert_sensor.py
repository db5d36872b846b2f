"""The sensor that tells people: what is wrong, once, and once that it is over.

Only runs that nobody launched by hand are told of: who launches one sees how it ends.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import dagster as dg

from bike_demand import data_times, freshness, model_alerts, quality, settings, stale, unheard
from bike_demand import failing as failures
from bike_demand.alerts import Incident, Message, Outbox, changes, channels, lasting
from bike_demand.automation import utc_now
from bike_demand.cadence import CADENCES
from bike_demand.failing import Failing
from bike_demand.made import Made
from bike_demand.resources import PostgresIOManager

VERSION = 2
"""Of the cursor."""

ASLEEP = timedelta(minutes=15)
"""So long without a look, and nothing ran."""

SETTLED = timedelta(minutes=2)
"""After which an event is in its table."""

_DECISIONS = """
SELECT DISTINCT ON (system_id) system_id, trained_for, decision, reason, applied, detail
FROM champion_decision ORDER BY system_id, trained_for DESC
"""


@dataclass(frozen=True)
class _Kept:
    """What a tick leaves for the next: the cursor."""

    at: datetime
    open: dict[str, Incident]
    failing: dict[str, Failing]
    hushed: dict[str, datetime]
    decided: dict[str, str] | None
    outbox: dict[str, list[dict[str, Any]]]

    @classmethod
    def read(cls, cursor: str | None, now: datetime) -> tuple[Self, str | None]:
        """What is kept, else nothing; and what is wrong with it: one that is odd stops nothing."""
        nothing = cls(now, {}, {}, {}, None, {})
        if not cursor:
            return nothing, None
        try:
            kept = json.loads(cursor)
            if kept["version"] != VERSION:
                return nothing, "The cursor is of another version: incidents are told anew."
            return cls(
                datetime.fromisoformat(kept["at"]),
                {key: Incident.from_json(one) for key, one in kept["open"].items()},
                {asset: Failing.from_json(one) for asset, one in kept["failing"].items()},
                {key: datetime.fromisoformat(at) for key, at in kept["hushed"].items()},
                kept["decided"],
                kept["outbox"],
            ), None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return nothing, f"The cursor cannot be read ({error!r}): incidents are told anew."

    def written(self) -> str:
        """As it is kept."""
        return json.dumps(
            {
                "version": VERSION,
                "at": self.at.isoformat(),
                "open": {key: one.to_json() for key, one in self.open.items()},
                "failing": {asset: one.to_json() for asset, one in self.failing.items()},
                "hushed": {key: at.isoformat() for key, at in self.hushed.items()},
                "decided": self.decided,
                "outbox": self.outbox,
            }
        )


def alert_sensor_at(now: Callable[[], datetime] = utc_now) -> dg.SensorDefinition:
    """The sensor, by some clock, UTC."""

    @dg.sensor(
        name="alert_sensor",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus(settings.load().schedules.upper()),
        description=(
            "Tells people of failing runs, old or bad data, champions, and programs that cannot be "
            "told: Slack, e-mail, a webhook, whichever the settings name; else the log."
        ),
    )
    def alert_sensor(
        context: dg.SensorEvaluationContext, io_manager: dg.ResourceParam[PostgresIOManager]
    ) -> dg.SensorResult:
        configured, moment = settings.load(), now().astimezone(UTC)
        kept, trouble = _Kept.read(context.cursor, moment)
        if trouble:
            context.log.warning(trouble)
        slept = moment - kept.at > ASLEEP
        instance, page = context.instance, configured.page_url
        failing = failures.failing(instance, kept.failing, kept.at, moment, page)
        made = Made(instance)
        _, missing = freshness.missing(CADENCES, moment, made, made.begun)
        left = failures.given_up(instance, missing, failing, moment, page)
        warehouse = io_manager.warehouse()
        with warehouse.connection() as connection:
            ages = data_times.ages(connection, configured.systems)
        old, hushed = stale.incidents(
            ages,
            stale.Known(kept.open, failing, kept.hushed),
            moment,
            page_url=page,
            slept=slept,
        )
        unsound = quality.incidents(warehouse, configured.systems, page_url=page)
        followed = {"systems": [system.system_id for system in configured.systems]}
        live = [system.system_id for system in configured.systems if system.is_live]
        drift = warehouse.frame(model_alerts.DRIFT, followed).to_dict("records")
        trained = warehouse.frame(model_alerts.TRAINED, followed).to_dict("records")
        models = [
            *model_alerts.moved(drift, moment, page),
            *model_alerts.untrained(trained, live, moment, page),
        ]
        programs = unheard.incidents(instance, moment, page) if configured.forecast_webhook else []
        runs = [*(one.incident for one in failing.values()), *left]
        found = [*runs, *old, *unsound, *models, *programs]
        known, messages = changes(kept.open, found, moment)
        if slept:
            messages.append(_slept(kept.at, moment, page))
        decided, notices = _decisions(
            warehouse.frame(_DECISIONS, {}).to_dict("records"), kept.decided, page
        )
        messages += notices
        # What happened is stored a little later than its own time.
        span = {"since": kept.at - SETTLED, "until": moment - SETTLED}
        events = warehouse.frame(model_alerts.EVENTS, {**followed, **span})
        messages += model_alerts.done(events.to_dict("records"), page)
        targets, outbox = channels(configured), Outbox(kept.outbox)
        for trouble in outbox.send(targets, messages):
            context.log.warning(trouble)
        for message in messages:
            context.log.info(f"{message.kind}: {message.title}. {message.text} {message.link}")
        kept = _Kept(moment, known, failing, hushed, decided, outbox.to_json())
        told = f"{len(known)} incidents are open, {len(messages)} messages are new."
        return dg.SensorResult(skip_reason=told, cursor=kept.written())

    return alert_sensor


alert_sensor = alert_sensor_at()


def _slept(since: datetime, now: datetime, page_url: str) -> Message:
    return Message(
        id=f"slept {since.isoformat()}",
        kind="notice",
        asset=None,
        partition=None,
        since=since.isoformat(),
        title=f"Nobody looked for {lasting(now - since)}",
        text=(
            f"This sensor did not run from {since:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC: "
            "Dagster's daemon was down, or the sensor switched off. What can still be made of that "
            "time is being made; 'bike-demand status' tells how far."
        ),
        link=f"{page_url}/deployment/daemons",
    )


def _decisions(
    rows: list[dict[Any, Any]], known: Mapping[str, str] | None, page_url: str
) -> tuple[dict[str, str], list[Message]]:
    """The newest decision of each system, and what is to be told; nothing at the first look."""
    decided, messages = dict(known or {}), []
    for row in rows:
        system, day = row["system_id"], f"{row['trained_for']:%Y-%m-%d}"
        what = "promoted" if row["applied"] else "refused"
        # Of the same day, too, if a rerun decided otherwise; an older one is no news.
        told = f"{day} {what} {row['reason']}"
        before = decided.get(system, "")
        decided[system] = told
        if known is None or told == before or day < before[: len(day)]:
            continue
        messages.append(
            Message(
                id=f"champion_model {system} {told}",
                kind="notice",
                asset="champion_model",
                partition=day,
                since=row["trained_for"].isoformat(),
                title=f"{system}: the model of {day} was {what} ({row['reason']})",
                text=row["detail"],
                link=f"{page_url}/assets/champion_model?partition={day}",
            )
        )
    return decided, messages
