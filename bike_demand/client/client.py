"""What may be asked of the API, and the typed answers."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, TypeAdapter, ValidationError

from bike_demand.client.answers import (
    Accuracy,
    CityForecast,
    Forecast,
    Kind,
    Model,
    Observation,
    Past,
    Prediction,
    Risks,
    Station,
    System,
)
from bike_demand.client.errors import AnswerError
from bike_demand.client.exchange import Exchange

PAGE: Final = 1000
"""Stations that are asked for at a time."""

TURNS: Final = 3
"""How often all stations are asked for anew, when a newer forecast comes between two pages."""

Box = tuple[float, float, float, float]
"""West, south, east, north [WGS 84 degrees]."""

Answer = TypeVar("Answer", bound=BaseModel)


class Client:
    """Asks a server of `bike-demand serve`. May be used by several threads; `with` closes it.

    Each method may raise `UnreachableError`, `ProblemError` (`TransientProblemError` if the same
    may succeed later) and `AnswerError`. What is transient is tried again for half a minute at
    most, as the server's `Retry-After` says. Answers that have not changed are not sent again.

    Args:
        url: The server's address, such as `http://127.0.0.1:8000`.
        api_key: A key, where the server asks for one.
        system_id: Of which system; not needed where the server has one alone.
        timeout: For a connection, and between two parts of an answer [s].
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        system_id: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ValueError("the address of a server begins with http:// or https://")
        headers = {} if api_key is None else {"X-API-Key": api_key}
        self._system = {} if system_id is None else {"system_id": system_id}
        self._exchange = Exchange(url.rstrip("/"), headers, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close connections."""
        self._exchange.close()

    def systems(self) -> list[System]:
        """The systems that the server knows."""
        told = self._exchange.get("/systems", {})
        return _list(System, told, "systems")

    def stations(self, q: str | None = None, bbox: Box | None = None) -> Iterator[Station]:
        """Active stations by id, a page at a time as they are asked for.

        Args:
            q: A part of the name.
            bbox: Where.
        """
        after: str | None = None
        while True:
            told = self._get("/stations", q=q, bbox=_box(bbox), limit=PAGE, after=after)
            yield from _list(Station, told, "stations")
            after = told.get("next")
            if after is None:
                return

    def station(self, station_id: str) -> Station:
        """One station, also one that is not active any more."""
        told = self._get(f"/stations/{_part(station_id)}")
        return _read(Station, told.get("station"))

    def forecast(self, station_id: str, hours: int = 24) -> Forecast:
        """The next hours at one station.

        Args:
            station_id: Which.
            hours: How many, 1 to 24.
        """
        return _read(Forecast, self._get(f"/stations/{_part(station_id)}/forecast", hours=hours))

    def city(self, at: datetime | None = None, bbox: Box | None = None) -> CityForecast:
        """All stations at one hour to come, of one forecast.

        Args:
            at: When, tz-aware; the nearest full hour is told. None is the next one.
            bbox: Where.
        """
        for _ in range(TURNS):
            told = self._get("/forecast", at=_time(at), bbox=_box(bbox))
            whole, stations, page = told, list(told.get("stations", [])), told
            while page.get("next") is not None:
                page = self._get("/forecast", at=_time(at), bbox=_box(bbox), after=page["next"])
                if _issue(page) != _issue(whole):
                    break
                stations += page.get("stations", [])
            else:
                return _read(CityForecast, {**whole, "stations": stations})
        raise AnswerError("The forecast changed between pages each time it was asked for.")

    def risks(self, hours: int = 6, kind: Kind = "empty", limit: int = 20) -> Risks:
        """The stations most likely to run empty, or full.

        Args:
            hours: Within how many, 1 to 24.
            kind: `empty` or `full`.
            limit: How many stations, 1 to 500.
        """
        return _read(Risks, self._get("/risks", hours=hours, kind=kind, limit=limit))

    def history(
        self, station_id: str, begin: datetime | None = None, end: datetime | None = None
    ) -> Past:
        """What was observed of a station.

        Args:
            station_id: Which.
            begin: From when on, tz-aware; None is a day before `end`.
            end: Until when, tz-aware, 8 days later at most; None is the newest observation.
        """
        path = f"/history/{_part(station_id)}"
        return _read(Past, self._get(path, **{"from": _time(begin), "to": _time(end)}))

    def accuracy(self, days: int = 7) -> Accuracy:
        """How forecasts fared that came due.

        Args:
            days: In how many of the last days, 1 to 60.
        """
        return _read(Accuracy, self._get("/accuracy", days=days))

    def model(self) -> Model:
        """The champion, how good it was, and what was done about champions."""
        return _read(Model, self._get("/model"))

    def predict(
        self, station_id: str, observations: Sequence[Observation], hours: int = 24
    ) -> Prediction:
        """What the champion would say if a station had been observed so: a what-if.

        Args:
            station_id: Which.
            observations: They take the place of what is stored at the same time; the newest is
                what is forecast from.
            hours: How many, 1 to 24.
        """
        rows = TypeAdapter(list[Observation]).dump_python(
            [*observations], mode="json", exclude_none=True
        )
        body = {**self._system, "station_id": station_id, "observations": rows, "hours": hours}
        encoded = TypeAdapter(dict[str, Any]).dump_json(body)
        return _read(Prediction, self._exchange.post("/predict", encoded))

    def _get(self, path: str, **parameters: str | int | None) -> dict[str, Any]:
        given = {name: str(value) for name, value in parameters.items() if value is not None}
        told = self._exchange.get(path, {**self._system, **given})
        if not isinstance(told, dict):
            raise AnswerError(f"{path}: the answer is no object; is this the API's address?")
        return told


def _read(kind: type[Answer], told: Any) -> Answer:
    try:
        return kind.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise AnswerError(f"The answer is no {kind.__name__}: {where}: {first['msg']}") from None


def _list(kind: type[Answer], told: Any, name: str) -> list[Answer]:
    rows = told.get(name) if isinstance(told, dict) else None
    if not isinstance(rows, list):
        raise AnswerError(f"The answer has no list of {name}; is this the API's address?")
    return [_read(kind, row) for row in rows]


def _issue(told: dict[str, Any]) -> tuple[Any, ...]:
    return told.get("origin_at"), told.get("issued_at"), told.get("target_at")


def _part(identifier: str) -> str:
    return quote(identifier, safe="")


def _time(at: datetime | None) -> str | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise ValueError(f"a time is tz-aware; {at!r} is not")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _box(bbox: Box | None) -> str | None:
    # The API reads no exponents.
    return None if bbox is None else ",".join(f"{side:.20f}" for side in bbox)
