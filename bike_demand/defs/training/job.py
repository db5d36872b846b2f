"""The daily job: both models of the day that closed, and which model reigns from then on."""

import dagster as dg

from bike_demand import freshness, services, settings
from bike_demand.automation import closed_partition
from bike_demand.cadence import CADENCES, MODELS
from bike_demand.made import Made, going_on
from bike_demand.storage.windows import Window

training_job = dg.define_asset_job(
    "training_job",
    selection=dg.AssetSelection.assets(*MODELS.assets),
    description="Both models of a UTC day, and whether the better one becomes champion.",
)


def trouble(context: dg.ScheduleEvaluationContext, window: Window) -> str | None:
    """What there is too little of, or which service that training needs does not answer.

    A tick that is made good after a pause finds that the freshness sensor has asked already.
    """
    made, key = Made(context.instance), MODELS.key(window.start)
    if all(made(asset, {key}) for asset in MODELS.assets):
        return "it is made."
    if any((asset, key) in going_on(context.instance) for asset in MODELS.assets):
        return "a run is at it."
    if lack := freshness.lacking(MODELS, window, CADENCES, made):
        return lack
    configured = settings.load()
    asked = (services.postgres(configured), services.registry(configured))
    return "; ".join(f"{one.name}: {one.detail}" for one in asked if not one.answers) or None


# By 02:00 UTC the day's last features were made hours ago, and riders of the Americas are asleep.
training_schedule = closed_partition(training_job.name, MODELS, settings.load(), trouble)
