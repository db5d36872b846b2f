"""The windows that assets are partitioned into. All are UTC and half-open.

First and last partitions come from the settings, never from the clock, so that a partition
which existed yesterday exists tomorrow.
"""

from datetime import UTC, datetime, time, timedelta

import dagster as dg

from bike_demand.settings import Settings


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """One partition per UTC day that has ended."""
    return dg.DailyPartitionsDefinition(
        start_date=datetime.combine(settings.first_partition, time(), UTC),
        end_date=(
            datetime.combine(settings.last_partition + timedelta(days=1), time(), UTC)
            if settings.last_partition
            else None
        ),
    )
