"""The asset `champion_model`. What a challenger has to be, stands in `forecasting.promotion`."""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
from pydantic import Field

from bike_demand import model_events
from bike_demand.automation import RETRIES, utc_now
from bike_demand.cadence import MODELS
from bike_demand.defs import systems
from bike_demand.defs.training import card
from bike_demand.defs.training.history import (
    OtherFeaturesError,
    inputs_of_days,
    own_features,
    put_together,
)
from bike_demand.defs.training.models import lightgbm_model, xgboost_model
from bike_demand.failures import PermanentFailure
from bike_demand.forecasting import pictures
from bike_demand.forecasting.features import FEATURE_VERSION
from bike_demand.forecasting.inline_image import inline_figure
from bike_demand.forecasting.promotion import (
    GATED,
    LEAST_DAYS,
    LEAST_UNSEEN,
    MARGIN,
    Decision,
    Gain,
    compared,
    enough,
    gain,
    gates,
    unseen,
)
from bike_demand.forecasting.splits import DAY, HOUR
from bike_demand.forecasting.yardstick import crps_by_origin
from bike_demand.registry import (
    APPOINTED_AT,
    REPLACED,
    TAKEN_BACK_AT,
    Registry,
    RegistryError,
    Version,
    on_probation,
)
from bike_demand.resources import PostgresIOManager, Rows, read_metadata, table_metadata
from bike_demand.resources.tracking import Tracking
from bike_demand.settings import System
from bike_demand.storage.tables import CHAMPION_DECISION, MODEL_EVENT
from bike_demand.storage.warehouse import Warehouse

UNSEEN = timedelta(days=6)
"""The days that are looked at: those that models of a day are tested on, and a gap before."""

DECIDED = "every_system_decided"

CHALLENGES = ("not_better", "not_enough_unseen_data", "on_probation", "pinned")
"""Reasons for which a model is refused that is good by itself: it forecasts in the shadow."""


class ChampionConfig(dg.Config):
    """What is decided."""

    systems: list[str] = Field([], description="Of these only; of all if there is none.")


@dataclass(frozen=True)
class Contest:
    """Who meets whom.

    Attributes:
        challenger: The better of the day's models on the days that their learning was stopped by.
        champion: That reigned before the day; None if none did.
        decided: The challenger has been appointed already, and the asset is made once more.
        newest: The last day that there are models of.
        pinned: The champion stays, whatever is decided.
        probation: The champion is new, and watched beside its predecessor.
    """

    challenger: Version
    champion: Version | None
    decided: bool
    newest: date | None
    pinned: bool = False
    probation: bool = False

    @property
    def may_reign(self) -> bool:
        """No model of a later day is there, or it has been appointed when there was none."""
        return self.decided or self.newest == self.challenger.trained_for


@dg.asset(
    partitions_def=MODELS.partitions,
    freshness_policy=MODELS.freshness,
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    ins={
        **inputs_of_days(UNSEEN, quarters=False),
        **{
            algorithm: dg.AssetIn(
                model.key, metadata=read_metadata(scope={"algorithm": [algorithm]})
            )
            for algorithm, model in (("lightgbm", lightgbm_model), ("xgboost", xgboost_model))
        },
    },
    check_specs=[
        dg.AssetCheckSpec(
            DECIDED, asset="champion_model", description="Each system's challenger was judged."
        )
    ],
    retry_policy=RETRIES,
    metadata=table_metadata(CHAMPION_DECISION),
    group_name="training",
    kinds={"python", "mlflow", "postgres"},
    code_version="1",
)
def champion_model(  # type: ignore[no-untyped-def]  # noqa: ANN201, PLR0913, PLR0917  # inputs
    context: dg.AssetExecutionContext,
    config: ChampionConfig,
    tracking: Tracking,
    io_manager: dg.ResourceParam[PostgresIOManager],
    features: pd.DataFrame,
    status: pd.DataFrame,
    stations: pd.DataFrame,
    weather: pd.DataFrame,
    lightgbm: pd.DataFrame,
    xgboost: pd.DataFrame,
):
    """Which model serves each system: the day's better one, if it earns it.

    It has to beat the best simple forecast at 1, 3, 6, 12 and 24 hours, to be calibrated, and to
    beat the champion on at least three days that neither has seen, by more than chance. The winner
    gets the alias `champion` in MLflow, unless models of a later day are there. Refused, the
    champion stays, and the row says why.
    """
    span = systems.single_partition(context)
    inputs = {"features": features, "status": status, "stations": stations, "weather": weather}
    evaluations = pd.concat([frame for frame in (lightgbm, xgboost) if len(frame)] or [lightgbm])
    rows, events = list[dict[str, Any]](), list[dict[str, Any]]()
    refused, pages = dict[str, str](), dict[str, Any]()
    with tracking.in_use() as registry:
        for system in systems.placed(evaluations["system_id"], refused):
            if config.systems and system.system_id not in config.systems:
                continue
            own = systems.of(system, evaluations)
            if own.empty:
                refused[system.system_id] = "no model of this day was made of it"
                continue
            try:
                row, event, page = _decided(registry, system, own, inputs, span)
            except (RegistryError, OtherFeaturesError) as error:
                refused[system.system_id] = str(error)
                continue
            rows.append(row)
            events += event
            pages[f"decision {system.system_id}"] = page
            try:
                told = _card(registry, io_manager.warehouse(), system.system_id, event)
            except RegistryError as error:  # what was decided is stored all the same
                context.log.warning(f"{system.system_id} has no card today: {error}")
                continue
            if told:
                pages[f"champion {system.system_id}"] = dg.MetadataValue.md(told)
    if not rows:
        raise PermanentFailure(
            f"Nothing was decided; every champion stays.\n{systems.told(refused)}"
        )
    frame = pd.DataFrame(rows)
    companions = {MODEL_EVENT.name: model_events.rows(events)}
    return dg.MaterializeResult[Any](
        value=Rows(frame, {"system_id": [*frame["system_id"]]}, companions),
        metadata=pages,
        check_results=[systems.check(DECIDED, refused)],
    )


def _card(
    registry: Registry, warehouse: Warehouse, system_id: str, events: list[dict[str, Any]]
) -> str | None:
    """Of whoever reigns now, the card; the registry gets it, too."""
    champion = registry.champion(system_id)
    if champion is None:
        return None
    told = card.of_today(registry, warehouse, champion, utc_now(), events)
    if told is not None:
        registry.describe(champion, told)
    return told


def _decided(
    registry: Registry,
    system: System,
    evaluations: pd.DataFrame,
    inputs: dict[str, pd.DataFrame],
    span: dg.TimeWindow,
) -> tuple[dict[str, Any], list[dict[str, Any]], dg.MarkdownMetadataValue]:
    """Of one system the decision's row, what happened if something did, and the page."""
    contest = _contest(registry, system.system_id, evaluations)
    algorithm = contest.challenger.algorithm
    test = evaluations[
        (evaluations["split"] == "test") & (evaluations["algorithm"] == algorithm)
    ].set_index("horizon")
    compare = _Comparison(registry, contest, system, inputs, span.end)
    decision = decide(contest, test, compare)
    applied = decision.promoted and contest.may_reign
    if decision.promoted and not applied:
        told = f"{decision.detail} It does not reign: there are models of {contest.newest}."
        decision = replace(decision, detail=told)
    if applied:
        events = [_appointed(registry, contest, decision)]
    else:
        events = [_refused(registry, contest, decision)]
    what = f"{'promoted' if applied else 'not promoted'}, {decision.reason.replace('_', ' ')}"
    title = f"{system.system_id} {span.start:%Y-%m-%d}: {what}"
    picture = pictures.of_decision(title, decision, *_asked(test))
    text = f"{'Promoted' if applied else 'Not promoted'}. {decision.detail}"
    page = dg.MetadataValue.md(f"{text}\n\n{inline_figure('decision', picture)}")
    row = _row(contest, decision, compare, test, applied=applied, day=span.start)
    return row, events, page


def _contest(registry: Registry, system_id: str, evaluations: pd.DataFrame) -> Contest:
    held = evaluations[evaluations["split"] == "validation"]
    error = np.log(held["rmse"]).groupby(held["algorithm"]).mean()
    [number, *_] = held.loc[held["algorithm"] == error.idxmin(), "model_version"]
    challenger, champion = registry.version(system_id, number), registry.champion(system_id)
    newest = registry.newest_trained_for(system_id)
    reigns = champion is not None and champion.version == challenger.version
    # Noted as appointed, the newest that does not reign is one whose appointment was cut short.
    decided = APPOINTED_AT in challenger.tags and (reigns or newest != challenger.trained_for)
    if decided or reigns:
        replaced = challenger.tags.get(REPLACED)
        champion = registry.version(system_id, replaced) if replaced else None
        return Contest(challenger, champion, decided, newest)
    pinned = registry.is_pinned(system_id)
    probation = champion is not None and on_probation(champion, utc_now())
    return Contest(challenger, champion, decided, newest, pinned, probation)


class UnreadableChampionError(Exception):
    """The champion cannot be loaded, now or later: nothing can be compared with it."""


class _Comparison:
    """Challenger and champion on rows that neither has seen; made only if it is asked for."""

    def __init__(
        self,
        registry: Registry,
        contest: Contest,
        system: System,
        inputs: dict[str, pd.DataFrame],
        end: datetime,
    ) -> None:
        self._registry, self._system, self._inputs = registry, system, inputs
        versions = [contest.challenger, contest.champion or contest.challenger]
        self._versions = dict(zip(("challenger", "champion"), versions, strict=True))
        seen = max(version.data_until for version in versions)
        self.unseen = unseen(end - UNSEEN + DAY, end, seen)
        self.rows = 0
        self.crps: dict[int, dict[str, float]] = {}

    def gain(self) -> Gain | None:
        """None if there are not enough such rows.

        Raises:
            UnreadableChampionError: The champion's file is lost, or fits this code no more.
        """
        if self.unseen is None:
            return None
        begin, end = self.unseen
        models = {}
        for name, version in self._versions.items():
            try:
                models[name] = self._registry.load(version)
            except RegistryError as error:
                if name == "challenger":
                    raise
                raise UnreadableChampionError(str(error)) from error
        features = own_features(self._system, self._inputs["features"])
        joined, grid, _ = put_together(self._system, self._inputs, features, begin, end)
        days, losses = {}, {name: dict[int, Any]() for name in models}
        for hours in GATED:
            origins, each = crps_by_origin(models, joined, grid, begin, end, hours * HOUR)
            if not len(origins) or (hours == GATED[0] and not enough(origins)):
                return None
            days[hours] = origins // 24
            self.crps[hours] = {name: float(values.mean()) for name, values in each.items()}
            for name, values in each.items():
                losses[name][hours] = values
        self.rows = sum(map(len, days.values()))
        return gain(losses["challenger"], losses["champion"], days)


def decide(contest: Contest, test: pd.DataFrame, comparison: _Comparison) -> Decision:
    """Put the reasons in order: what the challenger is by itself, then against the champion."""
    if early := _by_itself(contest.challenger, test) or _by_the_champion(contest):
        return early
    try:
        found = comparison.gain()
    except UnreadableChampionError as error:
        return Decision(promoted=True, reason="unreadable", detail=f"The champion: {error}")
    if found is None:
        told = (
            f"{LEAST_UNSEEN // HOUR} h of origins on {LEAST_DAYS} days that neither "
            f"{contest.challenger} nor {contest.champion} has seen are asked for."
        )
        return Decision(promoted=False, reason="not_enough_unseen_data", detail=told)
    decision = compared(found)
    if decision.promoted and contest.probation:
        told = f"{contest.champion} was promoted within the last two days. {decision.detail}"
        return replace(decision, promoted=False, reason="on_probation", detail=told)
    return decision


def _by_the_champion(contest: Contest) -> Decision | None:
    """What needs no comparison."""
    champion = contest.champion
    if champion is None:
        return Decision(promoted=True, reason="first", detail="There was no champion.")
    if contest.pinned:
        told = f"{champion} is pinned: 'bike-demand unpin' lets the next decision count again."
        return Decision(promoted=False, reason="pinned", detail=told)
    if champion.feature_version != FEATURE_VERSION:
        told = _other_features(champion)
        return Decision(promoted=True, reason="other_features", detail=told)
    return None


def _by_itself(challenger: Version, test: pd.DataFrame) -> Decision | None:
    if challenger.tags.get(TAKEN_BACK_AT):
        told = f"{challenger} was taken back."
        return Decision(promoted=False, reason="rolled_back", detail=told)
    if challenger.feature_version != FEATURE_VERSION:
        told = _other_features(challenger)
        return Decision(promoted=False, reason="other_features", detail=told)
    return gates(*_asked(test))


def _other_features(version: Version) -> str:
    return f"{version} has learnt features of version {version.feature_version}, made no more."


def _asked(test: pd.DataFrame) -> tuple[dict[int, float], dict[int, float]]:
    """By horizon, what gates look at."""
    told = test.loc[[*GATED], ["skill_rmse", "pit_coverage_80"]].astype(float)
    skill, coverage = (dict(zip(GATED, told[name], strict=True)) for name in told)
    return skill, coverage


def _appointed(registry: Registry, contest: Contest, decision: Decision) -> dict[str, Any]:
    """Appoint the challenger, unless it has been; and what is noted of it, the same both times."""
    challenger, champion = contest.challenger, contest.champion
    replaced = None if champion is None else champion.version
    if not contest.decided:
        challenger = registry.appoint(challenger, replaced)
    at = challenger.tags[APPOINTED_AT]
    figures = _figures(decision)
    return model_events.event("promotion", at, challenger, replaced, decision.detail, figures)


def _refused(registry: Registry, contest: Contest, decision: Decision) -> dict[str, Any]:
    """Let the challenger forecast in the shadow, if it is good by itself; and what is noted."""
    challenger = contest.challenger
    if contest.newest == challenger.trained_for:
        follows = decision.reason in CHALLENGES
        registry.challenge(challenger.system_id, challenger if follows else None)
    at, figures = utc_now().isoformat(), _figures(decision)
    return model_events.event("refusal", at, challenger, None, decision.detail, figures)


def _figures(decision: Decision) -> dict[str, Any]:
    gain = decision.gain
    numbers = {"gain": gain.gain, "low": gain.low, "high": gain.high} if gain else {}
    return {"reason": decision.reason, **numbers, "margin": MARGIN}


def _row(
    contest: Contest,
    decision: Decision,
    comparison: _Comparison,
    test: pd.DataFrame,
    *,
    applied: bool,
    day: datetime,
) -> dict[str, Any]:
    compared_on = comparison.unseen if comparison.rows else None
    figures = {
        str(hours): {
            "skill_rmse": test.loc[hours, "skill_rmse"],
            "pit_coverage_80": test.loc[hours, "pit_coverage_80"],
            **{f"crps_{name}": crps for name, crps in comparison.crps.get(hours, {}).items()},
        }
        for hours in GATED
    }
    return {
        "system_id": contest.challenger.system_id,
        "trained_for": day,
        "decision": "promoted" if decision.promoted else "kept",
        "reason": decision.reason,
        "detail": decision.detail,
        "applied": applied,
        "challenger": contest.challenger.version,
        "algorithm": contest.challenger.algorithm,
        "champion": None if contest.champion is None else contest.champion.version,
        "unseen_from": compared_on and compared_on[0],
        "unseen_until": compared_on and compared_on[1],
        "rows": comparison.rows or None,
        "gain": decision.gain and decision.gain.gain,
        "gain_low": decision.gain and decision.gain.low,
        "gain_high": decision.gain and decision.gain.high,
        "margin": decision.gain and MARGIN,
        "figures": json.dumps(figures),
    }
