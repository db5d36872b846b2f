"""The first tables: stations, their status, the polls and the calendar."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed_poll",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "polled_at", sa.DateTime(timezone=True), nullable=False, comment="When we asked [UTC]"
        ),
        sa.Column(
            "last_updated",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="What the feed says of its own age [UTC]",
        ),
        sa.Column(
            "http_status",
            sa.Integer(),
            nullable=True,
            comment="Status of the answer; null when none came",
        ),
        sa.Column(
            "records",
            sa.Integer(),
            nullable=True,
            comment="Records in the answer; null when none came [count]",
        ),
        sa.Column(
            "rejected",
            sa.Integer(),
            nullable=True,
            comment="Records refused; null when none came [count]",
        ),
        sa.CheckConstraint("records >= 0", name=op.f("feed_poll_records_not_negative")),
        sa.CheckConstraint("rejected >= 0", name=op.f("feed_poll_rejected_not_negative")),
        sa.PrimaryKeyConstraint("system_id", "polled_at", name=op.f("feed_poll_pkey")),
        comment="Every poll of a status feed: tells an outage from a quiet city",
    )
    op.create_table(
        "local_calendar",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "hour", sa.DateTime(timezone=True), nullable=False, comment="Start of the hour [UTC]"
        ),
        sa.Column("local_date", sa.Date(), nullable=False, comment="Date on the system's clock"),
        sa.Column(
            "local_hour", sa.SmallInteger(), nullable=False, comment="Hour on its clock [0-23]"
        ),
        sa.Column(
            "weekday", sa.SmallInteger(), nullable=False, comment="ISO weekday [1 Mon - 7 Sun]"
        ),
        sa.Column(
            "utc_offset", sa.Integer(), nullable=False, comment="Local time minus UTC [seconds]"
        ),
        sa.PrimaryKeyConstraint("system_id", "hour", name=op.f("local_calendar_pkey")),
        comment="What the system's clock shows at each UTC hour: local time is never a key",
    )
    op.create_table(
        "rejected_record",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "source", sa.Text(), nullable=False, comment="Table that the record was meant for"
        ),
        sa.Column(
            "window_start",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Start of its window [UTC]",
        ),
        sa.Column("ordinal", sa.Integer(), nullable=False, comment="Position in the feed, from 0"),
        sa.Column(
            "reason", sa.Text(), nullable=False, comment="Why it was refused, in a stable word"
        ),
        sa.Column("detail", sa.Text(), nullable=False, comment="Why it was refused, in a sentence"),
        sa.Column("record", sa.Text(), nullable=False, comment="The record as it came [JSON]"),
        sa.CheckConstraint("ordinal >= 0", name=op.f("rejected_record_ordinal_not_negative")),
        sa.PrimaryKeyConstraint(
            "system_id", "source", "window_start", "ordinal", name=op.f("rejected_record_pkey")
        ),
        comment="Records that a feed sent and the warehouse refused",
    )
    op.create_table(
        "station_information",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "station_id", sa.Text(), nullable=False, comment="The station, as its feed names it"
        ),
        sa.Column("name", sa.Text(), nullable=True, comment="Public name"),
        sa.Column("short_name", sa.Text(), nullable=True, comment="Number or code on its sign"),
        sa.Column("lat", sa.Double(), nullable=True, comment="WGS 84 latitude [degrees]"),
        sa.Column("lon", sa.Double(), nullable=True, comment="WGS 84 longitude [degrees]"),
        sa.Column(
            "capacity",
            sa.Integer(),
            nullable=True,
            comment="Docks installed, as declared; null where the feed does not say [count]",
        ),
        sa.Column("region_id", sa.Text(), nullable=True, comment="Region, as the feed names it"),
        sa.Column(
            "is_virtual_station", sa.Boolean(), nullable=True, comment="A place without docks"
        ),
        sa.Column("is_active", sa.Boolean(), nullable=False, comment="The newest feed lists it"),
        sa.Column(
            "first_seen",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="First fetch that listed it [UTC]",
        ),
        sa.Column(
            "last_seen",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Newest fetch that listed it [UTC]",
        ),
        sa.CheckConstraint("capacity >= 0", name=op.f("station_information_capacity_not_negative")),
        sa.CheckConstraint("lat BETWEEN -90 AND 90", name=op.f("station_information_lat_range")),
        sa.CheckConstraint("lon BETWEEN -180 AND 180", name=op.f("station_information_lon_range")),
        sa.PrimaryKeyConstraint("system_id", "station_id", name=op.f("station_information_pkey")),
        comment="Stations ever seen; one that leaves stays, inactive",
    )
    op.create_table(
        "station_status",
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
            comment="15-minute tick [UTC]",
        ),
        sa.Column(
            "station_id", sa.Text(), nullable=False, comment="The station, as its feed names it"
        ),
        sa.Column(
            "fetched_at", sa.DateTime(timezone=True), nullable=False, comment="When we asked [UTC]"
        ),
        sa.Column(
            "last_reported",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the station last reported [UTC]",
        ),
        sa.Column(
            "num_bikes_available",
            sa.Integer(),
            nullable=False,
            comment="Bikes to rent, e-bikes included [count]",
        ),
        sa.Column(
            "num_ebikes_available",
            sa.Integer(),
            nullable=True,
            comment="E-bikes to rent; null where the feed does not say [count]",
        ),
        sa.Column(
            "num_bikes_disabled",
            sa.Integer(),
            nullable=True,
            comment="Bikes out of order; null where the feed does not say [count]",
        ),
        sa.Column(
            "num_docks_available",
            sa.Integer(),
            nullable=True,
            comment="Free docks; null where the feed has none [count]",
        ),
        sa.Column(
            "num_docks_disabled",
            sa.Integer(),
            nullable=True,
            comment="Docks out of order; null where the feed does not say [count]",
        ),
        sa.Column("is_installed", sa.Boolean(), nullable=True, comment="On the street"),
        sa.Column("is_renting", sa.Boolean(), nullable=True, comment="Gives bikes out"),
        sa.Column("is_returning", sa.Boolean(), nullable=True, comment="Takes bikes back"),
        sa.CheckConstraint(
            "num_bikes_available >= 0", name=op.f("station_status_num_bikes_available_not_negative")
        ),
        sa.CheckConstraint(
            "num_bikes_disabled >= 0", name=op.f("station_status_num_bikes_disabled_not_negative")
        ),
        sa.CheckConstraint(
            "num_docks_available >= 0", name=op.f("station_status_num_docks_available_not_negative")
        ),
        sa.CheckConstraint(
            "num_docks_disabled >= 0", name=op.f("station_status_num_docks_disabled_not_negative")
        ),
        sa.CheckConstraint(
            "num_ebikes_available >= 0",
            name=op.f("station_status_num_ebikes_available_not_negative"),
        ),
        sa.PrimaryKeyConstraint(
            "system_id", "observed_at", "station_id", name=op.f("station_status_pkey")
        ),
        comment="One station at one tick: the first snapshot fetched in [tick, tick + 15 min)",
    )
