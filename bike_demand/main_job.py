"""What the schedules do of stored history, done now: features, models, champion, forecast.

Each is a run of Dagster in this process. What is made already is not made again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import click
import dagster as dg

from bike_demand.forecasting.splits import DAY, HOUR, TRAINING
from bike_demand.import_history import QUIET, few_connections, load_project
from bike_demand.instance import fail_interrupted
from bike_demand.partitions import TICK_KEY_FORMAT
from bike_demand.storage.tables import STATION_FEATURES, STATION_FORECAST, STATION_RISK

TAGS: Final = {"bike_demand/main": "now"}
MODELS: Final = ("lightgbm_model", "xgboost_model", "champion_model")


@dataclass(frozen=True)
class Past:
    """What is stored of a system's status.

    Attributes:
        first: The first tick, UTC.
        last: The last one: it stands for now.
        origin: The last one at a full hour.
        days: The UTC days that have a snapshot at any full hour, in order.
        now: The clock's time, UTC.
    """

    first: datetime
    last: datetime
    origin: datetime
    days: Sequence[datetime]
    now: datetime

    @property
    def end(self) -> datetime:
        """Where the last whole UTC day ends.

        A quarter of an hour before midnight a day has all its ticks, but Dagster has no partition
        of it yet.
        """
        return min(self.last + timedelta(minutes=15), self.now).replace(
            hour=0, minute=0, second=0, microsecond=0
        )

    def whole_days(self) -> list[datetime]:
        """Those, with any snapshot, that models of the last one are made of."""
        start = max(self.first, self.end - TRAINING)
        return [day for day in self.days if start <= day < self.end]


class MainJob:
    """The project's assets, on an instance of Dagster."""

    def __init__(self, instance: dg.DagsterInstance, past: Past) -> None:
        """Load the project as the settings now have it.

        Args:
            instance: Where runs are recorded.
            past: What there is.
        """
        self._instance, self.past = instance, past
        self._job = load_project(None).resolve_implicit_global_asset_job_def()
        fail_interrupted(instance, TAGS)

    def missing_features(self) -> list[datetime]:
        """The days that models need and that lack features of some hour."""
        made = self._instance.get_materialized_partitions(dg.AssetKey(STATION_FEATURES.name))
        return [day for day in self.past.whole_days() if not made.issuperset(_hours(day))]

    def features(self, day: datetime) -> None:
        """The features of a day, in one run."""
        first, *_, last = _hours(day)
        # An hour with fewer than three of its four snapshots is better than none, where the past
        # is all that will ever be known.
        config = {"ops": {STATION_FEATURES.name: {"config": {"allow_partial": True}}}}
        with few_connections(self._instance):
            self._run([STATION_FEATURES.name], (first, last), config)

    def is_trained(self) -> bool:
        """Whether the last whole day has its models and a decision between them."""
        key = f"{self.past.end - DAY:%Y-%m-%d}"
        return all(
            key in self._instance.get_materialized_partitions(dg.AssetKey(name)) for name in MODELS
        )

    def train(self, config: Mapping[str, Any]) -> None:
        """Both models of the last whole day, and whether the better one becomes champion.

        Args:
            config: Of both models; what it does not name is as the assets have it.
        """
        key = f"{self.past.end - DAY:%Y-%m-%d}"
        both = {name: {"config": dict(config)} for name in MODELS[:2]}
        self._run([*MODELS], (key, key), {"ops": both})

    def forecast(self) -> None:
        """Forecasts and risks from the last full hour on."""
        key = f"{self.past.origin:{TICK_KEY_FORMAT}}"
        self._run([STATION_FORECAST.name, STATION_RISK.name], (key, key))

    def _run(
        self, assets: Sequence[str], keys: tuple[str, str], config: Mapping[str, Any] | None = None
    ) -> None:
        result = self._job.execute_in_process(
            asset_selection=[dg.AssetKey(name) for name in assets],
            instance=self._instance,
            run_config={**QUIET, **(config or {})},
            raise_on_error=False,
            tags={
                "dagster/asset_partition_range_start": keys[0],
                "dagster/asset_partition_range_end": keys[1],
                **TAGS,
            },
        )
        if not result.success:
            raise click.ClickException(
                f"The run of {', '.join(assets)} for {keys[0]} failed ({result.run_id}): what went "
                "wrong is above, and under Runs on the page of 'bike-demand dev'."
            )


def _hours(day: datetime) -> list[str]:
    return [f"{day + hour * HOUR:{TICK_KEY_FORMAT}}" for hour in range(24)]
