"""How a city lives: its bikes, its riders, its trucks, what breaks, and what its stations report.

A step of five minutes after another, all stations at once. Every bike is at a station, under way
or in a truck, at any moment.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bike_demand.simulation.demand import Demand
from bike_demand.simulation.plan import STEP, Plan
from bike_demand.simulation.streets import Floats, Ints, lay_out
from bike_demand.simulation.trucks import Trucks
from bike_demand.simulation.weather import Weather

Bools = NDArray[np.bool_]
Counts = NDArray[np.int32]

CLASSIC: Final = 0
ELECTRIC: Final = 1

_HOUR: Final = timedelta(hours=1)
_STEPS_PER_HOUR: Final = _HOUR // STEP
_WARM_UP: Final = 3 * _HOUR  # for riders to be under way when the city's life begins

_USUAL_FILL: Final = (0.48, 0.10)  # bikes per dock, mean and spread over stations
_USUAL_RANGE: Final = (0.25, 0.9)
_WANDERING: Final = (0.12, 24 * 10.0)  # how far the usual wanders off, and in how many hours
_FASHION: Final = (0.27, 8.0)  # the same of what riders make of it: no two days are alike
_FIRST_FILL: Final = 0.17  # how far stations are from their usual at first
_ELECTRIC_SHARE: Final = 0.25
_ELECTRIC_APPEAL: Final = 2.0  # a rider takes an e-bike rather than another by this factor

_WALKS_ON: Final = 0.6  # of the riders who find a station empty; the others give up
_IN_COMPANY: Final = 0.10  # of the rides
_KM_PER_HOUR: Final = 11.0
_UNLOCKING_HOURS: Final = 0.04
_DAWDLING: Final = 0.35  # spread of the logarithm of a ride's time
_LONGEST_RIDE: Final = 36  # steps

_BIKE_BREAKS: Final = 0.02  # per ride
_BIKE_MENDED: Final = 1 / 40.0  # per hour
_DOCK_BREAKS: Final = 0.00004  # per free dock and hour
_DOCK_MENDED: Final = 1 / 240.0
_FALLS_SILENT: Final = 0.0008  # per station and hour
_SPEAKS_AGAIN: Final = 1 / 8.0
_CLOSES: Final = 0.0004
_OPENS_AGAIN: Final = 1 / 30.0


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What all stations report at a time, in feed order: arrays of shape (S,).

    Attributes:
        at: The time of the state, UTC.
        num_bikes_available: Bikes to be had, e-bikes among them.
        num_ebikes_available: Those of them with a motor.
        num_bikes_disabled: Bikes that are broken.
        num_docks_available: Docks that are free.
        num_docks_disabled: Docks that are broken.
        is_installed: Always true: no station comes or goes.
        is_renting: Whether it is open.
        is_returning: The same.
        last_reported: Seconds since 1970, never after `at`.
    """

    at: datetime
    num_bikes_available: Counts
    num_ebikes_available: Counts
    num_bikes_disabled: Counts
    num_docks_available: Counts
    num_docks_disabled: Counts
    is_installed: Bools
    is_renting: Bools
    is_returning: Bools
    last_reported: Ints


class City:
    """A city, from the start of its plan on.

    A station that has fallen silent is dead: it reports nothing, and nobody rents or returns
    there until it speaks again, which its last report does not tell. One that is closed says so.

    Attributes:
        plan: What makes it.
        stations: `station_id`, `name`, `short_name`, `lat`, `lon`, `capacity`, in feed order.
        fleet: All its bikes.
        now: The time of its state, UTC.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        seed = [plan.seed, plan.stations, int(plan.start.timestamp())]
        # The map is of the seed alone: another start is another life in the same streets.
        streets = lay_out(plan.stations, np.random.Generator(np.random.PCG64(seed[:2])))
        self._random = np.random.Generator(np.random.PCG64(seed))
        self.stations = streets.stations
        self._neighbours = streets.neighbours
        self._demand = Demand(streets, Weather(plan.seed, plan.timezone), plan.timezone)
        hours = np.tile(streets.km, 2) / _KM_PER_HOUR + _UNLOCKING_HOURS
        self._ride_steps = hours * _STEPS_PER_HOUR

        count, random = plan.stations, self._random
        self._capacity = streets.stations["capacity"].to_numpy()
        self._own_fill = random.normal(*_USUAL_FILL, count)
        self._wandering = random.normal(0, _WANDERING[0], count)
        self._fashion = random.normal(0, _FASHION[0], count)
        self._broken_docks = np.minimum(random.poisson(0.19, count), 4)
        fill = self._usual_fill() + random.normal(0, _FIRST_FILL, count)
        room = self._capacity - self._broken_docks
        bikes = np.clip(np.rint(fill * self._capacity), 1, room).astype(np.int64)
        electric = random.binomial(bikes, _ELECTRIC_SHARE)
        self._bikes = np.stack([bikes - electric, electric])  # available, by kind
        self._disabled = random.binomial(self._bikes, 0.04)
        self._bikes -= self._disabled
        self._silent = random.random(count) < _FALLS_SILENT / _SPEAKS_AGAIN
        self._closed = random.random(count) < _CLOSES / _OPENS_AGAIN
        self._trucks = Trucks(streets, random)
        self.fleet = int(bikes.sum())
        # Rides under way, by the step they arrive at (a ring), kind and station.
        self._arriving = np.zeros((_LONGEST_RIDE, 2, count), dtype=np.int32)

        self.now = plan.start - _WARM_UP
        self._reported = int(self.now.timestamp()) - random.integers(10, 130, count)
        self._report_delay = random.integers(10, 130, count)
        self.advance(plan.start)

    def advance(self, to: datetime) -> None:
        """Live until the last step that is not after a time.

        Raises:
            ValueError: The time has passed.
        """
        if to < self.now:
            raise ValueError(f"the city is at {self.now} and does not go back to {to}")
        while self.now + STEP <= to:
            self._step()

    def snapshot(self) -> Snapshot:
        """What the stations report now."""
        classic, electric = self._bikes
        return Snapshot(
            at=self.now,
            num_bikes_available=(classic + electric).astype(np.int32),
            num_ebikes_available=electric.astype(np.int32),
            num_bikes_disabled=self._disabled.sum(axis=0, dtype=np.int32),
            num_docks_available=self._free_docks().astype(np.int32),
            num_docks_disabled=self._broken_docks.astype(np.int32),
            is_installed=np.ones(self.plan.stations, dtype=np.bool_),
            is_renting=~self._closed,
            is_returning=~self._closed,
            last_reported=self._reported.copy(),
        )

    def _step(self) -> None:
        number = int(self.now.timestamp()) // int(STEP.total_seconds())
        if number % _STEPS_PER_HOUR == 0:
            self._pass_an_hour()
        self._arrive(number)
        self._depart(number)
        self._trucks.work(
            self.now.astimezone(self._demand.timezone).hour,
            self._bikes,
            np.where(self._open, self._free_docks(), 0),
            self._usual * self._capacity,
            self._capacity,
            self._open,
        )
        self.now += STEP
        speaking = ~self._silent
        self._reported[speaking] = int(self.now.timestamp()) - self._report_delay[speaking]

    def _pass_an_hour(self) -> None:
        """What changes slowly: wishes, outages, repairs."""
        random = self._random
        self._silent = _flip(self._silent, _FALLS_SILENT, _SPEAKS_AGAIN, random)
        self._closed = _flip(self._closed, _CLOSES, _OPENS_AGAIN, random) & ~self._silent | (
            self._closed & self._silent  # who is silent can tell of nothing
        )
        self._open = ~(self._silent | self._closed)

        mended = random.binomial(self._disabled, _BIKE_MENDED) * self._open
        self._disabled -= mended
        self._bikes += mended
        self._broken_docks -= random.binomial(self._broken_docks, _DOCK_MENDED) * self._open
        self._broken_docks += random.binomial(self._free_docks(), _DOCK_BREAKS) * self._open

        self._wandering = _wander(self._wandering, *_WANDERING, random)
        self._fashion = _wander(self._fashion, *_FASHION, random)
        self._usual = self._usual_fill()
        fill = self._bikes.sum(axis=0) / self._capacity
        rides = self._demand.rides_per_hour(self.now, fill - self._usual - self._fashion)
        self._wanted_until = np.cumsum(rides / _STEPS_PER_HOUR)

    def _arrive(self, number: int) -> None:
        """Riders return their bikes, or ride on to the next free dock."""
        slot = number % _LONGEST_RIDE
        coming = self._arriving[slot].astype(np.int64)
        self._arriving[slot] = 0
        room = np.where(self._open, self._free_docks(), 0)
        electric = np.minimum(coming[ELECTRIC], room)
        classic = np.minimum(coming[CLASSIC], room - electric)
        returned = np.stack([classic, electric])
        room -= classic + electric
        self._bikes += returned

        kinds, stations = np.nonzero(returned)
        broken = self._random.binomial(returned[kinds, stations], _BIKE_BREAKS)
        self._bikes[kinds, stations] -= broken
        self._disabled[kinds, stations] += broken

        coming -= returned
        kinds, stations = np.nonzero(coming)
        near = self._neighbours[stations]
        free = room[near] > 0
        choice = near[np.arange(len(near)), free.argmax(axis=1)]
        # Where nobody near has a free dock, they circle and try again.
        onward = np.where(free.any(axis=1), choice, stations)
        after = (number + 1) % _LONGEST_RIDE
        np.add.at(self._arriving[after], (kinds, onward), coming[kinds, stations])

    def _depart(self, number: int) -> None:
        """Riders come, find a bike there or nearby, and ride off."""
        random, total = self._random, self._wanted_until[-1]
        wishes = random.random(random.poisson(total)) * total
        rides = np.searchsorted(self._wanted_until, wishes, side="right")
        rides = np.repeat(rides, 1 + (random.random(rides.size) < _IN_COMPANY))
        origins = self._demand.origins[rides]
        found, electric = self._rent(origins)

        disappointed = rides[~found]
        disappointed = disappointed[random.random(disappointed.size) < _WALKS_ON]
        near = self._neighbours[self._demand.origins[disappointed]]
        any_bikes = (self._bikes[:, near].sum(axis=0) > 0) & self._open[near]
        nearby = near[np.arange(len(near)), any_bikes.argmax(axis=1)]
        found_there, electric_there = self._rent(nearby)

        under_way = np.concatenate([rides[found], disappointed[found_there]])
        kinds = np.concatenate([electric[found], electric_there[found_there]]).astype(np.int64)
        dawdling = np.exp(random.normal(0, _DAWDLING, under_way.size))
        steps = np.ceil(self._ride_steps[under_way] * dawdling).astype(np.int64)
        slots = (number + np.clip(steps, 1, _LONGEST_RIDE - 1)) % _LONGEST_RIDE
        np.add.at(self._arriving, (slots, kinds, self._demand.destinations[under_way]), 1)

    def _rent(self, origins: Ints) -> tuple[Bools, Bools]:
        """Take a bike for each rider while there are any: who gets one, and who an e-bike."""
        order = np.argsort(origins, kind="stable")
        stations, starts, riders = np.unique(origins[order], return_index=True, return_counts=True)
        classic, electric = self._bikes[:, stations] * self._open[stations]
        taken = np.minimum(riders, classic + electric)
        appeal = _ELECTRIC_APPEAL * electric
        liked = self._random.binomial(taken, appeal / np.maximum(appeal + classic, 1))
        motors = np.clip(liked, taken - classic, electric)
        self._bikes[CLASSIC, stations] -= taken - motors
        self._bikes[ELECTRIC, stations] -= motors
        place = np.empty(origins.size, dtype=np.int64)  # in the queue at the station
        place[order] = np.arange(origins.size) - np.repeat(starts, riders)
        group = np.searchsorted(stations, origins)
        return place < taken[group], place < motors[group]

    def _free_docks(self) -> Ints:
        taken = self._bikes.sum(axis=0) + self._disabled.sum(axis=0)
        free: Ints = self._capacity - taken - self._broken_docks
        return free

    def _usual_fill(self) -> Floats:
        return np.clip(self._own_fill + self._wandering, *_USUAL_RANGE)


def _flip(state: Bools, begins: float, ends: float, random: np.random.Generator) -> Bools:
    """A state that begins and ends at random, an hour later; the rates are per hour."""
    return (random.random(state.size) < np.where(state, 1 - ends, begins)).astype(np.bool_)


def _wander(state: Floats, spread: float, hours: float, random: np.random.Generator) -> Floats:
    """An Ornstein-Uhlenbeck process of mean 0, an hour later."""
    kept = float(np.exp(-1 / hours))
    return state * kept + random.normal(0, spread * np.sqrt(1 - kept**2), state.size)
