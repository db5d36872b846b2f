"""What is watched for drift: the features of a model, what it says, and what came of it.

How far these have moved is told in `drift`. What shifts by construction is left out, with a reason.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.calendar_features import CALENDAR
from bike_demand.forecasting.drift import HOURS, Counts, Reference, Values, band, psi
from bike_demand.forecasting.examples import NAMES, Examples, Joined
from bike_demand.forecasting.grid import TICK, Grid
from bike_demand.forecasting.model import Model
from bike_demand.forecasting.profile_features import PROFILE
from bike_demand.forecasting.simple import hours_of_week
from bike_demand.forecasting.splits import HOUR, WEEK, Pairs, hourly_pairs, in_service, sample
from bike_demand.forecasting.surrounding_features import SYSTEM
from bike_demand.forecasting.weather_features import WEATHER_AHEAD, WEATHER_NOW

AHEAD: Final = 6 * HOUR
"""Horizon of the features of a target, of what is said and of what came: a middle one."""

ACTIVITY: Final = "activity"
"""A station's turnover of 24 h over what is usual for it, beside the median of all (logarithms).

Stations differ more from one another than a busy day from a quiet one, and the weather moves all of
them: a change at some of them is seen in what sets them apart from their own past and from the
others.
"""

FORECAST: Final = "forecast"
"""Change of bikes that is forecast."""

TARGET: Final = "target"
"""Change of bikes that came, in the hours before."""

_AVERAGES: Final = (
    "bikes_weeks_mean",
    "docks_weeks_mean",
    *(f"bikes_weeks_change_{hours}h" for hours in (1, 3, 6, 12, 24)),
    "target_bikes_weeks_mean",
    "target_bikes_weeks_change",
    "target_docks_weeks_mean",
    *(f"target_{feature.name}" for feature in PROFILE),
)

EXCLUDED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (*(f.name for f in CALENDAR), *(f"target_{f.name}" for f in CALENDAR), "horizon"),
        "the calendar moves on",
    ),
    **dict.fromkeys(
        (*(f.name for f in WEATHER_NOW), *(f"target_{f.name}" for f in WEATHER_AHEAD)),
        "a day has one weather, and seasons change",
    ),
    **dict.fromkeys(
        (*(f.name for f in SYSTEM), "coverage"),
        "a number for all stations at once: a day has 24 of them",
    ),
    **dict.fromkeys(
        _AVERAGES, "an average of as many past days as are known: of more, it is calmer"
    ),
}
"""Features that are not watched, and why."""

WATCHED: Final = tuple(name for name in NAMES if name not in EXCLUDED)
"""Features that are."""

SPAN: Final = 24
"""Origins that are compared."""

SPANS: Final[Mapping[str, int]] = {ACTIVITY: 6}
"""Likewise, of what looks back on a day itself."""

LEAST: Final = 0.75
"""Of the span's origins, without which nothing is said."""

_SAMPLE: Final = 200_000  # rows that bins are made from
_SAID: Final = 100_000  # rows that the model is asked about
_TURNOVER: Final = NAMES.index("turnover_24h")


def reference(
    model: Model, joined: Joined, grid: Grid, begin: datetime, end: datetime, timezone: str
) -> Reference:
    """What a model has learnt from, in bins.

    Args:
        model: It.
        joined: Features of the origins.
        grid: What they are of.
        begin: The first origin, a full hour.
        end: No target is as late.
        timezone: IANA name of the system's clock.
    """
    hours, ids = hours_of_week(grid.ticks, timezone), grid.station_ids
    rng = np.random.default_rng(0)
    every = joined.of(hourly_pairs(grid, begin, end, AHEAD, lags=()))
    share = _SAID / max(len(every), 1)
    some = sample(every, _SAMPLE, seed=0)
    rows = joined.examples(some, AHEAD)
    logarithms = pd.Series(np.log1p(rows.features[:, _TURNOVER].astype(np.float64)))
    usual = logarithms.groupby(ids[some.stations]).mean().dropna()
    asked = rng.random(len(some)) < share
    found = Reference.empty(
        {
            **_values(rows, some.origins, ids[some.stations], usual),
            FORECAST: _said(model, rows.part(asked)),
            TARGET: _change(grid, some),
        },
        {str(station): float(value) for station, value in usual.items()},
    )
    start = begin
    while start < end:  # a week at a time: all of a large city's rows would not fit
        until = min(start + WEEK, end)
        part = every.where(
            (every.origins >= grid.index(start)) & (every.origins < grid.index(until))
        )
        rows = joined.examples(part, AHEAD)
        for name, values in _values(rows, part.origins, ids[part.stations], usual).items():
            found.add(name, values, hours[part.origins])
        asked = rng.random(len(part)) < share
        found.add(FORECAST, _said(model, rows.part(asked)), hours[part.origins[asked]])
        found.add(TARGET, _change(grid, part), hours[part.targets])
        start = until
    return found


def counted(
    found: Reference, examples: Examples, stations: NDArray[np.object_], means: NDArray[np.float32]
) -> dict[str, Counts]:
    """What a model is asked at one origin, and what it says, in the bins of what it has learnt.

    Args:
        found: The model's.
        examples: Rows, `AHEAD`, of stations in service.
        stations: Of the rows.
        means: Bikes that are forecast.
    """
    usual = pd.Series(found.usual, dtype=np.float64)
    values = _values(examples, np.zeros(len(examples), dtype=np.int64), stations, usual)
    said = np.asarray(means - examples.bikes, dtype=np.float32)
    return found.count({**values, FORECAST: said})


def came(found: Reference, grid: Grid, tick: datetime) -> dict[str, Counts]:
    """What came of the hours before a tick of the grid, in the same bins."""
    row = grid.index(tick)
    before = row - AHEAD // TICK
    serves = in_service(grid)
    change = (grid.bikes[row] - grid.bikes[before])[serves[row] & serves[before]]
    return found.count({TARGET: change[~np.isnan(change)]})


def drift(
    found: Reference, counts: Mapping[str, Mapping[datetime, Counts]], now: datetime, timezone: str
) -> pd.DataFrame:
    """How far each value has moved.

    Args:
        found: What the model has learnt from.
        counts: By name and origin, from `counted` and `came`.
        now: The newest origin, UTC.
        timezone: IANA name of the system's clock.

    Returns:
        `feature`, `psi`, `band` (unknown where there is too little to say), `rows`, `hours`.
    """
    told = []
    for name in found.edges:
        span = SPANS.get(name, SPAN)
        of = {at: c for at, c in counts.get(name, {}).items() if now - span * HOUR < at <= now}
        # What happens at hours that nothing was learnt of is new, but not unlike.
        clock = dict(
            zip(of, hours_of_week(pd.DatetimeIndex([*of], tz="UTC"), timezone), strict=True)
        )
        known = {at: c for at, c in of.items() if c[:-1].sum() and found.knows(name, clock[at])}
        index = float("nan")
        total = sum(known.values(), np.zeros_like(next(iter(found.counts.values()))[0]))
        if len(known) >= LEAST * span:
            rows = np.zeros(HOURS, dtype=np.int64)
            for at, each in known.items():
                rows[clock[at]] += each[:-1].sum()
            stations = max(int(each.sum()) for each in known.values())
            index = psi(found.expected(name, rows), total, stations)
        told.append(
            {
                "feature": name,
                "psi": index,
                "band": band(index),
                "rows": int(total[:-1].sum()),
                "hours": len(known),
            }
        )
    return pd.DataFrame(told)


def _values(
    rows: Examples,
    origins: NDArray[np.int64],
    stations: NDArray[np.object_],
    usual: "pd.Series[float]",
) -> Values:
    """The features that are watched, and the activity."""
    values = {name: rows.features[:, NAMES.index(name)] for name in WATCHED}
    own = np.log1p(values["turnover_24h"].astype(np.float64)) - usual.reindex(stations).to_numpy()
    median = pd.Series(own).groupby(origins).transform("median").to_numpy()
    return {**values, ACTIVITY: (own - median).astype(np.float32)}


def _change(grid: Grid, pairs: Pairs) -> NDArray[np.float32]:
    return (pairs.of(grid.bikes) - pairs.at_origin(grid.bikes)).astype(np.float32)


def _said(model: Model, rows: Examples) -> NDArray[np.float32]:
    said = np.full(len(rows), np.nan, dtype=np.float32)
    for part, distribution in model.forecast(rows):
        said[part] = distribution.mean() - rows.bikes[part]
    return said
