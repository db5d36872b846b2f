"""A model's card: begun when it is trained, and gone on with on each day of its reign.

What it says stands in `bike_demand.model_card`; here its figures are put together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from bike_demand import accuracy, watch
from bike_demand.forecasting.grid import Grid
from bike_demand.forecasting.model import Model
from bike_demand.forecasting.promotion import GATED
from bike_demand.model_card import Card, Drift, GroupScore, LiveScore, Reign, Score, model_card
from bike_demand.registry import Registry, Version
from bike_demand.storage.warehouse import Warehouse

FILE: Final = "card.json"
"""In the run of MLflow that a model comes from: what was known of it when it was trained."""

BEGINS: Final = ("promotion", "rollback", "pin")
"""Events that a reign begins with."""

_CARDS: Final = TypeAdapter(Card)

_DRIFT: Final = """
SELECT hour, feature, psi, band FROM feature_drift
WHERE system_id = %(system)s AND model_version = %(version)s AND hour = (
    SELECT max(hour) FROM feature_drift
    WHERE system_id = %(system)s AND model_version = %(version)s AND hour <= %(now)s
)
"""
_BEGUN: Final = """
SELECT at, kind, model_version FROM model_event
WHERE system_id = %(system)s AND kind = ANY(%(begins)s) AND at <= %(now)s
"""


def begin(
    version: Version,
    model: Model,
    grid: Grid,
    learnt: tuple[datetime, datetime],
    scores: pd.DataFrame,
    groups: pd.DataFrame,
) -> str:
    """Record in MLflow's active run what is known of a model by its training.

    Args:
        version: In the registry.
        model: The same.
        grid: Whose stations it knows.
        learnt: First and last origin, UTC.
        scores: From `evaluation`.
        groups: Likewise.

    Returns:
        The card, in Markdown.
    """
    import mlflow

    test = scores[scores["split"] == "test"]
    card = Card(
        system_id=version.system_id,
        version=version.version,
        algorithm=version.algorithm,
        trained_for=version.trained_for,
        trained_from=learnt[0],
        trained_until=learnt[1],
        data_until=model.data_until,
        stations=len(grid.station_ids),
        pairs=model.pairs,
        feature_version=model.feature_version,
        scores=[
            Score(
                horizon=row["horizon"],
                rows=row["rows"],
                rmse=row["rmse"],
                best_simple=row["best_simple"],
                skill=_known(row["skill_rmse"]),
                crps_skill=_known(row["skill_crps"]),
                coverage=_known(row["pit_coverage_80"]),
            )
            for row in test.to_dict("records")
        ],
        groups=[
            GroupScore(row["group"], row["horizon"], row["rmse"], _known(row["skill_rmse"]))
            for row in groups.to_dict("records")
        ],
    )
    mlflow.log_text(_CARDS.dump_json(card, indent=1).decode(), FILE)
    return model_card(card)


def of_today(
    registry: Registry,
    warehouse: Warehouse,
    version: Version,
    now: datetime,
    events: Sequence[dict[str, Any]],
) -> str | None:
    """The card of a champion, with what was seen of it since; None if none was begun.

    Args:
        registry: Where it is.
        warehouse: Where the rest is.
        version: The champion.
        now: UTC.
        events: Of `model_event`, not stored yet.

    Raises:
        RegistryError: MLflow refuses.
    """
    kept = registry.file(version, FILE)
    if kept is None:
        return None
    card = _CARDS.validate_json(kept)
    values = {"system": version.system_id, "version": version.version, "now": now}
    week = accuracy.skill(warehouse, version.system_id, version.version, now - watch.WEEK, now)
    known = warehouse.frame(_BEGUN, {**values, "begins": [*BEGINS]})
    live = [
        LiveScore(
            horizon=int(str(hours)),
            rows=int(row["rows"]),
            rmse=float(row["rmse"]),
            skill=_known(row["skill_rmse"]),
            coverage=_known(row["coverage_80"]),
        )
        for hours, row in week[week.index.isin(GATED)].iterrows()
    ]
    drift = _drift(warehouse.frame(_DRIFT, values))
    begun = reigns([*known.to_dict("records"), *events])
    return model_card(replace(card, live=live, drift=drift, reigns=begun))


def reigns(events: Sequence[Mapping[Any, Any]]) -> list[Reign]:
    """Who reigned when, the newest first.

    Args:
        events: `at`, `kind`, `model_version`, of one system; one may be there twice.
    """
    found: list[Reign] = []
    begun = sorted((one for one in events if one["kind"] in BEGINS), key=itemgetter("at"))
    for event in begun:
        if found and found[-1].version == event["model_version"]:
            continue  # it reigns already
        since = event["at"].to_pydatetime().astimezone(UTC)
        if found:
            found[-1] = replace(found[-1], until=since)
        found.append(Reign(since, None, event["model_version"], event["kind"]))
    return found[::-1]


def _drift(rows: pd.DataFrame) -> Drift | None:
    if rows.empty:
        return None
    names = [*rows["feature"]]
    indices = {
        name: float(psi)
        for name, psi in zip(names, rows["psi"].astype(float), strict=True)
        if not np.isnan(psi)
    }
    hour = rows["hour"].iloc[0].to_pydatetime().astimezone(UTC)
    return Drift(hour, indices, dict(zip(names, rows["band"], strict=True)))


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
