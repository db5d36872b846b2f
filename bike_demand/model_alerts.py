"""Of models, what people are told: inputs that have moved, training that fails, what was done.

Pure functions; what there is to tell is read by `alert_sensor`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bike_demand.alerts import Incident, Message

UNTRAINED: Final = timedelta(days=7)
"""After the day that the last model was trained for."""

TOLD: Final = timedelta(days=1)
"""After its hour drift is told of no more: who reigns now, or what comes in, does not tell it."""

DRIFT: Final = """
SELECT d.system_id, d.hour, d.model_version,
    max(d.band) FILTER (WHERE d.band = 'critical') AS critical,
    string_agg(d.feature || ' ' || round(d.psi::numeric, 2), ', ' ORDER BY d.psi DESC)
        FILTER (WHERE d.band IN ('moderate', 'critical')) AS moved
FROM unnest(%(systems)s::text[]) AS s
JOIN feature_drift AS d ON d.system_id = s
    AND d.hour = (SELECT max(hour) FROM feature_drift WHERE system_id = s)
GROUP BY d.system_id, d.hour, d.model_version
"""
"""Of each system the newest hour."""

TRAINED: Final = """
SELECT s AS system_id,
    (SELECT max(trained_for) FROM model_evaluation WHERE system_id = s) AS day
FROM unnest(%(systems)s::text[]) AS s
"""

EVENTS: Final = """
SELECT e.system_id, e.at, e.kind, e.model_version, e.reason
FROM unnest(%(systems)s::text[]) AS s JOIN model_event AS e ON e.system_id = s
WHERE e.at > %(since)s AND e.at <= %(until)s
    AND e.kind IN ('rollback', 'retraining', 'nothing_new', 'pin', 'unpin')
ORDER BY e.at
"""
"""Promotions and refusals are told as decisions."""

_TOLD: Final = {
    "rollback": "version {} is champion again",
    "retraining": "a model of fewer days is trained beside version {}",
    "nothing_new": "nothing new to learn from for version {}",
    "pin": "version {} is pinned",
    "unpin": "version {} is pinned no more",
}


def moved(rows: Iterable[Mapping[Any, Any]], now: datetime, page_url: str) -> list[Incident]:
    """Systems whose champion is asked other things than it has learnt from.

    Args:
        rows: Of the query `DRIFT`.
        now: UTC.
        page_url: Of Dagster's page.
    """
    found = []
    for row in rows:
        if row["moved"] is None or row["hour"] < now - TOLD:
            continue
        band = "critical" if row["critical"] else "moderate"
        found.append(
            Incident(
                key=f"feature_drift {row['system_id']} {band}",
                asset="feature_drift",
                partition=f"{row['hour']:%Y-%m-%d-%H:%M}",
                since=row["hour"],
                what=f"What version {row['model_version']} is asked has moved: {row['moved']}.",
                todo=(
                    "Another model is trained, once a day, where there is something new to learn."
                    if band == "critical"
                    else "Look at the heat map; nothing is done by itself below 0.25."
                ),
                link=f"{page_url}/assets/feature_drift",
            )
        )
    return found


def untrained(
    rows: Iterable[Mapping[Any, Any]], live: Sequence[str], now: datetime, page_url: str
) -> list[Incident]:
    """Systems that no model was trained of for a week, and that had one before.

    Args:
        rows: Of the query `TRAINED`.
        live: Systems that are followed live.
        now: UTC.
        page_url: Of Dagster's page.
    """
    found = []
    for row in rows:
        due = row["day"] and row["day"] + timedelta(days=1) + UNTRAINED
        if row["system_id"] in live and due and due < now:
            found.append(
                Incident(
                    key=f"champion_model {row['system_id']} untrained",
                    asset="champion_model",
                    partition=None,
                    since=due,
                    what=f"No model was trained since that of {row['day']:%Y-%m-%d}.",
                    todo="Look at the newest runs of training_job.",
                    link=f"{page_url}/assets/champion_model",
                )
            )
    return found


def done(rows: Iterable[Mapping[Any, Any]], page_url: str) -> list[Message]:
    """What was done about champions.

    Args:
        rows: Of the query `EVENTS`.
        page_url: Of Dagster's page.
    """
    return [
        Message(
            id=f"model_event {row['system_id']} {row['at'].isoformat()} {row['kind']}",
            kind="notice",
            asset="model_watch",
            partition=None,
            since=row["at"].isoformat(),
            title=f"{row['system_id']}: {_TOLD[row['kind']].format(row['model_version'])}",
            text=row["reason"],
            link=f"{page_url}/assets/model_watch",
        )
        for row in rows
    ]
