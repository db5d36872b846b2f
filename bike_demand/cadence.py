"""When each asset is made and by when it has to be there: the one table of it.

Schedules, conditions, the freshness sensor, `bike-demand status` and the documents read it here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from bike_demand import settings
from bike_demand.forecasting.grid import TICK
from bike_demand.forecasting.splits import DAY, HOUR, LEAST_HISTORY, TRAINING
from bike_demand.partitions import (
    QUALITY_HOURS,
    begun_hour_partitions,
    daily_partitions,
    four_hourly_partitions,
    half_hourly_partitions,
    hourly_partitions,
    quarter_hourly_partitions,
)
from bike_demand.storage.windows import Window

LOOKS_BACK: Final = 2 * DAY
"""How far back what is missing is still made by itself."""

ASSET_TAG: Final = "bike_demand/asset"
"""On each run that nobody asked for by hand: the first asset of its cadence."""

MAX_RUNTIME_TAG: Final = "dagster/max_runtime"
PRIORITY_TAG: Final = "dagster/priority"

LIVE, PRESENT, LATER = 10, 5, -5
"""Priorities of what cannot be had later, of the newest window, and of what is made good."""


@dataclass(frozen=True)
class Need:
    """Partitions of another asset, without which a partition cannot be made.

    Attributes:
        asset: The other one.
        since: From when on, counted from the window's begin.
        until: Until when, counted likewise; not included.
        least: How many of those that begin in between there have to be.
    """

    asset: str
    since: timedelta
    until: timedelta
    least: int


@dataclass(frozen=True)
class Cadence:
    """Of assets that are made together.

    Attributes:
        assets: Their names; the first stands for all in tags and messages.
        partitions: Their windows, UTC.
        trigger: What asks for the newest window, in words.
        grace: How long after a window can be made it has to be there: then the freshness sensor
            looks after it.
        live: Whether the outside tells of the present window only.
        whole: Whether one op makes all of the assets.
        newest_only: Whether an older window is not worth making when a newer one can be made.
        needs: What has to be there for a window to be made.
        pool: Whose slots limit how many of the ops run at a time; None for no limit.
        max_runtime: After which a run is ended.
    """

    assets: tuple[str, ...]
    partitions: dg.TimeWindowPartitionsDefinition
    trigger: str
    grace: timedelta
    max_runtime: timedelta
    live: bool = False
    whole: bool = False
    newest_only: bool = False
    needs: tuple[Need, ...] = ()
    pool: str | None = None

    @property
    def name(self) -> str:
        """That of the first asset."""
        return self.assets[0]

    def tags(self, priority: int) -> dict[str, str]:
        """Of each run that nobody asked for by hand."""
        return {
            ASSET_TAG: self.name,
            MAX_RUNTIME_TAG: str(int(self.max_runtime.total_seconds())),
            PRIORITY_TAG: str(LIVE if self.live else priority),
        }

    @property
    def freshness(self) -> dg.FreshnessPolicy:
        """What Dagster's page goes by. It is blind to partitions, unlike the freshness sensor."""
        return dg.FreshnessPolicy.time_window(fail_window=self.period + self.grace)

    @property
    def period(self) -> timedelta:
        """How long a window is."""
        return {
            "*/15 * * * *": TICK,
            "*/30 * * * *": 2 * TICK,
            "0 * * * *": HOUR,
            f"0 */{QUALITY_HOURS} * * *": QUALITY_HOURS * HOUR,
        }.get(self.partitions.cron_schedule, DAY)

    def ready_at(self, window: Window) -> datetime:
        """When a window can be made: as it begins, if begun ones are partitions, or as it ends."""
        return window.start if self.partitions.end_offset else window.end

    def due_at(self, window: Window) -> datetime:
        """When it has to be there."""
        return self.ready_at(window) + self.grace

    def key(self, start: datetime) -> str:
        """The partition that begins at some time, UTC."""
        return start.strftime(self.partitions.fmt)

    def keys(self, first: datetime, last: datetime) -> list[str]:
        """Of the partitions that begin from one time to another, both included, UTC."""
        return [self.key(first + n * self.period) for n in range((last - first) // self.period + 1)]

    def newest(self, now: datetime) -> datetime:
        """Where the newest window begins that can be made, UTC."""
        latest = now - (timedelta() if self.partitions.end_offset else self.period)
        return latest - (latest - datetime(1970, 1, 1, tzinfo=UTC)) % self.period

    def windows(self, now: datetime, back: timedelta = LOOKS_BACK) -> list[Window]:
        """Those worth making: due, and for no longer than `back`; the newest first."""
        start = self.newest(now - self.grace)
        window, found = Window(start, start + self.period), []
        while self.due_at(window) > now - back:
            if self.partitions.has_partition_key(self.key(window.start)):
                found.append(window)
            window = Window(window.start - self.period, window.start)
        if self.newest_only:
            return [window for window in found if window.start == self.newest(now)]
        return found


_SETTINGS: Final = settings.load()

STATUS: Final = Cadence(
    ("station_status",),
    quarter_hourly_partitions(_SETTINGS),
    trigger="schedule, every quarter of an hour",
    grace=timedelta(minutes=4),
    max_runtime=timedelta(minutes=14),
    live=True,
    pool="station_feed_pool",
)
WEATHER: Final = Cadence(
    ("weather",),
    half_hourly_partitions(_SETTINGS),
    trigger="schedule, every half hour",
    grace=timedelta(minutes=6),
    max_runtime=timedelta(minutes=20),
    live=True,
    pool="weather_feed_pool",
)
FEATURES: Final = Cadence(
    ("station_features",),
    hourly_partitions(_SETTINGS),
    trigger="condition, two minutes after the hour",
    grace=timedelta(minutes=10),
    max_runtime=timedelta(minutes=30),
    needs=(Need("station_status", timedelta(), HOUR, 3),),
)
DEMAND: Final = Cadence(
    ("station_demand",),
    hourly_partitions(_SETTINGS),
    trigger="condition, ten minutes after the hour",
    grace=timedelta(minutes=20),
    max_runtime=timedelta(minutes=30),
    needs=(Need("station_status", timedelta(), HOUR + TICK, 2),),
)
FORECAST: Final = Cadence(
    ("station_forecast", "station_risk"),
    begun_hour_partitions(_SETTINGS),
    trigger="condition, as the hour's first snapshot is stored",
    grace=timedelta(minutes=10),
    max_runtime=timedelta(minutes=25),
    whole=True,
    needs=(Need("station_status", timedelta(), HOUR, 1),),
    pool="forecast_pool",
)
ACCURACY: Final = Cadence(
    ("forecast_accuracy", "feature_drift"),
    begun_hour_partitions(_SETTINGS),
    trigger="condition, with `station_forecast`",
    grace=timedelta(minutes=15),
    max_runtime=timedelta(minutes=25),
    needs=(Need("station_forecast", timedelta(), HOUR, 1),),
)
WATCH: Final = Cadence(
    ("model_watch",),
    begun_hour_partitions(_SETTINGS),
    trigger="condition, with `station_forecast`",
    grace=timedelta(minutes=20),
    max_runtime=timedelta(minutes=25),
    newest_only=True,  # what is done about models goes by what is known now
    needs=(Need("forecast_accuracy", timedelta(), HOUR, 1),),
)
QUALITY: Final = Cadence(
    ("data_quality",),
    four_hourly_partitions(_SETTINGS),
    trigger="condition, twenty minutes after the hour",
    grace=timedelta(minutes=40),
    max_runtime=timedelta(minutes=30),
    needs=(Need("station_status", timedelta(), QUALITY_HOURS * HOUR, 1),),
)
_MINUTE, _HOUR = (int(part) for part in _SETTINGS.training_cron.split()[:2])

MODELS: Final = Cadence(
    ("lightgbm_model", "xgboost_model", "champion_model"),
    daily_partitions(_SETTINGS),
    trigger=f"schedule, {_HOUR:02}:{_MINUTE:02} UTC",
    grace=timedelta(hours=_HOUR + 3, minutes=_MINUTE),
    max_runtime=timedelta(hours=3),
    newest_only=True,  # a model of an older day never becomes champion
    needs=(Need("station_features", DAY - TRAINING, DAY, LEAST_HISTORY // HOUR),),
    pool="ml_training_pool",
)

CADENCES: Final = (STATUS, WEATHER, FEATURES, DEMAND, FORECAST, ACCURACY, WATCH, QUALITY, MODELS)
"""What comes first is asked for first."""

BY_ASSET: Final = {asset: cadence for cadence in CADENCES for asset in cadence.assets}
