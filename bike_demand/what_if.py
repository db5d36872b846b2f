"""What the champion says of one station, had it been observed so: posted over stored observations.

The features are those of `station_forecast`, by the same functions, from the same windows of the
same tables, which are read and never written.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pandas as pd

from bike_demand.forecasting.features import (
    LOOKBACK,
    LOOKS_BACK,
    WEATHER_LOOKBACK,
    Surroundings,
)
from bike_demand.forecasting.grid import COLUMNS, TICK, to_grid
from bike_demand.forecasting.model import Model
from bike_demand.forecasting.outlook import LOOKS_AHEAD, Outlook
from bike_demand.registry import Registry, RegistryError, Version, unfit
from bike_demand.settings import System
from bike_demand.storage.read import read
from bike_demand.storage.tables import STATION_INFORMATION, STATION_STATUS, WEATHER
from bike_demand.storage.warehouse import Warehouse
from bike_demand.storage.windows import Reach, Window, whole_hours_before

CHAMPION_S: Final = 30.0
"""For so long the registry is not asked again who is champion."""

HOUR: Final = timedelta(hours=1)

_FLAGS: Final = ("is_installed", "is_renting", "is_returning")


@dataclass(frozen=True)
class Posted:
    """An observation that somebody posts; its tick is the one that it lies in.

    Attributes:
        observed_at: UTC.
        bikes: To rent, e-bikes included.
        ebikes: Of those; None: as it is stored.
        docks: Free; None: as many as there are places left.
    """

    observed_at: datetime
    bikes: int
    ebikes: int | None = None
    docks: int | None = None

    @property
    def tick(self) -> datetime:
        """The one that it lies in."""
        return self.observed_at - (self.observed_at - datetime.fromtimestamp(0, UTC)) % TICK


class UnanswerableError(Exception):
    """There is no answer; the text says why, for whoever has asked.

    Attributes:
        kind: Of problem, as `serving.problems` names them.
        location: The part of the question that is wrong; None if none is.
    """

    def __init__(self, kind: str, why: str, location: str | None = None) -> None:
        super().__init__(why)
        self.kind, self.location = kind, location


class Oracle:
    """Asks champions. Models are kept in memory.

    Args:
        systems: That are followed.
        warehouse: Where observations are; it is read only.
        registry: Where models are.
        clock: What `CHAMPION_S` is measured by [s].
    """

    def __init__(
        self,
        systems: Sequence[System],
        warehouse: Warehouse,
        registry: Registry,
        clock: Callable[[], float],
    ) -> None:
        self._systems = {system.system_id: system for system in systems}
        self._warehouse, self._registry, self._clock = warehouse, registry, clock
        self._champions: dict[str, tuple[float, Version]] = {}

    def forecast(
        self, system_id: str, station_id: str, observations: Sequence[Posted]
    ) -> tuple[Version, str | None, datetime, pd.DataFrame]:
        """What the champion says.

        Args:
            system_id: Which system.
            station_id: Which of its stations.
            observations: One or more; the newest is what is forecast from.

        Returns:
            The champion; the station's name; the origin, UTC; and 24 rows as of
            `Outlook.forecast`.

        Raises:
            UnanswerableError: There is no such station, no champion, or it must not be asked.
            StorageError: The database does not answer.
            RegistryUnavailableError: MLflow does not answer.
        """
        system = self._systems.get(system_id)
        if system is None or system.timezone is None:
            raise UnanswerableError("unknown-system", f"{system_id} is not forecast here.")
        latest = max(observations, key=lambda one: one.observed_at)
        origin = latest.tick
        version, model = self._champion(system_id, origin)
        scope = {"system_id": [system_id]}
        facts = read(self._warehouse, STATION_INFORMATION, scope=scope)
        station = facts[facts["station_id"] == station_id]
        if station.empty:
            raise UnanswerableError(
                "unknown-station", f"{system_id} has no station {station_id!r}."
            )
        stored = self._status(system_id, station_id, origin)
        own = stored["station_id"] == station_id
        declared = station["capacity"].iloc[0]
        _check(observations, stored[own], 0 if pd.isna(declared) else int(declared))
        status = laid_over(stored, station_id, observations)
        around = Surroundings(
            stations=facts[["station_id", "lat", "lon", "capacity"]],
            weather=self._weather(system_id, origin),
            timezone=system.timezone,
            country=system.country,
        )
        grid = to_grid(status, origin - LOOKS_BACK, origin + LOOKS_AHEAD + TICK)
        name = station["name"].iloc[0]
        rows = Outlook(grid, origin, around, [station_id]).forecast(model)
        return version, None if pd.isna(name) else str(name), origin, rows

    def _champion(self, system_id: str, origin: datetime) -> tuple[Version, Model]:
        known = self._champions.get(system_id)
        if known is None or self._clock() - known[0] >= CHAMPION_S:
            try:
                found = self._registry.champion(system_id)
            except RegistryError as error:
                raise UnanswerableError("no-champion", f"{error}.") from error
            if found is None:
                self._champions.pop(system_id, None)
                raise UnanswerableError("no-champion", f"{system_id} has no champion yet.")
            known = self._champions[system_id] = (self._clock(), found)
        version = known[1]
        if version.data_until > origin:
            raise UnanswerableError(
                "invalid-request",
                f"the newest observation must lie after what the model has learnt from: "
                f"{unfit(version, origin)}",
                "body.observations",
            )
        try:
            if why := unfit(version, origin):
                raise UnanswerableError("no-champion", f"The champion cannot be asked: {why}.")
            return version, self._registry.load(version)
        except RegistryError as error:
            raise UnanswerableError("no-champion", f"{error}.") from error

    def _status(self, system_id: str, station_id: str, origin: datetime) -> pd.DataFrame:
        """What features read: of all stations what `LOOKBACK` says, and of its own more hours."""
        scope, columns = {"system_id": [system_id]}, list(COLUMNS)
        of_all = Reach(lookback=LOOKBACK).of([Window(origin, origin + TICK)])
        frames = [
            read(self._warehouse, STATION_STATUS, of_all, columns=columns, scope=scope),
            read(
                self._warehouse,
                STATION_STATUS,
                whole_hours_before(origin, LOOKS_BACK),
                columns=columns,
                scope={**scope, "station_id": [station_id]},
            ),
        ]
        both = pd.concat([frame for frame in frames if len(frame)] or frames[:1])
        return both.drop_duplicates(["station_id", "observed_at"], ignore_index=True)

    def _weather(self, system_id: str, origin: datetime) -> pd.DataFrame:
        windows = Reach(lookback=((WEATHER_LOOKBACK, timedelta()),)).of(
            [Window(origin, origin + HOUR)]
        )
        return read(self._warehouse, WEATHER, windows, scope={"system_id": [system_id]})


def laid_over(
    status: pd.DataFrame, station_id: str, observations: Sequence[Posted]
) -> pd.DataFrame:
    """Status with some observations of a station in the place of what is stored, or beside it.

    What an observation does not say stays as it is stored: flags as of the last time, free docks so
    that the station has as many places as before. Of two in one tick the later counts.

    Args:
        status: The columns `grid.COLUMNS`.
        station_id: The station's.
        observations: One or more.
    """
    own = status[status["station_id"] == station_id].set_index("observed_at").sort_index()
    records: Any = own.to_dict("records")
    rows: dict[pd.Timestamp, dict[str, Any]] = dict(zip(own.index, records, strict=True))
    fetched = status.drop_duplicates("observed_at").set_index("observed_at")["fetched_at"]
    ordered = sorted(observations, key=lambda one: one.observed_at)
    for of_tick, posted in {one.tick: one for one in ordered}.items():
        tick = pd.Timestamp(of_tick)
        before = rows.get(tick) or _last(rows, tick)
        row = dict(before)
        if tick not in rows:
            # When the others were asked, if they were: it is the tick's own time.
            at = fetched.get(tick, pd.Timestamp(posted.observed_at))
            row |= dict.fromkeys(_FLAGS, True) if not before else {}
            row |= {"fetched_at": at, "last_reported": at, "num_ebikes_available": None}
        row |= {
            "num_bikes_available": posted.bikes,
            "num_ebikes_available": _ebikes(posted, row),
            "num_docks_available": _docks(posted, before),
        }
        rows[tick] = row
    laid = pd.DataFrame.from_dict(
        {name: [row.get(name) for row in rows.values()] for name in own.columns}
    )
    laid = laid.assign(station_id=station_id, observed_at=pd.DatetimeIndex([*rows]))
    laid = laid[[*status.columns]].astype(status.dtypes)
    others = status[status["station_id"] != station_id]
    return pd.concat([others, laid], ignore_index=True) if len(others) else laid


def _last(rows: Mapping[pd.Timestamp, dict[str, Any]], tick: pd.Timestamp) -> dict[str, Any]:
    earlier = [at for at in rows if at < tick]
    return rows[max(earlier)] if earlier else {}


def _ebikes(posted: Posted, row: Mapping[str, Any]) -> int | None:
    if posted.ebikes is not None:
        return posted.ebikes
    stored = row.get("num_ebikes_available")
    if _unknown(stored):
        return None
    # Feeds may tell more of them than bikes; what is not changed here stays.
    fewer = posted.bikes < int(row["num_bikes_available"])
    return min(int(stored or 0), posted.bikes) if fewer else int(stored or 0)


def _docks(posted: Posted, before: Mapping[str, Any]) -> int | None:
    if posted.docks is not None:
        return posted.docks
    docks = before.get("num_docks_available")
    if _unknown(docks):
        return None
    return max(0, int(docks or 0) + int(before["num_bikes_available"]) - posted.bikes)


def _unknown(value: Any) -> bool:
    return value is None or bool(pd.isna(value))


def _check(observations: Sequence[Posted], own: pd.DataFrame, declared: int) -> None:
    """What a station cannot hold was not observed.

    Args:
        observations: As they were posted.
        own: The station's status.
        declared: Its capacity; 0 if it is not declared.
    """
    held = own["num_bikes_available"] + own["num_docks_available"].fillna(0)
    room = max(declared, 0 if own.empty else int(held.max()))
    for number, one in enumerate(observations):
        count = one.bikes + (one.docks or 0)
        if room and count > room:
            raise UnanswerableError(
                "invalid-request",
                f"{count} bikes and free docks, at a station with places for {room}",
                f"body.observations.{number}",
            )


def hours(rows: pd.DataFrame, origin: datetime, count: int) -> list[dict[str, Any]]:
    """Rows of a forecast as the API tells them.

    Args:
        rows: From `Oracle.forecast`.
        origin: Likewise.
        count: How many of the next hours.
    """
    told = []
    for row in rows.sort_values("horizon").head(count).to_dict("records"):
        at = origin + int(row["horizon"]) * HOUR
        told.append(
            {
                "target_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "horizon": int(row["horizon"]),
                "capacity": int(row["capacity"]),
                "bikes": round(float(row["bikes"]), 2),
                **{name: int(row[name]) for name in ("p10", "p50", "p90")},
                **{
                    name: None if pd.isna(row[name]) else round(float(row[name]), 4)
                    for name in ("p_empty", "p_full")
                },
            }
        )
    return told
