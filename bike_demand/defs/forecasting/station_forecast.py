"""The assets `station_forecast` and `station_risk`. What they say: `forecasting.outlook`."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import dagster as dg
import numpy as np
import pandas as pd

from bike_demand.automation import RETRIES, first_snapshot_of_the_hour, utc_now
from bike_demand.cadence import FORECAST
from bike_demand.defs import systems
from bike_demand.failures import PermanentFailure
from bike_demand.forecasting import pictures
from bike_demand.forecasting.drift import Counts
from bike_demand.forecasting.features import FEATURE_VERSION, LOOKBACK, LOOKS_BACK
from bike_demand.forecasting.grid import COLUMNS, TICK, Grid, to_grid
from bike_demand.forecasting.inline_image import inline_figure
from bike_demand.forecasting.model import Model
from bike_demand.forecasting.outlook import LOOKS_AHEAD, Outlook
from bike_demand.forecasting.promotion import GATED
from bike_demand.forecasting.simple import quantities
from bike_demand.forecasting.splits import DAY, in_service
from bike_demand.quality.frames import unsound
from bike_demand.registry import REPLACED, Registry, RegistryError, Version, on_probation, unfit
from bike_demand.resources import PostgresIOManager, Reach, Rows, read_metadata, table_metadata
from bike_demand.resources.tracking import Tracking
from bike_demand.settings import System
from bike_demand.storage.frames import empty_frame
from bike_demand.storage.read import read
from bike_demand.storage.tables import (
    FORECAST_INPUT,
    STATION_FORECAST,
    STATION_RISK,
    STATION_STATUS,
    WEATHER,
)
from bike_demand.storage.warehouse import Warehouse
from bike_demand.storage.windows import whole_hours_before

PUNCTUAL: Final = timedelta(minutes=30)
"""After its origin a forecast is late: it is stored, and never counts as one."""

CHAMPION: Final = "champion"
SIMPLE: Final = "simple"
CHALLENGER: Final = "challenger"
PREDECESSOR: Final = "predecessor"
COMPLETE: Final = "every_system_forecast"
SOUND: Final = "forecasts_are_sound"


@dataclass(frozen=True)
class _Issue:
    """Of one system's forecast, what all its rows share."""

    system: System
    origin_at: datetime
    version: Version | None
    why_simple: str | None
    role: str = CHAMPION

    def columns(self, issued_at: datetime) -> dict[str, Any]:
        return {
            "system_id": self.system.system_id,
            "origin_at": self.origin_at,
            "role": self.role if self.version else SIMPLE,
            "issued_at": issued_at,
            "late": issued_at > self.origin_at + PUNCTUAL,
            "model_version": self.version and self.version.version,
        }


def _out(table: Any, description: str) -> dg.AssetOut:
    return dg.AssetOut(
        metadata=table_metadata(table),
        description=description,
        group_name="forecasting",
        kinds={"python", "mlflow", "postgres"},
        code_version=FEATURE_VERSION,
        freshness_policy=FORECAST.freshness,
        automation_condition=first_snapshot_of_the_hour(STATION_STATUS.name),
    )


@dg.multi_asset(
    name="forecast",
    partitions_def=FORECAST.partitions,
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    ins={
        "status": dg.AssetIn(
            STATION_STATUS.name,
            partition_mapping=systems.FIRST_TICK,
            metadata=read_metadata(
                columns=["system_id", *COLUMNS], reach=Reach(lookback=LOOKBACK, hourly=LOOKS_BACK)
            ),
        ),
        "stations": systems.STATIONS,
        "weather": dg.AssetIn(
            WEATHER.name,
            partition_mapping=systems.FIRST_TICK,
            metadata=read_metadata(reach=systems.WEATHER_REACH),
        ),
    },
    outs={
        STATION_FORECAST.name: _out(
            STATION_FORECAST,
            "Bikes at every station 1 to 24 hours ahead, as distributions: by the champion, or by "
            "the best simple forecast where there is none.",
        ),
        STATION_RISK.name: _out(
            STATION_RISK,
            "How likely each station is to be empty, or full, for an hour or more in the next six, "
            "and whether its neighbour is, too.",
        ),
    },
    check_specs=[
        dg.AssetCheckSpec(
            COMPLETE,
            asset=STATION_FORECAST.name,
            description="Every system was forecast by its champion.",
        ),
        dg.AssetCheckSpec(
            SOUND,
            asset=STATION_FORECAST.name,
            blocking=True,
            description="Quantiles are in order and within the capacity: others are not stored.",
        ),
    ],
    retry_policy=RETRIES,
    pool=FORECAST.pool,
)
def station_forecast(  # type: ignore[no-untyped-def]  # noqa: ANN201  # as in `stations`
    context: dg.AssetExecutionContext,
    tracking: Tracking,
    io_manager: dg.ResourceParam[PostgresIOManager],
    status: pd.DataFrame,
    stations: pd.DataFrame,
    weather: pd.DataFrame,
):
    """Forecast from the first snapshot of the hour; nothing later is looked at.

    That is the tick at the full hour; after an outage it is the first that there is, for a forecast
    from half past serves riders better than none. A model that has seen what came after the origin
    is not asked. Over 30 minutes after the origin the forecast is late, and says so. In the shadow
    of the champion its challenger, and for two days its predecessor, forecast the horizons that
    models are compared at.
    """
    window = systems.single_partition(context)
    issued_at = utc_now()
    issues, forecasts, risks = list[_Issue](), list[pd.DataFrame](), list[pd.DataFrame]()
    inputs = list[pd.DataFrame]()
    refused, wrong, pages = dict[str, str](), dict[str, str](), dict[str, Any]()
    with tracking.in_use() as registry:
        for system in systems.placed(status["system_id"], refused):
            own = systems.of(system, status)
            seen = _seen(own, window, system, io_manager.warehouse())
            if seen is None:
                hour = f"the hour from {window.start:%Y-%m-%d %H:%M} UTC"
                refused[system.system_id] = f"nothing is known of {hour}"
                continue
            origin, grid = seen
            issue, model = _issue(registry, system, origin)
            outlook = Outlook(grid, origin, systems.surroundings(system, stations, weather))
            shared = issue.columns(issued_at)
            forecast = _forecast(outlook.forecast(model), origin).assign(**shared)
            if why := unsound(forecast):
                refused[system.system_id] = wrong[system.system_id] = why
                continue
            issues.append(issue)
            forecasts.append(forecast)
            risks.append(outlook.risks(model).assign(**shared))
            if issue.why_simple:
                refused[system.system_id] = f"by the simple forecast, for {issue.why_simple}"
            if model is not None and model.reference is not None:
                counts = outlook.counted(model.reference, forecast)
                inputs.append(_counted(counts, shared["model_version"], system, origin))
            for role in _shadows(issue, issued_at):
                try:
                    version = _shadow(registry, issue, role)
                    if version is None or unfit(version, origin):
                        continue
                    other = registry.load(version)
                except RegistryError as error:  # whoever waits for it is told that nothing came
                    context.log.warning(f"{system.system_id}: no forecast by the {role}: {error}")
                    continue
                shares = _Issue(system, origin, version, None, role).columns(issued_at)
                shadow = outlook.forecast(other, GATED)
                forecasts.append(_forecast(shadow, origin).assign(**shares))
            pages[f"outlook {system.system_id}"] = _page(issue, grid, forecast)
    if not issues:
        raise PermanentFailure(
            f"Nothing was forecast; what is stored stays.\n{systems.told(refused)}"
        )
    # What was said under another role, before there was a champion or for want of it, goes.
    covers = {"system_id": [issue.system.system_id for issue in issues]}
    asked = Rows(inputs or [empty_frame(FORECAST_INPUT)], covers)
    yield dg.MaterializeResult[Any](
        asset_key=STATION_FORECAST.name,
        value=Rows(
            forecasts,
            {**covers, "role": [CHAMPION, SIMPLE, CHALLENGER, PREDECESSOR]},
            {FORECAST_INPUT.name: asked},
        ),
        metadata=pages,
        check_results=[
            systems.check(COMPLETE, refused),
            systems.check(SOUND, wrong, dg.AssetCheckSeverity.ERROR),
        ],
    )
    yield dg.MaterializeResult[Any](
        asset_key=STATION_RISK.name, value=Rows(risks, {**covers, "role": [CHAMPION, SIMPLE]})
    )


def _seen(
    status: pd.DataFrame, window: dg.TimeWindow, system: System, warehouse: Warehouse
) -> tuple[datetime, Grid] | None:
    """The first tick of a window at which any station's bikes are known, and all up to it."""
    within = status["observed_at"].between(window.start, window.end, inclusive="left")
    hour = to_grid(status[within], window.start, window.end)
    known = np.flatnonzero(~np.isnan(hour.bikes).all(axis=1))
    if not len(known):
        return None
    origin = window.start + int(known[0]) * TICK
    if origin > window.start:  # it looks back on hours of its own
        hours = read(
            warehouse,
            STATION_STATUS,
            whole_hours_before(origin, LOOKS_BACK),
            columns=[*status.columns],
            scope={"system_id": [system.system_id]},
        )
        status = pd.concat([status, hours]).drop_duplicates(["station_id", "observed_at"])
    before = status[status["observed_at"] <= origin]
    return origin, to_grid(before, origin - LOOKS_BACK, origin + LOOKS_AHEAD + TICK)


def _issue(registry: Registry, system: System, origin: datetime) -> tuple[_Issue, Model | None]:
    """Who is asked: the champion, unless it must not or cannot be."""
    try:
        version = registry.champion(system.system_id)
        if version is None:
            return _Issue(system, origin, None, "there is no champion"), None
        if why := unfit(version, origin):
            return _Issue(system, origin, None, why), None
        return _Issue(system, origin, version, None), registry.load(version)
    except RegistryError as error:  # for good: what will pass is another error
        return _Issue(system, origin, None, str(error)), None


def _shadows(issue: _Issue, issued_at: datetime) -> list[str]:
    """Roles of who else forecasts, to be compared with the champion."""
    if issue.version is None:
        return []
    return [CHALLENGER, PREDECESSOR] if on_probation(issue.version, issued_at) else [CHALLENGER]


def _shadow(registry: Registry, issue: _Issue, role: str) -> Version | None:
    """Who has such a role beside the champion; None if nobody."""
    if issue.version is not None and role == PREDECESSOR:
        return registry.version(issue.system.system_id, issue.version.tags[REPLACED])
    return registry.challenger(issue.system.system_id)


def _counted(
    counts: dict[str, Counts], version: str, system: System, origin: datetime
) -> pd.DataFrame:
    told = [json.dumps(each.tolist()) for each in counts.values()]
    return pd.DataFrame({"feature": [*counts], "counts": told}).assign(
        system_id=system.system_id, origin_at=origin, model_version=version
    )


def _forecast(frame: pd.DataFrame, origin: datetime) -> pd.DataFrame:
    hours = pd.to_timedelta(frame["horizon"], unit="h")
    return frame.assign(target_at=pd.Timestamp(origin) + hours)


def _page(issue: _Issue, grid: Grid, forecast: pd.DataFrame) -> dg.MarkdownMetadataValue:
    end = grid.index(issue.origin_at) + 1
    day = grid.between(max(end - DAY // TICK, 0), end)
    serves, values = in_service(day), quantities(day)
    shares = {name: np.where(serves, values[name], np.nan) for name in ("empty", "full")}
    past = pd.DataFrame(
        {name: pd.DataFrame(share).mean(axis=1) for name, share in shares.items()}
    ).set_index(day.ticks)
    title = f"{issue.system.system_id}: " + (
        f"champion, {issue.version}" if issue.version else f"simple, for {issue.why_simple}"
    )
    picture = pictures.of_forecast(title, issue.origin_at, past, forecast)
    return dg.MetadataValue.md(inline_figure("outlook", picture))
