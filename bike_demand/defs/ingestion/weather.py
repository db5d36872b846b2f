"""The asset `weather`, its job and its schedule."""

from typing import Any

import dagster as dg
import pandas as pd

from bike_demand import cadence, settings
from bike_demand.automation import RETRIES, present_partition
from bike_demand.failures import PermanentFailure
from bike_demand.forecasting.weather_chart import weather_chart
from bike_demand.quality.frames import unforeseen
from bike_demand.resources import Rows, read_metadata, table_metadata
from bike_demand.resources.weather_feed import WeatherFeed
from bike_demand.storage.tables import STATION_INFORMATION, WEATHER
from bike_demand.storage.windows import Window
from bike_demand.weather.report import FORECAST, Place

TOLD = "every_system_told"
FORESEEN = "observed_as_foretold"


@dg.asset(
    partitions_def=cadence.WEATHER.partitions,
    freshness_policy=cadence.WEATHER.freshness,
    pool=cadence.WEATHER.pool,
    backfill_policy=dg.BackfillPolicy.multi_run(48),
    ins={
        "stations": dg.AssetIn(
            STATION_INFORMATION.name,
            metadata=read_metadata(columns=["system_id", "lat", "lon", "is_active"]),
        )
    },
    check_specs=[
        dg.AssetCheckSpec(
            TOLD, asset=WEATHER.name, description="The weather of each system was told."
        ),
        dg.AssetCheckSpec(
            FORESEEN,
            asset=WEATHER.name,
            description="What is observed is near what the same source foretells for the hour.",
        ),
    ],
    retry_policy=RETRIES,
    metadata=table_metadata(WEATHER),
    group_name="ingestion",
    kinds={"python", "postgres"},
    code_version="1",
)
def weather(  # type: ignore[no-untyped-def]  # noqa: ANN201  # as in `stations`
    context: dg.AssetExecutionContext, stations: pd.DataFrame, weather_feed: WeatherFeed
):
    """The weather where each system is: observed, and forecast for the next 48 hours.

    The present half hour is asked of the source of weather, and stored with when that was, so
    that a forecast can be made from what was known. A past one is filled from Open-Meteo's archive
    as `reanalysis`, beside what was stored at the time. Without an answer there is no row: nothing
    is invented, and nothing downstream waits.
    """
    span = context.partition_time_window
    reading = weather_feed.read(Window(span.start, span.end), middles(stations))
    failures = "\n".join(f"{system}: {why}" for system, why in reading.failures.items())
    if not reading.answered:
        raise PermanentFailure(f"No system's weather was told; what is stored stays.\n{failures}")
    covers = {"system_id": reading.answered, "kind": reading.kinds}
    strays = unforeseen(reading.rows)
    return dg.MaterializeResult[Any](
        value=Rows(reading.rows, covers),
        metadata=_pictures(reading.rows),
        check_results=[
            dg.AssetCheckResult(
                check_name=TOLD,
                passed=not failures,
                severity=dg.AssetCheckSeverity.WARN,  # forecasts are made without it
                metadata={"answered": len(reading.answered), "failures": failures or "none"},
            ),
            dg.AssetCheckResult(
                check_name=FORESEEN,
                passed=not strays,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"strays": str(strays or "none")},
            ),
        ],
    )


def _pictures(rows: pd.DataFrame) -> dict[str, dg.MarkdownMetadataValue]:
    """The forecast of each system; none of the past, which has none."""
    forecasts = rows[rows["kind"] == FORECAST].groupby("system_id")
    return {
        f"forecast {system_id}": dg.MetadataValue.md(weather_chart(forecast))
        for system_id, forecast in forecasts
    }


def middles(stations: pd.DataFrame) -> dict[str, Place]:
    """The middle of each system: the median of its active stations' places.

    Args:
        stations: Rows of `station_information`.
    """
    placed = stations[stations["is_active"]].dropna(subset=["lat", "lon"])
    middle = placed.groupby("system_id")[["lat", "lon"]].median()
    return {
        str(system_id): Place(lat=lat, lon=lon)
        for system_id, lat, lon in zip(middle.index, middle["lat"], middle["lon"], strict=True)
    }


weather_job = dg.define_asset_job(
    "weather_job",
    selection=dg.AssetSelection.assets(WEATHER.name),
    description="The weather of every system: now, and the next 48 hours as forecast.",
)
weather_schedule = present_partition(weather_job.name, cadence.WEATHER, settings.load())
