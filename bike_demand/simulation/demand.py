"""Who wants to ride from where to where, by hour, weekday and weather.

Riders ride for two reasons. Commuters ride to work and back, each pair of stations as often one
way as the other, at other hours; all others ride at any time of the day, if the weather is fine.
"""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from bike_demand.simulation.streets import Floats, Streets
from bike_demand.simulation.weather import Weather

# Rides that are wanted per station and hour, by the hour of the local clock. Shaped after how
# much the stations of Bay Wheels change by hour in March and April 2023.
_TO_WORK: Final = np.array(
    [0, 0, 0, 0, 0, 0.02, 0.10, 0.34, 0.61, 0.38, 0.10, 0.03,
     0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
)  # fmt: skip
_TO_HOME: Final = np.array(
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
     0.02, 0.03, 0.05, 0.13, 0.28, 0.58, 0.38, 0.13, 0.05, 0, 0, 0]
)  # fmt: skip
_OTHER_ON_WEEKDAYS: Final = np.array(
    [0.08, 0.05, 0.03, 0.03, 0.04, 0.06, 0.09, 0.18, 0.25, 0.30, 0.33, 0.39,
     0.44, 0.40, 0.40, 0.42, 0.46, 0.51, 0.48, 0.40, 0.33, 0.26, 0.21, 0.14]
)  # fmt: skip
_OTHER_AT_WEEKENDS: Final = np.array(
    [0.17, 0.12, 0.10, 0.05, 0.03, 0.04, 0.08, 0.15, 0.35, 0.44, 0.56, 0.63,
     0.71, 0.71, 0.69, 0.71, 0.71, 0.67, 0.54, 0.46, 0.36, 0.29, 0.21, 0.15]
)  # fmt: skip

_OUTWARD: Final = np.array(
    [0.10, 0.10, 0.20, 0.40, 0.70, 0.90, 0.92, 0.90, 0.88, 0.86, 0.82, 0.78,
     0.70, 0.60, 0.50, 0.38, 0.28, 0.20, 0.18, 0.16, 0.14, 0.12, 0.10, 0.10]
)  # fmt: skip
"""Which part of the others is on the way out and not back home."""

_RAIN_KEEPS: Final = (0.18, 0.35)  # commuters and others from riding, per mm/h up to 5, logarithm
_PLEASANT: Final = 21.0  # °C as felt
_COLD_KEEPS: Final = (0.008, 0.025)  # per degree below it
_BALANCING: Final = 1.3  # of the logarithm of rides, per fill from empty to full


class Demand:
    """The rides wanted between the stations of a map.

    Attributes:
        origins: Station that a ride begins at, shape (2 P,): each pair of the map, both ways.
        destinations: Where it is to end.
    """

    def __init__(self, streets: Streets, weather: Weather, timezone: str) -> None:
        first, second = streets.pairs
        self.origins = np.concatenate([first, second])
        self.destinations = np.concatenate([second, first])
        count = len(streets.stations)
        commute = streets.home[self.origins] * streets.work[self.destinations]
        out = streets.home[self.origins] * streets.leisure[self.destinations]
        turn = np.roll(np.arange(self.origins.size), first.size)  # each ride's way back
        self._to_work = commute * (count / commute.sum())
        self._to_home = self._to_work[turn]
        self._out = out * (count / out.sum())
        self._back = self._out[turn]
        self._weather = weather
        self.timezone = ZoneInfo(timezone)

    def rides_per_hour(self, hour: datetime, plenty: Floats) -> Floats:
        """How many rides of each origin and destination are wanted in an hour, shape (2 P,).

        Args:
            hour: When it begins, UTC.
            plenty: How much fuller than usual each station is, as a share of its docks, shape
                (S,). Riders see it in their app: they take bikes where there are many and
                leave them where there are few.
        """
        local = hour.astimezone(self.timezone)
        weather = self._weather.observed(pd.DatetimeIndex([hour])).iloc[0]
        rain = min(float(weather["precipitation"]), 5.0)
        cold = max(_PLEASANT - float(weather["apparent_temperature"]), 0.0)
        commuting, going_out = (
            np.exp(-wet * rain - chill * cold)
            for wet, chill in zip(_RAIN_KEEPS, _COLD_KEEPS, strict=True)
        )
        weekend = local.weekday() >= 5
        by_hour = _OTHER_AT_WEEKENDS if weekend else _OTHER_ON_WEEKDAYS
        others = going_out * by_hour[local.hour]
        out = _OUTWARD[local.hour]
        rides: Floats = self._out * (others * out) + self._back * (others * (1 - out))
        if not weekend:
            rides += self._to_work * (commuting * _TO_WORK[local.hour])
            rides += self._to_home * (commuting * _TO_HOME[local.hour])
        pull = np.exp(_BALANCING * plenty)
        rides *= pull[self.origins]
        rides /= pull[self.destinations]
        return rides
