"""What became of a station on the past days, from the origin's to the target's time of day.

Every past day is an example of what may happen: its change tells what a day does to the station,
most of all where the station then had about as many bikes as now. Days are told apart as working
days and free ones (weekends, holidays), and aligned on the local clock.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bike_demand.forecasting.arithmetic import ratio
from bike_demand.forecasting.calendar_features import LocalDays
from bike_demand.forecasting.feature import Feature
from bike_demand.forecasting.past import DAY, HOUR, Past

DAYS: Final = 28
"""How many past days are looked at."""

AROUND: Final = (-HOUR, 0, HOUR)
"""Each day counts with the changes that began an hour earlier and an hour later, too [ticks]."""

BANDWIDTH: Final = 4.0
"""Of the normal kernel that weighs past days by how many bikes there were [bikes]."""

UNLIKE: Final = 0.1
"""The weight of a free day for a working one, and of a working day for a free one."""

LOOKBACK: Final = timedelta(days=DAYS, hours=2)
"""An hour for `AROUND`, and one for clocks that have been put forward since."""


def _declared(name: str, meaning: str, unit: str = "bikes") -> Feature:
    return Feature(name, meaning, unit, LOOKBACK, "station_status")


_SPAN = f"from the origin's to the target's time of day on the past {DAYS} days"
_LIKE = "days of the same kind"
_NEAR = "weighted by how near the bikes were to those of the origin"

PROFILE: Final = (
    _declared("change_days", f"Mean change of bikes {_SPAN}"),
    _declared("change_alike", f"Mean change of bikes {_SPAN}, {_LIKE}"),
    _declared("deviation_alike", f"Standard deviation of the changes {_SPAN}, {_LIKE}"),
    _declared("bikes_days", f"Mean bikes at the target's time of day on the past {DAYS} days"),
    _declared("bikes_alike", f"The same, {_LIKE}"),
    _declared("bikes_before_alike", f"Mean bikes at the origin's time of day, {_LIKE}"),
    _declared("empty_alike", f"Share of {_LIKE} without a bike at the target's time of day", "0-1"),
    _declared("full_alike", f"Share of {_LIKE} without a free dock then", "0-1"),
    _declared("change_near", f"Mean change of bikes {_SPAN}, {_NEAR}"),
    _declared("deviation_near", f"Standard deviation of the changes {_SPAN}, {_NEAR}"),
    _declared("empty_near", f"Share of the days without a bike at the target's time, {_NEAR}"),
    _declared("full_near", f"Share of the days without a free dock then, {_NEAR}"),
    _declared("weight_near", "Sum of those weights", "changes"),
)


def profile(
    past: Past,
    horizon: int,
    clock: Callable[[NDArray[np.int64]], LocalDays],
) -> Mapping[str, NDArray[Any]]:
    """The features of `PROFILE`.

    Args:
        past: R origins, S stations.
        horizon: Ticks from an origin to its target, up to a day.
        clock: Tells the local clock and calendar at some rows of the grid, before its start and
            after its end as well.

    Returns:
        Arrays of shape (R, S).
    """
    grid, origins = past.grid, np.asarray(past.rows)
    now = past.now(grid.bikes)
    zero = np.zeros(now.shape, dtype=np.float32)
    sums = {name: zero.copy() for name in _SUMS}
    days = origins - DAY * np.arange(DAYS + 1)[:, None]  # the origins, and as long before them
    starts, ends = clock(days), clock(days + horizon)
    # The same time on the local clock: later in UTC if the clock was further behind.
    days += starts.ahead[0] - starts.ahead
    alikes = (starts.free == starts.free[0]) & (ends.free == ends.free[0])
    for then, of_kind in zip(days[1:], alikes[1:], strict=True):
        alike = of_kind[:, None]
        for around in AROUND:
            before = past.at(grid.bikes, then + around)
            bikes = past.at(grid.bikes, then + around + horizon)
            docks = past.at(grid.docks, then + around + horizon)
            change = bikes - before
            known = ~np.isnan(change)
            change, bikes = np.where(known, change, 0), np.where(known, bikes, 0)
            empty, full = known & (bikes == 0), known & (docks == 0)
            like = known & alike
            near = np.exp(-0.5 * ((np.nan_to_num(before) - now) / BANDWIDTH) ** 2)
            near = np.where(known, near * np.where(alike, 1, UNLIKE), 0).astype(np.float32)
            for name, value in (
                ("days", known),
                ("change_days", change),
                ("bikes_days", bikes),
                ("alike", like),
                ("change_alike", like * change),
                ("square_alike", like * change * change),
                ("bikes_alike", like * bikes),
                ("empty_alike", like & empty),
                ("full_alike", like & full),
                ("near", near),
                ("change_near", near * change),
                ("square_near", near * change * change),
                ("empty_near", near * empty),
                ("full_near", near * full),
            ):
                sums[name] += value
    mean_alike = ratio(sums["change_alike"], sums["alike"])
    bikes_alike = ratio(sums["bikes_alike"], sums["alike"])
    mean_near = ratio(sums["change_near"], sums["near"])
    return {
        "change_days": ratio(sums["change_days"], sums["days"]),
        "change_alike": mean_alike,
        "deviation_alike": _deviation(ratio(sums["square_alike"], sums["alike"]), mean_alike),
        "bikes_days": ratio(sums["bikes_days"], sums["days"]),
        "bikes_alike": bikes_alike,
        "bikes_before_alike": bikes_alike - mean_alike,
        "empty_alike": ratio(sums["empty_alike"], sums["alike"]),
        "full_alike": ratio(sums["full_alike"], sums["alike"]),
        "change_near": mean_near,
        "deviation_near": _deviation(ratio(sums["square_near"], sums["near"]), mean_near),
        "empty_near": ratio(sums["empty_near"], sums["near"]),
        "full_near": ratio(sums["full_near"], sums["near"]),
        "weight_near": sums["near"],
    }


_SUMS: Final = (
    *("days", "change_days", "bikes_days"),
    *("alike", "change_alike", "square_alike", "bikes_alike", "empty_alike", "full_alike"),
    *("near", "change_near", "square_near", "empty_near", "full_near"),
)


def _deviation(mean_square: NDArray[Any], mean: NDArray[Any]) -> NDArray[Any]:
    """Roundings may leave a variance of less than nothing."""
    return np.asarray(np.sqrt(np.maximum(mean_square - mean * mean, 0)))
