"""A city's web server, on loopback only: its GBFS feeds and its weather.

When the city lives on, when a document is made anew and what goes wrong on purpose is settled
here. What documents say stands in `feeds` and `weather_api`; how long a server runs is for those
who start it.
"""

import asyncio
import gzip
import hashlib
import random
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Final, Self

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bike_demand.simulation import feeds, misbehaviour, weather_api
from bike_demand.simulation.city import City, Snapshot
from bike_demand.simulation.feeds import Version
from bike_demand.simulation.misbehaviour import Misbehaviour
from bike_demand.simulation.weather import Weather

LOOPBACK: Final = "127.0.0.1"
OTHER_IDS_PREFIX: Final = "x-"

Sleep = Callable[[float], Awaitable[object]]
Endpoint = Callable[[Request], Awaitable[Response]]
WeatherAnswer = Callable[[Weather, datetime, Mapping[str, str]], dict[str, Any]]


@dataclass(frozen=True)
class _Document:
    """A document as it is sent."""

    body: bytes
    packed: bytes
    etag: str

    @classmethod
    def of(cls, body: bytes) -> Self:
        # Weak, as the packed and the plain bytes are the same document.
        etag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        return cls(body, gzip.compress(body, 1, mtime=0), etag)

    def answer(self, request: Request) -> Response:
        """It, or that the asker has it already."""
        headers = {"ETag": self.etag, "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == self.etag:
            return Response(status_code=304, headers=headers)
        body = self.body
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            body = self.packed
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers, media_type="application/json")


class _Documents:
    """The city's documents as of now; each is made once, the status once a step. Thread-safe."""

    def __init__(
        self, city: City, clock: Callable[[], datetime], version: Version, base_url: str
    ) -> None:
        plan = city.plan
        self._city = city
        self._clock = clock
        self._version = version
        self._lock = Lock()
        self._writers: dict[str, Callable[[], bytes]] = {
            "gbfs": lambda: feeds.discovery(version, plan, base_url),
            "system_information": lambda: feeds.system_information(version, plan),
            "vehicle_types": lambda: feeds.vehicle_types(version, plan),
            "station_information": lambda: feeds.station_information(version, plan, city.stations),
        }
        self._facts: dict[str, _Document] = {}
        self._shown: Snapshot | None = None
        self._status: tuple[object, _Document] | None = None

    def document(self, name: str, wrong: Misbehaviour) -> _Document | None:
        """A feed's document, or None if there is no such feed."""
        with self._lock:
            if name == "station_status":
                return self._status_document(wrong)
            if name not in self._facts and name in self._writers:
                self._facts[name] = _Document.of(self._writers[name]())
            return self._facts.get(name)

    def _status_document(self, wrong: Misbehaviour) -> _Document:
        # Read under the lock: two askers must not hand the city their times in the wrong order.
        self._city.advance(self._clock())
        shown = self._shown
        if shown is None or not (wrong.frozen or shown.at == self._city.now):
            shown = self._shown = self._city.snapshot()
        key = (shown.at, wrong.malformed, wrong.wrong_ids)
        if self._status is None or self._status[0] != key:
            self._status = key, _Document.of(self._write_status(shown, wrong))
        return self._status[1]

    def _write_status(self, shown: Snapshot, wrong: Misbehaviour) -> bytes:
        ids = self._city.stations["station_id"].tolist()
        if wrong.wrong_ids:
            ids = [f"{OTHER_IDS_PREFIX}{station_id}" for station_id in ids]
        records = feeds.status_records(self._version, ids, shown)
        if wrong.malformed:
            records = misbehaviour.break_records(
                records, wrong.malformed, seed=int(shown.at.timestamp())
            )
        return feeds.station_status(self._version, shown.at, records)


class CityServer:
    """Serves a city while its context is open, in a thread of its own.

    Args:
        city: Who lives; the server alone moves its time on.
        clock: The city's present (aware, UTC). Must not go back.
        version: Which GBFS it speaks.
        port: On loopback; 0 for any that is free.
        wrong: What is wrong at first.
        sleep: Waits so many seconds before a slow answer.

    Attributes:
        misbehaviour: What is wrong now. May be set at any time, also by `PUT /misbehaviour`.
    """

    def __init__(
        self,
        city: City,
        clock: Callable[[], datetime],
        *,
        version: Version = Version.V2_3,
        port: int = 0,
        wrong: Misbehaviour = Misbehaviour(),  # noqa: B008  # frozen
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.misbehaviour = wrong
        self._city = city
        self._clock = clock
        self._version = version
        self._port = port
        self._sleep = sleep
        self._weather = Weather(city.plan.seed, city.plan.timezone)
        self._luck = random.Random(city.plan.seed)  # noqa: S311  # no secret
        self._open = ExitStack()

    @property
    def url(self) -> str:
        """Where it answers: base of the feeds' addresses and of an Open-Meteo client's."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def gbfs_url(self) -> str:
        """The discovery document's address."""
        return f"{self.url}/gbfs.json"

    def __enter__(self) -> Self:
        """Live up to the present, then answer.

        Raises:
            OSError: The port is taken.
        """
        with ExitStack() as opened:
            listener = opened.enter_context(_listen(self._port))
            self._port = listener.getsockname()[1]
            documents = _Documents(self._city, self._clock, self._version, self.url)
            documents.document("station_status", self.misbehaviour)
            config = uvicorn.Config(
                Starlette(routes=self._routes(documents)),
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
            server = uvicorn.Server(config)
            thread = Thread(target=server.run, args=([listener],), name="city")
            thread.start()
            opened.callback(thread.join)
            opened.callback(setattr, server, "should_exit", True)  # noqa: FBT003
            self._open = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Answer no more."""
        self._open.close()

    def _routes(self, documents: _Documents) -> list[Route]:
        async def feed(request: Request) -> Response:
            name = request.path_params["name"]
            document = await run_in_threadpool(documents.document, name, self.misbehaviour)
            if document is None:
                return PlainTextResponse("there is no such feed", 404)
            return document.answer(request)

        return [
            Route("/{name}.json", self._misbehaving(feed)),
            Route("/v1/forecast", self._misbehaving(self._weather_route(weather_api.forecast))),
            Route("/v1/archive", self._misbehaving(self._weather_route(weather_api.archive))),
            Route("/misbehaviour", self._show_misbehaviour, methods=["GET"]),
            Route("/misbehaviour", self._change_misbehaviour, methods=["PUT"]),
        ]

    def _weather_route(self, answer: WeatherAnswer) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            parameters = request.query_params
            query = {name: ",".join(parameters.getlist(name)) for name in parameters}
            try:
                content = await run_in_threadpool(answer, self._weather, self._clock(), query)
            except weather_api.BadRequestError as error:
                return _refusal(error)
            return JSONResponse(content)

        return endpoint

    def _misbehaving(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, late or failing if told so."""

        async def misbehaving(request: Request) -> Response:
            wrong = self.misbehaviour
            if wrong.slow:
                await self._sleep(wrong.slow)
            if self._luck.random() < wrong.errors:
                return PlainTextResponse("told to fail", 500)
            return await endpoint(request)

        return misbehaving

    async def _show_misbehaviour(self, _request: Request) -> Response:
        return Response(misbehaviour.to_json(self.misbehaviour), media_type="application/json")

    async def _change_misbehaviour(self, request: Request) -> Response:
        try:
            self.misbehaviour = misbehaviour.from_json(await request.body())
        except ValueError as error:
            return _refusal(error)
        return await self._show_misbehaviour(request)


def _refusal(error: Exception) -> Response:
    """As Open-Meteo says it."""
    return JSONResponse({"error": True, "reason": str(error)}, 400)


def _listen(port: int) -> socket.socket:
    # With its protocol named, asyncio sends small answers at once, not 40 ms later.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # A port whose last connections have only just ended is free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise OSError(f"port {port} of {LOOPBACK} cannot be had ({error.strerror})") from error
    listener.listen()
    return listener
