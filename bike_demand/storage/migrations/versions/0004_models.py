"""Models, their champion, forecasts and risks."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "champion_decision",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "trained_for",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Start of the UTC day [UTC]",
        ),
        sa.Column("decision", sa.Text(), nullable=False, comment="promoted or kept"),
        sa.Column("reason", sa.Text(), nullable=False, comment="Why, in a stable word"),
        sa.Column("detail", sa.Text(), nullable=False, comment="Why, in a sentence"),
        sa.Column(
            "applied",
            sa.Boolean(),
            nullable=False,
            comment="The challenger became champion; false too for a day that is not the newest",
        ),
        sa.Column("challenger", sa.Text(), nullable=False, comment="Its version in the registry"),
        sa.Column("algorithm", sa.Text(), nullable=False, comment="The challenger's"),
        sa.Column(
            "champion",
            sa.Text(),
            nullable=True,
            comment="The version that reigned before; null: none did",
        ),
        sa.Column(
            "unseen_from",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="First origin compared on [UTC]",
        ),
        sa.Column(
            "unseen_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="No target compared on is as late [UTC]",
        ),
        sa.Column(
            "rows",
            sa.Integer(),
            nullable=True,
            comment="Rows compared on, of all gated horizons [count]",
        ),
        sa.Column(
            "gain",
            sa.Double(),
            nullable=True,
            comment="1 - CRPS of the challenger / of the champion, mean of the gated horizons",
        ),
        sa.Column(
            "gain_low",
            sa.Double(),
            nullable=True,
            comment="Lower end of its 90 % interval, days drawn with replacement",
        ),
        sa.Column("gain_high", sa.Double(), nullable=True, comment="Upper end"),
        sa.Column("margin", sa.Double(), nullable=True, comment="Gain that is asked for"),
        sa.Column("figures", sa.Text(), nullable=False, comment="Scores by gated horizon [JSON]"),
        sa.CheckConstraint(
            "decision IN ('promoted', 'kept')", name=op.f("champion_decision_decision_known")
        ),
        sa.PrimaryKeyConstraint("system_id", "trained_for", name=op.f("champion_decision_pkey")),
        comment="Which model each day's comparison was won by, and why",
    )
    op.create_table(
        "model_evaluation",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "trained_for",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Start of the UTC day [UTC]",
        ),
        sa.Column("algorithm", sa.Text(), nullable=False, comment="lightgbm or xgboost"),
        sa.Column(
            "split",
            sa.Text(),
            nullable=False,
            comment="validation: learning was stopped by it; test: nothing of it was learnt",
        ),
        sa.Column("horizon", sa.SmallInteger(), nullable=False, comment="Hours ahead [1-24]"),
        sa.Column("model_version", sa.Text(), nullable=False, comment="In the registry"),
        sa.Column("run_id", sa.Text(), nullable=False, comment="In MLflow"),
        sa.Column(
            "feature_version", sa.Text(), nullable=False, comment="Of the features it expects"
        ),
        sa.Column(
            "data_until",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Last target looked at [UTC]",
        ),
        sa.Column("pairs", sa.Integer(), nullable=False, comment="Rows it was learnt from [count]"),
        sa.Column("rows", sa.Integer(), nullable=False, comment="Rows scored [count]"),
        sa.Column(
            "rmse",
            sa.Double(),
            nullable=True,
            comment="Root mean squared error of the mean [bikes]",
        ),
        sa.Column(
            "mae",
            sa.Double(),
            nullable=True,
            comment="Mean absolute error of the median [bikes]; of the test only, as what follows",
        ),
        sa.Column(
            "wape",
            sa.Double(),
            nullable=True,
            comment="Sum of absolute errors over the sum of bikes",
        ),
        sa.Column(
            "crps",
            sa.Double(),
            nullable=True,
            comment="Continuous ranked probability score [bikes]",
        ),
        sa.Column(
            "brier_empty",
            sa.Double(),
            nullable=True,
            comment="Brier score of the probability of no bike",
        ),
        sa.Column(
            "brier_full",
            sa.Double(),
            nullable=True,
            comment="Brier score of the probability of no free dock",
        ),
        sa.Column(
            "pit_coverage_80",
            sa.Double(),
            nullable=True,
            comment="Probability within the middle 80 %; 0.8 if calibrated",
        ),
        sa.Column(
            "best_simple", sa.Text(), nullable=True, comment="Simple forecast with the lowest RMSE"
        ),
        sa.Column(
            "skill_rmse",
            sa.Double(),
            nullable=True,
            comment="1 - RMSE / lowest RMSE of the simple forecasts on the same rows",
        ),
        sa.Column("skill_mae", sa.Double(), nullable=True, comment="Likewise of the MAE"),
        sa.Column("skill_crps", sa.Double(), nullable=True, comment="Likewise of the CRPS"),
        sa.Column(
            "skill_brier_empty",
            sa.Double(),
            nullable=True,
            comment="Likewise of the Brier score of empty",
        ),
        sa.Column(
            "skill_brier_full",
            sa.Double(),
            nullable=True,
            comment="Likewise of the Brier score of full",
        ),
        sa.CheckConstraint(
            "split IN ('validation', 'test')", name=op.f("model_evaluation_split_known")
        ),
        sa.CheckConstraint("pairs >= 0", name=op.f("model_evaluation_pairs_not_negative")),
        sa.CheckConstraint("rows >= 0", name=op.f("model_evaluation_rows_not_negative")),
        sa.PrimaryKeyConstraint(
            "system_id",
            "trained_for",
            "algorithm",
            "split",
            "horizon",
            name=op.f("model_evaluation_pkey"),
        ),
        comment="How good each day's models were, on rows held out: the leaderboard",
    )
    op.create_table(
        "model_event",
        sa.Column(
            "system_id",
            sa.Text(),
            nullable=False,
            comment="The bike-share system, as in the settings",
        ),
        sa.Column(
            "at", sa.DateTime(timezone=True), nullable=False, comment="When it happened [UTC]"
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="promotion or rollback"),
        sa.Column("model_version", sa.Text(), nullable=False, comment="The champion from now on"),
        sa.Column(
            "replaced",
            sa.Text(),
            nullable=True,
            comment="The champion before; null: there was none",
        ),
        sa.Column(
            "trained_for",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Day of the version [UTC]",
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="Why, in a sentence"),
        sa.PrimaryKeyConstraint("system_id", "at", "kind", name=op.f("model_event_pkey")),
        comment="Every change of the champion, with its reason",
    )
    op.create_table(
        "station_forecast",
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
            "station_id", sa.Text(), nullable=False, comment="The station, as its feed names it"
        ),
        sa.Column(
            "target_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Tick forecast for [UTC]",
        ),
        sa.Column(
            "role",
            sa.Text(),
            nullable=False,
            comment="champion; simple: there is none, or it has seen what came after the origin",
        ),
        sa.Column(
            "issued_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When it was made [UTC]",
        ),
        sa.Column(
            "late", sa.Boolean(), nullable=False, comment="Made over 30 minutes after the origin"
        ),
        sa.Column(
            "model_version",
            sa.Text(),
            nullable=True,
            comment="In the registry; null for a simple one",
        ),
        sa.Column("horizon", sa.SmallInteger(), nullable=False, comment="Hours ahead [1-24]"),
        sa.Column(
            "in_service", sa.Boolean(), nullable=False, comment="It gave bikes out at the origin"
        ),
        sa.Column(
            "capacity", sa.Integer(), nullable=False, comment="Bikes there is room for [count]"
        ),
        sa.Column("bikes", sa.REAL(), nullable=False, comment="Expected bikes: the mean [bikes]"),
        sa.Column(
            "p10", sa.Integer(), nullable=False, comment="With 10 % there are no more [bikes]"
        ),
        sa.Column("p50", sa.Integer(), nullable=False, comment="The median [bikes]"),
        sa.Column(
            "p90", sa.Integer(), nullable=False, comment="With 90 % there are no more [bikes]"
        ),
        sa.Column("p_empty", sa.REAL(), nullable=True, comment="Probability of no bike [0-1]"),
        sa.Column(
            "p_full",
            sa.REAL(),
            nullable=True,
            comment="Probability of no free dock; null where docks are not told [0-1]",
        ),
        sa.CheckConstraint("capacity >= 0", name=op.f("station_forecast_capacity_not_negative")),
        sa.CheckConstraint("p10 >= 0", name=op.f("station_forecast_p10_not_negative")),
        sa.PrimaryKeyConstraint(
            "system_id",
            "origin_at",
            "station_id",
            "target_at",
            "role",
            name=op.f("station_forecast_pkey"),
        ),
        comment="Bikes at each station 1 to 24 hours ahead, as distributions",
    )
    op.create_table(
        "station_risk",
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
            "station_id", sa.Text(), nullable=False, comment="The station, as its feed names it"
        ),
        sa.Column(
            "role",
            sa.Text(),
            nullable=False,
            comment="champion; simple: there is none, or it has seen what came after the origin",
        ),
        sa.Column(
            "issued_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When it was made [UTC]",
        ),
        sa.Column(
            "late", sa.Boolean(), nullable=False, comment="Made over 30 minutes after the origin"
        ),
        sa.Column(
            "model_version",
            sa.Text(),
            nullable=True,
            comment="In the registry; null for a simple one",
        ),
        sa.Column(
            "in_service", sa.Boolean(), nullable=False, comment="It gave bikes out at the origin"
        ),
        sa.Column(
            "p_empty_hour",
            sa.REAL(),
            nullable=True,
            comment="Probability of an hour or more without a bike, in the next 6 h [0-1]",
        ),
        sa.Column(
            "p_full_hour",
            sa.REAL(),
            nullable=True,
            comment="Likewise without a free dock; null where docks are not told [0-1]",
        ),
        sa.Column(
            "neighbour_id",
            sa.Text(),
            nullable=True,
            comment="Nearest station in service; null: none is placed",
        ),
        sa.Column("neighbour_distance", sa.REAL(), nullable=True, comment="How far it is [m]"),
        sa.Column(
            "empty_shared",
            sa.Boolean(),
            nullable=True,
            comment="The neighbour is more likely than not empty, too",
        ),
        sa.Column(
            "full_shared",
            sa.Boolean(),
            nullable=True,
            comment="The neighbour is more likely than not full, too",
        ),
        sa.PrimaryKeyConstraint(
            "system_id", "origin_at", "station_id", "role", name=op.f("station_risk_pkey")
        ),
        comment="How likely each station is to be empty or full for an hour or more, within 6 hours",
    )
