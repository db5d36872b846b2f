"""Open-Meteo: the weather now and ahead from its forecast, the past from its archive. No key.

What its answers mean is said in `open_meteo_answers.py`.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from bike_demand.download.downloader import Downloader, Limits, utc_now
from bike_demand.download.errors import Advice
from bike_demand.weather.open_meteo_answers import SOURCE, read_past, read_present
from bike_demand.weather.report import Place, Report, frame
from bike_demand.weather.service import Service

_ADDRESSES = (
    "Check the configured address: it must be Open-Meteo's (https://api.open-meteo.com, for the "
    "past https://archive-api.open-meteo.com) or that of a server which runs its software."
)
ADVICE: Final = Advice(
    address=_ADDRESSES,
    credentials=(
        "Open-Meteo asks for no key: look whether a proxy answers in its place, or whether it has "
        "shut this machine out for too many requests."
    ),
    missing=_ADDRESSES,
)

_PAST = (
    "temperature_2m",
    "apparent_temperature",
    "relative_humidity_2m",
    "wind_speed_10m",
    "wind_gusts_10m",
    "precipitation",
    "rain",
    "snowfall",
    "cloud_cover",
    "pressure_msl",
    "weather_code",
)
_CURRENT = (*_PAST, "showers", "visibility")
_AHEAD = (*_CURRENT, "precipitation_probability")

# The hours begin with the one that has begun: 48 further ones, and one as clocks differ.
_HOURS = 50


class OpenMeteo:
    """Asks Open-Meteo. Safe to share between threads.

    Args:
        url: Where its forecasts are.
        archive_url: Where its archive is.
        limits: What one download may take.
        clock: The present (aware, UTC).
        sleep: Waits so many seconds before a retry.
        jitter: A number from 0 to 1 that spreads retries.
    """

    def __init__(
        self,
        *,
        url: str = "https://api.open-meteo.com",
        archive_url: str = "https://archive-api.open-meteo.com",
        limits: Limits | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._forecast = f"{url.rstrip('/')}/v1/forecast"
        self._archive = f"{archive_url.rstrip('/')}/v1/archive"
        self._clock = clock
        downloader = Downloader(ADVICE, limits=limits, clock=clock, sleep=sleep, jitter=jitter)
        self._service = Service(downloader, explanation="reason")

    def present(self, place: Place) -> Report:
        """The observation and the hourly forecast of the next 48 hours, of one request.

        Raises:
            TransientFeedError: It could not be had, after retries.
            InvalidWeatherError: The answer is not what it should be.
            PermanentFeedError: It was refused, or cannot be had from this address.
        """
        query = {
            **_query(place),
            "current": ",".join(_CURRENT),
            "hourly": ",".join(_AHEAD),
            "forecast_hours": str(_HOURS),
        }
        return self._service.ask(self._forecast, query, read_present)

    def past(self, place: Place, start: datetime, end: datetime) -> Report:
        """The reanalysis of each hour from `start` to before `end` that the archive has.

        It has the last days late, or not yet; what has not happened is not asked for.

        Args:
            place: Where.
            start: First moment (aware).
            end: First moment after (aware), later than `start`.

        Raises:
            ValueError: The times are not aware, or no window.
            TransientFeedError, InvalidWeatherError, PermanentFeedError: As `present`.
        """
        if start.tzinfo is None or end.tzinfo is None or start >= end:
            raise ValueError(f"{start} to {end} is no window of aware times")
        now = self._clock()
        if start > now:
            return Report(SOURCE, now, frame([]))
        # It refuses days to come.
        last = min(end - timedelta(microseconds=1), now)
        query = {
            **_query(place),
            "hourly": ",".join(_PAST),
            "start_date": start.astimezone(UTC).date().isoformat(),
            "end_date": last.astimezone(UTC).date().isoformat(),
        }
        return self._service.ask(self._archive, query, lambda answer: read_past(answer, start, end))


def _query(place: Place) -> dict[str, str]:
    return {
        "latitude": f"{place.lat:.4f}",
        "longitude": f"{place.lon:.4f}",
        "wind_speed_unit": "ms",
        "timeformat": "unixtime",
        "timezone": "GMT",
    }
