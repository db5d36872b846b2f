"""Features and demand of stations."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "station_demand",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "hour", sa.DateTime(timezone=True), nullable=False, comment="Start of the hour [UTC]"
        ),
        sa.Column(
            "station_id", sa.Text(), nullable=False, comment="The station, as its feed names it"
        ),
        sa.Column(
            "departures",
            sa.Integer(),
            nullable=True,
            comment="Bikes that left, at least, by net changes in 15 minutes; null if unknown [count]",
        ),
        sa.Column(
            "arrivals",
            sa.Integer(),
            nullable=True,
            comment="Bikes that came, at least; null if unknown [count]",
        ),
        sa.Column(
            "minutes_empty",
            sa.Integer(),
            nullable=True,
            comment="Without a bike; null if unknown [min]",
        ),
        sa.Column(
            "minutes_full",
            sa.Integer(),
            nullable=True,
            comment="Without a free dock; null if unknown [min]",
        ),
        sa.Column(
            "intervals",
            sa.SmallInteger(),
            nullable=False,
            comment="Of the hour's four intervals of 15 minutes, how many are known [0-4]",
        ),
        sa.CheckConstraint("arrivals >= 0", name=op.f("station_demand_arrivals_not_negative")),
        sa.CheckConstraint("departures >= 0", name=op.f("station_demand_departures_not_negative")),
        sa.CheckConstraint("intervals >= 0", name=op.f("station_demand_intervals_not_negative")),
        sa.CheckConstraint(
            "minutes_empty >= 0", name=op.f("station_demand_minutes_empty_not_negative")
        ),
        sa.CheckConstraint(
            "minutes_full >= 0", name=op.f("station_demand_minutes_full_not_negative")
        ),
        sa.PrimaryKeyConstraint(
            "system_id", "hour", "station_id", name=op.f("station_demand_pkey")
        ),
        comment="How many bikes left and came in an hour, and how long a station was empty or full",
    )
    op.create_table(
        "station_features",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "observed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Origin, a 15-minute tick [UTC]",
        ),
        sa.Column(
            "station_id", sa.Text(), nullable=False, comment="The station, as its feed names it"
        ),
        sa.Column(
            "feature_version",
            sa.Text(),
            nullable=False,
            comment="What the features mean; a model is given those of its own version only",
        ),
        sa.Column(
            "hour", sa.SmallInteger(), nullable=False, comment="Hour on the local clock [0-23]"
        ),
        sa.Column(
            "quarter_hour", sa.SmallInteger(), nullable=False, comment="Quarter of that hour [0-3]"
        ),
        sa.Column(
            "weekday",
            sa.SmallInteger(),
            nullable=False,
            comment="ISO weekday of the local date [1 Mon - 7 Sun]",
        ),
        sa.Column("weekend", sa.Boolean(), nullable=False, comment="Saturday or Sunday"),
        sa.Column(
            "month", sa.SmallInteger(), nullable=False, comment="Month of the local date [1-12]"
        ),
        sa.Column(
            "day_of_year",
            sa.SmallInteger(),
            nullable=False,
            comment="Day of the local year [1-366]",
        ),
        sa.Column(
            "holiday",
            sa.Boolean(),
            nullable=False,
            comment="Public holiday; false where the country is not known",
        ),
        sa.Column(
            "morning_rush", sa.Boolean(), nullable=False, comment="7:00 to 10:00 on a working day"
        ),
        sa.Column(
            "evening_rush", sa.Boolean(), nullable=False, comment="16:00 to 19:00 on a working day"
        ),
        sa.Column(
            "bikes", sa.REAL(), nullable=True, comment="Bikes to rent, e-bikes included [bikes]"
        ),
        sa.Column("docks", sa.REAL(), nullable=True, comment="Free docks [docks]"),
        sa.Column("ebikes", sa.REAL(), nullable=True, comment="E-bikes to rent [bikes]"),
        sa.Column("disabled", sa.REAL(), nullable=True, comment="Bikes out of order [bikes]"),
        sa.Column(
            "fill", sa.REAL(), nullable=True, comment="Bikes among bikes and free docks [0-1]"
        ),
        sa.Column(
            "capacity",
            sa.REAL(),
            nullable=True,
            comment="Docks, as declared; else bikes, free docks and what is told to be out of order, if docks are told [docks]",
        ),
        sa.Column("renting", sa.REAL(), nullable=True, comment="Gives bikes out [0 or 1]"),
        sa.Column("returning", sa.REAL(), nullable=True, comment="Takes bikes back [0 or 1]"),
        sa.Column(
            "report_age",
            sa.REAL(),
            nullable=True,
            comment="Age of the station's report when it was fetched [s]",
        ),
        sa.Column("bikes_lag_15m", sa.REAL(), nullable=True, comment="Bikes 15m before [bikes]"),
        sa.Column("bikes_lag_30m", sa.REAL(), nullable=True, comment="Bikes 30m before [bikes]"),
        sa.Column("bikes_lag_1h", sa.REAL(), nullable=True, comment="Bikes 1h before [bikes]"),
        sa.Column("bikes_lag_2h", sa.REAL(), nullable=True, comment="Bikes 2h before [bikes]"),
        sa.Column("bikes_lag_3h", sa.REAL(), nullable=True, comment="Bikes 3h before [bikes]"),
        sa.Column("bikes_lag_6h", sa.REAL(), nullable=True, comment="Bikes 6h before [bikes]"),
        sa.Column("bikes_lag_24h", sa.REAL(), nullable=True, comment="Bikes 24h before [bikes]"),
        sa.Column("bikes_lag_168h", sa.REAL(), nullable=True, comment="Bikes 168h before [bikes]"),
        sa.Column("docks_lag_15m", sa.REAL(), nullable=True, comment="Docks 15m before [docks]"),
        sa.Column("docks_lag_30m", sa.REAL(), nullable=True, comment="Docks 30m before [docks]"),
        sa.Column("docks_lag_1h", sa.REAL(), nullable=True, comment="Docks 1h before [docks]"),
        sa.Column("docks_lag_2h", sa.REAL(), nullable=True, comment="Docks 2h before [docks]"),
        sa.Column("docks_lag_3h", sa.REAL(), nullable=True, comment="Docks 3h before [docks]"),
        sa.Column("docks_lag_6h", sa.REAL(), nullable=True, comment="Docks 6h before [docks]"),
        sa.Column("docks_lag_24h", sa.REAL(), nullable=True, comment="Docks 24h before [docks]"),
        sa.Column("docks_lag_168h", sa.REAL(), nullable=True, comment="Docks 168h before [docks]"),
        sa.Column(
            "bikes_change_15m",
            sa.REAL(),
            nullable=True,
            comment="Bikes now less those 15m before [bikes]",
        ),
        sa.Column(
            "bikes_change_30m",
            sa.REAL(),
            nullable=True,
            comment="Bikes now less those 30m before [bikes]",
        ),
        sa.Column(
            "bikes_change_1h",
            sa.REAL(),
            nullable=True,
            comment="Bikes now less those 1h before [bikes]",
        ),
        sa.Column(
            "bikes_change_2h",
            sa.REAL(),
            nullable=True,
            comment="Bikes now less those 2h before [bikes]",
        ),
        sa.Column(
            "bikes_change_3h",
            sa.REAL(),
            nullable=True,
            comment="Bikes now less those 3h before [bikes]",
        ),
        sa.Column(
            "docks_change_15m",
            sa.REAL(),
            nullable=True,
            comment="Docks now less those 15m before [docks]",
        ),
        sa.Column(
            "docks_change_30m",
            sa.REAL(),
            nullable=True,
            comment="Docks now less those 30m before [docks]",
        ),
        sa.Column(
            "docks_change_1h",
            sa.REAL(),
            nullable=True,
            comment="Docks now less those 1h before [docks]",
        ),
        sa.Column(
            "docks_change_2h",
            sa.REAL(),
            nullable=True,
            comment="Docks now less those 2h before [docks]",
        ),
        sa.Column(
            "docks_change_3h",
            sa.REAL(),
            nullable=True,
            comment="Docks now less those 3h before [docks]",
        ),
        sa.Column(
            "bikes_mean_3h",
            sa.REAL(),
            nullable=True,
            comment="Mean of the known bikes of 3h [bikes]",
        ),
        sa.Column(
            "bikes_deviation_3h",
            sa.REAL(),
            nullable=True,
            comment="Standard deviation of the known bikes of 3h, if two or more are known [bikes]",
        ),
        sa.Column(
            "bikes_mean_6h",
            sa.REAL(),
            nullable=True,
            comment="Mean of the known bikes of 6h [bikes]",
        ),
        sa.Column(
            "bikes_deviation_6h",
            sa.REAL(),
            nullable=True,
            comment="Standard deviation of the known bikes of 6h, if two or more are known [bikes]",
        ),
        sa.Column(
            "bikes_mean_24h",
            sa.REAL(),
            nullable=True,
            comment="Mean of the known bikes of 24h [bikes]",
        ),
        sa.Column(
            "bikes_deviation_24h",
            sa.REAL(),
            nullable=True,
            comment="Standard deviation of the known bikes of 24h, if two or more are known [bikes]",
        ),
        sa.Column(
            "turnover_3h",
            sa.REAL(),
            nullable=True,
            comment="Bikes that came or went, net of each quarter of an hour, per known time of 3h [bikes/h]",
        ),
        sa.Column(
            "turnover_24h",
            sa.REAL(),
            nullable=True,
            comment="Bikes that came or went, net of each quarter of an hour, per known time of 24h [bikes/h]",
        ),
        sa.Column(
            "minutes_since_empty",
            sa.REAL(),
            nullable=True,
            comment="Since the station was last seen without a bike; 1440 if not in 24 h, of which three quarters or more are known [min]",
        ),
        sa.Column(
            "minutes_since_full",
            sa.REAL(),
            nullable=True,
            comment="Since the station was last seen without a free dock; 1440 if not in 24 h, of which three quarters or more are known [min]",
        ),
        sa.Column(
            "coverage",
            sa.REAL(),
            nullable=True,
            comment="Share of the 97 ticks of 24 h that are known [0-1]",
        ),
        sa.Column("bikes_week_2", sa.REAL(), nullable=True, comment="Bikes 14 days ago [bikes]"),
        sa.Column("bikes_week_3", sa.REAL(), nullable=True, comment="Bikes 21 days ago [bikes]"),
        sa.Column("bikes_week_4", sa.REAL(), nullable=True, comment="Bikes 28 days ago [bikes]"),
        sa.Column(
            "bikes_weeks_mean",
            sa.REAL(),
            nullable=True,
            comment="Mean of the known, with `bikes_lag_168h` [bikes]",
        ),
        sa.Column(
            "docks_weeks_mean",
            sa.REAL(),
            nullable=True,
            comment="Free docks at this time of the past 4 weeks, mean of the known [docks]",
        ),
        sa.Column(
            "bikes_weeks_change_1h",
            sa.REAL(),
            nullable=True,
            comment="Change of bikes in the 1 h after this time of the past 4 weeks, mean of the known [bikes]",
        ),
        sa.Column(
            "bikes_weeks_change_3h",
            sa.REAL(),
            nullable=True,
            comment="Change of bikes in the 3 h after this time of the past 4 weeks, mean of the known [bikes]",
        ),
        sa.Column(
            "bikes_weeks_change_6h",
            sa.REAL(),
            nullable=True,
            comment="Change of bikes in the 6 h after this time of the past 4 weeks, mean of the known [bikes]",
        ),
        sa.Column(
            "bikes_weeks_change_12h",
            sa.REAL(),
            nullable=True,
            comment="Change of bikes in the 12 h after this time of the past 4 weeks, mean of the known [bikes]",
        ),
        sa.Column(
            "bikes_weeks_change_24h",
            sa.REAL(),
            nullable=True,
            comment="Change of bikes in the 24 h after this time of the past 4 weeks, mean of the known [bikes]",
        ),
        sa.Column(
            "near_fill",
            sa.REAL(),
            nullable=True,
            comment="Bikes among bikes and free docks, mean of the 5 nearest known stations [0-1]",
        ),
        sa.Column(
            "near_bikes",
            sa.REAL(),
            nullable=True,
            comment="Bikes, mean of the 5 nearest known stations [bikes]",
        ),
        sa.Column(
            "near_docks",
            sa.REAL(),
            nullable=True,
            comment="Free docks, mean of the 5 nearest known stations [docks]",
        ),
        sa.Column(
            "near_change_1h",
            sa.REAL(),
            nullable=True,
            comment="Bikes now less those 1 h before, mean of the 5 nearest known stations [bikes]",
        ),
        sa.Column(
            "system_bikes", sa.REAL(), nullable=True, comment="Bikes at all stations [bikes]"
        ),
        sa.Column(
            "system_fill",
            sa.REAL(),
            nullable=True,
            comment="Bikes among bikes and free docks of all stations [0-1]",
        ),
        sa.Column(
            "system_empty",
            sa.REAL(),
            nullable=True,
            comment="Share of stations without a bike [0-1]",
        ),
        sa.Column(
            "system_full",
            sa.REAL(),
            nullable=True,
            comment="Share of stations without a free dock [0-1]",
        ),
        sa.Column(
            "system_change_1h",
            sa.REAL(),
            nullable=True,
            comment="Change of bikes in 1 h where both are known [bikes]",
        ),
        sa.Column(
            "system_change_24h",
            sa.REAL(),
            nullable=True,
            comment="Change of bikes in 24 h where both are known [bikes]",
        ),
        sa.Column(
            "temperature",
            sa.REAL(),
            nullable=True,
            comment="Temperature at 2 m, at the origin [°C]",
        ),
        sa.Column(
            "apparent_temperature",
            sa.REAL(),
            nullable=True,
            comment="Temperature as it feels, at the origin [°C]",
        ),
        sa.Column(
            "relative_humidity",
            sa.REAL(),
            nullable=True,
            comment="Relative humidity at 2 m, at the origin [%]",
        ),
        sa.Column(
            "wind_speed", sa.REAL(), nullable=True, comment="Wind at 10 m, at the origin [m/s]"
        ),
        sa.Column(
            "precipitation",
            sa.REAL(),
            nullable=True,
            comment="Rain and snow, as water, at the origin [mm/h]",
        ),
        sa.Column(
            "cloud_cover", sa.REAL(), nullable=True, comment="Sky covered, at the origin [%]"
        ),
        sa.Column(
            "weather_code",
            sa.REAL(),
            nullable=True,
            comment="WMO code table 4677, at the origin [0-99]",
        ),
        sa.Column(
            "weather_is_reanalysis",
            sa.Boolean(),
            nullable=False,
            comment="The weather at the origin was not observed but reanalysed later",
        ),
        sa.PrimaryKeyConstraint(
            "system_id", "observed_at", "station_id", name=op.f("station_features_pkey")
        ),
        comment="What was known of a station at a tick, as models see it (docs/features.md)",
    )
