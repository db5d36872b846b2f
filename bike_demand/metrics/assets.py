"""Numbers of what assets have made: how fresh, how many, how large."""

from collections.abc import Iterator
from typing import Final

from psycopg import sql

from bike_demand import data_times
from bike_demand.metrics import declared
from bike_demand.metrics.declared import Sample
from bike_demand.metrics.stored import Tables
from bike_demand.storage.sizes import sizes
from bike_demand.storage.tables import (
    STATION_DEMAND,
    STATION_FEATURES,
    STATION_FORECAST,
    STATION_RISK,
    STATION_STATUS,
    WEATHER,
)

COUNTED: Final = (
    STATION_STATUS,
    WEATHER,
    STATION_FEATURES,
    STATION_DEMAND,
    STATION_FORECAST,
    STATION_RISK,
)

_NEWEST: Final = sql.SQL(
    "SELECT s, (SELECT count(*) FROM {table} WHERE system_id = s AND {time} = "
    "(SELECT max({time}) FROM {table} WHERE system_id = s)) FROM unnest(%(systems)s::text[]) AS s"
)


def ages(tables: Tables) -> Iterator[Sample]:
    """How fresh each asset's data is."""
    for age in data_times.ages(tables.connection, tables.systems):
        if age.newest is not None:
            yield declared.DATA_AGE(tables.since(age.newest), age.system_id, age.asset)
        if age.newest is not None and age.stale_at is not None:
            limit = (age.stale_at - age.newest).total_seconds()
            yield declared.DATA_AGE_LIMIT(limit, age.system_id, age.asset)


def rows(tables: Tables) -> Iterator[Sample]:
    """How much came last."""
    for table in COUNTED:
        names = {"table": sql.Identifier(table.name), "time": sql.Identifier(str(table.time))}
        for system, number in tables.ask(_NEWEST.format(**names)):
            yield declared.NEWEST_ROWS(number, system, table.name)


def large(tables: Tables) -> Iterator[Sample]:
    """How large tables are; nothing is counted."""
    for size in sizes(tables.connection):
        yield declared.TABLE_ROWS(size.rows, size.name)
        yield declared.TABLE_BYTES(size.bytes, size.name)
