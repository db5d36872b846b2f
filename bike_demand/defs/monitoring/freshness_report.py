"""The asset `freshness_report`: what stands missing or old, and a check for each cadence.

The checks are its own, not those of the assets that they are about: a run of an asset brings all
checks of it along, and a backfill of a month would look a thousand times at the present.
"""

import dagster as dg

from bike_demand import data_times, freshness, settings
from bike_demand.automation import by_the_clock, utc_now
from bike_demand.cadence import CADENCES
from bike_demand.data_times import Age
from bike_demand.freshness import Missing
from bike_demand.made import Made
from bike_demand.resources import PostgresIOManager

NAME = "freshness_report"
THERE, RECENT = "there", "recent"
MOST = 20
"""Partitions that are named."""


@dg.asset(
    name=NAME,
    check_specs=[
        spec
        for cadence in CADENCES
        for spec in (
            dg.AssetCheckSpec(
                f"{cadence.name}_is_{THERE}",
                asset=NAME,
                description="Every partition of the last 48 hours that is due was materialised.",
            ),
            dg.AssetCheckSpec(
                f"{cadence.name}_is_{RECENT}",
                asset=NAME,
                description="The newest time that the data of each system speaks of is recent.",
            ),
        )
    ],
    group_name="monitoring",
    kinds={"python", "postgres"},
    code_version="1",
)
def freshness_report(  # type: ignore[no-untyped-def]  # noqa: ANN201  # as in `stations`
    context: dg.AssetExecutionContext, io_manager: dg.ResourceParam[PostgresIOManager]
):
    """Which partitions of the last 48 hours are missing or failed, and which data is old."""
    now, made = utc_now(), Made(context.instance)
    expected, missing = freshness.missing(CADENCES, now, made, made.begun)
    failed = made.failed(missing)
    with io_manager.warehouse().connection() as connection:
        ages = data_times.ages(connection, settings.load().systems)
    results = []
    for cadence in CADENCES:
        own = [item for item in missing if item.cadence is cadence]
        results += [
            _there(cadence.name, own, failed),
            _recent(cadence.name, [age for age in ages if age.asset == cadence.name]),
        ]
    return dg.MaterializeResult(
        metadata={"expected": expected, "missing": len(missing)}, check_results=results
    )


def _there(asset: str, missing: list[Missing], failed: set[str]) -> dg.AssetCheckResult:
    lines = [
        f"{item.key}: {'failed' if item.name in failed else 'missing'}"
        + (f", {item.why_left}" if item.why_left else "")
        for item in missing[:MOST]
    ]
    return dg.AssetCheckResult(
        check_name=f"{asset}_is_{THERE}",
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "missing": len(missing),
            "of them failed": sum(item.name in failed for item in missing),
            "partitions": "\n".join(lines) or "none",
        },
    )


def _recent(asset: str, ages: list[Age]) -> dg.AssetCheckResult:
    now = utc_now()
    return dg.AssetCheckResult(
        check_name=f"{asset}_is_{RECENT}",
        passed=not any(age.is_stale(now) for age in ages),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            f"newest {age.system_id}": f"{age.newest:%Y-%m-%d %H:%M} UTC" if age.newest else "none"
            for age in ages
        },
    )


freshness_job, freshness_schedule = by_the_clock(
    NAME,
    "freshness_job",
    "25 * * * *",
    settings.load(),
    what="What stands missing or old.",
    when="Hourly, when everything else has had its time.",
)
