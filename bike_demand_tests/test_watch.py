"""When something is done about a champion."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bike_demand import watch
from bike_demand.forecasting.promotion import GATED

HOUR = timedelta(hours=1)
START = datetime(2026, 3, 6, 7, tzinfo=UTC)


def losses(hours, ratio, noise=0.1, seed=0):
    """Of two versions at all gated horizons; the champion's are some times the other's."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "target_at": pd.Timestamp(START + number * HOUR),
            "horizon": horizon,
            "champion": 100 * ratio * rng.lognormal(0, noise),
            "predecessor": 100 * rng.lognormal(0, noise),
            "rows": 50,
        }
        for horizon in GATED
        for number in range(horizon, hours)
    ]
    columns = ["target_at", "horizon", "champion", "predecessor", "rows"]
    return pd.DataFrame(rows, columns=columns)


def test_a_champion_that_does_worse_is_worse():
    reason = watch.worse(losses(30, 1.2))
    assert "above its predecessor's" in reason.told
    assert reason.figures["gain"] < -0.1
    assert reason.figures["hours"] == 29


@pytest.mark.parametrize("seed", range(20))
def test_one_that_is_as_good_is_not_at_any_hour_of_its_probation(seed):
    whole = losses(48, 1.0, noise=0.05, seed=seed)
    whole["champion"] = whole["predecessor"] * (1 + 0.004 * np.sin(np.arange(len(whole))))
    for hours in range(1, 49):
        seen = whole[whole["target_at"] < pd.Timestamp(START + hours * HOUR)]
        assert watch.worse(seen) is None


def test_one_that_is_better_is_not():
    assert watch.worse(losses(48, 0.9)) is None


def test_a_day_has_to_have_passed():
    assert watch.worse(losses(24, 2)) is None
    assert watch.worse(losses(25, 2)) is not None
    assert watch.worse(losses(0, 2)) is None


def week(skill, hours=150):
    return pd.DataFrame(
        {"hours": hours, "rows": 9, "skill_rmse": skill, "coverage_80": 0.8},
        index=pd.Index([*skill], name="horizon"),
    ).assign(skill=lambda frame: frame.index.map(skill))


def test_a_gated_horizon_without_skill_is_told():
    assert watch.no_skill(week(dict.fromkeys(GATED, 0.1))) is None
    reason = watch.no_skill(week({1: 0.1, 3: 0.0, 6: -0.2}))
    assert "3 h (+0.0%), 6 h (-20.0%)" in reason.told
    assert reason.figures == {"skill": {"1": 0.1, "3": 0.0, "6": -0.2}}


def test_other_horizons_and_too_few_hours_say_nothing():
    assert watch.no_skill(week({2: -1.0})) is None
    assert watch.no_skill(week({1: -1.0}, hours=watch.LEAST_HOURS - 1)) is None
    assert watch.no_skill(week({1: -1.0}, hours=watch.LEAST_HOURS)) is not None


def test_where_persistence_made_no_error_there_is_no_skill_to_speak_of():
    """As while a feed stands still: null in the tables, and no number in JSON."""
    known = week({1: 0.1, 3: 0.1, 6: 0.1})
    none = known.assign(skill_rmse=pd.Series([None] * 3, dtype=object, index=known.index))
    assert watch.no_skill(none) is None
    assert watch.no_skill(week({1: float("nan"), 3: 0.1})) is None
    assert watch.no_skill(week({1: float("nan"), 3: -0.1})).figures == {"skill": {"3": -0.1}}


def test_what_moved_critically_is_told_the_farthest_first():
    rows = pd.DataFrame(
        {
            "feature": ["a", "b", "c"],
            "psi": [0.26, 0.9, 0.2],
            "band": ["critical", "critical", "moderate"],
        }
    )
    reason = watch.drifted(rows)
    assert reason.told == "What it is asked has moved: b (0.90), a (0.26)."
    assert reason.figures == {"drift": {"b": 0.9, "a": 0.26}}
    assert watch.drifted(rows[rows["band"] != "critical"]) is None
