"""A webhook that takes no events: people are told of it.

How far the telling has come stands in the cursor of `announcement_sensor`, and nowhere else.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import dagster as dg

from bike_demand.alerts import Incident
from bike_demand.announce import LONGEST_WAIT, SENSOR, Progress

AWAY: Final = timedelta(hours=1)
"""So long a receiver may be away without a word: a restart is no news."""


def incidents(instance: dg.DagsterInstance, now: datetime, page_url: str) -> list[Incident]:
    """The webhook, if it has refused for `AWAY` or longer whatever it was told.

    Args:
        instance: Whose sensor tells it.
        now: UTC.
        page_url: Of Dagster's page.
    """
    kept = [_cursor(state) for state in instance.all_instigator_state()]
    found = (_incident(cursor, now, page_url) for cursor in kept if cursor)
    return [one for one in found if one is not None]


def _incident(cursor: str, now: datetime, page_url: str) -> Incident | None:
    """Likewise, by what the sensor has kept."""
    progress, _ = Progress.read(cursor)
    if progress is None or progress.refused_since is None or progress.again_at is None:
        return None
    # A sensor that is off, or of a code location that is no more, does not try any longer.
    is_tried = now - progress.again_at < 2 * LONGEST_WAIT
    if not is_tried or now - progress.refused_since < AWAY:
        return None
    return Incident(
        key=f"{SENSOR} webhook",
        asset="station_forecast",
        partition=None,
        since=progress.refused_since,
        what=f"The webhook refused what it was told, {progress.tries} times in a row.",
        todo=(
            "Look at the receiver, and at the sensor's log for what it answers; what waits is told "
            "once it takes it, within three days."
        ),
        link=f"{page_url}/automation",
    )


def _cursor(state: Any) -> str | None:
    """What the sensor has kept; None of any other, and before its first tick."""
    data = state.instigator_data
    return data.cursor if state.instigator_name == SENSOR and data is not None else None
