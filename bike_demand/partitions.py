"""The windows that assets are partitioned into. All are UTC and half-open.

First and last partitions come from the settings, never from the clock, so that a partition
which existed yesterday exists tomorrow.
"""

from datetime import UTC, datetime, time, timedelta

import dagster as dg

from bike_demand.settings import Settings

TICK_KEY_FORMAT = "%Y-%m-%d-%H:%M"
"""How a tick is written as a partition's key, UTC."""

HALF_HOUR = timedelta(minutes=30)
"""How long a partition of the weather is."""

HOUR = timedelta(hours=1)
"""How long a partition of the features is."""

QUALITY_HOURS = 4
"""How long a partition of the data's quality is."""


def quarter_hourly_partitions(settings: Settings) -> dg.TimeWindowPartitionsDefinition:
    """One partition per tick that has begun."""
    start, end = _bounds(settings)
    return dg.TimeWindowPartitionsDefinition(
        start=start,
        end=end,
        cron_schedule="*/15 * * * *",
        fmt=TICK_KEY_FORMAT,
        end_offset=1,  # a snapshot taken at 12:15:04 is partition 12:15
    )


def half_hourly_partitions(settings: Settings) -> dg.TimeWindowPartitionsDefinition:
    """One partition per half hour that has begun."""
    start, end = _bounds(settings)
    return dg.TimeWindowPartitionsDefinition(
        start=start, end=end, cron_schedule="*/30 * * * *", fmt=TICK_KEY_FORMAT, end_offset=1
    )


def hourly_partitions(settings: Settings) -> dg.HourlyPartitionsDefinition:
    """One partition per hour that has ended."""
    start, end = _bounds(settings)
    return dg.HourlyPartitionsDefinition(start_date=start, end_date=end)


def begun_hour_partitions(settings: Settings) -> dg.HourlyPartitionsDefinition:
    """One partition per hour that has begun."""
    start, end = _bounds(settings)
    return dg.HourlyPartitionsDefinition(start_date=start, end_date=end, end_offset=1)


def four_hourly_partitions(settings: Settings) -> dg.TimeWindowPartitionsDefinition:
    """One partition per four hours that have ended."""
    start, end = _bounds(settings)
    return dg.TimeWindowPartitionsDefinition(
        start=start, end=end, cron_schedule=f"0 */{QUALITY_HOURS} * * *", fmt=TICK_KEY_FORMAT
    )


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """One partition per UTC day that has ended."""
    start, end = _bounds(settings)
    return dg.DailyPartitionsDefinition(start_date=start, end_date=end)


def _bounds(settings: Settings) -> tuple[datetime, datetime | None]:
    last = settings.last_partition
    return (
        datetime.combine(settings.first_partition, time(), UTC),
        datetime.combine(last + timedelta(days=1), time(), UTC) if last else None,
    )
