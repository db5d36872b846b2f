"""What watches models and data: accuracy, drift, quality; events with their numbers."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "data_quality",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "window_start",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Start of the 4 hours [UTC]",
        ),
        sa.Column(
            "rule", sa.Text(), nullable=False, comment="What was asked (docs/data-quality.md)"
        ),
        sa.Column(
            "severity",
            sa.Text(),
            nullable=False,
            comment="critical, error or warning, if it is broken",
        ),
        sa.Column("count", sa.Integer(), nullable=False, comment="Rows that break it [count]"),
        sa.Column("checked", sa.Integer(), nullable=False, comment="Rows that were asked [count]"),
        sa.Column(
            "share",
            sa.Double(),
            nullable=True,
            comment="One over the other; null where none was asked [0-1]",
        ),
        sa.Column(
            "sample", sa.Text(), nullable=False, comment="Some of them, by their keys [JSON]"
        ),
        sa.CheckConstraint(
            "severity IN ('critical', 'error', 'warning')", name=op.f("data_quality_severity_known")
        ),
        sa.CheckConstraint("checked >= 0", name=op.f("data_quality_checked_not_negative")),
        sa.CheckConstraint("count >= 0", name=op.f("data_quality_count_not_negative")),
        sa.PrimaryKeyConstraint(
            "system_id", "window_start", "rule", name=op.f("data_quality_pkey")
        ),
        comment="What was wrong with what is stored, by rule; a rule that holds has a count of 0",
    )
    op.create_table(
        "feature_drift",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "hour",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Last of the 24 origins [UTC]",
        ),
        sa.Column(
            "feature", sa.Text(), nullable=False, comment="Of the model; or forecast, or target"
        ),
        sa.Column("model_version", sa.Text(), nullable=False, comment="The champion compared with"),
        sa.Column(
            "psi",
            sa.Double(),
            nullable=True,
            comment="Population stability index against what the champion has learnt from",
        ),
        sa.Column(
            "band",
            sa.Text(),
            nullable=False,
            comment="none, minor (0.1 or more), moderate (0.15), critical (0.25); unknown: too little",
        ),
        sa.Column("rows", sa.Integer(), nullable=False, comment="Compared [count]"),
        sa.Column("hours", sa.SmallInteger(), nullable=False, comment="Origins they are of [0-24]"),
        sa.CheckConstraint(
            "band IN ('none', 'minor', 'moderate', 'critical', 'unknown')",
            name=op.f("feature_drift_band_known"),
        ),
        sa.CheckConstraint("hours >= 0", name=op.f("feature_drift_hours_not_negative")),
        sa.CheckConstraint("rows >= 0", name=op.f("feature_drift_rows_not_negative")),
        sa.PrimaryKeyConstraint("system_id", "hour", "feature", name=op.f("feature_drift_pkey")),
        comment="How far what the champion is asked has moved from what it has learnt from",
    )
    op.create_table(
        "forecast_accuracy",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "target_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Tick that was forecast [UTC]",
        ),
        sa.Column("horizon", sa.SmallInteger(), nullable=False, comment="Hours ahead [1-24]"),
        sa.Column(
            "role", sa.Text(), nullable=False, comment="champion, simple, challenger or predecessor"
        ),
        sa.Column(
            "model_version",
            sa.Text(),
            nullable=False,
            comment="In the registry; empty for a simple one",
        ),
        sa.Column("rows", sa.Integer(), nullable=False, comment="Stations scored [count]"),
        sa.Column("bikes", sa.Double(), nullable=False, comment="Sum over rows: those there were"),
        sa.Column(
            "squared_error",
            sa.Double(),
            nullable=False,
            comment="Sum over rows: of the mean [bikes²]",
        ),
        sa.Column(
            "absolute_error",
            sa.Double(),
            nullable=False,
            comment="Sum over rows: of the median [bikes]",
        ),
        sa.Column(
            "quantile_loss",
            sa.Double(),
            nullable=False,
            comment="Sum over rows: twice the mean pinball loss of the 10, 50 and 90 % quantiles "
            "[bikes]",
        ),
        sa.Column(
            "inside",
            sa.Double(),
            nullable=True,
            comment="Sum over rows: probability within the middle 80 %; 0.8 of rows if calibrated; "
            "null of forecasts that did not tell it",
        ),
        sa.Column(
            "empty", sa.Double(), nullable=False, comment="Sum over rows: stations without a bike"
        ),
        sa.Column(
            "p_empty", sa.Double(), nullable=False, comment="Sum over rows: probability of it"
        ),
        sa.Column(
            "brier_empty",
            sa.Double(),
            nullable=False,
            comment="Sum over rows: squared error of the probability",
        ),
        sa.Column(
            "rows_full", sa.Integer(), nullable=False, comment="Of rows, those with docks [count]"
        ),
        sa.Column(
            "full",
            sa.Double(),
            nullable=False,
            comment="Sum over rows: stations without a free dock",
        ),
        sa.Column(
            "p_full", sa.Double(), nullable=False, comment="Sum over rows: probability of it"
        ),
        sa.Column(
            "brier_full",
            sa.Double(),
            nullable=False,
            comment="Sum over rows: squared error of the probability",
        ),
        sa.Column(
            "persistence_squared_error",
            sa.Double(),
            nullable=False,
            comment="Sum over rows: of the bikes at the origin [bikes²]",
        ),
        sa.Column(
            "persistence_absolute_error",
            sa.Double(),
            nullable=False,
            comment="Sum over rows: of the same, and their quantile loss [bikes]",
        ),
        sa.Column(
            "persistence_brier_empty",
            sa.Double(),
            nullable=False,
            comment="Sum over rows: of being empty at the origin",
        ),
        sa.Column(
            "persistence_brier_full",
            sa.Double(),
            nullable=False,
            comment="Sum over rows: of being full at the origin",
        ),
        sa.CheckConstraint("rows >= 0", name=op.f("forecast_accuracy_rows_not_negative")),
        sa.CheckConstraint("rows_full >= 0", name=op.f("forecast_accuracy_rows_full_not_negative")),
        sa.PrimaryKeyConstraint(
            "system_id",
            "target_at",
            "horizon",
            "role",
            "model_version",
            name=op.f("forecast_accuracy_pkey"),
        ),
        comment="How forecasts that came due fared, beside persistence; sums, so that hours add up",
    )
    op.create_table(
        "forecast_input",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "origin_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Tick forecast from [UTC]",
        ),
        sa.Column(
            "feature", sa.Text(), nullable=False, comment="Of the model; forecast: what it said"
        ),
        sa.Column(
            "model_version", sa.Text(), nullable=False, comment="The champion, with its bins"
        ),
        sa.Column(
            "counts",
            sa.Text(),
            nullable=False,
            comment="Rows in each of the model's bins, last those unknown [JSON]",
        ),
        sa.PrimaryKeyConstraint(
            "system_id", "origin_at", "feature", name=op.f("forecast_input_pkey")
        ),
        comment="What the champion was asked, counted in the bins of what it has learnt from",
    )
    op.add_column(
        "model_event",
        sa.Column(
            "figures",
            sa.Text(),
            nullable=True,
            comment="The numbers it goes by [JSON]; null: by hand",
        ),
    )
    op.alter_column(
        "model_event",
        "kind",
        existing_type=sa.TEXT(),
        comment="promotion, refusal, rollback, retraining, nothing_new, pin or unpin",
        existing_comment="promotion or rollback",
        existing_nullable=False,
    )
    op.alter_column(
        "model_event",
        "model_version",
        existing_type=sa.TEXT(),
        comment="The champion from now on; of a refusal the challenger",
        existing_comment="The champion from now on",
        existing_nullable=False,
    )
    op.alter_column(
        "model_event",
        "replaced",
        existing_type=sa.TEXT(),
        comment="The champion before; null: none was, or it stays",
        existing_comment="The champion before; null: there was none",
        existing_nullable=True,
    )
    op.create_table_comment(
        "model_event",
        "What was done about models, and what was refused, with the reason",
        existing_comment="Every change of the champion, with its reason",
        schema=None,
    )
    op.add_column(
        "station_forecast",
        sa.Column(
            "p10_inside",
            sa.REAL(),
            nullable=True,
            comment="Share of p10 bikes that lies in the middle 80 %: its PIT, if due [0-1]",
        ),
    )
    op.add_column(
        "station_forecast",
        sa.Column("p90_inside", sa.REAL(), nullable=True, comment="Likewise of p90 bikes [0-1]"),
    )
    op.alter_column(
        "station_forecast",
        "role",
        existing_type=sa.TEXT(),
        comment="champion; simple: there is none, or it has seen what came after the origin; "
        "challenger, predecessor: in the shadow, at some horizons, to be compared",
        existing_comment="champion; simple: there is none, or it has seen what came after the origin",
        existing_nullable=False,
    )
    op.alter_column(
        "station_risk",
        "role",
        existing_type=sa.TEXT(),
        comment="champion; simple: there is none, or it has seen what came after the origin; "
        "challenger, predecessor: in the shadow, at some horizons, to be compared",
        existing_comment="champion; simple: there is none, or it has seen what came after the origin",
        existing_nullable=False,
    )
