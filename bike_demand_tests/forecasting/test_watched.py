"""What is watched: of a real model on a small city, what was learnt and what is asked later."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from bike_demand.forecasting import watched
from bike_demand.forecasting.drift import BINS, HOURS
from bike_demand.forecasting.examples import NAMES, Joined
from bike_demand.forecasting.features import features
from bike_demand.forecasting.grid import TICK
from bike_demand.forecasting.outlook import Outlook
from bike_demand.forecasting.simple import hours_of_week
from bike_demand.forecasting.splits import hourly_origins
from bike_demand_tests.forecasting.feature_examples import DAY, random_grid, random_surroundings
from bike_demand_tests.registry.small_model import small_models

HOUR = timedelta(hours=1)
ZONE = "America/New_York"


@pytest.fixture(scope="module")
def city():
    """Sixteen days of a few stations, a model of them, and what it has learnt of the first nine."""
    grid = random_grid(5, stations=40, ticks=16 * DAY, holes=0.02)
    always = np.ones_like(grid.bikes)
    grid = replace(grid, installed=always, renting=always)
    around = random_surroundings(grid, 5, timezone=ZONE)
    end = grid.start + 16 * DAY * TICK
    joined = Joined(grid, features(grid, hourly_origins(grid, grid.start, end), around), around)
    model = small_models()["lightgbm"]
    until = grid.start + 9 * DAY * TICK
    reference = watched.reference(model, joined, grid, grid.start, until, ZONE)
    return grid, around, replace(model, reference=reference), until


def asked(city, hours, change=None):
    """Counts of some origins after what was learnt."""
    grid, around, model, until = city
    grid = grid if change is None else replace(grid, bikes=change(grid.bikes))
    counts = {}
    for number in range(hours):
        origin = until + 49 * HOUR + number * HOUR  # all hours of the week were learnt from
        outlook = Outlook(grid, origin, around)
        for name, each in outlook.counted(model.reference, outlook.forecast(model)).items():
            counts.setdefault(name, {})[origin] = each
    return counts, origin


def test_every_feature_is_watched_or_left_out_with_a_reason():
    assert set(watched.WATCHED) | set(watched.EXCLUDED) == set(NAMES)
    assert not set(watched.WATCHED) & set(watched.EXCLUDED)
    assert all(watched.EXCLUDED.values())


def test_what_was_learnt_is_kept_by_the_hour_of_the_week(city):
    _, _, model, _ = city
    reference = model.reference
    assert set(reference.edges) == {
        *watched.WATCHED,
        watched.ACTIVITY,
        watched.FORECAST,
        watched.TARGET,
    }
    assert reference.counts["bikes"].shape == (HOURS, BINS + 1)
    assert (reference.counts["bikes"].sum(axis=1) > 0).mean() > 0.95  # nine days have every hour
    assert len(reference.usual) == 40


def test_the_same_city_has_not_moved_and_one_that_filled_up_has(city):
    grid, *_ = city
    counts, now = asked(city, 24)
    found = watched.drift(city[2].reference, counts, now, ZONE).set_index("feature")
    assert found.loc["bikes", "hours"] == 24
    assert found.loc["bikes", "band"] == found.loc["target", "band"] == "none"
    counts, now = asked(
        city, 24, lambda bikes: np.where(np.arange(len(bikes))[:, None] > 0, bikes * 0 + 3, bikes)
    )
    found = watched.drift(city[2].reference, counts, now, ZONE).set_index("feature")
    assert found.loc["bikes", "band"] == "critical"
    assert len(grid) == 16 * DAY


def test_less_than_three_quarters_of_the_hours_say_nothing(city):
    counts, now = asked(city, 17)
    found = watched.drift(city[2].reference, counts, now, ZONE).set_index("feature")
    assert found.loc["bikes", "band"] == "unknown"
    assert np.isnan(found.loc["bikes", "psi"])
    assert found.loc["bikes", "hours"] == 17
    assert found.loc[watched.ACTIVITY, "band"] != "unknown"  # six origins are its span


def test_hours_that_nothing_was_learnt_of_are_not_compared_with_others(city):
    counts, now = asked(city, 24)
    reference = deepcopy(city[2].reference)
    clock = hours_of_week(pd.DatetimeIndex(sorted(counts["bikes"])), ZONE)
    reference.counts["bikes"][clock[:5]] = 0
    found = watched.drift(reference, counts, now, ZONE).set_index("feature")
    assert found.loc["bikes", ["hours", "band"]].tolist() == [19, "none"]
    reference.counts["bikes"][clock[:7]] = 0  # too few are left to say anything
    found = watched.drift(reference, counts, now, ZONE).set_index("feature")
    assert found.loc["bikes", ["hours", "band"]].tolist() == [17, "unknown"]


def test_a_station_that_is_not_known_has_no_activity(city):
    grid, around, model, until = city
    reference = replace(model.reference, usual={})
    outlook = Outlook(grid, until + 25 * HOUR, around)
    counts = outlook.counted(reference, outlook.forecast(model))
    assert counts[watched.ACTIVITY][:-1].sum() == 0
    assert counts["bikes"][:-1].sum() > 0
