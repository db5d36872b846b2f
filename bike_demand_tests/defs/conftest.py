"""What tests of models and forecasts share: a registry, and a city whose past is stored."""

import dataclasses
import warnings
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from bike_demand.forecasting.features import FEATURE_VERSION, Surroundings, features
from bike_demand.forecasting.grid import SOURCES, TICK
from bike_demand.forecasting.splits import hourly_origins
from bike_demand.resources import PostgresIOManager
from bike_demand.resources.tracking import Tracking
from bike_demand.storage.replace import Rows, replace
from bike_demand.storage.tables import STATION_FEATURES, STATION_INFORMATION, STATION_STATUS
from bike_demand.storage.windows import Window
from bike_demand_tests.forecasting.feature_examples import random_grid
from bike_demand_tests.registry.small_model import examples, small_models

with warnings.catch_warnings():
    # As in the registry's tests: whichever comes first would have these imported.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
END = datetime(2026, 3, 29, tzinfo=UTC)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(scope="session")
def tracking(server, tmp_path_factory):
    """MLflow of all these tests: each has a system of its own."""
    url = server.url(f"w_{uuid4().hex}").render_as_string(hide_password=False)
    return Tracking(home=str(tmp_path_factory.mktemp("mlflow")), url=url)


@pytest.fixture(scope="session")
def noise():
    """Models by algorithm, which have learnt next to nothing."""
    return small_models()


@pytest.fixture
def system_id(tmp_path, monkeypatch):
    """The one system that the settings follow."""
    name = f"city_{uuid4().hex[:8]}"
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    (tmp_path / "settings.toml").write_text(
        f'[[systems]]\nsystem_id = "{name}"\ntimezone = "America/New_York"\n'
    )
    return name


@pytest.fixture
def city(warehouse, system_id):
    """Ten days of status to the end of 2026-03-28, and features of the last six."""
    grid = random_grid(3, ticks=10 * 96, holes=0.02, start=END - 10 * DAY)
    grid.installed[:], grid.renting[:] = 1, 1
    store_status(warehouse, system_id, grid)
    stations = pd.DataFrame({"station_id": grid.station_ids, "lat": 40.7, "lon": -74.0})
    stations["lat"] += np.arange(len(stations)) / 1000
    around = Surroundings(stations.assign(capacity=8), None, "America/New_York", None)
    store_features(warehouse, system_id, grid, around, END - 6 * DAY)
    facts = stations.assign(
        system_id=system_id,
        name="Elm St",
        capacity=8,
        is_active=True,
        first_seen=END,
        last_seen=END,
    ).reindex(columns=[*STATION_INFORMATION.columns])
    covers = {"system_id": [system_id]}
    replace(warehouse, STATION_INFORMATION, None, Rows(facts, covers))
    return SimpleNamespace(system_id=system_id, grid=grid, around=around)


def store_status(warehouse, system_id, grid):
    """A grid, as it was observed."""
    rows, columns = np.nonzero(~np.isnan(grid.bikes))
    frame = pd.DataFrame(
        {
            "system_id": system_id,
            "observed_at": grid.ticks[rows],
            "station_id": grid.station_ids[columns],
            "fetched_at": pd.DatetimeIndex(grid.fetched_at[rows]).tz_localize("UTC"),
        }
    )
    for name, column in SOURCES.items():
        kind = "boolean" if column.startswith("is_") else "Int32"
        values = pd.array(getattr(grid, name)[rows, columns], dtype="Float32")
        frame[column] = (values > 0).astype("boolean") if kind == "boolean" else values.astype(kind)
    frame["last_reported"] = frame["fetched_at"]
    window = Window(grid.start, grid.start + len(grid) * TICK)
    frame = frame.reindex(columns=[*STATION_STATUS.columns])
    replace(warehouse, STATION_STATUS, [window], Rows(frame, {"system_id": [system_id]}))


def store_features(warehouse, system_id, grid, around, begin, version=FEATURE_VERSION):
    """Those of full hours, from a time on."""
    end = grid.start + len(grid) * TICK
    frame = features(grid, hourly_origins(grid, begin, end), around)
    frame = frame.assign(system_id=system_id, feature_version=version)
    rows = Rows(frame, {"system_id": [system_id]})
    replace(warehouse, STATION_FEATURES, [Window(begin, end)], rows)


@pytest.fixture
def publish(tracking, system_id, noise):
    """Register a model of the system."""
    registry = tracking.registry()

    def run(trained_for, model=None, candidate="daily", **changes):
        with registry.recording():
            import mlflow

            with mlflow.start_run() as active:
                run_id = active.info.run_id
        return registry.publish(
            dataclasses.replace(model or noise["lightgbm"], **changes),
            system_id=system_id,
            trained_for=trained_for,
            examples=examples(5),
            run_id=run_id,
            candidate=candidate,
        )

    return run


@pytest.fixture
def materialize(postgres_url, tracking):
    """Materialise a partition of some assets."""
    from bike_demand.definitions import build_definitions

    def run(assets, key, *, registry=tracking, **options):
        first, last = (key, key) if isinstance(key, str) else key
        resources = {"io_manager": PostgresIOManager(url=postgres_url), "tracking": registry}
        defs = build_definitions(resources)
        return defs.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(name) for name in assets],
            tags={
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last,
            },
            run_config={**QUIET, **options.pop("config", {})},
            **options,
        )

    return run
