"""What the API answers: shapes, units and examples, as OpenAPI tells them.

The routes put the JSON together by hand, ready-made where they can; the tests hold it to these.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

SystemId = Annotated[
    str, Field(description="The bike-share system, as in the settings", examples=["citibike_nyc"])
]
StationId = Annotated[
    str, Field(description="The station, as its feed names it", examples=["66db237e-0aca"])
]
Zone = Annotated[
    str,
    Field(description="IANA name of the clock its riders live by", examples=["America/New_York"]),
]
Lat = Annotated[float | None, Field(description="WGS 84 latitude [degrees]", examples=[40.7423])]
Lon = Annotated[float | None, Field(description="WGS 84 longitude [degrees]", examples=[-73.9893])]
Name = Annotated[str | None, Field(description="Public name", examples=["Broadway & E 22 St"])]


def _time(description: str, example: str = "2026-05-01T12:00:00Z") -> Any:
    return Field(description=f"{description} [UTC]", examples=[example])


def _count(description: str, example: int) -> Any:
    return Field(description=f"{description} [count]", ge=0, examples=[example])


def _share(description: str, example: float) -> Any:
    return Field(description=f"{description} [0-1]", examples=[example])


def _bikes(description: str, example: float) -> Any:
    return Field(description=f"{description} [bikes]", examples=[example])


class SystemState(BaseModel):
    """A system, and how new what is known of it is."""

    system_id: SystemId
    timezone: Zone
    stations: int = _count("Active stations", 2300)
    lat: Lat
    lon: Lon
    origin_at: datetime | None = _time("Tick that the newest forecast is made from; null: none is")
    stale: bool = Field(description="The next forecast should have come; true if there is none")


class Systems(BaseModel):
    """Which systems there are."""

    systems: list[SystemState]


class Station(BaseModel):
    """A station, and what its newest snapshot says."""

    station_id: StationId
    name: Name
    short_name: str | None = Field(description="Number or code on its sign", examples=["6098.07"])
    lat: Lat
    lon: Lon
    capacity: int | None = _count("Docks installed, as declared", 39)
    in_service: bool | None = Field(
        description="It gives bikes out; null where the feed does not say"
    )
    observed_at: datetime | None = _time("Snapshot that the rest is of; null: it is in none")
    last_reported: datetime | None = _time("When the station last reported")
    num_bikes_available: int | None = _count("Bikes to rent, e-bikes included", 12)
    num_ebikes_available: int | None = _count(
        "E-bikes to rent; null where the feed does not say", 3
    )
    num_docks_available: int | None = _count("Free docks; null where the feed has none", 26)


class Stations(BaseModel):
    """A page of the active stations, by id."""

    system_id: SystemId
    timezone: Zone
    observed_at: datetime | None = _time("The newest snapshot")
    stations: list[Station]
    next: str | None = Field(
        description="`after` of the next page; null: this is the last", examples=["66db237e-0aca"]
    )


class OneStation(BaseModel):
    """A station; one that has left its system, too."""

    system_id: SystemId
    timezone: Zone
    station: Station


class ForecastHead(BaseModel):
    """Whose forecast it is, by whom, and how old."""

    system_id: SystemId
    timezone: Zone
    origin_at: datetime = _time("Tick it is made from")
    issued_at: datetime = _time("When it was made", "2026-05-01T12:01:07Z")
    role: Literal["champion", "simple"] = Field(
        description="A model, or the simple forecast where none can be asked"
    )
    model_version: str | None = Field(
        description="The model's version; null of a simple one", examples=["7"]
    )
    late: bool = Field(description="It was made over 30 minutes after its origin")
    stale: bool = Field(
        description="The next one is overdue: over 90 minutes have passed since its origin"
    )
    age_seconds: int | None = Field(
        description="Since its origin [s]; null unless stale", examples=[None]
    )
    expires_at: datetime = _time("When the next one is due", "2026-05-01T13:00:00Z")


class Outlook(BaseModel):
    """What is expected of a station at a time."""

    capacity: int = _count("Bikes there is room for", 39)
    bikes: float = _bikes("Expected bikes: the mean, to 0.01", 11.42)
    p10: int = _bikes("With 10 % there are no more", 7)
    p50: int = _bikes("The median", 11)
    p90: int = _bikes("With 90 % there are no more", 16)
    p_empty: float = _share("Probability of no bike, to 0.0001", 0.0123)
    p_full: float | None = _share(
        "Probability of no free dock, to 0.0001; null where docks are not told", 0.0004
    )


class StationHour(Outlook):
    """What is expected of a station at a time, with the time."""

    target_at: datetime = _time("Time forecast for", "2026-05-01T13:00:00Z")
    horizon: int = Field(description="Hours ahead [h]", ge=1, le=24, examples=[1])


class StationForecast(ForecastHead):
    """What is expected of a station, hour by hour."""

    station_id: StationId
    name: Name
    forecast: list[StationHour]


class CityStation(Outlook):
    """What is expected of one of the stations."""

    station_id: StationId
    lat: Lat
    lon: Lon
    in_service: bool = Field(description="It gave bikes out at the origin")


class CityForecast(ForecastHead):
    """What is expected of all stations at a time, by id."""

    target_at: datetime = _time("Time forecast for", "2026-05-01T13:00:00Z")
    horizon: int = Field(description="Hours ahead [h]", ge=1, le=24, examples=[1])
    stations: list[CityStation]
    next: str | None = Field(description="`after` of the next page; null: this is the last")


class Risk(BaseModel):
    """A station that may be without bikes, or without free docks."""

    station_id: StationId
    name: Name
    lat: Lat
    lon: Lon
    probability: float = _share("The highest of the hours that are asked for", 0.83)
    target_at: datetime = _time("When it is highest", "2026-05-01T17:00:00Z")
    p_hour: float | None = _share(
        "Probability of an hour or more of it within 6 h; null where it is not known", 0.71
    )
    neighbour_id: str | None = Field(
        description="Nearest station in service; null: none is placed", examples=["66dc0e99-0aca"]
    )
    neighbour_distance: float | None = Field(description="How far it is [m]", examples=[210.4])
    neighbour_shares: bool | None = Field(
        description="It is more likely than not to be so, too; null where it is not known"
    )


class Risks(ForecastHead):
    """The stations most at risk, the worst first."""

    kind: Literal["empty", "full"]
    hours: int = Field(description="Hours ahead that are looked at [h]", ge=1, le=24, examples=[6])
    risks: list[Risk]


class Observation(BaseModel):
    """A station at a tick."""

    observed_at: datetime = _time("15-minute tick")
    num_bikes_available: int = _count("Bikes to rent, e-bikes included", 12)
    num_ebikes_available: int | None = _count("E-bikes; null where the feed does not say", 3)
    num_docks_available: int | None = _count("Free docks; null where the feed has none", 26)
    capacity: int | None = _count("Docks installed, as declared today", 39)


class History(BaseModel):
    """What a station was like. Ticks that are missing were not observed."""

    system_id: SystemId
    timezone: Zone
    station_id: StationId
    from_: datetime = Field(
        alias="from", description="First tick asked for [UTC]", examples=["2026-04-30T12:00:00Z"]
    )
    to: datetime = _time("Last, included")
    observations: list[Observation]


class Accuracy(BaseModel):
    """How forecasts some hours ahead have fared, beside persistence on the same rows."""

    horizon: int = Field(description="Hours ahead [h]", ge=1, le=24, examples=[3])
    role: str = Field(
        description="champion or simple, which are served; challenger or predecessor, which are "
        "only compared",
        examples=["champion"],
    )
    model_version: str | None = Field(
        description="The model's version; null of a simple one", examples=["7"]
    )
    rows: int = _count("Stations and hours scored", 386400)
    rmse: float = _bikes("Root mean squared error of the mean", 3.1)
    mae: float = _bikes("Mean absolute error of the median", 2.1)
    persistence_rmse: float = _bikes("RMSE of as many bikes as at the origin", 4.2)
    persistence_mae: float = _bikes("MAE of the same", 2.7)
    skill_rmse: float | None = Field(
        description="1 - RMSE / RMSE of persistence; null where that is 0", examples=[0.26]
    )
    quantile_loss: float = _bikes(
        "Twice the mean pinball loss of the 10, 50 and 90 % quantiles: a CRPS of three", 1.6
    )
    coverage_80: float | None = _share(
        "Probability within the middle 80 %: 0.8 if calibrated; null where it is not known", 0.81
    )
    brier_empty: float = _share("Brier score of the probability of no bike", 0.05)
    brier_full: float | None = _share(
        "Likewise of no free dock; null where docks are not told", 0.02
    )
    observed_empty: float = _share("Share that had no bike", 0.08)
    forecast_empty: float = _share("Mean probability of no bike", 0.079)


class AccuracyOfDays(BaseModel):
    """How forecasts that came due have fared; empty while none has."""

    system_id: SystemId
    from_: datetime = Field(
        alias="from",
        description="Targets after this count [UTC]",
        examples=["2026-04-24T12:00:00Z"],
    )
    to: datetime = _time("To this, included")
    horizons: list[Accuracy]


class Champion(BaseModel):
    """The model that forecasts."""

    model_version: str = Field(description="Its version", examples=["7"])
    algorithm: str | None = Field(description="What learnt it", examples=["lightgbm"])
    trained_for: datetime = _time("Start of the UTC day it is of", "2026-04-29T00:00:00Z")
    since: datetime = _time("When it became champion")
    reason: str = Field(description="Why", examples=["A lower CRPS by 2.1 %."])
    pinned: bool = Field(description="It stays, whatever is decided")


class Evaluation(BaseModel):
    """How good the champion was on days that it had not seen."""

    horizon: int = Field(description="Hours ahead [h]", ge=1, le=24, examples=[3])
    rmse: float | None = _bikes("Root mean squared error of the mean", 3.0)
    skill_rmse: float | None = Field(
        description="1 - RMSE / lowest RMSE of simple forecasts", examples=[0.18]
    )
    skill_crps: float | None = Field(description="Likewise of the CRPS", examples=[0.2])
    pit_coverage_80: float | None = _share("Probability within the middle 80 %", 0.8)


class ModelEvent(BaseModel):
    """What was done about models, or refused."""

    at: datetime = _time("When")
    kind: str = Field(
        description="promotion, refusal, rollback, retraining, nothing_new, pin or unpin",
        examples=["promotion"],
    )
    model_version: str = Field(
        description="The champion from then on; of a refusal the challenger", examples=["7"]
    )
    replaced: str | None = Field(description="The champion before", examples=["6"])
    reason: str = Field(description="Why", examples=["A lower CRPS by 2.1 %."])


class Model(BaseModel):
    """Which model forecasts, how good it was, and what was done about models, the newest first."""

    system_id: SystemId
    champion: Champion | None = Field(description="null: simple forecasts are served")
    evaluation: list[Evaluation]
    events: list[ModelEvent] = Field(max_length=20)


class Alive(BaseModel):
    """The process lives."""

    status: Literal["alive"]


class SystemReadiness(BaseModel):
    """What is known of a system."""

    system_id: SystemId
    origin_at: datetime | None = _time("Tick that the newest forecast is made from; null: none is")
    age_seconds: int | None = Field(description="Since then [s]", examples=[1800])
    stale: bool = Field(description="The next forecast should have come; true if there is none")
    champion: str | None = Field(description="The champion's version", examples=["7"])


class Readiness(BaseModel):
    """Whether there is something to serve."""

    status: Literal["ready", "not_ready"]
    database: bool = Field(description="It answers")
    systems: list[SystemReadiness]


class Reloaded(BaseModel):
    """A system whose forecast was read anew."""

    system_id: SystemId
    origin_at: datetime | None = _time("Tick that the newest forecast is made from; null: none is")
    model_version: str | None = Field(description="The version that made it", examples=["7"])


class Reload(BaseModel):
    """What is served from now on."""

    systems: list[Reloaded]


class PageSettings(BaseModel):
    """What the page has to know."""

    tiles_url: str | None = Field(
        description="Map tiles, with {z}, {x} and {y}; null: none",
        examples=["https://tile.openstreetmap.org/{z}/{x}/{y}.png"],
    )
    tiles_attribution: str | None = Field(
        description="Whom they are by", examples=["© OpenStreetMap contributors"]
    )
