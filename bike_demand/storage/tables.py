"""The warehouse's tables: every column of the project, with its unit.

Names are GBFS' where GBFS has one. A change here needs a migration in
`storage/migrations/versions`; a test holds the two together.
"""

from typing import Any

import sqlalchemy as sa

from bike_demand.forecasting.features import FEATURES
from bike_demand.storage.declaration import Upsert, declare_table

METADATA = sa.MetaData(
    naming_convention={"ck": "%(table_name)s_%(constraint_name)s", "pk": "%(table_name)s_pkey"}
)

INSTANT = sa.DateTime(timezone=True)


def _system_id() -> sa.Column[str]:
    return sa.Column(
        "system_id", sa.Text, primary_key=True, comment="The bike-share system, as in the settings"
    )


def _count(name: str, what: str, *, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=nullable, comment=f"{what} [count]")


def _measure(name: str, what: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, comment=f"{what}; null where the source does not say")


def _not_negative(*columns: str) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(f"{name} >= 0", name=f"{name}_not_negative") for name in columns]


STATION_INFORMATION = declare_table(
    "station_information",
    _system_id(),
    sa.Column("station_id", sa.Text, primary_key=True, comment="The station, as its feed names it"),
    sa.Column("name", sa.Text, comment="Public name"),
    sa.Column("short_name", sa.Text, comment="Number or code on its sign"),
    sa.Column("lat", sa.Double, comment="WGS 84 latitude [degrees]"),
    sa.Column("lon", sa.Double, comment="WGS 84 longitude [degrees]"),
    _count("capacity", "Docks installed, as declared; null where the feed does not say"),
    sa.Column("region_id", sa.Text, comment="Region, as the feed names it"),
    sa.Column("is_virtual_station", sa.Boolean, comment="A place without docks"),
    sa.Column("is_active", sa.Boolean, nullable=False, comment="The newest feed lists it"),
    sa.Column("first_seen", INSTANT, nullable=False, comment="First fetch that listed it [UTC]"),
    sa.Column("last_seen", INSTANT, nullable=False, comment="Newest fetch that listed it [UTC]"),
    *_not_negative("capacity"),
    sa.CheckConstraint("lat BETWEEN -90 AND 90", name="lat_range"),
    sa.CheckConstraint("lon BETWEEN -180 AND 180", name="lon_range"),
    scope=("system_id",),
    upsert=Upsert(keep=("first_seen",), absent={"is_active": False}),
    comment="Stations ever seen; one that leaves stays, inactive",
    metadata=METADATA,
)

FEED_POLL = declare_table(
    "feed_poll",
    _system_id(),
    sa.Column("polled_at", INSTANT, primary_key=True, comment="When we asked [UTC]"),
    sa.Column("last_updated", INSTANT, comment="What the feed says of its own age [UTC]"),
    sa.Column("http_status", sa.Integer, comment="Status of the answer; null when none came"),
    _count("records", "Records in the answer; null when none came"),
    _count("rejected", "Records refused; null when none came"),
    *_not_negative("records", "rejected"),
    time="polled_at",
    scope=("system_id",),
    comment="Every poll of a status feed: tells an outage from a quiet city",
    metadata=METADATA,
)

STATION_STATUS = declare_table(
    "station_status",
    _system_id(),
    sa.Column("observed_at", INSTANT, primary_key=True, comment="15-minute tick [UTC]"),
    sa.Column("station_id", sa.Text, primary_key=True, comment="The station, as its feed names it"),
    sa.Column("fetched_at", INSTANT, nullable=False, comment="When we asked [UTC]"),
    sa.Column("last_reported", INSTANT, comment="When the station last reported [UTC]"),
    _count("num_bikes_available", "Bikes to rent, e-bikes included", nullable=False),
    _count("num_ebikes_available", "E-bikes to rent; null where the feed does not say"),
    _count("num_bikes_disabled", "Bikes out of order; null where the feed does not say"),
    _count("num_docks_available", "Free docks; null where the feed has none"),
    _count("num_docks_disabled", "Docks out of order; null where the feed does not say"),
    sa.Column("is_installed", sa.Boolean, comment="On the street"),
    sa.Column("is_renting", sa.Boolean, comment="Gives bikes out"),
    sa.Column("is_returning", sa.Boolean, comment="Takes bikes back"),
    *_not_negative(
        "num_bikes_available",
        "num_ebikes_available",
        "num_bikes_disabled",
        "num_docks_available",
        "num_docks_disabled",
    ),
    time="observed_at",
    scope=("system_id",),
    comment="One station at one tick: the first snapshot fetched in [tick, tick + 15 min)",
    metadata=METADATA,
)

REJECTED_RECORD = declare_table(
    "rejected_record",
    _system_id(),
    sa.Column("source", sa.Text, primary_key=True, comment="Table that the record was meant for"),
    sa.Column("window_start", INSTANT, primary_key=True, comment="Start of its window [UTC]"),
    sa.Column("ordinal", sa.Integer, primary_key=True, comment="Position in the feed, from 0"),
    sa.Column("reason", sa.Text, nullable=False, comment="Why it was refused, in a stable word"),
    sa.Column("detail", sa.Text, nullable=False, comment="Why it was refused, in a sentence"),
    sa.Column("record", sa.Text, nullable=False, comment="The record as it came [JSON]"),
    *_not_negative("ordinal"),
    time="window_start",
    scope=("system_id", "source"),
    comment="Records that a feed sent and the warehouse refused",
    metadata=METADATA,
)

WEATHER = declare_table(
    "weather",
    _system_id(),
    sa.Column(
        "issued_at",
        INSTANT,
        primary_key=True,
        comment="From when on it was known [UTC]; of a reanalysis valid_at, for want of it",
    ),
    sa.Column("valid_at", INSTANT, primary_key=True, comment="The time it speaks of [UTC]"),
    sa.Column(
        "kind",
        sa.Text,
        primary_key=True,
        comment="observation, forecast, or reanalysis: made later, never known at the time",
    ),
    sa.Column("fetched_at", INSTANT, nullable=False, comment="When we asked [UTC]"),
    sa.Column("source", sa.Text, nullable=False, comment="open-meteo or openweathermap"),
    _measure("temperature", "Temperature at 2 m [°C]"),
    _measure("apparent_temperature", "Temperature as it feels [°C]"),
    _measure("relative_humidity", "Relative humidity at 2 m [%]"),
    _measure("wind_speed", "Wind at 10 m [m/s]"),
    _measure("wind_gusts", "Gusts at 10 m [m/s]"),
    _measure("precipitation", "Rain and snow, as water [mm/h]"),
    _measure("rain", "Rain and showers [mm/h]"),
    _measure("snowfall", "Snow, as water [mm/h]"),
    _measure("precipitation_probability", "Chance of rain or snow, in a forecast [%]"),
    _measure("cloud_cover", "Sky covered [%]"),
    _measure("pressure", "Air pressure at sea level [hPa]"),
    _measure("visibility", "How far one sees [m]"),
    sa.Column("weather_code", sa.SmallInteger, comment="WMO code table 4677 [0-99]"),
    sa.Column("weather_text", sa.Text, comment="The code in words"),
    sa.CheckConstraint("kind IN ('observation', 'forecast', 'reanalysis')", name="kind_known"),
    time="issued_at",
    scope=("system_id", "kind"),
    comment="Weather where a system is: observed, forecast as issued, or reanalysed later",
    metadata=METADATA,
)

_FEATURE_TYPES: dict[str, type[sa.types.TypeEngine[Any]]] = {
    "float32": sa.REAL,
    "int16": sa.SmallInteger,
    "bool": sa.Boolean,
}

STATION_FEATURES = declare_table(
    "station_features",
    _system_id(),
    sa.Column("observed_at", INSTANT, primary_key=True, comment="Origin, a 15-minute tick [UTC]"),
    sa.Column("station_id", sa.Text, primary_key=True, comment="The station, as its feed names it"),
    sa.Column(
        "feature_version",
        sa.Text,
        nullable=False,
        comment="What the features mean; a model is given those of its own version only",
    ),
    *(
        sa.Column(
            feature.name,
            _FEATURE_TYPES[feature.dtype],
            nullable=feature.dtype == "float32",
            comment=f"{feature.meaning} [{feature.unit}]" if feature.unit else feature.meaning,
        )
        for feature in FEATURES
    ),
    time="observed_at",
    scope=("system_id",),
    comment="What was known of a station at a tick, as models see it (docs/features.md)",
    metadata=METADATA,
)

STATION_DEMAND = declare_table(
    "station_demand",
    _system_id(),
    sa.Column("hour", INSTANT, primary_key=True, comment="Start of the hour [UTC]"),
    sa.Column("station_id", sa.Text, primary_key=True, comment="The station, as its feed names it"),
    _count(
        "departures", "Bikes that left, at least, by net changes in 15 minutes; null if unknown"
    ),
    _count("arrivals", "Bikes that came, at least; null if unknown"),
    sa.Column("minutes_empty", sa.Integer, comment="Without a bike; null if unknown [min]"),
    sa.Column("minutes_full", sa.Integer, comment="Without a free dock; null if unknown [min]"),
    sa.Column(
        "intervals",
        sa.SmallInteger,
        nullable=False,
        comment="Of the hour's four intervals of 15 minutes, how many are known [0-4]",
    ),
    *_not_negative("departures", "arrivals", "minutes_empty", "minutes_full", "intervals"),
    time="hour",
    scope=("system_id",),
    comment="How many bikes left and came in an hour, and how long a station was empty or full",
    metadata=METADATA,
)

LOCAL_CALENDAR = declare_table(
    "local_calendar",
    _system_id(),
    sa.Column("hour", INSTANT, primary_key=True, comment="Start of the hour [UTC]"),
    sa.Column("local_date", sa.Date, nullable=False, comment="Date on the system's clock"),
    sa.Column("local_hour", sa.SmallInteger, nullable=False, comment="Hour on its clock [0-23]"),
    sa.Column("weekday", sa.SmallInteger, nullable=False, comment="ISO weekday [1 Mon - 7 Sun]"),
    sa.Column("utc_offset", sa.Integer, nullable=False, comment="Local time minus UTC [seconds]"),
    time="hour",
    scope=("system_id",),
    comment="What the system's clock shows at each UTC hour: local time is never a key",
    metadata=METADATA,
)
