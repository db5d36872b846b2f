"""Routes for who looks after the server: is it alive, ready, what are its numbers, read anew."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from bike_demand.serving import answers, security
from bike_demand.serving.city import City, dumps
from bike_demand.serving.numbers import Numbers
from bike_demand.serving.problems import Problem, documented
from bike_demand.serving.state import Nothing, Serving, read, serving_of
from bike_demand.serving.times import told_or_none

router = APIRouter(tags=["operation"])
_NO_STORE = {"Cache-Control": "no-store"}
_TEXTS = ("text/plain", "application/openmetrics-text")
_TEXT = {"schema": {"type": "string"}}
_TOKEN = HTTPBearer(
    auto_error=False, scheme_name="ReloadToken", description="`BIKE_DEMAND_SERVING_RELOAD_TOKEN`"
)


@router.get(
    "/health",
    response_model=answers.Alive,
    summary="Is the process alive?",
    responses=documented("invalid-request"),
)
async def health(request: Request) -> Response:
    """Yes."""
    read(request, Nothing)
    return Response(b'{"status":"alive"}', 200, _NO_STORE, "application/json")


@router.get(
    "/ready",
    response_model=answers.Readiness,
    summary="Is there something to serve?",
    responses={
        503: {"model": answers.Readiness, "description": "The database or a forecast is missing"},
        **documented("invalid-request"),
    },
)
def ready(request: Request) -> Response:
    """Whether the database answers and every system has a forecast, and how old that is."""
    serving, _ = serving_of(request), read(request, Nothing)
    database = True
    try:
        serving.database.ask("SELECT 1", {})
    except Problem:
        database = False
    cities = [*serving.follower.cities.values()] if serving.follower.has_looked else []
    good = database and bool(cities) and all(city.forecast is not None for city in cities)
    told_of = {
        "status": "ready" if good else "not_ready",
        "database": database,
        "systems": [_readiness(city, serving) for city in cities],
    }
    return Response(dumps(told_of), 200 if good else 503, _NO_STORE, "application/json")


@router.post(
    "/model/reload",
    response_model=answers.Reload,
    summary="Read all that is stored anew",
    responses=documented(
        "token-wrong", "no-token", "invalid-request", "too-many-requests", "database-unavailable"
    ),
)
def reload(
    request: Request,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_TOKEN)],
) -> Response:
    """For the impatient: what is new is found within seconds anyway."""
    serving, _ = serving_of(request), read(request, Nothing)
    token = serving.configured.serving_reload_token
    if token is None:
        raise Problem("no-token", "BIKE_DEMAND_SERVING_RELOAD_TOKEN is not set.")
    if given is None or not security.same(given.credentials, token.get_secret_value()):
        raise Problem("token-wrong", "Send the token as Bearer.", {"WWW-Authenticate": "Bearer"})
    cities = serving.follower.look(anew=True)
    told_of = [
        {
            "system_id": city.system_id,
            "origin_at": told_or_none(city.forecast.origin_at if city.forecast else None),
            "model_version": city.forecast and city.forecast.model_version,
        }
        for city in cities.values()
    ]
    return Response(dumps({"systems": told_of}), 200, _NO_STORE, "application/json")


def metrics_router(numbers: Numbers) -> APIRouter:
    """The route of the numbers.

    Args:
        numbers: Of this server.
    """
    route = APIRouter(tags=["operation"])

    @route.get(
        "/metrics",
        response_class=Response,
        summary="Numbers for Prometheus",
        responses={
            200: {"description": "Text", "content": dict.fromkeys(_TEXTS, _TEXT)},
            **documented("key-wanted", "invalid-request", "too-many-requests"),
        },
    )
    def metrics(request: Request) -> Response:
        """Requests, what is held, and what tables tell: docs/monitoring.md."""
        read(request, Nothing)
        text, media = numbers.told(request.headers.get("accept", ""))
        return Response(text, 200, _NO_STORE, media)

    return route


def _readiness(city: City, serving: Serving) -> dict[str, object]:
    now, found = serving.now(), city.forecast
    return {
        "system_id": city.system_id,
        "origin_at": told_or_none(found.origin_at if found else None),
        "age_seconds": found and max(0, int((now - found.origin_at).total_seconds())),
        "stale": city.is_stale(now),
        "champion": city.reign and city.reign.model_version,
    }
