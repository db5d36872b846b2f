"""The weather where the systems are, as its sources tell it; the sources stand in `weather`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import dagster as dg
import pandas as pd

from bike_demand import settings
from bike_demand.download.errors import FeedError, PermanentFeedError, TransientFeedError
from bike_demand.download.together import ask_all
from bike_demand.failures import PermanentFailure
from bike_demand.partitions import HALF_HOUR
from bike_demand.storage.frames import empty_frame
from bike_demand.storage.tables import WEATHER
from bike_demand.storage.windows import Window
from bike_demand.weather.open_meteo import OpenMeteo
from bike_demand.weather.openweathermap import OpenWeatherMap
from bike_demand.weather.report import FORECAST, OBSERVATION, REANALYSIS, Place, Report

LIVE_KINDS = (OBSERVATION, FORECAST)
PAST_KINDS = (REANALYSIS,)


@dataclass(frozen=True)
class WeatherReading:
    """What the sources said, ready to be stored.

    Attributes:
        rows: Rows of `weather`, of the systems in `answered`.
        kinds: The kinds of rows that it speaks for: what is told of the present says nothing of
            a reanalysis, nor the other way round.
        answered: The systems whose weather was told.
        failures: For each other system, why it was not.
    """

    rows: pd.DataFrame
    kinds: tuple[str, ...]
    answered: tuple[str, ...]
    failures: Mapping[str, str]


class WeatherFeed(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Asks for the weather of every system that the settings name, all at once.

    Of the present half hour a source tells the observation and the next 48 hours. Of a past one
    Open-Meteo's archive tells what today's knowledge makes of it. What was forecast then, nobody
    tells along with when it was known, so it is not asked for.
    """

    def now(self) -> datetime:
        """The present, UTC."""
        return datetime.now(UTC)

    def read(self, window: Window, places: Mapping[str, Place]) -> WeatherReading:
        """Read the present half hour, or any number of them that are over.

        Args:
            window: Which.
            places: Where the systems are whose settings do not say, as far as that is known.

        Raises:
            PermanentFailure: The window is not over, and not the present half hour alone.
        """
        now = self.now()
        live = window.start <= now < window.end and window.end - window.start == HALF_HOUR
        if not live and now < window.end:
            raise PermanentFailure(
                f"{window} is not over (it is {now:%Y-%m-%d %H:%M:%S} UTC), and it is not the "
                "present half hour. Materialise that one by itself, and those before it together."
            )
        ask = self._present if live else self._past
        asks: dict[str, Callable[[], Report]] = {}
        failures = {}
        for system in settings.load().systems:
            place = _place(system) or places.get(system.system_id)
            if place is not None:
                asks[system.system_id] = partial(ask, system, place, window)
            else:
                failures[system.system_id] = (
                    "Nobody knows where it is. Materialise station_information, or give it lat "
                    "and lon in the settings."
                )
        answers = ask_all(asks)
        reports = {
            system_id: answer
            for system_id, answer in answers.items()
            if not isinstance(answer, FeedError)
        }
        refusals = {
            system_id: str(answer)
            for system_id, answer in answers.items()
            if isinstance(answer, FeedError)
        }
        return WeatherReading(
            rows=_rows(reports),
            kinds=LIVE_KINDS if live else PAST_KINDS,
            answered=tuple(reports),
            failures={**failures, **refusals},
        )

    def _present(self, system: settings.System, place: Place, window: Window) -> Report:
        key = settings.load().openweather_api_key
        source: OpenMeteo | OpenWeatherMap
        if system.weather_url is None and key is not None:
            source = OpenWeatherMap(key.get_secret_value(), clock=self.now)
        else:
            source = self._open_meteo(system)
        report = source.present(place)
        told = set(report.rows["kind"])
        if told != {*LIVE_KINDS}:
            raise PermanentFeedError(
                report.source,
                f"it told {' and '.join(sorted(told)) or 'nothing'} of the present, not an "
                "observation of now and the hours ahead",
                "Look whether its clock or ours is wrong. The next half hour asks again.",
            )
        if report.fetched_at >= window.end:
            raise TransientFeedError(
                report.source,
                f"the answer came at {report.fetched_at:%H:%M:%S} UTC, after {window}",
                "The next half hour asks again.",
            )
        return report

    def _past(self, system: settings.System, place: Place, window: Window) -> Report:
        report = self._open_meteo(system).past(place, window.start, window.end)
        holds_an_hour = pd.Timestamp(window.start).ceil("h") < window.end
        if holds_an_hour and report.rows.empty:
            raise PermanentFeedError(
                report.source,
                f"its archive has nothing of {window}",
                "It has the last days late: ask again when they are a week old.",
            )
        return report

    def _open_meteo(self, system: settings.System) -> OpenMeteo:
        if system.weather_url is None:
            return OpenMeteo(clock=self.now)
        return OpenMeteo(url=system.weather_url, archive_url=system.weather_url, clock=self.now)


def _place(system: settings.System) -> Place | None:
    if system.lat is None or system.lon is None:
        return None
    return Place(lat=system.lat, lon=system.lon)


def _rows(reports: Mapping[str, Report]) -> pd.DataFrame:
    """The reports' rows under each other, with what the sources do not know."""

    def issued_at(report: Report) -> "pd.Series[pd.Timestamp]":
        asked = pd.Series(pd.Timestamp(report.fetched_at), report.rows.index)
        return asked.mask(report.rows["kind"] == REANALYSIS, report.rows["valid_at"])

    frames = [
        report.rows.assign(
            system_id=system_id,
            issued_at=issued_at(report),
            fetched_at=pd.Timestamp(report.fetched_at),
            source=report.source,
        )[list(WEATHER.columns)]
        for system_id, report in reports.items()
        if len(report.rows)
    ]
    return pd.concat(frames, ignore_index=True) if frames else empty_frame(WEATHER)
