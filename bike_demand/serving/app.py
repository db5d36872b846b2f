"""The app: routes, what every request passes, and what is started and ended with it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final, TextIO

import sqlalchemy as sa
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from bike_demand.serving import (
    forecasts,
    operation,
    page_files,
    problems,
    security,
    stations,
    trust,
    what_if,
)
from bike_demand.serving.database import Database
from bike_demand.serving.follow import EVERY_S, Follower
from bike_demand.serving.gate import OPEN, OPEN_BELOW, Door, Envelope
from bike_demand.serving.numbers import Held, Numbers
from bike_demand.serving.problems import ProblemAnswer
from bike_demand.serving.state import Serving
from bike_demand.serving.what_if_process import Worker
from bike_demand.settings import Settings
from bike_demand.storage import databases
from bike_demand.storage.errors import DatabaseUnavailableError

# What takes a path of its own stands before what takes any.
ROUTERS: Final = (
    forecasts.router,
    stations.router,
    trust.router,
    operation.router,
    page_files.settings_router,
)

DESCRIPTION: Final = """
How many bikes and free docks a bike-share system's stations will have in the next 24 hours.

All times are UTC, in ISO 8601. Counts are bikes or docks, probabilities lie between 0 and 1,
distances are metres, places WGS 84 degrees. What is wrong is told as a problem (RFC 9457). Answers
have an `ETag`: sent back as `If-None-Match`, it is answered by 304 while nothing is new.
"""


def utc_now() -> datetime:
    """The present."""
    return datetime.now(UTC)


def create_app(
    configured: Settings,
    *,
    now: Callable[[], datetime] = utc_now,
    every_s: float = EVERY_S,
    log: TextIO | None = None,
    worker: Worker | None = None,
) -> FastAPI:
    """The app; what it needs is opened as it starts.

    Args:
        configured: The settings.
        now: The present, UTC.
        every_s: How often is looked for what is new [s].
        log: Where requests are written down; None for nowhere.
        worker: Is asked what-ifs, and ends with the app; by default one that asks champions.
    """
    database = Database(lambda: _locate(configured))
    follower = Follower(configured, database, every_s)
    numbers = Numbers()
    numbers.registry.register(Held(follower, database, now))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(follower.start)
        yield
        await run_in_threadpool(follower.stop)
        database.close()

    app = FastAPI(
        title="bike_demand",
        version=version("bike-demand"),
        description=DESCRIPTION.strip(),
        lifespan=lifespan,
        docs_url=None,  # it would load scripts from another host
        redoc_url=None,
        redirect_slashes=False,  # another path is another path
        generate_unique_id_function=lambda route: route.name,
        middleware=_middleware(configured, numbers, log),
    )
    app.state.serving = Serving(configured, database, follower, now)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(what_if.router(worker or Worker()))
    app.include_router(operation.metrics_router(numbers))
    app.include_router(page_files.router())
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _locate(configured: Settings) -> sa.URL:
    """Where the warehouse is; an embedded server is started if need be, but never created."""
    url = configured.revealed_serving_url()
    if url is None and not (configured.home / "postgres" / "data").is_dir():
        raise DatabaseUnavailableError(f"There is no database in {configured.home}.")
    return databases.locate(url, configured.home)


def _middleware(configured: Settings, numbers: Numbers, log: TextIO | None) -> list[Middleware]:
    """From the outside in."""
    guarded = Middleware(Envelope, security.headers(configured.tiles_url), numbers, log)
    door = Middleware(Door, configured.api_keys, security.Rate(configured.serving_rate))
    if not configured.serving_origins:
        return [guarded, door]
    cors = Middleware(
        CORSMiddleware,
        allow_origins=[*configured.serving_origins],
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=[security.KEY_HEADER, "Authorization", "Content-Type", "If-None-Match"],
        expose_headers=["ETag", "Retry-After", "X-Request-ID"],
    )
    return [guarded, cors, door]


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's, with the problem's shape, and with keys, which may be wanted."""
    if app.openapi_schema:
        return app.openapi_schema
    schema = FastAPI.openapi(app)
    components = schema.setdefault("components", {})
    problem = ProblemAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = components.setdefault("schemas", {})
    schemas.update(problem.pop("$defs"))
    schemas["ProblemAnswer"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["schemas"] = dict(sorted(schemas.items()))
    components.setdefault("securitySchemes", {})["ApiKey"] = {
        "type": "apiKey",
        "in": "header",
        "name": security.KEY_HEADER,
        "description": "Wanted where `BIKE_DEMAND_API_KEYS` is set",
    }
    for path, methods in schema["paths"].items():
        if path not in OPEN and not path.startswith(OPEN_BELOW):
            for operation_of in methods.values():
                operation_of["security"] = [{}, {"ApiKey": []}]
    return schema
