"""`POST /predict`: what the champion would say, had a station been observed so.

A model is asked by a process of its own (`what_if_process`); here stand the route and its limits.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message

from bike_demand.serving import answers
from bike_demand.serving.problems import OF_DATA, FieldError, Problem, documented, invalid
from bike_demand.serving.state import Nothing, SystemId, read, serving_of
from bike_demand.serving.times import EXAMPLE, Moment
from bike_demand.serving.what_if_process import BusyError, GoneError, LateError, Worker

BODY: Final = 256 * 1024
"""Bytes of a request, at most."""

ROWS: Final = 100
"""Observations, at most: a day of quarters of an hour, and some."""

SPAN: Final = timedelta(hours=24)
"""How long before the newest observation the oldest may lie: what features look at closely."""

MOST: Final = 1000
"""Bikes, or docks, that any station holds."""

BUSY_S: Final = 10
"""After which who was refused for others' sake should ask again."""

_JSON: Final = re.compile(r"application/([^;]+\+)?json\s*(;|$)", re.IGNORECASE)
"""What FastAPI reads as such; of anything else it would say that it is no object."""


class PostedObservation(BaseModel):
    """How a station was, or might have been."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    observed_at: Annotated[
        Moment,
        Field(
            description="When [UTC]; it counts for the 15-minute tick that it lies in, of two in "
            "one tick the later. Not in the future, and within 24 h of the newest",
            examples=[EXAMPLE],
        ),
    ]
    num_bikes_available: Annotated[
        int,
        Field(ge=0, le=MOST, description="Bikes to rent, e-bikes included [count]", examples=[3]),
    ]
    num_ebikes_available: Annotated[
        int | None,
        Field(
            ge=0,
            le=MOST,
            description="E-bikes of those [count]; left out: as it is stored",
            examples=[1],
        ),
    ] = None
    num_docks_available: Annotated[
        int | None,
        Field(
            ge=0,
            le=MOST,
            description="Free docks [count]; left out: as many as the bikes leave of the station's "
            "places",
            examples=[36],
        ),
    ] = None


class Question(BaseModel):
    """What is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system_id: SystemId = None
    station_id: Annotated[
        str,
        Field(
            min_length=1,
            max_length=255,
            description="The station, as its feed names it",
            examples=["66db237e-0aca"],
        ),
    ]
    observations: Annotated[
        list[PostedObservation],
        Field(
            min_length=1,
            max_length=ROWS,
            description="They take the place of what is stored at the same tick; the tick of the "
            "newest is what is forecast from",
        ),
    ]
    hours: Annotated[int, Field(ge=1, le=24, description="How far ahead [h]", examples=[6])] = 24


class WhatIf(BaseModel):
    """What is expected of a station, hour by hour, if it was as posted. It is not stored."""

    system_id: answers.SystemId
    timezone: answers.Zone
    origin_at: datetime = Field(description="Tick it is made from [UTC]", examples=[EXAMPLE])
    issued_at: datetime = Field(
        description="When it was made [UTC]", examples=["2026-05-01T12:03:10Z"]
    )
    role: Literal["champion"]
    model_version: str = Field(description="The model's version", examples=["7"])
    station_id: answers.StationId
    name: answers.Name
    forecast: list[answers.StationHour]
    what_if: Literal[True]


class _Limited(APIRoute):
    """A route that reads no body beyond `BODY`, whatever its length is told to be."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's, behind the limit."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            body = bytearray()
            length = request.headers.get("content-length", "")
            if length.isdigit() and int(length[:12]) > BODY:
                raise _too_large()
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY:
                    raise _too_large()
            if body and not _JSON.match(request.headers.get("content-type", "")):
                raise invalid("header.Content-Type", "must be application/json")
            try:
                json.loads(body or b"null")
            except (ValueError, RecursionError):  # FastAPI would call some of it a 400
                raise invalid("body", "must be JSON in UTF-8") from None
            told = False

            async def again() -> Message:
                nonlocal told
                if told:
                    return await request.receive()
                told = True
                return {"type": "http.request", "body": bytes(body), "more_body": False}

            return await inner(Request(request.scope, again))

        return handler


def router(worker: Worker) -> APIRouter:
    """The route, and the end of the process.

    Args:
        worker: That is asked; it ends with the app.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(worker.close)

    routes = APIRouter(tags=["forecasts"], route_class=_Limited, lifespan=lifespan)

    @routes.post(
        "/predict",
        response_model=WhatIf,
        responses=documented(
            *OF_DATA,
            "unknown-station",
            "too-large",
            "no-champion",
            "model-unavailable",
            "busy",
            "what-if-failed",
            "too-slow",
        ),
        summary="A station's next hours, had it been observed so",
    )
    async def predict(request: Request, question: Question) -> Response:
        """What the champion says, from posted observations laid over those that are stored.

        Nothing is stored. One question is answered at a time, four more wait. A body has 256 KiB
        at most, an answer takes 30 s at most, and the first takes seconds, for a process is started
        for it.
        """
        read(request, Nothing)
        serving = serving_of(request)
        city = serving.city(question.system_id, "body.system_id")
        if question.station_id not in city.stations:
            raise Problem("unknown-station", f"{city.system_id} has no station of this id.")
        check(question, serving.now())
        told = await run_in_threadpool(ask, worker, question, city.system_id)
        return JSONResponse(
            {
                "system_id": city.system_id,
                "timezone": city.timezone,
                "origin_at": told["origin_at"],
                "issued_at": told["issued_at"],
                "role": "champion",
                "model_version": told["model_version"],
                "station_id": question.station_id,
                "name": told["name"],
                "forecast": told["forecast"],
                "what_if": True,
            },
            headers={"Cache-Control": "no-store"},
        )

    return routes


def check(question: Question, now: datetime) -> None:
    """What a schema cannot say.

    Args:
        question: With one observation or more.
        now: UTC.

    Raises:
        Problem: It cannot have been so.
    """
    newest = max(one.observed_at for one in question.observations)
    for number, one in enumerate(question.observations):
        where = f"body.observations.{number}"
        if one.observed_at > now:
            raise invalid(f"{where}.observed_at", "must not lie in the future")
        if newest - one.observed_at > SPAN:
            raise invalid(
                f"{where}.observed_at", "must lie within 24 hours of the newest observation"
            )
        if (one.num_ebikes_available or 0) > one.num_bikes_available:
            raise invalid(f"{where}.num_ebikes_available", "must not be more than there are bikes")


def ask(worker: Worker, question: Question, system_id: str) -> dict[str, Any]:
    """What the process says.

    Args:
        worker: That asks it.
        question: Checked.
        system_id: Of which system.

    Raises:
        Problem: There is no answer.
    """
    body = question.model_dump(mode="json") | {"system_id": system_id}
    try:
        told = worker.ask(body)
    except BusyError:
        again = {"Retry-After": str(BUSY_S)}
        raise Problem("busy", "Others are asking, too: ask again later.", again) from None
    except LateError:
        raise Problem("too-slow", "It took over 30 s, and was ended.") from None
    except GoneError:
        raise Problem("what-if-failed", "The process that answers has ended.") from None
    if "answer" in told:
        answer: dict[str, Any] = told["answer"]
        return answer
    problem = told["problem"]
    kind, detail, location = problem["kind"], problem["detail"], problem["location"]
    errors = [FieldError(location=location, message=detail)] if location else []
    raise Problem(kind, f"{location}: {detail}" if location else detail, errors=errors)


def _too_large() -> Problem:
    return Problem("too-large", f"A body has {BODY // 1024} KiB at most.")
