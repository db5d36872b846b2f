"""Routes that forecast: a station, the whole city, the stations most at risk. All from memory."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from bike_demand.serving import answers
from bike_demand.serving.city import HOUR
from bike_demand.serving.problems import OF_DATA, Problem, documented, invalid
from bike_demand.serving.ready import KEPT
from bike_demand.serving.state import (
    After,
    BoxText,
    Limit,
    OfSystem,
    asks,
    box,
    forecast,
    large,
    read,
    serving_of,
)
from bike_demand.serving.times import EXAMPLE, Moment, told

router = APIRouter(tags=["forecasts"], responses=KEPT | documented(*OF_DATA, "no-forecast"))


class _Hours(OfSystem):
    hours: Annotated[int, Field(ge=1, le=24, description="How far ahead [h]")] = 24


class _City(OfSystem):
    at: Annotated[
        Moment | None,
        Field(
            description="The nearest hour that is forecast [UTC]; else the next",
            examples=[EXAMPLE],
        ),
    ] = None
    bbox: BoxText = None
    limit: Limit = 5000
    after: After = None


class _Risks(OfSystem):
    hours: Annotated[int, Field(ge=1, le=24, description="How far from now on [h]")] = 6
    kind: Annotated[Literal["empty", "full"], Field(description="Without what")] = "empty"
    limit: Annotated[int, Field(ge=1, le=500, description="Stations, at most")] = 20


@router.get(
    "/stations/{station_id:path}/forecast",
    response_model=answers.StationForecast,
    summary="A station's next hours",
    openapi_extra=asks(_Hours, station=True),
    responses=documented("unknown-system", "unknown-station"),
)
async def station_forecast(request: Request) -> Response:
    """What is expected of a station at each hour.

    The mean, quantiles, and how likely it is to be without bikes or without free docks.
    """
    serving, asked = serving_of(request), read(request, _Hours)
    station_id = request.path_params["station_id"]
    city = serving.city(asked.system_id)
    found = forecast(city)
    if station_id not in found.stations:
        known = station_id in city.stations
        raise Problem(
            "unknown-station",
            f"It is not in the newest forecast of {city.system_id}."
            if known
            else f"{city.system_id} has no station of this id.",
        )
    ready = city.station_forecast(found, station_id, asked.hours, serving.now())
    return ready.response(request, serving.cache(found.expires_at))


@router.get(
    "/forecast",
    response_model=answers.CityForecast,
    summary="All stations at one time",
    openapi_extra=asks(_City),
)
async def whole_city(request: Request) -> Response:
    """What is expected of all stations at a time of the next 24 hours."""
    serving, asked = serving_of(request), read(request, _City)
    city = serving.city(asked.system_id)
    found, wanted, now = forecast(city), box(asked.bbox), serving.now()
    target: int | None
    if asked.at is None:
        later = [index for index, at in enumerate(found.targets) if at > now]
        target = later[0] if later else len(found.targets) - 1
    else:
        target = found.nearest(asked.at)
    if target is None:
        first, last = found.targets[0] - HOUR / 2, found.targets[-1] + HOUR / 2
        raise invalid("query.at", f"must be from {told(first)} to {told(last)}")
    recipe = city.whole_city(found, target, asked.limit, asked.after, wanted, now)
    ready = await large(city, recipe)
    return ready.response(request, serving.cache(found.expires_at))


@router.get(
    "/risks",
    response_model=answers.Risks,
    summary="The stations most at risk",
    openapi_extra=asks(_Risks),
)
async def risks(request: Request) -> Response:
    """The stations in service that are most likely to be without bikes, or without free docks."""
    serving, asked = serving_of(request), read(request, _Risks)
    city = serving.city(asked.system_id)
    found = forecast(city)
    recipe = city.most_at_risk(found, asked.kind, asked.hours, asked.limit, serving.now())
    ready = await large(city, recipe)
    return ready.response(request, serving.cache(found.expires_at))
