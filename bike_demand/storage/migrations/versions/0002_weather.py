"""Weather, as observed, as forecast when issued, and as reanalysed later."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "weather",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "issued_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="From when on it was known [UTC]; of a reanalysis valid_at, for want of it",
        ),
        sa.Column(
            "valid_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="The time it speaks of [UTC]",
        ),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="observation, forecast, or reanalysis: made later, never known at the time",
        ),
        sa.Column(
            "fetched_at", sa.DateTime(timezone=True), nullable=False, comment="When we asked [UTC]"
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="open-meteo or openweathermap"),
        sa.Column(
            "temperature",
            sa.Double(),
            nullable=True,
            comment="Temperature at 2 m [°C]; null where the source does not say",
        ),
        sa.Column(
            "apparent_temperature",
            sa.Double(),
            nullable=True,
            comment="Temperature as it feels [°C]; null where the source does not say",
        ),
        sa.Column(
            "relative_humidity",
            sa.Double(),
            nullable=True,
            comment="Relative humidity at 2 m [%]; null where the source does not say",
        ),
        sa.Column(
            "wind_speed",
            sa.Double(),
            nullable=True,
            comment="Wind at 10 m [m/s]; null where the source does not say",
        ),
        sa.Column(
            "wind_gusts",
            sa.Double(),
            nullable=True,
            comment="Gusts at 10 m [m/s]; null where the source does not say",
        ),
        sa.Column(
            "precipitation",
            sa.Double(),
            nullable=True,
            comment="Rain and snow, as water [mm/h]; null where the source does not say",
        ),
        sa.Column(
            "rain",
            sa.Double(),
            nullable=True,
            comment="Rain and showers [mm/h]; null where the source does not say",
        ),
        sa.Column(
            "snowfall",
            sa.Double(),
            nullable=True,
            comment="Snow, as water [mm/h]; null where the source does not say",
        ),
        sa.Column(
            "precipitation_probability",
            sa.Double(),
            nullable=True,
            comment="Chance of rain or snow, in a forecast [%]; null where the source does not say",
        ),
        sa.Column(
            "cloud_cover",
            sa.Double(),
            nullable=True,
            comment="Sky covered [%]; null where the source does not say",
        ),
        sa.Column(
            "pressure",
            sa.Double(),
            nullable=True,
            comment="Air pressure at sea level [hPa]; null where the source does not say",
        ),
        sa.Column(
            "visibility",
            sa.Double(),
            nullable=True,
            comment="How far one sees [m]; null where the source does not say",
        ),
        sa.Column(
            "weather_code", sa.SmallInteger(), nullable=True, comment="WMO code table 4677 [0-99]"
        ),
        sa.Column("weather_text", sa.Text(), nullable=True, comment="The code in words"),
        sa.CheckConstraint(
            "kind IN ('observation', 'forecast', 'reanalysis')", name=op.f("weather_kind_known")
        ),
        sa.PrimaryKeyConstraint(
            "system_id", "issued_at", "valid_at", "kind", name=op.f("weather_pkey")
        ),
        comment="Weather where a system is: observed, forecast as issued, or reanalysed later",
    )
