"""The map: where stations stand, what they are called, how large they are, what lies around them.

A city is a jittered grid of streets on a disc, closer in the middle than at the rim, and so
grows with the number of its stations instead of filling up.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # type: ignore[import-untyped]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CENTRE: Final = (38.5, -10.5)
"""Latitude and longitude of every city's middle: open water, 100 km off Lisbon."""

_KM_PER_DEGREE: Final = 111.2
_PITCH_KM: Final = 0.22  # between neighbours in the middle
_WIDENING: Final = 0.55  # by how much of it streets lie further apart on average at the rim
_JITTER: Final = 0.28  # of the pitch

_CAPACITY: Final = (22.3, 5.4)  # docks, mean and spread: Bay Wheels, April 2023
_CAPACITY_RANGE: Final = (11, 45)

_STATIONS_PER_CENTRE: Final = 120
_CENTRE_KM: Final = 0.8  # how far the offices of a centre reach
_QUIET: Final = 0.015  # the quietest station's riders, as a share of the busiest one's
_PURPOSES: Final = 1.2  # how far places differ by purpose, up and down, logarithm

_ERRANDS: Final = 10  # pairs of stations that riders ride between, per station
_RIDE_KM: Final = 1.7  # mean length of a ride as the crow flies
_NEIGHBOURS: Final = 12

_FIRST_PARTS: Final = (
    "Alder", "Amber", "Birch", "Bram", "Calder", "Carno", "Corran", "Dell", "Dun", "Elm",
    "Fair", "Fen", "Glen", "Gray", "Hazel", "Hollo", "Iver", "Kell", "Kings", "Lang",
    "Lin", "Marl", "Mill", "North", "Oak", "Pem", "Quin", "Raven", "Sel", "Thorn",
    "Ulver", "Vale", "Wald", "West", "Wych", "Yar",
)  # fmt: skip
_LAST_PARTS: Final = (
    "bank", "beck", "borough", "bridge", "brook", "bury", "by", "cliff", "combe", "cote",
    "croft", "dale", "den", "don", "field", "fold", "ford", "gate", "grove", "ham",
    "hill", "holt", "hurst", "land", "leigh", "ley", "low", "mere", "more", "ness",
    "ridge", "shaw", "side", "stead", "stone", "ton", "wall", "well", "wick", "wood",
)  # fmt: skip


@dataclass(frozen=True)
class Streets:
    """A map of S stations and the P pairs of them that riders ride between.

    Attributes:
        stations: `station_id`, `name`, `short_name`, `lat`, `lon`, `capacity`.
        traffic: How busy each station's place is, relative, shape (S,).
        home: How many live around it, relative, shape (S,).
        work: How many work there, likewise.
        leisure: How many spend their time there, likewise.
        pairs: The two stations of each pair, shape (2, P), in the order of the first.
        km: How far apart they are, shape (P,).
        neighbours: The nearest other stations of each, nearest first, shape (S, at most 12).
        places: East and north of the middle in km, shape (S, 2).
    """

    stations: pd.DataFrame
    traffic: Floats
    home: Floats
    work: Floats
    leisure: Floats
    pairs: Ints
    km: Floats
    neighbours: Ints
    places: Floats


def lay_out(count: int, random: np.random.Generator) -> Streets:
    """A map of so many stations."""
    grid = _closest_to_the_middle(count)
    radius = np.sqrt(count / np.pi)
    points = grid + random.uniform(-_JITTER, _JITTER, grid.shape)
    rim = np.hypot(points[:, 0], points[:, 1]) / radius  # 0 in the middle, 1 at the rim
    places = points * (_PITCH_KM * (1 + _WIDENING * rim))[:, None]
    tree = cKDTree(places)
    near = min(_NEIGHBOURS, count - 1)
    neighbours = tree.query(places, near + 1)[1][:, 1:].astype(np.int64)

    centres = random.choice(count, max(1, count // _STATIONS_PER_CENTRE), replace=False)
    to_centre = cKDTree(places[centres]).query(places)[0]
    offices = np.exp(-((to_centre / _CENTRE_KM) ** 2))
    # A quarter of the stations see half of the riders, and a quarter hardly any: Bay Wheels.
    traffic = (_QUIET + random.random(count) ** 2) * np.exp(-0.9 * rim**2)
    popularity = traffic * np.exp(random.uniform(-_PURPOSES, _PURPOSES, (3, count)))
    pairs = _pairs(places, tree, neighbours[:, 0], random)
    return Streets(
        stations=_stations(grid, places, _capacities(popularity[1], random)),
        traffic=traffic,
        home=popularity[0] * (1.15 - offices),
        work=popularity[1] * (0.05 + offices),
        leisure=popularity[2],
        pairs=pairs,
        km=np.hypot(*(places[pairs[0]] - places[pairs[1]]).T),
        neighbours=neighbours,
        places=places,
    )


def _closest_to_the_middle(count: int) -> Ints:
    """Column and row of the crossings with a station, shape (count, 2), row by row."""
    reach = int(np.ceil(np.sqrt(count / np.pi))) + 2
    axis = np.arange(-reach, reach + 1)
    columns, rows = (each.ravel() for each in np.meshgrid(axis, axis))
    chosen = np.sort(np.argsort(columns**2 + rows**2, kind="stable")[:count])
    return np.column_stack([columns[chosen], rows[chosen]])


def _pairs(places: Floats, tree: cKDTree, nearest: Ints, random: np.random.Generator) -> Ints:
    """Each station with its nearest and with some that lie a ride away, shape (2, P)."""
    count = len(places)
    radius = np.hypot(*places.T).max()
    origins = np.repeat(np.arange(count), _ERRANDS)
    lengths = np.minimum(random.gamma(2.0, _RIDE_KM / 2.0, origins.size), radius)
    angles = random.uniform(0, 2 * np.pi, origins.size)
    away = lengths[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    targets = places[origins] + away
    # Who would ride into the sea turns round: else they would all get off at the rim.
    outside = np.hypot(*targets.T) > radius
    targets[outside] -= 2 * away[outside]
    destinations = tree.query(targets, workers=2)[1]
    rides = origins != destinations
    origins = np.concatenate([np.arange(count), origins[rides]])
    destinations = np.concatenate([nearest, destinations[rides]])
    return np.stack([origins, destinations])[:, np.argsort(origins, kind="stable")]


def _capacities(popularity: Floats, random: np.random.Generator) -> Ints:
    """Docks per station: a little more where many work."""
    mean, spread = _CAPACITY
    wish = 0.4 * np.log(popularity) + random.standard_normal(popularity.size)
    docks: Floats = np.rint(mean + spread * (wish - wish.mean()))
    return docks.clip(*_CAPACITY_RANGE).astype(np.int64)


def _stations(grid: Ints, places: Floats, capacities: Ints) -> pd.DataFrame:
    """The facts that a feed tells of stations; a name is the crossing of two streets."""
    count, latitude = len(grid), CENTRE[0]
    streets = [first + last for last in _LAST_PARTS for first in _FIRST_PARTS]
    half = len(streets) // 2
    # 487 is prime to their number: neighbouring streets do not rhyme, and none comes twice.
    names = [
        f"{streets[487 * (half + row) % len(streets)]} St at "
        f"{streets[487 * (half + column) % len(streets)]} Ave"
        for column, row in grid.tolist()
    ]
    longitude_km = _KM_PER_DEGREE * np.cos(np.radians(latitude))
    return pd.DataFrame(
        {
            "station_id": [f"st-{number:06d}" for number in range(1, count + 1)],
            "name": names,
            "short_name": [f"S{number}" for number in range(1, count + 1)],
            "lat": np.round(latitude + places[:, 1] / _KM_PER_DEGREE, 6),
            "lon": np.round(CENTRE[1] + places[:, 0] / longitude_km, 6),
            "capacity": capacities,
        }
    )
