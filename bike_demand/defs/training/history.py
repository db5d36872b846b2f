"""What models of a day are made of, from what assets are given: the last 28 days of a system."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import dagster as dg
import pandas as pd

from bike_demand.defs import systems
from bike_demand.forecasting.examples import Joined
from bike_demand.forecasting.features import FEATURE_VERSION, TARGET_LOOKBACK, Surroundings
from bike_demand.forecasting.grid import COLUMNS, Grid, to_grid
from bike_demand.forecasting.splits import (
    DAY,
    HOUR,
    LEAST_HISTORY,
    Split,
    TooLittleHistoryError,
    training_split,
)
from bike_demand.resources import Reach, read_metadata
from bike_demand.settings import System
from bike_demand.storage.tables import STATION_FEATURES, STATION_STATUS, WEATHER

LOOKS_BACK: Final = max(first for first, _ in TARGET_LOOKBACK)
"""How long before origins their grid begins, where their features are given."""


def inputs_of_days(days: timedelta, *, quarters: bool) -> dict[str, dg.AssetIn]:
    """Inputs of an asset whose partition is the last of some days that are learnt or tested.

    Args:
        days: Whole ones.
        quarters: Whether status is wanted of each quarter of them, and not of full hours only.
    """
    before = days - DAY
    return {
        "features": dg.AssetIn(
            STATION_FEATURES.name, metadata=read_metadata(reach=Reach(hourly=before))
        ),
        "status": dg.AssetIn(
            STATION_STATUS.name,
            metadata=read_metadata(
                columns=["system_id", *COLUMNS],
                reach=Reach(
                    lookback=((before, timedelta()),) if quarters else (),
                    hourly=before + LOOKS_BACK,
                ),
            ),
        ),
        "stations": systems.STATIONS,
        "weather": dg.AssetIn(
            WEATHER.name, metadata=read_metadata(reach=Reach(lookback=((days, timedelta()),)))
        ),
    }


class OtherFeaturesError(ValueError):
    """The stored features are not those that this code makes."""


@dataclass(frozen=True, eq=False)
class History:
    """Of one system, ready to be learnt from.

    Attributes:
        joined: The features of full hours.
        grid: Its status, from as far back as features of targets look.
        split: What is learnt and what is tested.
        surroundings: Of the system.
    """

    joined: Joined
    grid: Grid
    split: Split
    surroundings: Surroundings


def history(system: System, end: datetime, inputs: dict[str, pd.DataFrame]) -> History:
    """Put together what is stored of a system.

    Args:
        system: With a timezone.
        end: Of the day, UTC.
        inputs: The frames of `inputs_of_days`, of 28 days.

    Raises:
        OtherFeaturesError: Some features have another version than this code's.
        TooLittleHistoryError: There are less than ten days of them.
    """
    features = own_features(system, inputs["features"])
    first: Any = features["observed_at"].min() if len(features) else pd.Timestamp(end)
    split = training_split(first.to_pydatetime(), end)
    hours = features.loc[features["observed_at"] >= split.start, "observed_at"].nunique()
    if hours < LEAST_HISTORY // HOUR:
        raise TooLittleHistoryError(
            f"There are features of {hours} full hours from {split.start:%Y-%m-%d} to "
            f"{end:%Y-%m-%d} UTC; {LEAST_HISTORY // HOUR} are needed."
        )
    joined, grid, around = put_together(system, inputs, features, split.start, end)
    return History(joined, grid, split, around)


def put_together(
    system: System,
    inputs: dict[str, pd.DataFrame],
    features: pd.DataFrame,
    begin: datetime,
    end: datetime,
) -> tuple[Joined, Grid, Surroundings]:
    """What rows are made of, with origins from `begin` on and targets before `end`.

    Args:
        system: With a timezone.
        inputs: The frames of `inputs_of_days`.
        features: From `own_features`.
        begin: A full hour, UTC.
        end: Likewise.
    """
    around = systems.surroundings(system, inputs["stations"], inputs["weather"])
    grid = to_grid(systems.of(system, inputs["status"]), begin - LOOKS_BACK, end)
    return Joined(grid, features, around), grid, around


def own_features(system: System, features: pd.DataFrame) -> pd.DataFrame:
    """A system's features of full hours.

    Raises:
        OtherFeaturesError: Some have another version than this code's.
    """
    own: pd.DataFrame = systems.of(system, features)
    own = own.loc[own["observed_at"].dt.minute == 0]
    others = own[own["feature_version"] != FEATURE_VERSION]
    if len(others):
        raise OtherFeaturesError(
            f"{others['observed_at'].nunique()} of {own['observed_at'].nunique()} hours have "
            f"features of version {', '.join(sorted(others['feature_version'].unique()))}, and "
            f"version {FEATURE_VERSION} is learnt from: materialise station_features again, "
            f"{others['observed_at'].min():%Y-%m-%d-%H:%M} to "
            f"{others['observed_at'].max():%Y-%m-%d-%H:%M}."
        )
    return own
