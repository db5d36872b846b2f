"""Accuracy and the model, as the warehouse has them."""

import pytest

from bike_demand.serving import answers
from bike_demand.storage import databases
from bike_demand_tests.serving.city import DAY, NOW, note


def test_accuracy_is_of_all_rows_of_the_days_together(standing, city_of_all):
    found = answers.AccuracyOfDays.model_validate(
        standing.get("/accuracy?days=3").json(), extra="forbid"
    )
    assert (found.from_, found.to) == (NOW - 3 * DAY, NOW)
    third = found.horizons[2]
    assert (third.horizon, third.role, third.model_version) == (3, "champion", "7")
    assert third.rows == 72 * 1000
    assert third.rmse == pytest.approx(1.75)
    assert third.persistence_rmse == pytest.approx(2.1)
    assert third.skill_rmse == pytest.approx(1 - 1.75 / 2.1, abs=1e-4)
    assert third.coverage_80 == pytest.approx(0.806)
    assert (third.observed_empty, third.forecast_empty) == (0.08, 0.078)
    assert third.brier_full == pytest.approx(0.02 * 1000 / 975, abs=1e-4)
    assert [one.horizon for one in found.horizons] == [*range(1, 25)]


def test_what_cannot_be_said_of_accuracy_is_null(api, city_url):
    with databases.connect(city_url) as connection:
        connection.execute(
            "UPDATE forecast_accuracy SET inside = NULL, rows_full = 0, model_version = '',"
            " role = 'simple', persistence_squared_error = 0"
        )
    first = api.get("/accuracy").json()["horizons"][0]
    assert (first["role"], first["model_version"]) == ("simple", None)
    assert first["coverage_80"] is first["brier_full"] is first["skill_rmse"] is None


def test_the_model_is_who_was_made_champion_last(standing):
    found = answers.Model.model_validate(standing.get("/model").json(), extra="forbid")
    assert found.champion.model_version == "7"
    assert found.champion.algorithm == "lightgbm"
    assert found.champion.since == NOW - 5 * DAY
    assert found.champion.reason == "Its CRPS is lower by 2.1 %."
    assert not found.champion.pinned
    assert [one.horizon for one in found.evaluation] == [*range(1, 25)]
    assert [one.kind for one in found.events] == ["refusal", "promotion", "promotion"]


def test_a_pinned_version_is_the_champion_until_it_is_unpinned(api, city_url):
    note(city_url, NOW - DAY / 2, "pin", "5", "7")
    pinned = api.get("/model").json()["champion"]
    assert (pinned["model_version"], pinned["pinned"]) == ("5", True)
    note(city_url, NOW - DAY / 4, "unpin", "5")
    freed = api.get("/model").json()["champion"]
    assert (freed["model_version"], freed["pinned"]) == ("5", False)


def test_only_the_newest_events_are_told(api, city_url):
    for hours in range(30):
        note(city_url, NOW - DAY * hours / 24, "nothing_new", "7")
    events = api.get("/model").json()["events"]
    assert len(events) == 20
    assert events[0]["at"] == "2026-05-01T12:12:00Z"
