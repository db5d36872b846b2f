"""The sensor that materialises what is overdue. What that is, stands in `freshness`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from bike_demand import freshness, settings
from bike_demand.automation import utc_now
from bike_demand.cadence import CADENCES, LATER
from bike_demand.freshness import Missing
from bike_demand.made import BY_TAG, SENSOR, Made, going_on, waiting


def freshness_sensor_at(now: Callable[[], datetime] = utc_now) -> dg.SensorDefinition:
    """The sensor, by some clock, UTC."""

    @dg.sensor(
        name=SENSOR,
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
        # What goes on is read first: a run that ends in between is seen as made.
        on, made = going_on(instance), Made(instance)
        expected, missing = freshness.missing(CADENCES, moment, made, made.begun)
        plan = freshness.plan(
            expected, missing, moment, on, _tried(context.cursor), waiting(instance)
        )
        requests = [_request(item, moment) for item in plan.ask]
        if requests:  # Dagster keeps a file of each tick that logs; a skipped one tells its reason
            context.log.info(plan.told())
        return dg.SensorResult(
            run_requests=requests or None,
            skip_reason=None if requests else plan.told(),
            cursor=json.dumps(
                {name: [number, at.isoformat()] for name, (number, at) in plan.tries.items()}
            ),
        )

    return freshness_sensor


freshness_sensor = freshness_sensor_at()


def _tried(cursor: str | None) -> freshness.Tries:
    """What the cursor says; nothing if it is of another version: then all is tried anew."""
    try:
        kept = json.loads(cursor or "{}")
        return {
            name: (int(number), datetime.fromisoformat(at)) for name, (number, at) in kept.items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def _request(item: Missing, moment: datetime) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{item.name} at {moment:%Y-%m-%dT%H:%M}",
        asset_selection=[dg.AssetKey(asset) for asset in item.assets],
        partition_key=item.key,
        tags={**item.cadence.tags(LATER), BY_TAG: SENSOR},
    )
