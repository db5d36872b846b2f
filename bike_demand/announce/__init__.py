"""Telling programs: what has happened to forecasts and champions, signed, in order, at least once.

What has happened is read from the tables themselves, so that nothing is lost while nobody looks
or nobody listens. No Dagster here; people are told in `alerts`.
"""

from bike_demand.announce.delivery import Receiver, RefusedError, Server
from bike_demand.announce.events import Event, happened, stations
from bike_demand.announce.progress import (
    CATCH_UP,
    LONGEST_WAIT,
    OVERLAP,
    SENSOR,
    Progress,
    Undelivered,
    undelivered,
)

__all__ = [
    "CATCH_UP",
    "LONGEST_WAIT",
    "OVERLAP",
    "SENSOR",
    "Event",
    "Progress",
    "Receiver",
    "RefusedError",
    "Server",
    "Undelivered",
    "happened",
    "stations",
    "undelivered",
]
