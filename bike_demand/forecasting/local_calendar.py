"""What a system's own clock shows: the only place where UTC becomes local time."""

from datetime import datetime

import pandas as pd


def local_calendar(timezone: str, start: datetime, end: datetime) -> pd.DataFrame:
    """The local clock at each full UTC hour in `[start, end)`.

    Args:
        timezone: IANA name of the clock.
        start: First instant, UTC.
        end: First instant that no longer counts, UTC.

    Returns:
        One row per hour: `hour` (UTC), `local_date`, `local_hour` (0-23), `weekday` (ISO,
        Monday is 1) and `utc_offset` (seconds that local time is ahead of UTC). On the day
        clocks go back a local hour stands twice; on the day they go forward one is missing.
    """
    hour = pd.date_range(pd.Timestamp(start).ceil("h"), end, freq="h", inclusive="left", unit="us")
    local = hour.tz_convert(timezone)
    offset = local.tz_localize(None) - hour.tz_localize(None)
    return pd.DataFrame(
        {
            "hour": hour,
            "local_date": local.date,
            "local_hour": local.hour.astype("int16"),
            "weekday": (local.dayofweek + 1).astype("int16"),
            "utc_offset": (offset // pd.Timedelta(seconds=1)).astype("int32"),
        }
    )
