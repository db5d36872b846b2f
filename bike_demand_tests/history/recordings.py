"""Recordings for tests: small files of invented snapshots."""

from datetime import UTC, datetime, timedelta

import pandas as pd

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
NOW = datetime(2025, 1, 1, tzinfo=UTC)


def snapshot(fetched_at, bikes, **columns):
    """One snapshot: `bikes` by station, or a list for stations s0, s1, …"""
    if not isinstance(bikes, dict):
        bikes = {f"s{number}": count for number, count in enumerate(bikes)}
    return pd.DataFrame(
        {
            "fetched_at": fetched_at,
            "station_id": list(bikes),
            "num_bikes_available": list(bikes.values()),
            **columns,
        }
    )


def snapshots(start, *, minutes, count, stations=5):
    """Snapshots at a fixed cadence, each with other numbers."""
    return pd.concat(
        [
            snapshot(
                start + timedelta(minutes=minutes) * number,
                [(number * 7 + station) % 20 for station in range(stations)],
                num_docks_available=9,
                is_renting=True,
            )
            for number in range(count)
        ],
        ignore_index=True,
    )
