"""A system as it is held in memory: stations with their newest snapshot, and the newest forecast.

Never changed, but replaced as a whole; what is answered from it is put together from ready-made
pieces of JSON.
"""

import bisect
import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, NamedTuple

from bike_demand.serving.queries import ForecastRows, Reign, State
from bike_demand.serving.ready import Kept, Ready, Recipe
from bike_demand.serving.times import told, told_or_none

HOUR: Final = timedelta(hours=1)
OVERDUE: Final = timedelta(minutes=30)
"""After the next origin the next forecast is late, and this one stale."""

WHOLE: Final = 30
"""Answers about the whole city that are kept of a state: each hour of the slider, and stations."""

PARTS: Final = 10
"""Likewise about parts of it, which there may be any number of."""

_NAN: Final = float("nan")


class Box(NamedTuple):
    """A part of the map [WGS 84 degrees]."""

    min_lon: float
    min_lat: float
    max_lon: float
    max_lat: float

    def holds(self, lat: float | None, lon: float | None) -> bool:
        """Whether a place lies in it; one that is not known does not."""
        if lat is None or lon is None:
            return False
        return self.min_lon <= lon <= self.max_lon and self.min_lat <= lat <= self.max_lat


class Station(NamedTuple):
    """A station with its newest snapshot, as `answers.Station` has it."""

    station_id: str
    name: str | None
    short_name: str | None
    lat: float | None
    lon: float | None
    capacity: int | None
    is_active: bool
    in_service: bool | None
    observed_at: datetime | None
    last_reported: datetime | None
    bikes: int | None
    ebikes: int | None
    docks: int | None

    def told(self) -> dict[str, Any]:
        """As it is answered."""
        return {
            "station_id": self.station_id,
            "name": self.name,
            "short_name": self.short_name,
            "lat": self.lat,
            "lon": self.lon,
            "capacity": self.capacity,
            "in_service": self.in_service,
            "observed_at": told_or_none(self.observed_at),
            "last_reported": told_or_none(self.last_reported),
            "num_bikes_available": self.bikes,
            "num_ebikes_available": self.ebikes,
            "num_docks_available": self.docks,
        }


@dataclass(frozen=True)
class Hours:
    """What is forecast of a station, by target.

    Attributes:
        in_service: It gave bikes out at the origin.
        pieces: Fields of JSON; none where there is no forecast of that hour.
        p_empty: Probability of no bike; NaN where it is not known.
        p_full: Likewise of no free dock.
    """

    in_service: bool
    pieces: tuple[bytes, ...]
    p_empty: "array[float]"
    p_full: "array[float]"


@dataclass(frozen=True)
class Forecast:
    """The newest forecast. All times are UTC.

    Attributes:
        origin_at: Tick it is made from.
        issued_at: When it was made.
        role: champion or simple.
        model_version: Of a champion.
        late: It was made too late.
        horizons: Hours ahead, ascending.
        targets: Times forecast for, likewise.
        stations: By id.
        risks: By id, as `ForecastRows` has them.
    """

    origin_at: datetime
    issued_at: datetime
    role: str
    model_version: str | None
    late: bool
    horizons: tuple[int, ...]
    targets: tuple[datetime, ...]
    stations: Mapping[str, Hours]
    risks: Mapping[str, tuple[Any, ...]]

    @property
    def expires_at(self) -> datetime:
        """When the next one is due: at the next full hour, from wherever this one is made."""
        return (self.origin_at + HOUR).replace(minute=0)

    def age(self, now: datetime) -> int | None:
        """How old it is [s], if it is stale."""
        if now <= self.expires_at + OVERDUE:
            return None
        return int((now - self.origin_at).total_seconds())

    def nearest(self, at: datetime) -> int | None:
        """Which target is nearest to a time; None if it is over half an hour from all."""
        found = min(range(len(self.targets)), key=lambda index: abs(self.targets[index] - at))
        return found if abs(self.targets[found] - at) <= HOUR / 2 else None


@dataclass(frozen=True)
class City:
    """A system.

    Attributes:
        system_id: Which.
        timezone: IANA name of its riders' clock.
        state: What it was read at.
        stations: By id, ascending.
        forecast: None if there is none.
        reign: The champion; None if there is none.
    """

    system_id: str
    timezone: str
    state: State
    stations: Mapping[str, Station]
    forecast: Forecast | None
    reign: Reign | None
    _whole: Kept = field(default_factory=lambda: Kept(WHOLE), compare=False, repr=False)
    _parts: Kept = field(default_factory=lambda: Kept(PARTS), compare=False, repr=False)
    _single: dict[str, Ready] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def active(self) -> tuple[Station, ...]:
        """The stations that the newest feed lists, by id."""
        return tuple(station for station in self.stations.values() if station.is_active)

    @cached_property
    def middle(self) -> tuple[float | None, float | None]:
        """Latitude and longitude of the middle of its stations; None where no place is known."""
        placed = [one for one in self.active if one.lat is not None and one.lon is not None]
        if not placed:
            return None, None
        lats, lons = (
            [float(one.lat or 0) for one in placed],
            [float(one.lon or 0) for one in placed],
        )
        return round(sum(lats) / len(lats), 5), round(sum(lons) / len(lons), 5)

    def is_stale(self, now: datetime) -> bool:
        """Whether its next forecast should have come."""
        return self.forecast is None or self.forecast.age(now) is not None

    def station_page(
        self, limit: int, after: str | None, part: str | None, box: Box | None
    ) -> Recipe:
        """The answer of `/stations`."""
        wanted = (part or "").casefold()

        def make() -> bytes:
            found = (
                station
                for station in self.active
                if (after is None or station.station_id > after)
                and (not wanted or _named(station, wanted))
                and (box is None or box.holds(station.lat, station.lon))
            )
            page, following = _page(found, limit)
            told_of = {
                "system_id": self.system_id,
                "timezone": self.timezone,
                "observed_at": told_or_none(self.state.observed_at),
                "stations": [station.told() for station in page],
                "next": following,
            }
            return dumps(told_of)

        whole = box is None and after is None and not wanted and limit >= len(self.active)
        return Recipe(("stations", None if whole else limit, after, wanted, box), whole, make)

    def one_station(self, station: Station) -> bytes:
        """The answer of `/stations/{station_id}`."""
        head = {"system_id": self.system_id, "timezone": self.timezone}
        return dumps({**head, "station": station.told()})

    def station_forecast(
        self, forecast: Forecast, station_id: str, hours: int, now: datetime
    ) -> Ready:
        """The answer of `/stations/{station_id}/forecast`; the station is forecast.

        Args:
            forecast: Its own.
            station_id: Which.
            hours: How far ahead.
            now: UTC.
        """
        age = forecast.age(now)
        whole = age is None and hours >= forecast.horizons[-1]
        if whole and (found := self._single.get(station_id)):
            return found
        station = self.stations.get(station_id)
        name = None if station is None else station.name
        told_of = dumps({"station_id": station_id, "name": name})
        items = (
            lead + piece + b"}"
            for lead, piece, horizon in zip(
                self._leads, forecast.stations[station_id].pieces, forecast.horizons, strict=True
            )
            if piece and horizon <= hours
        )
        body = b'%b,%b,"forecast":[%b]}' % (
            self.head(forecast, age),
            told_of[1:-1],
            b",".join(items),
        )
        made = Ready(body)
        if whole:
            self._single[station_id] = made
        return made

    def whole_city(
        self,
        forecast: Forecast,
        target: int,
        limit: int,
        after: str | None,
        box: Box | None,
        now: datetime,
    ) -> Recipe:
        """The answer of `/forecast`."""
        age = forecast.age(now)

        def make() -> bytes:
            places, pieces = self._places, forecast.stations
            found = (
                station_id
                for station_id in self._forecast_ids
                if (after is None or station_id > after)
                and pieces[station_id].pieces[target]
                and (box is None or box.holds(*self._place(station_id)))
            )
            page, following = _page(found, limit)
            items = (places[one] + pieces[one].pieces[target] + b"}" for one in page)
            when = dumps(
                {"target_at": told(forecast.targets[target]), "horizon": forecast.horizons[target]}
            )
            return b'%b,%b,"stations":[%b],"next":%b}' % (
                self.head(forecast, age),
                when[1:-1],
                b",".join(items),
                dumps(following),
            )

        whole = box is None and after is None and limit >= len(forecast.stations)
        key = ("forecast", target, None if whole else limit, after, box, age)
        return Recipe(key, whole, make)

    def most_at_risk(
        self, forecast: Forecast, kind: str, hours: int, limit: int, now: datetime
    ) -> Recipe:
        """The answer of `/risks`, about hours that are still to come; the last if none is."""
        age = forecast.age(now)
        first = min(bisect.bisect_right(forecast.targets, now), len(forecast.targets) - 1)
        until = max(bisect.bisect_right(forecast.targets, now + hours * HOUR), first + 1)

        def make() -> bytes:
            worst = sorted(_worst(forecast, kind, first, until))[:limit]
            told_of = [
                self._risk(forecast, kind, one, -negative, forecast.targets[index])
                for negative, one, index in worst
            ]
            asked = dumps({"kind": kind, "hours": hours, "risks": told_of})
            return b"%b,%b" % (self.head(forecast, age), asked[1:])

        return Recipe(("risks", kind, hours, first, limit, age), whole=False, make=make)

    def kept(self, recipe: Recipe) -> Ready | None:
        """A large answer that was made before."""
        return self._shelf(recipe).get(recipe.key)

    def made(self, recipe: Recipe) -> Ready:
        """A large answer, made if need be."""
        return self._shelf(recipe).made(recipe.key, recipe.make)

    def _shelf(self, recipe: Recipe) -> Kept:
        return self._whole if recipe.whole else self._parts

    def head(self, forecast: Forecast, age: int | None) -> bytes:
        """What each answer of a forecast begins with, the last brace missing."""
        return dumps(
            {
                "system_id": self.system_id,
                "timezone": self.timezone,
                "origin_at": told(forecast.origin_at),
                "issued_at": told(forecast.issued_at),
                "role": forecast.role,
                "model_version": forecast.model_version,
                "late": forecast.late,
                "stale": age is not None,
                "age_seconds": age,
                "expires_at": told(forecast.expires_at),
            }
        )[:-1]

    def _risk(
        self, forecast: Forecast, kind: str, station_id: str, probability: float, target: datetime
    ) -> dict[str, Any]:
        station = self.stations.get(station_id)
        lat, lon = self._place(station_id)
        p_empty, p_full, neighbour, distance, empty, full = forecast.risks.get(
            station_id, (None,) * 6
        )
        p_hour, shares = (p_empty, empty) if kind == "empty" else (p_full, full)
        return {
            "station_id": station_id,
            "name": None if station is None else station.name,
            "lat": lat,
            "lon": lon,
            "probability": probability,
            "target_at": told(target),
            "p_hour": None if p_hour is None else round(p_hour, 4),
            "neighbour_id": neighbour,
            "neighbour_distance": None if distance is None else round(distance, 1),
            "neighbour_shares": shares,
        }

    def _place(self, station_id: str) -> tuple[float | None, float | None]:
        station = self.stations.get(station_id)
        return (None, None) if station is None else (station.lat, station.lon)

    @cached_property
    def _forecast_ids(self) -> list[str]:
        return sorted(self.forecast.stations) if self.forecast else []

    @cached_property
    def _leads(self) -> list[bytes]:
        """What the JSON of a station's hour begins with, by target."""
        assert self.forecast is not None  # noqa: S101  # asked of one that is there
        pairs = zip(self.forecast.targets, self.forecast.horizons, strict=True)
        told_of = (dumps({"target_at": told(at), "horizon": horizon}) for at, horizon in pairs)
        return [one[:-1] + b"," for one in told_of]

    @cached_property
    def _places(self) -> dict[str, bytes]:
        """What the JSON of a station in the whole city begins with."""
        assert self.forecast is not None  # noqa: S101
        found = {}
        for station_id, hours in self.forecast.stations.items():
            lat, lon = self._place(station_id)
            lead = {"station_id": station_id, "lat": lat, "lon": lon}
            found[station_id] = dumps({**lead, "in_service": hours.in_service})[:-1] + b","
        return found


def forecast_of(state: State, rows: ForecastRows) -> Forecast | None:
    """A forecast out of rows; None if there are none."""
    if state.origin_at is None or state.issued_at is None or state.role is None or not rows.targets:
        return None
    horizons = tuple(rows.targets)
    return Forecast(
        origin_at=state.origin_at,
        issued_at=state.issued_at,
        role=state.role,
        model_version=state.model_version,
        late=bool(state.late),
        horizons=horizons,
        targets=tuple(rows.targets.values()),
        stations={
            station_id: _hours(in_service, lines, horizons)
            for station_id, (in_service, lines) in rows.stations.items()
        },
        risks=rows.risks,
    )


def stations_of(rows: Sequence[tuple[Any, ...]]) -> dict[str, Station]:
    """Stations out of rows, by id, ascending whatever the database sorts by."""
    return {row[0]: Station(*row) for row in sorted(rows, key=lambda row: str(row[0]))}


def dumps(value: Any) -> bytes:
    """JSON, as short as it can be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _hours(in_service: bool, lines: str, horizons: tuple[int, ...]) -> Hours:  # noqa: FBT001
    told_of = dict(line.split(" ", 1) for line in lines.split("\n"))
    pieces = tuple(told_of.get(str(horizon), "") for horizon in horizons)
    known = json.loads("[{" + "},{".join(pieces) + "}]")
    return Hours(
        in_service=in_service,
        pieces=tuple(piece.encode() for piece in pieces),
        p_empty=array("d", (_number(one.get("p_empty")) for one in known)),
        p_full=array("d", (_number(one.get("p_full")) for one in known)),
    )


def _number(value: float | None) -> float:
    return _NAN if value is None else value


def _worst(
    forecast: Forecast, kind: str, first: int, until: int
) -> Iterator[tuple[float, str, int]]:
    """Of each station in service the highest probability, negative, and its first target."""
    for station_id, hours in forecast.stations.items():
        told_of = hours.p_empty if kind == "empty" else hours.p_full
        known = [
            (-told_of[index], index)
            for index in range(first, until)
            if told_of[index] == told_of[index]  # not NaN
        ]
        if hours.in_service and known:
            highest, index = min(known)
            yield highest, station_id, index


def _named(station: Station, wanted: str) -> bool:
    return any(wanted in (name or "").casefold() for name in (station.name, station.short_name))


def _page(found: Iterator[Any], limit: int) -> tuple[list[Any], str | None]:
    """As many as are wanted, and the id of the last, if there are more."""
    page: list[Any] = []
    for one in found:
        if len(page) == limit:
            last = page[-1]
            return page, last if isinstance(last, str) else last.station_id
        page.append(one)
    return page, None
