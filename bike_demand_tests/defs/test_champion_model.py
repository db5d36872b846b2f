"""Which model reigns: the asset `champion_model`, on a real registry and real tables."""

import json
from dataclasses import dataclass
from dataclasses import replace as altered
from datetime import timedelta
from functools import partial

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from bike_demand import reign
from bike_demand.defs.training import card
from bike_demand.forecasting.model import Member
from bike_demand.forecasting.promotion import GATED
from bike_demand.registry import RegistryError
from bike_demand.registry.registry import CHAMPION
from bike_demand.resources.tracking import Tracking
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import MODEL_EVALUATION
from bike_demand.storage.windows import Window
from bike_demand_tests.defs.conftest import DAY, END, HOUR
from bike_demand_tests.registry.small_model import examples

KEY = f"{END - DAY:%Y-%m-%d}"


@pytest.fixture
def compete(warehouse, tracking, city, noise, materialize):
    """Register models of a day, say how good they were, and have the champion decided."""
    registry = tracking.registry()

    def run(model=None, *, day=END - DAY, validation=1.0, skill=0.1, coverage=0.8, learnt=4 * DAY):
        model = altered(model or noise["lightgbm"], data_until=day + DAY - learnt - HOUR)
        with registry.recording():
            import mlflow

            with mlflow.start_run() as active:
                run_id = active.info.run_id
        version = registry.publish(
            model,
            system_id=city.system_id,
            trained_for=day.date(),
            examples=examples(5),
            run_id=run_id,
        )
        evaluate(warehouse, version, day, {"lightgbm": validation}, skill, coverage)
        return version, decide(day)

    def decide(day=END - DAY, **options):
        return materialize(["champion_model"], f"{day:%Y-%m-%d}", **options)

    run.again = decide
    run.evaluate = partial(evaluate, warehouse)
    run.registry = registry
    return run


def evaluate(warehouse, version, day, validation, skill=0.1, coverage=0.8):
    """Rows of the leaderboard."""
    for algorithm, rmse in validation.items():
        test = {
            "split": "test",
            "rows": 9,
            "rmse": 1.0,
            "skill_rmse": skill,
            "skill_crps": 0.3,
            "best_simple": "blend",
            "pit_coverage_80": coverage,
        }
        rows = [{"split": "validation", "horizon": 1, "rows": 9, "rmse": rmse}]
        rows += [{**test, "horizon": hours} for hours in GATED]
        frame = pd.DataFrame(rows).assign(
            system_id=version.system_id,
            trained_for=day,
            algorithm=algorithm,
            model_version=version.version,
            run_id=version.run_id,
            feature_version=version.feature_version,
            data_until=version.data_until,
            pairs=9,
        )
        covers = {"system_id": [version.system_id], "algorithm": [algorithm]}
        window = Window(day, day + DAY)
        frame = frame.reindex(columns=[*MODEL_EVALUATION.columns])
        replace(warehouse, MODEL_EVALUATION, [window], Rows(frame, covers))


@pytest.fixture
def decisions(warehouse, city):
    def read(table="champion_decision"):
        order = "at" if table == "model_event" else "trained_for"
        query = f"SELECT * FROM {table} WHERE system_id = %(system)s ORDER BY {order}"  # noqa: S608
        return warehouse.frame(query, {"system": city.system_id}).to_dict("records")

    return read


@dataclass(frozen=True)
class Always:
    """A function of rows that has learnt one answer."""

    answer: float

    def __call__(self, features):
        return np.full(len(features), self.answer)


def blurred(model):
    """One that expects stations to fill, wherever: worse on any data."""
    member = Member(Always(2.0), None, None)
    groups = tuple(altered(group, members=(member,)) for group in model.groups)
    return altered(model, groups=groups)


def test_the_first_model_that_is_good_enough_becomes_champion(compete, decisions, city):
    version, result = compete()
    assert result.success
    [row] = decisions()
    assert (row["decision"], row["reason"], row["applied"]) == ("promoted", "first", True)
    assert (row["challenger"], row["champion"]) == (version.version, None)
    assert compete.registry.champion(city.system_id).version == version.version
    [event] = decisions("model_event")
    assert (event["kind"], event["model_version"], event["replaced"]) == (
        "promotion",
        version.version,
        None,
    )
    page = result.asset_materializations_for_node("champion_model")[0].metadata
    assert "data:image/png" in page[f"decision {city.system_id}"].value


@pytest.mark.parametrize(
    ("asked", "reason"),
    [({"skill": -0.01}, "not_better_than_simple"), ({"coverage": 0.9}, "not_calibrated")],
)
def test_a_model_that_fails_a_gate_is_refused_by_a_green_run(
    compete, decisions, city, asked, reason
):
    _, result = compete(**asked)
    assert result.success
    [row] = decisions()
    assert (row["decision"], row["reason"], row["applied"]) == ("kept", reason, False)
    assert compete.registry.champion(city.system_id) is None
    [event] = decisions("model_event")
    assert (event["kind"], json.loads(event["figures"])["reason"]) == ("refusal", reason)


def test_a_challenger_that_is_better_for_sure_replaces_the_champion(
    compete, decisions, noise, city
):
    first, _ = compete(blurred(noise["lightgbm"]), day=END - 4 * DAY)
    second, _ = compete()
    *_, row = decisions()
    assert (row["reason"], row["champion"], row["applied"]) == ("better", first.version, True)
    assert row["gain"] > row["gain_low"] > 0
    assert row["unseen_from"] == END - 3 * DAY - HOUR
    assert row["rows"] > 100
    assert compete.registry.champion(city.system_id).version == second.version
    assert decisions("model_event")[-1]["replaced"] == first.version


def test_a_challenger_that_is_no_better_leaves_the_champion(compete, decisions, city):
    first, _ = compete(day=END - 4 * DAY)
    compete()
    *_, row = decisions()
    assert (row["decision"], row["reason"], row["gain"]) == ("kept", "not_better", 0)
    assert compete.registry.champion(city.system_id).version == first.version


def test_rows_that_one_of_them_has_seen_decide_nothing(compete, decisions, noise, city):
    first, _ = compete(blurred(noise["lightgbm"]), day=END - 4 * DAY, learnt=timedelta())
    compete(learnt=1.5 * DAY)
    *_, row = decisions()
    assert (row["decision"], row["reason"]) == ("kept", "not_enough_unseen_data")
    assert row["rows"] is None or pd.isna(row["rows"])
    assert compete.registry.champion(city.system_id).version == first.version


def test_the_better_on_validation_is_the_challenger(compete, decisions, warehouse, city):
    good, _ = compete(skill=-1)
    bad = altered(good, version=str(int(good.version) + 7))
    evaluate(warehouse, bad, END - DAY, {"xgboost": 2.0})
    compete.again()
    [row] = decisions()
    assert (row["challenger"], row["algorithm"]) == (good.version, "lightgbm")


def test_a_rerun_repeats_the_decision_and_not_the_promotion(compete, decisions, noise, city):
    compete(blurred(noise["lightgbm"]), day=END - 4 * DAY)
    compete()
    registry = compete.registry
    before = decisions(), decisions("model_event"), registry.champion(city.system_id)
    assert compete.again().success
    after = decisions(), decisions("model_event"), registry.champion(city.system_id)
    assert str(after) == str(before)  # what is not known equals nothing, but reads the same


def test_a_rerun_of_the_day_that_made_the_champion_still_says_so(compete, decisions, city):
    first, _ = compete(day=END - 2 * DAY)
    compete(skill=-1)
    compete.again(END - 2 * DAY)
    row, refused = decisions()
    assert (row["challenger"], row["reason"], row["applied"]) == (first.version, "first", True)
    assert not refused["applied"]
    assert [event["kind"] for event in decisions("model_event")] == ["promotion", "refusal"]


def test_a_rerun_after_another_promotion_moves_nothing_back(compete, decisions, noise, city):
    compete(blurred(noise["lightgbm"]), day=END - 4 * DAY)
    second, _ = compete()
    before = decisions(), decisions("model_event")
    compete.again(END - 4 * DAY)
    assert str((decisions(), decisions("model_event"))) == str(before)
    assert compete.registry.champion(city.system_id).version == second.version


def test_a_champion_that_cannot_be_loaded_gives_way(compete, decisions, city, monkeypatch):
    first, _ = compete(day=END - 4 * DAY)
    load = type(compete.registry).load

    def damaged(registry, version):
        if version.version == first.version:
            raise RegistryError(f"The file of {version} is damaged")
        return load(registry, version)

    monkeypatch.setattr(type(compete.registry), "load", damaged)
    second, _ = compete()
    *_, row = decisions()
    assert (row["reason"], row["applied"]) == ("unreadable", True)
    assert "is damaged" in row["detail"]
    assert compete.registry.champion(city.system_id).version == second.version


def test_a_challenger_of_features_that_are_made_no_more_is_refused(compete, decisions, noise, city):
    compete(altered(noise["lightgbm"], feature_version="0"))
    [row] = decisions()
    assert (row["reason"], row["decision"]) == ("other_features", "kept")
    assert compete.registry.champion(city.system_id) is None


def by_hand(registry, version):
    with registry.recording():
        import mlflow

        mlflow.MlflowClient().set_registered_model_alias(version.name, CHAMPION, version.version)


def test_a_champion_that_was_made_by_hand_is_obeyed_shown_and_not_rolled_back(
    compete, decisions, city, at_home, capsys
):
    chosen, _ = compete(skill=-1)
    by_hand(compete.registry, chosen)
    reign.show(None)
    assert "champion by hand" in capsys.readouterr().out
    with pytest.raises(Exception, match="after whom is not noted"):
        reign.roll_back(None)
    assert compete.registry.champion(city.system_id).version == chosen.version
    evaluate_again(compete, chosen)
    *_, row = decisions()
    assert (row["reason"], row["applied"]) == ("first", True)


def evaluate_again(compete, version):
    """It passes the gates after all."""
    compete.evaluate(version, END - DAY, {"lightgbm": 1.0})
    compete.again()


def test_a_run_of_several_days_is_refused(materialize, city):
    with pytest.raises(dg.Failure, match="a partition at a time") as error:
        materialize(["champion_model"], (f"{END - 2 * DAY:%Y-%m-%d}", KEY))
    assert not error.value.allow_retries


def test_a_day_that_is_not_the_newest_moves_nothing(compete, decisions, noise, city):
    newest, _ = compete(blurred(noise["lightgbm"]))
    compete(day=END - 3 * DAY)
    older, _ = decisions()
    assert not older["applied"]
    assert compete.registry.champion(city.system_id).version == newest.version


def test_a_good_model_of_an_older_day_does_not_reign_and_the_row_says_why(compete, decisions, city):
    compete(skill=-1)
    compete(day=END - 3 * DAY)
    older, _ = decisions()
    assert (older["decision"], older["applied"]) == ("promoted", False)
    assert "there are models of 2026-03-28" in older["detail"]
    assert compete.registry.champion(city.system_id) is None


def test_features_that_are_made_no_more_lose_the_throne(compete, decisions, noise, city):
    first, _ = compete(altered(noise["lightgbm"], feature_version="0"), day=END - 4 * DAY)
    compete.registry.appoint(first, None)  # as it was when its features were made
    second, _ = compete()
    *_, row = decisions()
    assert (row["reason"], row["applied"]) == ("other_features", True)
    assert compete.registry.champion(city.system_id).version == second.version


def test_a_registry_that_is_down_is_a_red_run_that_changes_nothing(
    compete, decisions, city, tmp_path, closed_port, monkeypatch
):
    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0)
    compete()
    before = decisions(), compete.registry.champion(city.system_id)
    url = f"postgresql://nobody:secret-word@127.0.0.1:{closed_port}/none"
    down = Tracking(home=str(tmp_path), url=url)
    result = compete.again(registry=down, raise_on_error=False)
    assert not result.success
    [failure] = result.get_step_failure_events()
    assert "RegistryUnavailableError" in str(failure.event_specific_data)
    assert "secret-word" not in str(failure.event_specific_data)
    assert str((decisions(), compete.registry.champion(city.system_id))) == str(before)


def test_a_day_without_models_is_refused(compete, materialize, city):
    with pytest.raises(dg.Failure, match="no model of this day") as error:
        materialize(["champion_model"], KEY)
    assert not error.value.allow_retries


@pytest.fixture
def at_home(monkeypatch, tracking, postgres_url):
    """The commands see the registry and the tables of the test."""
    monkeypatch.setattr(reign, "open_registry", lambda _: tracking.registry())
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", postgres_url)


def test_a_rollback_returns_to_the_predecessor_and_a_rerun_respects_it(
    compete, decisions, noise, city, at_home, capsys
):
    first, _ = compete(blurred(noise["lightgbm"]), day=END - 4 * DAY)
    second, _ = compete()
    reign.roll_back(None)
    assert f"version {first.version} of" in capsys.readouterr().out
    assert compete.registry.champion(city.system_id).version == first.version
    assert decisions("model_event")[-1]["kind"] == "rollback"
    compete.again()
    *_, row = decisions()
    assert (row["challenger"], row["reason"]) == (second.version, "rolled_back")
    assert row["detail"].endswith("was taken back.")  # by hand, or by `model_watch`
    assert [event["kind"] for event in decisions("model_event")] == [
        "promotion",
        "promotion",
        "rollback",
        "refusal",
    ]
    assert compete.registry.champion(city.system_id).version == first.version


def test_the_first_champion_cannot_be_rolled_back(compete, city, at_home):
    first, _ = compete()
    with pytest.raises(Exception, match="none to return to"):
        reign.roll_back(None)
    assert compete.registry.champion(city.system_id).version == first.version


def test_the_champion_is_shown_with_its_scores_and_the_reasons(
    compete, noise, city, at_home, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "160")
    compete(skill=-0.01, day=END - 4 * DAY)
    compete()
    reign.show(None)
    told = capsys.readouterr().out
    assert "lightgbm, trained for 2026-03-28" in told
    assert "+10.0%" in told
    assert "There was no champion." in told
    assert "A simple forecast has the lower RMSE" in told


def test_a_champion_on_probation_is_not_replaced_and_the_better_one_forecasts_in_its_shadow(
    compete, decisions, noise, city, tracking
):
    first, _ = compete(blurred(noise["lightgbm"]), day=END - 4 * DAY)
    registry = compete.registry
    registry.appoint(registry.version(city.system_id, first.version), "0")  # after another one
    second, _ = compete()
    *_, row = decisions()
    assert (row["decision"], row["reason"]) == ("kept", "on_probation")
    assert row["gain"] > 0
    assert registry.champion(city.system_id).version == first.version
    assert registry.challenger(city.system_id).version == second.version
    event = decisions("model_event")[-1]
    assert (event["kind"], event["model_version"]) == ("refusal", second.version)
    assert json.loads(event["figures"])["gain"] == row["gain"]


def test_who_is_promoted_challenges_no_more(compete, decisions, noise, city):
    compete(day=END - 5 * DAY)
    compete(day=END - 4 * DAY)
    registry = compete.registry
    assert registry.challenger(city.system_id) is not None
    registry.appoint(registry.challenger(city.system_id), None)
    assert registry.challenger(city.system_id) is None


def test_a_model_that_fails_a_gate_does_not_challenge(compete, city):
    compete(day=END - 5 * DAY)
    compete(day=END - 4 * DAY)
    assert compete.registry.challenger(city.system_id) is not None
    compete(skill=-0.1)
    assert compete.registry.challenger(city.system_id) is None


def test_a_pinned_version_stays_whatever_is_decided_until_it_is_unpinned(
    compete, decisions, noise, city, at_home, capsys
):
    first, _ = compete(blurred(noise["lightgbm"]), day=END - 4 * DAY)
    reign.pin(first.version, None)
    compete()
    *_, row = decisions()
    assert (row["decision"], row["reason"]) == ("kept", "pinned")
    assert compete.registry.champion(city.system_id).version == first.version
    reign.unpin(None)
    assert "until a better one is trained" in capsys.readouterr().out
    second, _ = compete()
    assert compete.registry.champion(city.system_id).version == second.version
    kinds = [event["kind"] for event in decisions("model_event")]
    assert kinds == ["promotion", "pin", "refusal", "unpin", "promotion"]


def test_another_version_can_be_pinned(compete, noise, city, at_home):
    first, _ = compete(day=END - 5 * DAY)
    second, _ = compete(day=END - 4 * DAY)
    reign.pin(second.version, None)
    assert compete.registry.champion(city.system_id).version == second.version
    assert first.version != second.version


def test_a_pinned_version_is_not_rolled_back_before_it_is_unpinned(compete, noise, city, at_home):
    first, _ = compete(blurred(noise["lightgbm"]), day=END - 4 * DAY)
    second, _ = compete()
    reign.pin(second.version, None)
    with pytest.raises(Exception, match="is pinned: 'bike-demand unpin' first"):
        reign.roll_back(None)
    assert compete.registry.champion(city.system_id).version == second.version
    reign.unpin(None)
    reign.roll_back(None)
    assert compete.registry.champion(city.system_id).version == first.version


def test_what_is_not_pinned_cannot_be_unpinned(compete, city, at_home):
    with pytest.raises(Exception, match=r"No version of .* is pinned"):
        reign.unpin(None)
    with pytest.raises(RegistryError, match="version 99"):
        reign.pin("99", None)


def test_only_the_systems_asked_for_are_decided(compete, decisions, city):
    compete()
    config = {"ops": {"champion_model": {"config": {"systems": ["another"]}}}}
    with pytest.raises(dg.Failure, match="Nothing was decided"):
        compete.again(config=config)


def test_the_champions_card_is_on_the_page_and_in_the_registry(compete, city):
    first, _ = compete(day=END - 4 * DAY)
    scores = pd.DataFrame({"split": [], "horizon": []})
    learnt = (END - 9 * DAY, END - 8 * DAY)
    with compete.registry.recording():
        import mlflow

        with mlflow.start_run(first.run_id):
            model = compete.registry.load(first)
            card.begin(first, model, city.grid, learnt, scores, pd.DataFrame())
    _, result = compete()  # no better: the champion's card is gone on with
    page = result.asset_materializations_for_node("champion_model")[0].metadata
    told = page[f"champion {city.system_id}"].value
    assert told.startswith(f"# {city.system_id}, version {first.version}\n")
    assert f"| now | {first.version} | promotion |" in told
    with compete.registry._store.client("Testing") as client:
        assert client.get_model_version(first.name, first.version).description == told


def test_a_champion_whose_run_mlflow_has_no_more_costs_no_decision(compete, city, warehouse):
    first, _ = compete(day=END - 4 * DAY)
    with compete.registry._store.client("Testing") as client:
        client._tracking_client.store._hard_delete_run(first.run_id)
    _, result = compete()
    page = result.asset_materializations_for_node("champion_model")[0].metadata
    assert f"champion {city.system_id}" not in page
    decided = warehouse.frame("SELECT DISTINCT trained_for FROM champion_decision", {})
    assert len(decided) == 2
