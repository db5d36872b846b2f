"""A snapshot in figures."""

import math
from datetime import UTC, datetime

import pandas as pd

from bike_demand.forecasting.snapshot import fill_chart, summarize

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def snapshot(bikes, docks, renting=True, reported=NOON):
    return pd.DataFrame(
        {
            "num_bikes_available": bikes,
            "num_docks_available": pd.array(docks, dtype="Int32"),
            "is_renting": pd.array([renting] * len(bikes), dtype="boolean"),
            "is_returning": pd.array([None] * len(bikes), dtype="boolean"),
            "fetched_at": pd.Series([NOON] * len(bikes), dtype="datetime64[us, UTC]"),
            "last_reported": pd.Series([reported] * len(bikes), dtype="datetime64[us, UTC]"),
        }
    )


def test_stations_without_docks_are_neither_full_nor_in_the_chart():
    summary = summarize(snapshot([0, 5, 3], [10, None, 0]))
    assert summary.share_empty == 1 / 3
    assert summary.share_full == 1 / 2
    assert sum(summary.fill) == 2
    assert summary.bikes == 8


def test_a_station_that_does_not_rent_is_not_counted_as_empty():
    assert math.isnan(summarize(snapshot([0], [10], renting=False)).share_empty)


def test_a_snapshot_of_nothing_has_no_shares():
    summary = summarize(snapshot([], []))
    assert summary.bikes == 0
    assert math.isnan(summary.share_empty)
    assert "svg" in fill_chart(summary)


def test_a_snapshot_whose_stations_never_reported_has_no_age():
    assert math.isnan(summarize(snapshot([1], [1], reported=pd.NaT)).report_age_s)
