"""What may be set, from where, and what it is when nobody sets it.

Every setting of the project is a field of `Settings`. The environment
(`BIKE_DEMAND_<FIELD>`) wins over the settings file (`settings.toml` in the data
directory), which wins over the default. Nothing here connects to anything.
"""

import os
import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from bike_demand.download.urls import is_http, public_url

PREFIX = "BIKE_DEMAND_"
HOME_VARIABLE = f"{PREFIX}HOME"
_HOST_PART = r"\{s\}|[A-Za-z0-9.-]"
DEFAULT_HOME = Path(".bike_demand")
FILE_NAME = "settings.toml"


class InvalidSettingsError(ValueError):
    """A setting cannot be used; the message names it, its origin and the remedy."""


class Origin(StrEnum):
    """Where the value of a setting came from."""

    ENVIRONMENT = "environment"
    FILE = "settings file"
    DEFAULT = "default"


def _known_timezone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is not an IANA time zone such as 'America/New_York'")
    return name


def _postgres_url(secret: SecretStr) -> SecretStr:
    scheme = secret.get_secret_value().partition("://")[0]
    if scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise ValueError("must look like postgresql://USER:PASSWORD@HOST:5432/DATABASE")
    return secret


def _api_key(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9]{8,128}", secret.get_secret_value().strip()):
        raise ValueError("must be a key as OpenWeatherMap gives them, of letters and digits")
    return secret


def _server_address(secret: SecretStr) -> SecretStr:
    if not is_http(secret.get_secret_value()):
        raise ValueError(
            "must be the http:// or https:// address of an MLflow server; without one MLflow has a "
            "database beside the warehouse"
        )
    return secret


def _hook(secret: SecretStr) -> SecretStr:
    if not is_http(secret.get_secret_value()):
        raise ValueError("must be an http:// or https:// address")
    return secret


def _smtp_url(secret: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(secret.get_secret_value())
        readable = parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        readable = False
    if not readable:
        raise ValueError("must look like smtps://USER:PASSWORD@HOST:465")
    return secret


def _time_of_day(expression: str) -> str:
    told = re.fullmatch(r"(\d{1,2}) (\d{1,2}) \* \* \*", expression)
    if not told or int(told[1]) > 59 or int(told[2]) > 23:
        raise ValueError("must be a time of each day, such as '0 2 * * *'")
    return expression


def _web_address(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise ValueError("must be an http:// or https:// address")
    return url


def _without_query(url: str) -> str:
    if urlsplit(url).query or urlsplit(url).fragment:
        raise ValueError("must be an address without '?' and '#'")
    return url


def _web_origin(origin: str) -> str:
    parts = urlsplit(origin)
    if origin not in {"*", f"{parts.scheme}://{parts.netloc}"}:
        raise ValueError("must look like https://example.org, without a path, or be *")
    return origin


def _token(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]{16,256}", secret.get_secret_value()):
        raise ValueError("must be 16 to 256 letters, digits and signs, without spaces")
    return secret


def _tiles(url: str) -> str:
    origin = rf"https?://({_HOST_PART})+(:\d+)?"
    if not re.match(f"{origin}/", url) or not all(part in url for part in ("{z}", "{x}", "{y}")):
        raise ValueError("must look like https://tile.example.org/{z}/{x}/{y}.png")
    return url


WebAddress = Annotated[str, AfterValidator(_web_address)]
BaseAddress = Annotated[str, AfterValidator(_web_address), AfterValidator(_without_query)]


class System(BaseModel):
    """One bike-share system to follow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
    """What it is called here, in every table."""

    timezone: Annotated[str, AfterValidator(_known_timezone)] | None = None
    """IANA name of the clock that the system's riders live by."""

    url: WebAddress | None = None
    """Its GBFS discovery document, `gbfs.json`."""

    feeds: Mapping[str, WebAddress] = Field(default_factory=dict)
    """Addresses of single feeds by GBFS name, where the discovery lists none or wrong ones."""

    headers: Mapping[str, str] = Field(default_factory=dict)
    """HTTP headers to send: for each the environment variable that holds its value."""

    language: str | None = None
    """Preferred language of station names (BCP 47)."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] | None = None
    """Whose holidays its riders keep, ISO 3166: `US`, `US-NY`; else its timezone's country."""

    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Latitude its weather is asked for [WGS 84 degrees]; else the middle of its stations."""

    lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    """Longitude, likewise."""

    weather_url: BaseAddress | None = None
    """An Open-Meteo API to ask for its weather, instead of the source that the others have."""

    @property
    def is_live(self) -> bool:
        """Whether it has a feed; one that was recorded has none."""
        return bool(self.url or self.feeds)

    @model_validator(mode="after")
    def _whole_place(self) -> Self:
        if (self.lat is None) != (self.lon is None):
            raise ValueError("a place has lat and lon, or neither")
        return self


Days = Annotated[int, Field(ge=3, le=36_500)]
"""The last two are looked after, and made again if they are missing."""


class Retention(BaseModel):
    """How long rows of each table are kept [days]. Tables that do not grow are kept for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feed_poll: Days = 400
    station_status: Days = 400
    weather: Days = 400
    rejected_record: Days = 90
    station_features: Days = 120
    station_demand: Days = 800
    station_forecast: Days = 14
    station_risk: Days = 14
    forecast_input: Days = 14
    forecast_accuracy: Days = 400
    feature_drift: Days = 400
    data_quality: Days = 400


CITI_BIKE = System(
    system_id="citibike_nyc",
    timezone="America/New_York",
    url="https://gbfs.citibikenyc.com/gbfs/2.3/gbfs.json",
    lat=40.74,
    lon=-73.97,
)


class Settings(BaseSettings):
    """The project's settings. Immutable; make one with `load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    home: Path
    """Data directory, absolute: the embedded server, run logs, artifacts."""

    postgres_url: Annotated[SecretStr, AfterValidator(_postgres_url)] | None = None
    """A Postgres of one's own; without it, one runs inside the data directory."""

    dagster_postgres_url: Annotated[SecretStr, AfterValidator(_postgres_url)] | None = None
    """A database for Dagster's own state; without it, one beside the warehouse. A secret."""

    first_partition: Annotated[date, Field(ge=date(1970, 1, 1))] = date(2026, 1, 1)
    """First UTC day that partitions exist for. Fixed, so that a partition never vanishes."""

    last_partition: Annotated[date, Field(le=date(2100, 12, 31))] | None = None
    """Last UTC day that partitions exist for; without it they go on with the clock."""

    gbfs_url: WebAddress | None = None
    """The one system to follow, by its `gbfs.json`; it is called by the address' host."""

    systems: Annotated[tuple[System, ...], Field(min_length=1)] = (CITI_BIKE,)
    """The systems to follow, where it is not the one of `gbfs_url`."""

    openweather_api_key: Annotated[SecretStr, AfterValidator(_api_key)] | None = Field(
        default=None, validation_alias="OPENWEATHER_API_KEY"
    )
    """Asks OpenWeatherMap for the weather, instead of Open-Meteo. A secret."""

    mlflow_tracking_uri: Annotated[SecretStr, AfterValidator(_server_address)] | None = Field(
        default=None, validation_alias="MLFLOW_TRACKING_URI"
    )
    """An MLflow server for runs and models; without it, they are in Postgres and below `home`."""

    schedules: Literal["running", "stopped"] = "stopped"
    """What schedules and sensors do until somebody switches them in Dagster."""

    training_cron: Annotated[str, AfterValidator(_time_of_day)] = "0 2 * * *"
    """When models are trained, of the UTC day that closed last; UTC."""

    retention: Retention = Retention()
    """How long rows are kept; what models and running backfills need is kept longer."""

    keep_runs: Days = 30
    """How long Dagster's runs are kept, with their events and output [days]. Which partitions were
    materialised stays known."""

    page_url: BaseAddress = "http://127.0.0.1:3000"
    """Where Dagster's page is, for links in alerts."""

    slack_token: SecretStr | None = None
    """A bot's token (`xoxb-…`, scope `chat:write`): alerts go to `slack_channel`. A secret."""

    slack_channel: str | None = None
    """A channel's name or id."""

    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] | None = None
    """A mail server, `smtps://USER:PASSWORD@HOST:465`: alerts go to `alert_email`. A secret."""

    alert_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    """Whom mails go to, and come from."""

    alert_webhook: Annotated[SecretStr, AfterValidator(_hook)] | None = None
    """An address that alerts are posted to as JSON. A secret."""

    serving_postgres_url: Annotated[SecretStr, AfterValidator(_postgres_url)] | None = None
    """The warehouse as the API's server reads it, by a role that may do no more. A secret."""

    serving_db_password: SecretStr | None = None
    """`bike-demand migrate` makes the role `bike_demand_reader` with it. A secret."""

    api_keys: Mapping[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(
        default_factory=dict
    )
    """Who may ask the API: SHA-256 of a key by its holder's name; anybody, if none is named."""

    serving_rate: Annotated[int, Field(ge=0)] = 1200
    """Requests of a client that the API answers in a minute; 0 for any number."""

    serving_origins: tuple[Annotated[str, AfterValidator(_web_origin)], ...] = ()
    """Other sites whose pages may ask the API, as `https://example.org`; `*` for all."""

    serving_reload_token: Annotated[SecretStr, AfterValidator(_token)] | None = None
    """Lets who knows it have the API read everything anew. A secret."""

    tiles_url: Annotated[str, AfterValidator(_tiles)] | None = None
    """Map tiles for the page, with `{z}`, `{x}` and `{y}`; without it, it asks no other host."""

    tiles_attribution: str | None = None
    """Whom they are by, as their owner wants it said."""

    @model_validator(mode="before")
    @classmethod
    def _one_system_by_its_address(cls, values: dict[str, Any]) -> dict[str, Any]:
        url = values.get("gbfs_url")
        if not isinstance(url, str):
            return values
        if "systems" in values:
            raise ValueError("set gbfs_url or systems, not both")
        return {**values, "systems": [{"system_id": urlsplit(url).hostname or "", "url": url}]}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.last_partition is not None and self.last_partition < self.first_partition:
            raise ValueError("last_partition lies before first_partition")
        for one, other in (
            ("slack_token", "slack_channel"),
            ("smtp_url", "alert_email"),
            ("tiles_url", "tiles_attribution"),
        ):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"{one} and {other} go together")
        ids = [system.system_id for system in self.systems]
        if len(ids) != len(set(ids)):
            raise ValueError("systems: a system_id stands twice")
        return self

    def revealed_postgres_url(self) -> str | None:
        """The Postgres URL with its password: for a connection, never for a log."""
        return None if self.postgres_url is None else self.postgres_url.get_secret_value()

    def revealed_dagster_postgres_url(self) -> str | None:
        """The URL of Dagster's database with its password, likewise."""
        secret = self.dagster_postgres_url
        return None if secret is None else secret.get_secret_value()

    def revealed_serving_url(self) -> str | None:
        """The URL that the API's server reads with, password included; else the warehouse's."""
        secret = self.serving_postgres_url
        return self.revealed_postgres_url() if secret is None else secret.get_secret_value()

    def revealed_mlflow_tracking_uri(self) -> str | None:
        """The MLflow server's address with its password, likewise."""
        secret = self.mlflow_tracking_uri
        return None if secret is None else secret.get_secret_value()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic passes it by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `load` passes, then the environment, then the settings file."""
        file = init_settings()["home"] / FILE_NAME
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file))


def resolve_home(home: Path | str | None = None) -> Path:
    """The data directory as an absolute path: as given, else from the environment.

    Args:
        home: What the caller asks for (`--home`); `None` leaves it to `BIKE_DEMAND_HOME`
            and then to `.bike_demand` in the working directory.
    """
    asked = Path(home or os.environ.get(HOME_VARIABLE) or DEFAULT_HOME)
    try:
        return asked.expanduser().absolute()
    except RuntimeError as error:  # ~somebody who is nobody here
        raise InvalidSettingsError(f"The data directory {asked} is nowhere: {error}") from None


def load(home: Path | str | None = None) -> Settings:
    """Read the settings that hold for a data directory.

    Args:
        home: As in `resolve_home`.

    Raises:
        InvalidSettingsError: A value or a name cannot be used. The value itself is not
            repeated, for it may be a secret.
    """
    directory = resolve_home(home)
    file = directory / FILE_NAME
    try:
        if "home" in TomlConfigSettingsSource(Settings, file)():
            misplaced = "home: it is where this file was found, and cannot be named in it"
        elif file.exists() and not file.is_file():
            misplaced = f"{file}: it is no file"
        else:
            return Settings(home=directory)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(str(part) for part in item['loc']) or 'settings'}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise InvalidSettingsError(
            f"These settings cannot be used (environment {PREFIX}*, or {directory / FILE_NAME}):\n"
            + "\n".join(lines)
        ) from None
    except (SettingsError, ValueError, OSError) as error:  # not TOML, not JSON, not readable
        raise InvalidSettingsError(
            f"The settings cannot be read (environment {PREFIX}*, or {directory / FILE_NAME}): "
            f"{error}"
        ) from None
    raise InvalidSettingsError(f"The settings cannot be read ({file}): {misplaced}")


def origins(settings: Settings) -> Mapping[str, Origin]:
    """Say for each field of `Settings` where its value came from."""
    environment = EnvSettingsSource(Settings)()
    file = TomlConfigSettingsSource(Settings, settings.home / FILE_NAME)()

    def origin(name: str, field: FieldInfo) -> Origin:
        if {name, field.validation_alias} & environment.keys():
            return Origin.ENVIRONMENT
        return Origin.FILE if {name, field.validation_alias} & file.keys() else Origin.DEFAULT

    return {name: origin(name, field) for name, field in Settings.model_fields.items()}


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Names that look like a setting and are none, most likely misspelt."""
    known = {
        PREFIX + name.upper()
        for name, field in Settings.model_fields.items()
        if field.validation_alias is None
    }
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def display(value: Any) -> str:
    """A setting as text for people; secrets stay hidden."""
    if isinstance(value, SecretStr):
        return "(set, hidden)"
    if isinstance(value, tuple):
        return ", ".join(str(getattr(item, "system_id", item)) for item in value) or "(not set)"
    if isinstance(value, Mapping):
        return ", ".join(value) or "(not set)"
    if isinstance(value, BaseModel):
        return ", ".join(f"{name} {item}" for name, item in value.model_dump().items())
    if isinstance(value, str) and "://" in value:
        return public_url(value)
    return "(not set)" if value is None else str(value)
