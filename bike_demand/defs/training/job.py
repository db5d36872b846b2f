"""The daily job: both models of the day that closed, and which model reigns from then on."""

import dagster as dg

from bike_demand import settings

training_job = dg.define_asset_job(
    "training_job",
    selection=dg.AssetSelection.assets("lightgbm_model", "xgboost_model", "champion_model"),
    description="Both models of a UTC day, and whether the better one becomes champion.",
)

training_schedule = dg.build_schedule_from_partitioned_job(
    training_job,
    hour_of_day=2,  # the day's last features were made hours ago, and riders are asleep
    default_status=dg.DefaultScheduleStatus(settings.load().schedules.upper()),
    description="Trains for the UTC day that closed.",
)
