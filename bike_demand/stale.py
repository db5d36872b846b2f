"""Of data that is too old, what people are told: the cause, and not all that follows from it.

Pure functions. What is too old `data_times` says.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bike_demand.alerts import Incident
from bike_demand.cadence import BY_ASSET
from bike_demand.data_times import Age, limit
from bike_demand.forecasting.splits import HOUR

PATIENCE: Final = HOUR
"""What is made of something else is told as late as that, so that its cause is told first."""


@dataclass(frozen=True)
class Known:
    """What the last look left.

    Attributes:
        open: Incidents that were told, by key.
        failing: Assets whose runs fail.
        hushed: Until when what followed from something else is not told, UTC, by key: when its
            cause is over, it needs a time to be made again.
    """

    open: Mapping[str, Incident]
    failing: Collection[str]
    hushed: Mapping[str, datetime]


def incidents(
    ages: Sequence[Age], known: Known, now: datetime, *, page_url: str, slept: bool
) -> tuple[list[Incident], dict[str, datetime]]:
    """Those to be told, or told and not over; and what is hushed from now on.

    Args:
        ages: Of each cadence's asset and each system.
        known: What the last look left.
        now: UTC.
        page_url: Of Dagster's page.
        slept: Whether nothing ran until now: then everything follows from that.
    """
    stale = {(age.asset, age.system_id) for age in ages if age.is_stale(now)}
    failing = {BY_ASSET[asset].name for asset in known.failing if asset in BY_ASSET}
    found, hushed = [], {}
    for age in ages:
        if age.newest is None or age.stale_at is None or not age.is_stale(now):
            continue
        cadence = BY_ASSET[age.asset]
        incident = _incident(age, age.newest, age.stale_at, page_url)
        follows = (
            slept
            or age.asset in failing
            or any(name in failing or (name, age.system_id) in stale for name in _above(age.asset))
        )
        if incident.key in known.open:
            found.append(known.open[incident.key])
        elif follows:
            hushed[incident.key] = now + limit(cadence)
        elif now < known.hushed.get(incident.key, now):
            hushed[incident.key] = known.hushed[incident.key]
        elif not cadence.needs or now > age.stale_at + PATIENCE:
            found.append(incident)
    return found, hushed


def _above(asset: str) -> set[str]:
    """First assets of the cadences that an asset is made from, directly or not."""
    names = {BY_ASSET[need.asset].name for need in BY_ASSET[asset].needs}
    return names.union(*(_above(name) for name in names))


def _incident(age: Age, newest: datetime, since: datetime, page_url: str) -> Incident:
    return Incident(
        key=f"{age.asset} {age.system_id} stale",
        asset=age.asset,
        partition=None,
        since=since,
        what=(
            f"The newest data of {age.system_id} in {age.asset} is of {newest:%Y-%m-%d %H:%M} UTC."
        ),
        todo="Look at its newest runs and checks; 'bike-demand status' tells what answers.",
        link=f"{page_url}/assets/{age.asset}",
    )
