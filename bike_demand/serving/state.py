"""What the routes have in common: the state of the server, and finding what is asked for in it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from bike_demand.serving.city import Box, City, Forecast
from bike_demand.serving.database import Database
from bike_demand.serving.follow import Follower
from bike_demand.serving.problems import Problem, invalid, malformed
from bike_demand.serving.ready import Ready, Recipe
from bike_demand.settings import Settings

_STATION: Final = {
    "name": "station_id",
    "in": "path",
    "required": True,
    "description": "The station, as its feed names it",
    "schema": {"type": "string", "minLength": 1, "examples": ["66db237e-0aca"]},
}
_Asked = TypeVar("_Asked", bound="Nothing")

LEAST_S: Final = 15
MOST_S: Final = 900
"""How long an answer may be kept by who asked, at least and at most [s]."""


@dataclass(frozen=True)
class Serving:
    """The state of the server: `request.app.state.serving`.

    Attributes:
        configured: The settings.
        database: The warehouse.
        follower: Holds what is in memory.
        now: UTC.
    """

    configured: Settings
    database: Database
    follower: Follower
    now: Callable[[], datetime]

    def city(self, system_id: str | None, location: str = "query.system_id") -> City:
        """The system that is asked for; the only one if none is named.

        Args:
            system_id: As it is asked for.
            location: Where it is asked for.

        Raises:
            Problem: There is no such system, or several, or the database has never answered.
        """
        cities = self.follower.cities
        if system_id is None:
            if len(cities) > 1:
                raise invalid(location, f"must be one of {', '.join(cities)}")
            return next(iter(cities.values()))
        city = cities.get(system_id)
        if city is None:
            raise Problem("unknown-system", f"There are: {', '.join(cities)}.")
        return city

    def cache(self, until: datetime | None) -> str:
        """`Cache-Control` of what holds until some time; None for no longer than need be."""
        seconds = 0 if until is None else int((until - self.now()).total_seconds())
        scope = "private" if self.configured.api_keys else "public"
        return f"{scope}, max-age={min(max(seconds, LEAST_S), MOST_S)}"


def forecast(city: City) -> Forecast:
    """The forecast of a system.

    Raises:
        Problem: There is none.
    """
    if city.forecast is None:
        raise Problem("no-forecast", f"{city.system_id} has not been forecast yet.")
    return city.forecast


async def large(city: City, recipe: Recipe) -> Ready:
    """An answer about many stations: as it was made before, or made while others are answered.

    Args:
        city: Keeps it.
        recipe: Makes it.
    """
    kept = city.kept(recipe)
    return await run_in_threadpool(city.made, recipe) if kept is None else kept


def serving_of(request: Request) -> Serving:
    """The state of the server that is asked."""
    found: Serving = request.app.state.serving
    return found


def read(request: Request, asked: type[_Asked]) -> _Asked:
    """The query of a request.

    FastAPI would do as much, in as long as all the rest of an answer from memory takes.

    Args:
        request: As it came.
        asked: What it may be.

    Raises:
        Problem: It is something else, or has a parameter twice.
    """
    if not request.scope["query_string"]:
        return asked()
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in values:  # one of them would count, and nobody could tell which
            raise invalid(f"query.{name[:64]}", "stands twice")
        values[name] = value
    try:
        return asked.model_validate(values)
    except ValidationError as error:
        raise malformed(error.errors(include_url=False), "query") from None


def asks(asked: type["Nothing"], *, station: bool = False) -> dict[str, Any]:
    """What `read` reads, for OpenAPI: the `openapi_extra` of a route.

    Args:
        asked: What the query may be.
        station: Whether the path names a station.
    """
    schema = asked.model_json_schema()
    parameters = [_STATION] if station else []
    return {
        "parameters": parameters
        + [_parameter(name, of) for name, of in schema.get("properties", {}).items()]
    }


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    # What is left out is not null, which a query could not say.
    given = [one for one in schema.pop("anyOf", []) if one != {"type": "null"}]
    wanted = {**schema, **(given[0] if given else {})}
    for unwanted in ("title", "default") if schema.get("default", "") is None else ("title",):
        wanted.pop(unwanted, None)
    description = wanted.pop("description")
    return {"name": name, "in": "query", "description": description, "schema": wanted}


SystemId = Annotated[
    str | None,
    Field(
        max_length=63,
        description="The bike-share system; may be left out where there is one only",
        examples=["citibike_nyc"],
    ),
]
Limit = Annotated[int, Field(ge=1, le=5000, description="Stations, at most")]
After = Annotated[
    str | None,
    Field(max_length=255, description="`next` of the page before: stations after this id"),
]
_NUMBER = r"[+-]?[0-9]{1,3}(\.[0-9]{1,20})?"
_BOX = f"^{_NUMBER}(,{_NUMBER}){{3}}$"


def _is_box(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(_BOX, text):
        raise ValueError("must be four numbers: min_lon,min_lat,max_lon,max_lat")
    return text


BoxText = Annotated[
    str | None,
    AfterValidator(_is_box),  # pydantic would answer with the pattern
    Field(
        json_schema_extra={"pattern": _BOX},
        description="A part of the map: min_lon,min_lat,max_lon,max_lat [WGS 84 degrees]",
        examples=["-74.02,40.70,-73.93,40.80"],
    ),
]


class Nothing(BaseModel):
    """No query parameters: a misspelt one is refused instead of passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OfSystem(Nothing):
    """Query parameters of every route about a system."""

    system_id: SystemId = None


def box(text: str | None) -> Box | None:
    """A part of the map.

    Raises:
        Problem: It is none.
    """
    if text is None:
        return None
    found = Box(*(float(part) for part in text.split(",")))
    if not (-180 <= found.min_lon <= found.max_lon <= 180):
        raise invalid("query.bbox", "its longitudes must ascend, within -180 and 180")
    if not (-90 <= found.min_lat <= found.max_lat <= 90):
        raise invalid("query.bbox", "its latitudes must ascend, within -90 and 90")
    return found
