"""What Dagster loads. No work at import: no database, no network, no heavy library."""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from bike_demand import defs as wiring
from bike_demand import settings
from bike_demand.automation import condition_sensor
from bike_demand.cadence import ACCURACY, DEMAND, FEATURES, FORECAST, QUALITY, WATCH
from bike_demand.defs.ingestion.stations import stations_job, stations_schedule
from bike_demand.defs.ingestion.weather import weather_job, weather_schedule
from bike_demand.defs.monitoring.alert_sensor import alert_sensor
from bike_demand.defs.monitoring.announcement_sensor import announcement_sensor
from bike_demand.defs.monitoring.freshness_report import freshness_job, freshness_schedule
from bike_demand.defs.monitoring.freshness_sensor import freshness_sensor
from bike_demand.defs.monitoring.model_watch import retraining_sensor
from bike_demand.defs.monitoring.retention import retention_job, retention_schedule
from bike_demand.defs.training.job import training_job, training_schedule
from bike_demand.resources import PostgresIOManager
from bike_demand.resources.live_feed import LiveStationFeed
from bike_demand.resources.tracking import Tracking
from bike_demand.resources.weather_feed import WeatherFeed

CONDITIONS: Final = ((FEATURES,), (DEMAND,), (FORECAST, ACCURACY, WATCH), (QUALITY,))
"""Cadences that conditions ask for: those that stand together are made in one run."""


def build_definitions(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All of the project, wired.

    Args:
        resource_overrides: Resources by key that replace the default ones, as tests do.
    """
    configured = settings.load()
    return dg.Definitions(
        assets=dg.load_assets_from_package_module(wiring),
        jobs=[stations_job, weather_job, training_job, freshness_job, retention_job],
        schedules=[
            stations_schedule,
            weather_schedule,
            training_schedule,
            freshness_schedule,
            retention_schedule,
        ],
        sensors=[
            *(condition_sensor(cadences, configured) for cadences in CONDITIONS),
            freshness_sensor,
            retraining_sensor,
            alert_sensor,
            announcement_sensor,
        ],
        resources={
            "io_manager": PostgresIOManager(),
            "station_feed": LiveStationFeed(),
            "weather_feed": WeatherFeed(),
            "tracking": Tracking(),
            **(resource_overrides or {}),
        },
        executor=dg.in_process_executor,
    )


defs = build_definitions()
