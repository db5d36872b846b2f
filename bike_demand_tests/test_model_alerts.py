"""What people are told of models, from real tables."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from bike_demand import model_alerts
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import FEATURE_DRIFT, MODEL_EVENT
from bike_demand.storage.windows import Window

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PAGE = "http://127.0.0.1:3000"


@pytest.fixture
def drift(warehouse):
    def store(hour, **indices):
        rows = [
            {
                "system_id": "city",
                "hour": hour,
                "feature": name,
                "model_version": "7",
                "psi": psi,
                "band": "critical" if psi >= 0.25 else "moderate" if psi >= 0.15 else "none",
                "rows": 9,
                "hours": 24,
            }
            for name, psi in indices.items()
        ]
        covers = {"system_id": ["city"]}
        rows = Rows(pd.DataFrame(rows), covers)
        replace(warehouse, FEATURE_DRIFT, [Window(hour, hour + HOUR)], rows)
        found = warehouse.frame(model_alerts.DRIFT, {"systems": ["city", "other"]})
        return model_alerts.moved(found.to_dict("records"), NOW + 2 * HOUR, PAGE)

    return store


def test_the_newest_hour_tells_what_has_moved(drift):
    [incident] = drift(NOW, bikes=0.05, activity=0.3, turnover_24h=0.2)
    assert incident.key == "feature_drift city critical"
    assert "activity 0.30, turnover_24h 0.20." in incident.what
    [incident] = drift(NOW + HOUR, activity=0.2)
    assert incident.key == "feature_drift city moderate"
    assert drift(NOW + 2 * HOUR, activity=0.1) == []


def test_of_a_day_ago_nothing_is_told_any_more(drift):
    """Nothing newer comes once a champion reigns that does not tell what it has learnt from."""
    assert drift(NOW - 23 * HOUR, activity=0.3) == []


def test_of_the_day_before_it_is(drift):
    assert len(drift(NOW - 22 * HOUR, activity=0.3)) == 1


@pytest.mark.parametrize(("days", "told"), [(8, []), (8.1, ["champion_model city untrained"])])
def test_a_week_without_training_is_told_of_what_is_live(days, told):
    rows = [
        {"system_id": "city", "day": NOW - days * DAY},
        {"system_id": "recorded", "day": NOW - 99 * DAY},
        {"system_id": "new", "day": None},
    ]
    found = model_alerts.untrained(rows, ["city", "new"], NOW, PAGE)
    assert [incident.key for incident in found] == told


def test_what_was_done_is_told_and_decisions_are_told_elsewhere(warehouse):
    kinds = ["promotion", "refusal", "rollback", "retraining", "nothing_new", "pin", "unpin"]
    rows = [
        {
            "system_id": "city",
            "at": NOW + number * HOUR,
            "kind": kind,
            "model_version": "7",
            "trained_for": NOW - DAY,
            "reason": f"because of {kind}",
        }
        for number, kind in enumerate(kinds)
    ]
    frame = pd.DataFrame(rows).reindex(columns=[*MODEL_EVENT.columns])
    window = Window(NOW, NOW + DAY)
    replace(warehouse, MODEL_EVENT, None, Rows(frame, {"system_id": ["city"]}, windows=[window]))
    span = {"systems": ["city"], "since": NOW, "until": NOW + 5 * HOUR}
    found = model_alerts.done(warehouse.frame(model_alerts.EVENTS, span).to_dict("records"), PAGE)
    assert [message.title for message in found] == [
        "city: version 7 is champion again",
        "city: a model of fewer days is trained beside version 7",
        "city: nothing new to learn from for version 7",
        "city: version 7 is pinned",
    ]
    assert found[0].text == "because of rollback"
