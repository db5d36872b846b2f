"""What is to come at every station of a system, from one origin: rows of a forecast.

It puts together what stands in `features`, `examples`, `model` and `simple`. Where it is stored,
and which model is asked, is not known here.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bike_demand.forecasting.distribution import Distribution
from bike_demand.forecasting.drift import Counts, Reference
from bike_demand.forecasting.examples import Examples, Joined, concatenated
from bike_demand.forecasting.features import Surroundings, features
from bike_demand.forecasting.grid import TICK, Grid
from bike_demand.forecasting.model import HORIZONS, Model
from bike_demand.forecasting.risk import EVENTS, FEATURES_AHEAD, RiskModel
from bike_demand.forecasting.scores import pit_coverage
from bike_demand.forecasting.shapes import Shapes
from bike_demand.forecasting.simple import SimpleForecasts
from bike_demand.forecasting.splits import (
    HOUR,
    TRAINING,
    WEEK,
    Pairs,
    Split,
    in_service,
)
from bike_demand.forecasting.surrounding_features import nearest_stations
from bike_demand.forecasting.watched import AHEAD, came, counted

LOOKS_AHEAD: Final = HORIZONS[-1] * HOUR
"""How long after an origin its grid ends, for what is known there is nothing but the calendar."""

QUANTILES: Final = (0.1, 0.5, 0.9)

EARTH_M: Final = 6_371_000

_SIMPLE_PAIRS: Final = 50_000  # that tell how far simple forecasts stray, of each horizon


DESCRIBED: Final = ("bikes", "p10", "p50", "p90", "p_empty", "p_full")
"""Mean, quantiles of 10, 50 and 90 %, and probabilities of no bike and of no free dock."""

INSIDE: Final = ("p10_inside", "p90_inside")
"""Of p10 and p90, how much of their probability is in the middle 80 %: `scores.pit_coverage`.

What lies between them is inside, and what lies beyond is not.
"""

COLUMNS: Final = ("station_id", "horizon", "in_service", "capacity", *DESCRIBED, *INSIDE)

_PROBABLE: Final = ("bikes", "p_empty", "p_full", *INSIDE)  # as they are stored, in half the digits


class Outlook:
    """The stations of a system whose bikes are known at an origin, and what is known of them."""

    def __init__(
        self,
        grid: Grid,
        origin: datetime,
        surroundings: Surroundings,
        only: Collection[str] | None = None,
    ) -> None:
        """Make their features.

        Args:
            grid: From `features.LOOKS_BACK` before the origin to `LOOKS_AHEAD` after it. Of what
                lies more than a day back, full hours suffice, and the ticks that `LOOKBACK` names.
            origin: A full hour, UTC.
            surroundings: Of the same system.
            only: Stations that `forecast` is asked about, of which alone more than `LOOKBACK` is
                looked at; `risks` and `counted` are of all, and so is all if it is None.
        """
        row = grid.index(origin)
        known = features(grid, [row], surroundings)
        if only is not None:
            grid = grid.of(only)
        self._grid, self._origin, self._surroundings = grid, origin, surroundings
        joined = Joined(grid, known, surroundings)
        self._stations = np.flatnonzero(~np.isnan(grid.bikes[row]))
        self._in_service = in_service(grid)[row]
        self._pairs = {hours: _pairs(row, hours, self._stations) for hours in HORIZONS}
        each = [joined.examples(pairs, hours * HOUR) for hours, pairs in self._pairs.items()]
        self._examples = concatenated(each)

    def forecast(self, model: Model | None, horizons: Collection[int] = HORIZONS) -> pd.DataFrame:
        """Distributions 1 to 24 hours ahead.

        Args:
            model: Asked for them; without one the simple forecast is made, the blend of
                `simple.SimpleForecasts`, with what it strayed by in the past.
            horizons: Those wanted, of a model [h].

        Returns:
            By hour and station: `station_id`, `horizon` [h], `in_service`, `capacity`, `bikes`
            (the mean), `p10`, `p50`, `p90` [bikes], `p_empty`, `p_full` (NaN where docks are not
            told), and `INSIDE`.
        """
        asked = model or _Simple(self._grid, self._origin, self._surroundings, self._pairs)
        wanted = np.isin(self._examples.horizons, [*horizons])
        examples = self._examples.part(wanted)
        frame = self._frame(len(HORIZONS))[wanted].reset_index(drop=True)
        frame = frame.assign(horizon=examples.horizons, capacity=examples.room)
        parts = [described(told).set_index(rows) for rows, told in asked.forecast(examples)]
        frame = frame.join(pd.concat(parts)) if parts else frame.reindex(columns=COLUMNS)
        frame["p_full"] = frame["p_full"].where(examples.docked).clip(0, 1)
        frame["p_empty"] = frame["p_empty"].clip(0, 1)
        frame = frame[[*COLUMNS]].astype(dict.fromkeys(_PROBABLE, "float32"))
        # Stored in this order, what comes due at a tick lies together.
        return frame.sort_values(["horizon", "station_id"], ignore_index=True)

    def counted(self, reference: Reference, forecast: pd.DataFrame) -> dict[str, Counts]:
        """What a model was asked here, what it said, and what came of the hours before.

        Args:
            reference: The model's.
            forecast: What it said, from `forecast`.
        """
        of = self._examples.horizons == AHEAD // HOUR
        examples, ids = self._examples.part(of), self._grid.station_ids[self._stations]
        said = forecast[forecast["horizon"] == AHEAD // HOUR].set_index("station_id")["bikes"]
        serves = self._in_service[self._stations]
        means = said.reindex(ids).to_numpy(dtype=np.float32)
        counts = counted(reference, examples.part(serves), ids[serves], means[serves])
        return {**counts, **came(reference, self._grid, self._origin)}

    def risks(self, model: Model | None) -> pd.DataFrame:
        """Probabilities of an hour empty or full within `risk.AHEAD`.

        Args:
            model: Asked for them; without one, what is at the origin lasts.

        Returns:
            By station: `station_id`, `in_service`, `p_empty_hour`, `p_full_hour` (NaN where docks
            are not told); the nearest station in service, `neighbour_id`, `neighbour_distance` [m],
            None and NaN where there is none; and whether it is more likely than not to share the
            fate, `empty_shared`, `full_shared`.
        """
        examples = self._examples.part(self._examples.horizons == FEATURES_AHEAD // HOUR)
        told = (RiskModel() if model is None else model.risk).forecast(examples)
        nearest, distance = self._nearest()
        place = np.searchsorted(self._stations, nearest)
        alone = nearest < 0
        frame = self._frame(1).assign(
            **told,
            neighbour_id=pd.Series(self._grid.station_ids[nearest]).mask(alone),
            neighbour_distance=distance,
        )
        for event in EVENTS:
            theirs = np.where(alone, np.nan, told[f"p_{event}_hour"][np.where(alone, 0, place)])
            frame[f"{event}_shared"] = pd.array(theirs > 0.5, dtype="boolean")
            frame.loc[np.isnan(theirs), f"{event}_shared"] = pd.NA
        return frame.astype(
            dict.fromkeys(("p_empty_hour", "p_full_hour", "neighbour_distance"), "float32")
        )

    def _frame(self, times: int) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "station_id": np.tile(self._grid.station_ids[self._stations], times),
                "in_service": np.tile(self._in_service[self._stations], times),
            }
        )

    def _nearest(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Of each station the column of the nearest other one in service, or -1, and metres."""
        ids, count = self._grid.station_ids, len(self._grid.station_ids)
        candidates = nearest_stations(self._surroundings.stations, ids)[self._stations]
        known = np.append(np.isin(np.arange(count), self._stations) & self._in_service, [False])
        serves = known[candidates]
        first = serves.argmax(axis=1)
        rows = np.arange(len(candidates))
        nearest = np.where(serves.any(axis=1), candidates[rows, first], -1)
        places = self._surroundings.stations.set_index("station_id")[["lat", "lon"]]
        points = np.radians(places.astype("float64").reindex(ids).to_numpy())
        metres = _metres(points[self._stations], points[nearest])
        return nearest, np.where(nearest < 0, np.nan, metres)


def _metres(here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along great circles, by the haversine formula; latitudes and longitudes in radians."""
    half = np.sin((there - here) / 2) ** 2
    chord = half[:, 0] + np.cos(here[:, 0]) * np.cos(there[:, 0]) * half[:, 1]
    return np.asarray(2 * EARTH_M * np.arcsin(np.sqrt(chord)))


def described(distribution: Distribution) -> pd.DataFrame:
    """The columns `DESCRIBED` and `INSIDE` of N distributions."""
    quantiles = distribution.quantiles(QUANTILES)
    p10, p50, p90 = quantiles.astype(np.int64).T
    inside = {
        name: pit_coverage(distribution.below(count), distribution.below(count + 1))
        for name, count in zip(INSIDE, (quantiles[:, 0], quantiles[:, -1]), strict=True)
    }
    return pd.DataFrame(
        {
            "bikes": distribution.mean(),
            "p10": p10,
            "p50": p50,
            "p90": p90,
            "p_empty": distribution.empty(),
            "p_full": distribution.full(),
            **inside,
        }
    )


def _pairs(row: int, hours: int, stations: NDArray[np.intp]) -> Pairs:
    """One origin's."""
    origins = np.full(len(stations), row)
    return Pairs(origins, origins + hours * HOUR // TICK, stations, 0)


class _Simple:
    """The blend of persistence and average, as a distribution: learnt from the past of the origin.

    Where the average is not known, as in a system's first week, it is persistence.
    """

    def __init__(
        self,
        grid: Grid,
        origin: datetime,
        surroundings: Surroundings,
        pairs: Mapping[int, Pairs],
    ) -> None:
        past = TRAINING - WEEK  # of a target's week before is known, too
        split = Split(origin - past, past, LOOKS_AHEAD)
        self._simple = SimpleForecasts(grid, split, surroundings.timezone, _SIMPLE_PAIRS)
        self._grid, self._pairs = grid, pairs

    def forecast(self, examples: Examples) -> Iterator[tuple[NDArray[np.intp], Distribution]]:
        """As `model.Model.forecast`."""
        for hours, pairs in self._pairs.items():
            rows = np.flatnonzero(examples.horizons == hours)
            part = examples.part(rows)
            blend = self._blend(pairs, hours)
            mean = np.where(np.isnan(blend["bikes"]), part.bikes, blend["bikes"])
            around = self._shapes(hours).around(
                np.full(len(rows), np.nan), mean - part.bikes, part.bikes, part.room
            )
            yield rows, around.with_ends(mean, blend["empty"], blend["full"])

    def _blend(self, pairs: Pairs, hours: int) -> dict[str, NDArray[np.float64]]:
        return self._simple.forecasts(pairs, hours * HOUR)["blend"]

    def _shapes(self, hours: int) -> Shapes:
        past = self._simple.past(hours * HOUR)
        if not len(past):  # nothing has been seen to stray: what is, stays
            none = np.zeros(1)
            return Shapes.learn(none, none, none.astype(np.int64))
        before = past.at_origin(self._grid.bikes)
        predicted = self._blend(past, hours)["bikes"] - before
        known = ~np.isnan(predicted)
        change = (past.of(self._grid.bikes) - before)[known].astype(np.int64)
        return Shapes.learn(np.full(known.sum(), np.nan), predicted[known], change)
