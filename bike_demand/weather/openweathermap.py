"""OpenWeatherMap: the weather now, and its 5-day forecast in steps of three hours. With a key.

What its answers mean is said in `openweathermap_answers.py`. It has no past without payment.
"""

import random
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, NoReturn

from bike_demand.download.downloader import Downloader, Limits, utc_now
from bike_demand.download.errors import Advice
from bike_demand.weather.openweathermap_answers import System, read_current, read_forecast, report
from bike_demand.weather.report import Place, Report
from bike_demand.weather.service import Service

_ADDRESS = "Check the configured address: it must be OpenWeatherMap's, api.openweathermap.org."
ADVICE: Final = Advice(
    address=_ADDRESS,
    credentials=(
        "Check OPENWEATHER_API_KEY: a new key works only hours after it was made. Without the "
        "variable Open-Meteo is asked, which needs no key."
    ),
    missing=_ADDRESS,
)

# Keys are 32 hexadecimal digits. Of letters and digits alone, whatever repeats one looks alike.
_KEY = re.compile(r"[A-Za-z0-9]{8,128}")

_SYSTEM: System = "metric"

# 48 hours, and one as the step that has begun may come first.
_STEPS = 17


class OpenWeatherMap:
    """Asks OpenWeatherMap. Safe to share between threads; not to be pickled, for its key.

    Args:
        key: The API key; space around it is dropped.
        url: Where its API is.
        limits: What one download may take.
        clock: The present (aware, UTC).
        sleep: Waits so many seconds before a retry.
        jitter: A number from 0 to 1 that spreads retries.

    Raises:
        ValueError: The key cannot be one.
    """

    def __init__(
        self,
        key: str,
        *,
        url: str = "https://api.openweathermap.org",
        limits: Limits | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not _KEY.fullmatch(key.strip()):
            raise ValueError("OPENWEATHER_API_KEY is no key: those are letters and digits only")
        self._url = f"{url.rstrip('/')}/data/2.5"
        downloader = Downloader(ADVICE, limits=limits, clock=clock, sleep=sleep, jitter=jitter)
        self._service = Service(downloader, explanation="message", key=("appid", key.strip()))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client of OpenWeatherMap is not pickled: it holds a key")

    def present(self, place: Place) -> Report:
        """The observation and the 3-hourly forecast of the next 48 hours, of two requests.

        Raises:
            TransientFeedError: One of them could not be had, after retries.
            InvalidWeatherError: One of the answers is not what it should be.
            PermanentFeedError: It was refused, or cannot be had from this address.
        """
        query = {"lat": f"{place.lat:.4f}", "lon": f"{place.lon:.4f}", "units": _SYSTEM}
        now = self._service.ask(
            f"{self._url}/weather", query, lambda answer: read_current(answer, _SYSTEM)
        )
        # Asked last, and so from when on all of it is known.
        fetched_at, ahead = self._service.ask(
            f"{self._url}/forecast",
            {**query, "cnt": str(_STEPS)},
            lambda answer: (answer.fetched_at, read_forecast(answer, _SYSTEM)),
        )
        return report(fetched_at, now, ahead)
