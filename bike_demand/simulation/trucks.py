"""The trucks that carry bikes from where there are too many to where there are too few."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # type: ignore[import-untyped]

from bike_demand.simulation.streets import Floats, Ints, Streets

_STATIONS_PER_TRUCK: Final = 110
_HOURS: Final = range(6, 22)  # of the local clock
_CARGO: Final = 12
_STEPS_PER_STOP: Final = 6.0  # to drive there and to handle the bikes, on average
_URGENT: Final = 0.26  # how far off its usual fill a station must be
_THOROUGH: Final = 0.10  # how far beyond the usual fill it is brought, as a share of its docks
_CARE: Final = (0.6, 1.4)  # for a station that nobody rides to, and for a busy one
_CARELESS: Final = 0.18  # how much of that a truck does not know or does not mind


class Trucks:
    """A truck for each part of the city: it loads where it is too full, unloads where too empty.

    Attributes:
        cargo: Bikes by kind and truck, shape (2, T).
    """

    def __init__(self, streets: Streets, random: np.random.Generator) -> None:
        places = streets.places
        self._care = np.clip(np.sqrt(streets.traffic / streets.traffic.mean()), *_CARE)
        trucks = max(1, len(places) // _STATIONS_PER_TRUCK)
        depots = places[random.choice(len(places), trucks, replace=False)]
        zones = cKDTree(depots).query(places)[1]
        self._by_zone = np.argsort(zones, kind="stable")  # stations, zone by zone
        self._zones = zones[self._by_zone]
        self._begin = np.searchsorted(self._zones, np.arange(trucks))
        self._random = random
        self.cargo: Ints = np.zeros((2, trucks), dtype=np.int64)

    def work(
        self,
        hour: int,
        bikes: Ints,
        room: Ints,
        wanted: Floats,
        capacity: Ints,
        is_open: NDArray[np.bool_],
    ) -> None:
        """What the trucks do in a step.

        Args:
            hour: Of the local clock.
            bikes: Available bikes by kind and station, shape (2, S); changed in place.
            room: Docks that a bike can be put into, shape (S,).
            wanted: How many bikes there should be.
            capacity: All docks.
            is_open: Where a truck can work.
        """
        if hour not in _HOURS:
            return
        ready = self._random.random(len(self._begin)) < 1 / _STEPS_PER_STOP
        if not ready.any():
            return
        loaded = self.cargo.sum(axis=0) > 0
        excess = (bikes.sum(axis=0) - wanted) / capacity
        seen = (excess + self._random.normal(0, _CARELESS, excess.size)) * self._care
        # A truck with bikes looks for the lack of them.
        seen = np.where(loaded[self._zones], -seen[self._by_zone], seen[self._by_zone])
        seen[~is_open[self._by_zone]] = -np.inf
        worst = np.maximum.reduceat(seen, self._begin)
        at = np.flatnonzero(seen == worst[self._zones])
        trucks = self._zones[at]
        trucks, first = np.unique(trucks, return_index=True)
        called = ready & (worst > _URGENT)
        goes = called[trucks]
        trucks, stations = trucks[goes], self._by_zone[at[first[goes]]]

        load, unload = ~loaded[trucks], loaded[trucks]
        self._load(trucks[load], stations[load], bikes, wanted - _THOROUGH * capacity)
        self._unload(trucks[unload], stations[unload], bikes, wanted + _THOROUGH * capacity, room)

    def _load(self, trucks: Ints, stations: Ints, bikes: Ints, wanted: Floats) -> None:
        there = bikes[:, stations]
        total = there.sum(axis=0)
        amount = np.clip(np.rint(total - wanted[stations]), 0, np.minimum(total, _CARGO))
        motors = np.rint(amount * there[1] / np.maximum(total, 1))
        load = np.stack([amount - motors, motors]).astype(np.int64)
        bikes[:, stations] -= load
        self.cargo[:, trucks] += load

    def _unload(
        self, trucks: Ints, stations: Ints, bikes: Ints, wanted: Floats, room: Ints
    ) -> None:
        total = self.cargo[:, trucks].sum(axis=0)
        lack = np.rint(wanted[stations] - bikes[:, stations].sum(axis=0))
        amount = np.clip(lack, 0, np.minimum(total, room[stations]))
        motors = np.rint(amount * self.cargo[1, trucks] / np.maximum(total, 1))
        load = np.stack([amount - motors, motors]).astype(np.int64)
        bikes[:, stations] += load
        self.cargo[:, trucks] -= load
