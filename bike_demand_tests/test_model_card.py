"""A model's card: what it says, and that it says nothing that it was not told."""

import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from bike_demand.forecasting.splits import TRAINING
from bike_demand.model_card import (
    LIMITS,
    Card,
    Drift,
    GroupScore,
    LiveScore,
    Reign,
    Score,
    model_card,
)

HEADINGS = [
    "What it is",
    "Intended use",
    "Data window",
    "Accuracy",
    "Calibration",
    "Limits",
    "Drift since",
    "Reigns",
]


def at(day, hour=0):
    return datetime(2026, 5, day, hour, tzinfo=UTC)


@pytest.fixture
def card():
    """Of a model that has just been trained."""
    return Card(
        system_id="baywheels",
        version="7",
        algorithm="xgboost",
        trained_for=date(2026, 5, 28),
        trained_from=at(1),
        trained_until=at(20, 23),
        data_until=at(21, 23),
        stations=523,
        pairs=2_400_000,
        feature_version="2",
        scores=[
            Score(1, 34_000, 1.2484, "blend", 0.0361, 0.147, 0.817),
            Score(24, 33_000, 3.938, None, None, math.nan, math.nan),
        ],
    )


@pytest.fixture
def old(card):
    """The same, a week later."""
    return replace(
        card,
        groups=[GroupScore("quiet", 1, 0.71, 0.021), GroupScore("busy", 1, 2.34, 0.055)],
        live=[LiveScore(1, 88_000, 1.31, 0.052, 0.79), LiveScore(24, 87_000, 4.0, -0.01, 0.68)],
        drift=Drift(
            at(31, 5),
            {"bikes": 0.16, "temperature": 0.41, "hour": 0.02},
            {"bikes": "moderate", "temperature": "critical", "hour": "none", "wind": "unknown"},
        ),
        reigns=[
            Reign(at(29, 2), None, "7", "promotion"),
            Reign(at(20, 2), at(29, 2), "5", "promotion | by hand"),
        ],
    )


def sections(text):
    found = re.split(r"^## (.*)\n\n", text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def rows(section):
    """Cells of the tables' rows, heads included."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in section.splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]


def test_headings_are_those_of_a_model_card_in_order(card, old):
    for one in (card, old):
        text = model_card(one)
        assert text.startswith("# baywheels, version 7\n")
        assert [*sections(text)] == HEADINGS
        assert all(section.strip() for section in sections(text).values())


def test_it_says_which_model_it_is_and_what_it_has_learnt_from(card):
    told = sections(model_card(card))
    assert "xgboost, trained for 2026-05-28" in told["What it is"]
    assert rows(told["Data window"])[1:] == [
        ["origins learnt from", "2026-05-01 00:00 UTC to 2026-05-20 23:00 UTC"],
        ["last target looked at", "2026-05-21 23:00 UTC"],
        ["stations", "523"],
        ["pairs of origin and target", "2,400,000"],
        ["features", "version 2"],
    ]


def test_scores_are_told_by_horizon_and_those_that_are_not_known_are_not_made_up(card):
    told = sections(model_card(card))
    assert rows(told["Accuracy"])[1:] == [
        ["1 h", "34,000", "1.248", "blend", "+3.6%", "+14.7%"],
        ["24 h", "33,000", "3.938", "-", "-", "-"],
    ]
    assert rows(told["Calibration"])[1:] == [["1 h", "81.7%", "-"], ["24 h", "-", "-"]]


def test_a_new_model_has_no_history(card):
    told = sections(model_card(card))
    assert "None of its forecasts came due" in told["Accuracy"]
    assert told["Drift since"].strip() == "Not measured."
    assert told["Reigns"].strip() == "There was no champion yet."


def test_groups_and_live_scores_are_told_beside_the_test(old):
    told = sections(model_card(old))
    assert ["quiet", "1 h", "0.710", "+2.1%"] in rows(told["Accuracy"])
    assert ["24 h", "87,000", "4.000", "-1.0%"] in rows(told["Accuracy"])
    assert rows(told["Calibration"])[1:] == [["1 h", "81.7%", "79.0%"], ["24 h", "-", "68.0%"]]


def test_drift_names_what_has_moved_the_most_first(old):
    told = sections(model_card(old))["Drift since"]
    assert "largest population stability index was 0.41" in told
    assert rows(told)[1:] == [
        ["`temperature`", "0.41", "critical"],
        ["`bikes`", "0.16", "moderate"],
    ]


@pytest.mark.parametrize(
    ("psi", "bands", "said"),
    [
        ({"bikes": 0.03}, {"bikes": "none"}, "0.03: nothing has moved much."),
        ({}, {"bikes": "unknown"}, "there was too little to compare."),
    ],
)
def test_where_nothing_has_moved_drift_is_a_sentence(card, psi, bands, said):
    told = sections(model_card(replace(card, drift=Drift(at(31), psi, bands))))["Drift since"]
    assert told.strip().endswith(said)
    assert not rows(told)


def test_reigns_end_or_go_on_and_a_bar_in_a_word_breaks_no_table(old):
    assert rows(sections(model_card(old))["Reigns"])[1:] == [
        ["2026-05-29 02:00 UTC", "now", "7", "promotion"],
        ["2026-05-20 02:00 UTC", "2026-05-29 02:00 UTC", "5", r"promotion \| by hand"],
    ]


def test_every_row_of_a_table_is_as_long_as_its_heads(old):
    for section in sections(model_card(old)).values():
        for table in re.findall(r"(?:^\|.*\n?)+", section, re.MULTILINE):
            assert len({len(row) for row in rows(table)}) == 1


def test_limits_are_told_of_every_model_and_their_figures_are_the_projects(card):
    told = sections(model_card(card))["Limits"]
    assert all(limit in told for limit in LIMITS)
    assert f"{TRAINING.days} days at most" in told
