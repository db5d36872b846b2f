"""The asset `feature_drift`: from what the champion was asked to indices, and what is shown."""

import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from bike_demand.forecasting.examples import Joined
from bike_demand.forecasting.features import features
from bike_demand.forecasting.splits import hourly_origins
from bike_demand.forecasting.watched import reference
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import FORECAST_INPUT
from bike_demand.storage.windows import Window
from bike_demand_tests.defs.conftest import DAY, END, HOUR

NOW = END - DAY


@pytest.fixture(scope="module")
def learnt(noise):
    """What the model has learnt from, once it is known of which city."""
    kept = {}

    def of(city):
        if not kept:
            grid, around = city.grid, city.around
            known = features(grid, hourly_origins(grid, END - 10 * DAY, END), around)
            span = END - 10 * DAY, END - 2 * DAY  # each hour of the week is among them
            joined = Joined(grid, known, around)
            kept["one"] = reference(noise["lightgbm"], joined, grid, *span, around.timezone)
        return kept["one"]

    return of


@pytest.fixture
def drift(materialize, warehouse, city):
    def run(now=NOW):
        result = materialize(["feature_drift"], f"{now:%Y-%m-%d-%H:%M}")
        query = "SELECT * FROM feature_drift WHERE system_id = %(system)s"
        rows = warehouse.frame(query, {"system": city.system_id}).set_index("feature")
        checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
        [told] = result.asset_materializations_for_node("feature_drift")
        return rows, checks, told.metadata

    return run


@pytest.fixture
def asked(warehouse, city):
    """What a version was asked in the day before, as it has learnt it; some values all differ."""

    def store(version, known, moved=(), hours=24):
        rows = [
            {
                "feature": name,
                "origin_at": NOW - number * HOUR,
                "counts": json.dumps(far if name in moved else counts.sum(axis=0).tolist()),
            }
            for number in range(hours)
            for name, counts in known.counts.items()
            for far in ([0] * 9 + [60, 0],)
        ]
        frame = pd.DataFrame(rows).assign(system_id=city.system_id, model_version=version.version)
        rows = Rows(frame, {"system_id": [city.system_id]})
        replace(warehouse, FORECAST_INPUT, [Window(NOW - DAY, NOW + HOUR)], rows)

    return store


@pytest.fixture
def reigns(publish, tracking):
    def appoint(known):
        version = publish((NOW - DAY).date(), data_until=NOW - DAY, reference=known)
        return tracking.registry().appoint(version, None)

    return appoint


def test_what_moved_is_told_and_what_did_not_is_not(drift, asked, reigns, learnt, city):
    known = learnt(city)
    version = reigns(known)
    asked(version, known, moved=("bikes_lag_3h",))
    rows, checks, page = drift()
    assert set(rows.index) == set(known.edges)
    assert set(rows["model_version"]) == {version.version}
    assert rows.loc["bikes_lag_3h", "band"] == "critical"
    assert rows.loc["bikes_lag_24h", "band"] == "none"
    assert (rows.loc["bikes_lag_3h", "hours"], rows.loc["activity", "hours"]) == (24, 6)
    assert checks["every_system_compared"].passed
    assert not checks["nothing_moved_far"].passed
    assert "bikes_lag_3h" in checks["nothing_moved_far"].metadata["moved"].value
    shown = page[f"drift {city.system_id}"].value
    assert "data:image/png" in shown
    assert len(shown) < 40_000


def test_what_another_champion_was_asked_does_not_count(drift, asked, reigns, learnt, city):
    known = learnt(city)
    asked(reigns(known), known, moved=("bikes_lag_3h",))
    reigns(known)
    rows, *_ = drift()
    assert set(rows["band"]) == {"unknown"}
    assert set(rows["hours"]) == {0}


def test_hours_after_the_partition_are_not_looked_at(drift, asked, reigns, learnt, city):
    known = learnt(city)
    asked(reigns(known), known)
    rows, *_ = drift(NOW - timedelta(hours=5))
    assert rows.loc["bikes_lag_3h", "hours"] == 19


def test_without_a_champion_nothing_is_compared_and_the_check_says_so(drift, city):
    rows, checks, _ = drift()
    assert rows.empty
    assert "there is no champion" in checks["every_system_compared"].metadata["refused"].value


def test_a_champion_from_before_is_refused_by_name(drift, reigns, city):
    version = reigns(None)
    rows, checks, _ = drift()
    assert rows.empty
    refused = checks["every_system_compared"].metadata["refused"].value
    assert f"version {version.version} of bike_demand.{city.system_id} does not tell" in refused


def test_indices_are_those_of_the_counts(drift, asked, reigns, learnt, city):
    known = learnt(city)
    asked(reigns(known), known, moved=("bikes",))
    rows, *_ = drift()
    # All rows in a bin that nothing was learnt of.
    assert rows.loc["bikes", "psi"] > 1
    assert np.isfinite(rows["psi"]).sum() > 40
