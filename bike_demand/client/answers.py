"""What the API answers, typed. Times are UTC and tz-aware; fields not known here are left out.

Bikes are counts, probabilities 0-1, distances metres, places WGS 84 degrees.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

Role = Literal["champion", "simple"]
Kind = Literal["empty", "full"]

Instant = Annotated[
    AwareDatetime,
    PlainSerializer(lambda at: at.isoformat().replace("+00:00", "Z"), when_used="json"),
]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class System(_Answer):
    """A bike-share system; `lat` and `lon` are the middle of its stations."""

    system_id: str
    timezone: str | None = None
    stations: int
    lat: float | None = None
    lon: float | None = None
    origin_at: AwareDatetime | None = None
    stale: bool


class Station(_Answer):
    """A station, and how it was when it was last observed."""

    station_id: str
    name: str | None = None
    short_name: str | None = None
    lat: float | None = None
    lon: float | None = None
    capacity: int | None = None
    in_service: bool | None = None
    observed_at: AwareDatetime | None = None
    last_reported: AwareDatetime | None = None
    num_bikes_available: int | None = None
    num_ebikes_available: int | None = None
    num_docks_available: int | None = None


class _Head(_Answer):
    """Of a forecast: whose it is, from when on, by whom, and until when it holds."""

    system_id: str
    timezone: str | None = None
    origin_at: AwareDatetime
    issued_at: AwareDatetime
    role: Role
    model_version: str | None = None
    expires_at: AwareDatetime | None = None


class _Stored(_Head):
    """Of a stored forecast: `stale` if its successor is overdue, and then how old it is [s]."""

    late: bool
    stale: bool
    age_seconds: int | None = None


class Hour(_Answer):
    """A station at one hour to come: `bikes` is the mean, `p10` to `p90` are quantiles."""

    target_at: AwareDatetime
    horizon: int
    capacity: int
    bikes: float
    p10: int
    p50: int
    p90: int
    p_empty: float | None = None
    p_full: float | None = None


class Forecast(_Stored):
    """The next hours at one station."""

    station_id: str
    name: str | None = None
    forecast: tuple[Hour, ...]


class Prediction(_Head):
    """The next hours at one station, from what was posted: a what-if, which is not stored."""

    station_id: str
    name: str | None = None
    forecast: tuple[Hour, ...]


class StationAtHour(_Answer):
    """One of the stations of a `CityForecast`."""

    station_id: str
    lat: float | None = None
    lon: float | None = None
    in_service: bool | None = None
    capacity: int
    bikes: float
    p10: int
    p50: int
    p90: int
    p_empty: float | None = None
    p_full: float | None = None


class CityForecast(_Stored):
    """All stations at one hour to come."""

    target_at: AwareDatetime
    horizon: int
    stations: tuple[StationAtHour, ...]


class Risk(_Answer):
    """A station that may run empty, or full: how probable that is, and when it is most so."""

    station_id: str
    name: str | None = None
    lat: float | None = None
    lon: float | None = None
    probability: float
    target_at: AwareDatetime
    p_hour: float | None = None
    neighbour_id: str | None = None
    neighbour_distance: float | None = None
    neighbour_shares: bool | None = None


class Risks(_Stored):
    """The stations most likely to run empty, or full, the most likely first."""

    kind: Kind
    hours: int
    risks: tuple[Risk, ...]


class PastObservation(_Answer):
    """A station as it was at a tick of 15 minutes."""

    observed_at: AwareDatetime
    num_bikes_available: int | None = None
    num_ebikes_available: int | None = None
    num_docks_available: int | None = None
    capacity: int | None = None


class Past(_Answer):
    """What was observed of a station, oldest first; what was not observed is not there."""

    system_id: str
    timezone: str | None = None
    station_id: str
    begin: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    observations: tuple[PastObservation, ...]


class HorizonAccuracy(_Answer):
    """How forecasts of one horizon [h] fared that came due, beside persistence."""

    horizon: int
    role: str
    model_version: str | None = None
    rows: int
    rmse: float | None = None
    mae: float | None = None
    persistence_rmse: float | None = None
    persistence_mae: float | None = None
    skill_rmse: float | None = None
    quantile_loss: float | None = None
    coverage_80: float | None = None
    brier_empty: float | None = None
    brier_full: float | None = None
    observed_empty: float | None = None
    forecast_empty: float | None = None


class Accuracy(_Answer):
    """How forecasts fared that came due in some days; empty if none did yet."""

    system_id: str
    begin: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    horizons: tuple[HorizonAccuracy, ...]


class Champion(_Answer):
    """The model that serves; `trained_for` is the start of the UTC day it is of."""

    model_version: str
    algorithm: str | None = None
    trained_for: AwareDatetime | None = None
    since: AwareDatetime | None = None
    reason: str | None = None
    pinned: bool = False


class Evaluation(_Answer):
    """How good the champion was at one horizon [h] on days that it has not seen."""

    horizon: int
    rmse: float | None = None
    skill_rmse: float | None = None
    skill_crps: float | None = None
    pit_coverage_80: float | None = None


class ModelEvent(_Answer):
    """Something that was done about models, or refused."""

    at: AwareDatetime
    kind: str
    model_version: str
    replaced: str | None = None
    reason: str


class Model(_Answer):
    """The champion of a system, None if it has none, and what was done about champions."""

    system_id: str
    champion: Champion | None = None
    evaluation: tuple[Evaluation, ...]
    events: tuple[ModelEvent, ...]


class Observation(BaseModel):
    """An observation to predict from. What is not given is as it is stored, or not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    observed_at: Instant
    num_bikes_available: int
    num_ebikes_available: int | None = None
    num_docks_available: int | None = None
