"""Features and demand, from stored status through Dagster into Postgres."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from bike_demand.definitions import build_definitions
from bike_demand.forecasting.features import FEATURE_VERSION
from bike_demand.resources import PostgresIOManager
from bike_demand.storage.read import read
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import STATION_DEMAND, STATION_FEATURES, STATION_STATUS
from bike_demand.storage.windows import Window

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
STATIONS = ["a", "b", "c"]


@pytest.fixture
def follow(tmp_path, monkeypatch):
    """Write settings that follow these systems."""
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))

    def write(*system_ids, timezone='timezone = "America/New_York"\n'):
        text = "".join(f'[[systems]]\nsystem_id = "{name}"\n{timezone}' for name in system_ids)
        (tmp_path / "settings.toml").write_text(text)

    return write


@pytest.fixture
def store(warehouse):
    """Store status at ticks; the bikes are drawn from the ticks, whoever asks."""

    def run(start, end, system_id="nyc", missing=()):
        ticks = [
            tick
            for tick in pd.date_range(start, end, freq=QUARTER, inclusive="left", unit="us")
            if tick not in missing
        ]
        frame = pd.MultiIndex.from_product(
            [ticks, STATIONS], names=["observed_at", "station_id"]
        ).to_frame(index=False)
        minutes = frame["observed_at"].dt.as_unit("us").astype("int64") // 60_000_000
        salt = frame["station_id"].map({"a": 3, "b": 5, "c": 7})
        frame = frame.assign(
            system_id=system_id,
            fetched_at=frame["observed_at"] + pd.Timedelta(seconds=5),
            last_reported=frame["observed_at"] - pd.Timedelta(seconds=40),
            num_bikes_available=(minutes // 15 * salt % 11).astype("int32"),
            num_docks_available=(10 - minutes // 15 * salt % 11).astype("int32"),
            is_installed=True,
            is_renting=True,
            is_returning=True,
        ).reindex(columns=list(STATION_STATUS.columns))
        replace(
            warehouse, STATION_STATUS, [Window(start, end)], Rows(frame, {"system_id": [system_id]})
        )

    return run


@pytest.fixture
def materialize(postgres_url):
    """Materialise hours of an asset."""

    def run(asset, first, last=None, **options):
        first, last = (f"{hour:%Y-%m-%d-%H:%M}" for hour in (first, last or first))
        defs = build_definitions({"io_manager": PostgresIOManager(url=postgres_url)})
        return defs.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(asset)],
            tags={
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last,
            },
            **options,
        )

    return run


def features_of(warehouse, hour, system_id="nyc"):
    windows = [Window(hour, hour + HOUR)]
    frame = read(warehouse, STATION_FEATURES, windows, scope={"system_id": [system_id]})
    return frame.sort_values(["observed_at", "station_id"], ignore_index=True)


def test_an_hour_has_a_row_for_each_tick_and_station_of_one_version(
    follow, store, materialize, warehouse
):
    follow("nyc")
    store(NOON - 25 * HOUR, NOON + HOUR)
    result = materialize("station_features", NOON)
    frame = features_of(warehouse, NOON)
    assert frame["station_id"].tolist() == STATIONS * 4
    assert frame["observed_at"].unique().tolist() == [NOON + n * QUARTER for n in range(4)]
    assert set(frame["feature_version"]) == {FEATURE_VERSION}
    assert frame["bikes"].notna().all()
    [check] = result.get_asset_check_evaluations()
    assert check.passed


def test_an_hour_alone_is_the_same_as_in_a_backfill_of_days(follow, store, materialize, warehouse):
    follow("nyc")
    gaps = [NOON - 3 * HOUR, NOON - 3 * HOUR + QUARTER, NOON - timedelta(days=7)]
    store(NOON - timedelta(days=9), NOON + 3 * HOUR, missing=gaps)
    materialize("station_features", NOON)
    alone = features_of(warehouse, NOON)
    materialize("station_features", NOON - timedelta(days=2), NOON + 2 * HOUR)
    pd.testing.assert_frame_equal(features_of(warehouse, NOON), alone, check_exact=True)


def test_an_hour_of_two_snapshots_is_refused_and_says_why(follow, store, materialize, warehouse):
    follow("nyc")
    store(NOON - HOUR, NOON + HOUR, missing=[NOON, NOON + QUARTER])
    with pytest.raises(dg.Failure, match=r"fewer than 3 of 4 snapshots.*12:00 UTC with 2") as error:
        materialize("station_features", NOON)
    assert not error.value.allow_retries
    assert features_of(warehouse, NOON).empty


def test_an_hour_of_two_snapshots_is_made_if_partial_ones_are_allowed(
    follow, store, materialize, warehouse
):
    follow("nyc")
    store(NOON - HOUR, NOON + HOUR, missing=[NOON, NOON + QUARTER])
    config = {"ops": {"station_features": {"config": {"allow_partial": True}}}}
    materialize("station_features", NOON, run_config=config)
    assert len(features_of(warehouse, NOON)) == 2 * len(STATIONS)


def test_hours_that_are_refused_do_not_stop_the_others_of_a_backfill(
    follow, store, materialize, warehouse
):
    follow("nyc")
    store(NOON - HOUR, NOON + 3 * HOUR, missing=[NOON, NOON + QUARTER])
    result = materialize("station_features", NOON, NOON + 2 * HOUR)
    assert features_of(warehouse, NOON).empty
    assert len(features_of(warehouse, NOON + HOUR)) == 12
    [check] = result.get_asset_check_evaluations()
    assert not check.passed
    assert "1 of 3 hours" in check.metadata["refused"].value


def test_a_system_without_a_timezone_is_named_and_the_others_are_made(
    follow, store, materialize, warehouse
):
    follow("nyc")
    store(NOON - HOUR, NOON + HOUR)
    store(NOON - HOUR, NOON + HOUR, system_id="imported")
    result = materialize("station_features", NOON)
    assert len(features_of(warehouse, NOON)) == 12
    [check] = result.get_asset_check_evaluations()
    assert "imported: the settings do not say its timezone" in check.metadata["refused"].value


def test_one_system_leaves_the_rows_of_another_alone(follow, store, materialize, warehouse):
    follow("nyc", "bos")
    store(NOON - HOUR, NOON + HOUR)
    store(NOON - HOUR, NOON + HOUR, system_id="bos")
    materialize("station_features", NOON)
    before = features_of(warehouse, NOON, "bos")
    store(NOON, NOON + HOUR, system_id="bos", missing=[NOON, NOON + QUARTER])
    materialize("station_features", NOON)
    pd.testing.assert_frame_equal(features_of(warehouse, NOON, "bos"), before)


def test_demand_looks_at_the_tick_that_closes_the_hour(follow, store, materialize, warehouse):
    follow("nyc")
    store(NOON, NOON + HOUR + QUARTER)
    materialize("station_demand", NOON)
    frame = read(warehouse, STATION_DEMAND).sort_values("station_id")
    assert frame["hour"].tolist() == [NOON] * 3
    assert frame["intervals"].tolist() == [4, 4, 4]
    quarters = int(NOON.timestamp()) // 900 + np.arange(5)
    changes = np.diff(quarters * 3 % 11)
    assert frame["departures"].iloc[0] == -changes[changes < 0].sum()
    assert frame["arrivals"].iloc[0] == changes[changes > 0].sum()


def test_demand_of_an_hour_that_is_not_closed_yet_is_made_and_says_so(
    follow, store, materialize, warehouse
):
    follow("nyc")
    store(NOON, NOON + HOUR)
    result = materialize("station_demand", NOON)
    assert set(read(warehouse, STATION_DEMAND)["intervals"]) == {3}
    [check] = result.get_asset_check_evaluations()
    assert not check.passed
    assert check.metadata["lacking"].value == "nyc 2026-03-03 12:00"


def test_demand_of_an_hour_is_the_same_alone_and_in_a_backfill(
    follow, store, materialize, warehouse
):
    follow("nyc")
    store(NOON, NOON + HOUR + QUARTER)
    store(NOON + 2 * HOUR, NOON + 3 * HOUR + QUARTER, system_id="bos")
    materialize("station_demand", NOON)
    alone = read(warehouse, STATION_DEMAND)
    materialize("station_demand", NOON, NOON + 2 * HOUR)
    again = read(warehouse, STATION_DEMAND, [Window(NOON, NOON + HOUR)])
    pd.testing.assert_frame_equal(again, alone)


def test_demand_of_an_hour_without_snapshots_is_refused(follow, materialize):
    follow("nyc")
    unknown = "No interval between snapshots is known of 2026-03-03 12:00"
    with pytest.raises(dg.Failure, match=unknown):
        materialize("station_demand", NOON)
