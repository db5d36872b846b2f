"""The sensor that materialises what is overdue. What that is, stands in `freshness`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from bike_demand import freshness, settings
from bike_demand.automation import utc_now
from bike_demand.cadence import CADENCES
from bike_demand.freshness import Missing
from bike_demand.made import Made, going_on

BY_TAG = "bike_demand/asked_by"


def freshness_sensor_at(now: Callable[[], datetime] = utc_now) -> dg.SensorDefinition:
    """The sensor, by some clock, UTC."""

    @dg.sensor(
        name="freshness_sensor",
        asset_selection=dg.AssetSelection.assets(
            *(asset for cadence in CADENCES for asset in cadence.assets)
        ),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus(settings.load().schedules.upper()),
        description=(
            "Materialises the partitions of the last 48 hours that should exist, do not, and can "
            "be made: the newest first, each three times at most."
        ),
    )
    def freshness_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        instance, moment = context.instance, now().astimezone(UTC)
        tried = json.loads(context.cursor) if context.cursor else {}
        plan = freshness.plan(CADENCES, moment, Made(instance), going_on(instance), tried)
        context.log.info(plan.told())
        requests = [_request(item, plan.tries[item.name]) for item in plan.ask]
        return dg.SensorResult(
            run_requests=requests or None,
            skip_reason=None if requests else plan.told(),
            cursor=json.dumps(plan.tries),
        )

    return freshness_sensor


freshness_sensor = freshness_sensor_at()


def _request(item: Missing, number: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{item.name}, try {number}",
        asset_selection=[dg.AssetKey(asset) for asset in item.assets],
        partition_key=item.key,
        tags={**item.cadence.tags, BY_TAG: "freshness_sensor"},
    )
