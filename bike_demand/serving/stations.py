"""Routes about what was and is: systems, stations, and a station's past."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Request, Response
from pydantic import Field

from bike_demand.serving import answers, queries
from bike_demand.serving.city import City, Station, dumps
from bike_demand.serving.problems import OF_DATA, Problem, documented, invalid
from bike_demand.serving.ready import KEPT, Ready
from bike_demand.serving.state import (
    After,
    BoxText,
    Limit,
    Nothing,
    OfSystem,
    Serving,
    asks,
    box,
    large,
    read,
    serving_of,
)
from bike_demand.serving.times import EXAMPLE, Moment, told, told_or_none

TICK: Final = timedelta(minutes=15)
DAY: Final = timedelta(days=1)
LONGEST: Final = 8 * DAY
"""That is answered of a station's past."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

router = APIRouter(tags=["stations"], responses=KEPT | documented(*OF_DATA))


class _Page(OfSystem):
    limit: Limit = 500
    after: After = None
    q: Annotated[
        str | None,
        Field(max_length=100, description="Part of a name or number", examples=["Broadway"]),
    ] = None
    bbox: BoxText = None


class _Span(OfSystem):
    from_: Annotated[
        Moment | None,
        Field(
            alias="from", description="First [UTC]; else a day before the last", examples=[EXAMPLE]
        ),
    ] = None
    to: Annotated[
        Moment | None,
        Field(description="Last [UTC]; else the newest snapshot", examples=[EXAMPLE]),
    ] = None


@router.get(
    "/systems",
    response_model=answers.Systems,
    summary="Which systems there are",
    openapi_extra=asks(Nothing),
)
async def systems(request: Request) -> Response:
    """All bike-share systems that are followed."""
    serving, _ = serving_of(request), read(request, Nothing)
    now = serving.now()
    told_of = [_told(city, now) for city in serving.follower.cities.values()]
    return Ready(dumps({"systems": told_of})).response(request, serving.cache(None))


@router.get(
    "/stations",
    response_model=answers.Stations,
    summary="Stations, page by page",
    openapi_extra=asks(_Page),
)
async def stations(request: Request) -> Response:
    """The active stations by id, each with its newest snapshot."""
    serving, asked = serving_of(request), read(request, _Page)
    city = serving.city(asked.system_id)
    recipe = city.station_page(asked.limit, asked.after, asked.q, box(asked.bbox))
    ready = await large(city, recipe)
    return ready.response(request, _until_next_tick(city, serving))


# Ids may hold slashes. The route of a station's forecast is declared before.
@router.get(
    "/stations/{station_id:path}",
    response_model=answers.OneStation,
    summary="A station",
    openapi_extra=asks(OfSystem, station=True),
    responses=documented("unknown-system", "unknown-station"),
)
async def station(request: Request) -> Response:
    """A station with its newest snapshot; one that has left, too."""
    serving, asked = serving_of(request), read(request, OfSystem)
    city = serving.city(asked.system_id)
    body = city.one_station(_known(city, request.path_params["station_id"]))
    return Ready(body).response(request, _until_next_tick(city, serving))


@router.get(
    "/history/{station_id:path}",
    response_model=answers.History,
    summary="A station's past",
    openapi_extra=asks(_Span, station=True),
    responses=documented("unknown-system", "unknown-station"),
)
def history(request: Request) -> Response:
    """What a station was like, quarter of an hour by quarter of an hour, over 8 days at most."""
    serving, asked = serving_of(request), read(request, _Span)
    station_id = request.path_params["station_id"]
    city = serving.city(asked.system_id)
    known = _known(city, station_id)
    first, last = _span(asked, city.state.observed_at or serving.now())
    values = {"system": city.system_id, "station": station_id, "first": first, "last": last}
    rows = serving.database.ask(queries.HISTORY, values)
    told_of = {
        "system_id": city.system_id,
        "timezone": city.timezone,
        "station_id": station_id,
        "from": told(first),
        "to": told(last),
        "observations": [
            {
                "observed_at": told(at),
                "num_bikes_available": bikes,
                "num_ebikes_available": ebikes,
                "num_docks_available": docks,
                "capacity": known.capacity,
            }
            for at, bikes, ebikes, docks in rows
        ],
    }
    return Ready(dumps(told_of)).response(request, _until_next_tick(city, serving))


def _known(city: City, station_id: str) -> Station:
    found = city.stations.get(station_id)
    if found is None:
        raise Problem("unknown-station", f"{city.system_id} has no station of this id.")
    return found


def _span(asked: _Span, newest: datetime) -> tuple[datetime, datetime]:
    """From the first tick to the last that are asked for."""
    last = asked.to or newest
    first = asked.from_ or last - DAY
    if first > last:
        raise invalid("query.from", f"must not be later than 'to', {told(last)}")
    if last - first > LONGEST:
        raise invalid("query.from", f"must be {LONGEST.days} days before 'to' at most")
    return first + (_EPOCH - first) % TICK, last


def _told(city: City, now: datetime) -> dict[str, object]:
    lat, lon = city.middle
    return {
        "system_id": city.system_id,
        "timezone": city.timezone,
        "stations": len(city.active),
        "lat": lat,
        "lon": lon,
        "origin_at": told_or_none(city.forecast.origin_at if city.forecast else None),
        "stale": city.is_stale(now),
    }


def _until_next_tick(city: City, serving: Serving) -> str:
    newest = city.state.observed_at
    return serving.cache(None if newest is None else newest + TICK)
