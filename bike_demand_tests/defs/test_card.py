"""A model's card: begun in training, gone on with by what is stored since."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from bike_demand.defs.training import card
from bike_demand.forecasting.promotion import GATED
from bike_demand.model_card import MOST, Drift, Reign, model_card
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import FEATURE_DRIFT, FORECAST_ACCURACY, MODEL_EVENT
from bike_demand.storage.windows import Window
from bike_demand_tests.registry.small_model import examples

NOW = datetime(2026, 5, 10, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class OneGrid:
    """All that a card asks of one."""

    station_ids = ("a", "b", "c")


SCORES = pd.DataFrame(
    {
        "split": ["validation", *["test"] * len(GATED)],
        "horizon": [1, *GATED],
        "rows": 90,
        "rmse": 1.25,
        "best_simple": "blend",
        "skill_rmse": [None, *[0.05] * len(GATED)],
        "skill_crps": 0.15,
        "pit_coverage_80": 0.81,
    }
)
GROUPS = pd.DataFrame(
    {"group": ["busy", "quiet"], "horizon": 1, "rmse": [2.5, 0.5], "skill_rmse": [0.06, None]}
)


@pytest.fixture
def version(tracking, system_id, noise):
    """One whose card was begun."""
    model, registry = noise["lightgbm"], tracking.registry()
    with registry.recording():
        import mlflow

        with mlflow.start_run() as run:
            made = registry.publish(
                model,
                system_id=system_id,
                trained_for=NOW.date(),
                examples=examples(5),
                run_id=run.info.run_id,
                candidate="daily",
            )
            learnt = (NOW - 20 * DAY, NOW - 5 * DAY)
            told = card.begin(made, model, OneGrid(), learnt, SCORES, GROUPS)
    registry.describe(made, told)
    return made


def of_today(tracking, warehouse, version, events=()):
    return card.of_today(tracking.registry(), warehouse, version, NOW, events)


def stored(warehouse, table, rows, moment):
    frame = pd.DataFrame(rows).reindex(columns=[*table.columns])
    covers = {"system_id": [*frame["system_id"].unique()]}
    replace(
        warehouse, table, [Window(moment, moment + timedelta(microseconds=1))], Rows(frame, covers)
    )


def test_what_is_known_by_training_is_in_the_registry(tracking, version):
    registry = tracking.registry()
    with registry._store.client("Testing") as client:
        told = client.get_model_version(version.name, version.version).description
    assert "| busy | 1 h | 2.500 | +6.0% |" in told
    assert "| quiet | 1 h | 0.500 | - |" in told
    assert "| 24 h | 90 | 1.250 | blend | +5.0% | +15.0% |" in told
    assert "| stations | 3 |" in told
    assert "There was no champion yet." in told


def test_nothing_is_made_up_of_a_champion_that_was_not_watched_yet(tracking, warehouse, version):
    told = of_today(tracking, warehouse, version)
    assert "| busy | 1 h | 2.500 | +6.0% |" in told
    assert "None of its forecasts came due in the last seven days." in told
    assert "Not measured." in told


def test_what_was_seen_since_is_told(tracking, warehouse, version, system_id):
    own = {"system_id": system_id, "model_version": version.version}
    due = dict.fromkeys((name for name in FORECAST_ACCURACY.columns), 0.0)
    due |= {**own, "role": "champion", "horizon": 1, "rows": 4, "rows_full": 0, "inside": 3.0}
    due |= {"squared_error": 16.0, "persistence_squared_error": 64.0}
    for moment in (NOW - 8 * DAY, NOW - DAY, NOW + HOUR):  # too old, counted, yet to come
        stored(warehouse, FORECAST_ACCURACY, [{**due, "target_at": moment}], moment)
    drift = {**own, "band": "critical", "rows": 9, "hours": 24}
    for moment, feature in ((NOW - 2 * HOUR, "bikes"), (NOW - HOUR, "turnover_24h")):
        row = {**drift, "hour": moment, "feature": feature, "psi": 0.3}
        stored(warehouse, FEATURE_DRIFT, [row], moment)
    event = {**own, "at": NOW - 3 * DAY, "kind": "promotion", "trained_for": NOW, "reason": "-"}
    stored(warehouse, MODEL_EVENT, [event], NOW - 3 * DAY)
    told = of_today(tracking, warehouse, version)
    assert "| 1 h | 4 | 2.000 | +50.0% |" in told
    assert "| 1 h | 81.0% | 75.0% |" in told
    assert "`turnover_24h` | 0.30 | critical" in told
    assert "`bikes`" not in told
    assert f"| 2026-05-07 00:00 UTC | now | {version.version} | promotion |" in told


def test_what_happens_now_is_told_though_it_is_not_stored_yet(tracking, warehouse, version):
    event = {"at": pd.Timestamp(NOW), "kind": "promotion", "model_version": version.version}
    told = of_today(tracking, warehouse, version, [event])
    assert f"| 2026-05-10 00:00 UTC | now | {version.version} | promotion |" in told


def test_a_model_without_a_card_has_none(tracking, warehouse, version, monkeypatch):
    monkeypatch.setattr(card, "FILE", "another.json")
    assert of_today(tracking, warehouse, version) is None


def test_reigns_follow_one_another_and_refusals_are_none():
    kinds = ["refusal", "promotion", "retraining", "promotion", "promotion", "rollback", "pin"]
    versions = ["1", "2", "2", "3", "3", "2", "2"]
    at = [pd.Timestamp(NOW + hours * HOUR) for hours in range(len(kinds))]
    events = [
        {"at": moment, "kind": kind, "model_version": version}
        for moment, kind, version in zip(at, kinds, versions, strict=True)
    ]
    assert card.reigns(events[::-1]) == [
        Reign(NOW + 5 * HOUR, None, "2", "rollback"),
        Reign(NOW + 3 * HOUR, NOW + 5 * HOUR, "3", "promotion"),
        Reign(NOW + HOUR, NOW + 3 * HOUR, "2", "promotion"),
    ]


def test_the_longest_card_is_one_that_the_registry_takes(tracking, version):
    kept = card._CARDS.validate_json(tracking.registry().file(version, card.FILE))
    names = [f"a_feature_of_some_length_{number:02}" for number in range(80)]
    drift = Drift(NOW, dict.fromkeys(names, 0.3), dict.fromkeys(names, "critical"))
    groups = [
        type(kept.groups[0])(group, hours, 12.345, -0.1234)
        for group in ("quiet", "middling", "busy")
        for hours in GATED
    ]
    told = model_card(
        type(kept)(
            **{
                **vars(kept),
                "system_id": "x" * 63,
                "groups": groups,
                "live": [card.LiveScore(hours, 10**7, 12.345, -0.1234, 0.9) for hours in GATED],
                "drift": drift,
                "reigns": [Reign(NOW, NOW, "12345", "promotion")] * 30,
            }
        )
    )
    assert len(told) <= 5_000
    assert told.count("a_feature_of_some_length") == MOST
    tracking.registry().describe(version, told)
