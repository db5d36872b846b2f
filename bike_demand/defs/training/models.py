"""The assets `xgboost_model` and `lightgbm_model`. How they learn: `forecasting.model`."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
import numpy as np
import pandas as pd
from pydantic import Field

from bike_demand.automation import RETRIES
from bike_demand.cadence import MODELS
from bike_demand.defs import systems
from bike_demand.defs.training import card
from bike_demand.defs.training.history import History, OtherFeaturesError, history, inputs_of_days
from bike_demand.failures import PermanentFailure
from bike_demand.forecasting import pictures
from bike_demand.forecasting.evaluation import evaluation, importance
from bike_demand.forecasting.examples import Examples
from bike_demand.forecasting.features import FEATURE_VERSION
from bike_demand.forecasting.inline_image import inline_figure
from bike_demand.forecasting.learners import Learner, LearningError, LightGBM, XGBoost
from bike_demand.forecasting.model import PAIRS_PER_GROUP, PARTS, Model, put_together, train
from bike_demand.forecasting.recency import choose
from bike_demand.forecasting.splits import DAY, HOUR, TRAINING, TooLittleHistoryError, hourly_pairs
from bike_demand.forecasting.watched import reference
from bike_demand.forecasting.yardstick import NothingToScoreError
from bike_demand.resources import Rows, table_metadata
from bike_demand.resources.tracking import Tracking
from bike_demand.settings import System
from bike_demand.storage.tables import MODEL_EVALUATION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAINED: Final = "every_system_trained"
SHOWN: Final = 5
"""Rows that MLflow shows as what the model is asked."""


class TrainingConfig(dg.Config):
    """What both algorithms are told; found by backtest."""

    pairs_per_group: int = Field(
        PAIRS_PER_GROUP, description="Rows that each of six groups of horizons learns."
    )
    rounds: int = Field(LightGBM.rounds, description="Trees of a function, at most.")
    patience: int = Field(
        LightGBM.patience, description="Trees without gain on held out days that end it."
    )
    learning_rate: float = Field(LightGBM.learning_rate, description="Weight of each tree.")
    rows_per_leaf: int = Field(LightGBM.rows_per_leaf, description="At least.")
    rows_per_tree: float = Field(LightGBM.rows_per_tree, description="Share of rows.")
    threads: int = Field(LightGBM.threads, description="The same give the same model.")
    recency: bool = Field(
        default=False,
        description="Learn fewer, newer days: as many as a backtest finds best. For a champion "
        "that is no longer what it was.",
    )
    systems: list[str] = Field([], description="Of these only; of all if there is none.")

    def learner_options(self) -> dict[str, Any]:
        """What a learner is told."""
        return self.model_dump(exclude={"pairs_per_group", "recency", "systems"})


class LightGBMConfig(TrainingConfig):
    """Hyper-parameters of LightGBM."""

    leaves: int = Field(LightGBM.leaves, description="Of a tree, at most.")
    features_per_tree: float = Field(
        LightGBM.features_per_tree, description="Share of features that a tree sees."
    )
    bins: int = Field(LightGBM.bins, description="That values of a feature are put into.")


class XGBoostConfig(TrainingConfig):
    """Hyper-parameters of XGBoost."""

    depth: int = Field(XGBoost.depth, description="Of a tree, at most.")
    features_per_node: float = Field(
        XGBoost.features_per_node, description="Share of features that a split sees."
    )
    bins: int = Field(XGBoost.bins, description="That values of a feature are put into.")


def _asset(algorithm: str) -> Mapping[str, Any]:
    """What the two assets have in common."""
    name = f"{algorithm}_model"
    return {
        "name": name,
        "partitions_def": MODELS.partitions,
        "backfill_policy": dg.BackfillPolicy.multi_run(1),
        "ins": inputs_of_days(TRAINING, quarters=True),
        "check_specs": [
            dg.AssetCheckSpec(TRAINED, asset=name, description="A model was made of every system.")
        ],
        "retry_policy": RETRIES,
        "pool": MODELS.pool,
        "freshness_policy": MODELS.freshness,
        "metadata": table_metadata(MODEL_EVALUATION),
        "group_name": "training",
        "kinds": {"python", algorithm, "mlflow"},
        "code_version": FEATURE_VERSION,
    }


@dg.asset(**_asset("lightgbm"))  # type: ignore[untyped-decorator]
def lightgbm_model(  # type: ignore[no-untyped-def]  # noqa: ANN201  # as in `stations`
    context: dg.AssetExecutionContext,
    config: LightGBMConfig,
    tracking: Tracking,
    features: pd.DataFrame,
    status: pd.DataFrame,
    stations: pd.DataFrame,
    weather: pd.DataFrame,
):
    """A model of each system by LightGBM, made of the last 28 days; its scores are the table.

    It learns all but the last five days, and is tested on four of them. With less than ten days
    of features a system gets none. Model, metrics and pictures are in MLflow.
    """
    inputs = {"features": features, "status": status, "stations": stations, "weather": weather}
    learner = LightGBM(**config.learner_options())
    return _trained(context, learner, config, tracking, inputs)


@dg.asset(**_asset("xgboost"))  # type: ignore[untyped-decorator]
def xgboost_model(  # type: ignore[no-untyped-def]  # noqa: ANN201  # as in `stations`
    context: dg.AssetExecutionContext,
    config: XGBoostConfig,
    tracking: Tracking,
    features: pd.DataFrame,
    status: pd.DataFrame,
    stations: pd.DataFrame,
    weather: pd.DataFrame,
):
    """A model of each system by XGBoost, of the same rows as LightGBM's; its scores are the table.

    It learns all but the last five days, and is tested on four of them. With less than ten days
    of features a system gets none. Model, metrics and pictures are in MLflow.
    """
    inputs = {"features": features, "status": status, "stations": stations, "weather": weather}
    learner = XGBoost(**config.learner_options())
    return _trained(context, learner, config, tracking, inputs)


# One system's trouble costs no other its model.
_NO_MODEL: Final = (
    OtherFeaturesError,
    TooLittleHistoryError,
    NothingToScoreError,
    LearningError,
    PermanentFailure,  # MLflow refuses
)


def _trained(
    context: dg.AssetExecutionContext,
    learner: Learner,
    config: TrainingConfig,
    tracking: Tracking,
    inputs: dict[str, pd.DataFrame],
) -> dg.MaterializeResult[Any]:
    span = systems.single_partition(context)
    made, refused, pages = list[pd.DataFrame](), dict[str, str](), dict[str, Any]()
    for system in systems.placed(inputs["features"]["system_id"], refused):
        if config.systems and system.system_id not in config.systems:
            continue
        try:
            known = history(system, span.end, inputs)
            told, figure = _train(context, system, learner, config, tracking, known)
        except _NO_MODEL as error:
            refused[system.system_id] = str(error)
            continue
        made.append(told)
        pages[f"model {system.system_id}"] = dg.MetadataValue.md(inline_figure("model", figure))
    if not made:
        raise PermanentFailure(f"No model was made; what is stored stays.\n{systems.told(refused)}")
    trained = [*dict.fromkeys(system_id for frame in made for system_id in frame["system_id"])]
    covers = {"system_id": trained, "algorithm": [learner.name]}
    return dg.MaterializeResult[Any](
        value=Rows(made, covers),
        metadata=pages,
        check_results=[systems.check(TRAINED, refused)],
    )


def _train(
    context: dg.AssetExecutionContext,
    system: System,
    learner: Learner,
    config: TrainingConfig,
    tracking: Tracking,
    known: History,
) -> tuple[pd.DataFrame, "Figure"]:
    """Train, score, record and register the model of one system."""
    split, day = known.split, context.partition_time_window.start
    with tracking.child_run(context, f"{system.system_id} {learner.name}") as run:
        import mlflow

        pairs = config.pairs_per_group
        mlflow.log_params({**vars(learner), "pairs_per_group": pairs})
        begin = _newest_days(learner, known) if config.recency else split.start
        parts = []
        for part in train(known.joined, known.grid, begin, split.train_end, [learner], pairs):
            parts.append(part)
            context.log.info(f"{system.system_id}: {len(parts)} of {PARTS} parts learnt")
        model = put_together(parts, learner.name, split.train_end, FEATURE_VERSION)
        learnt_from = reference(
            model,
            known.joined,
            known.grid,
            begin,
            split.train_end,
            known.surroundings.timezone,
        )
        model = replace(model, reference=learnt_from)
        scores, groups = evaluation(model, known.joined, known.grid, split, known.surroundings)
        looks = importance(model)
        title = f"{system.system_id}, {learner.name}, {day:%Y-%m-%d}"
        figure = pictures.of_model(title, scores, looks)
        _record(system, model, known, begin, scores)
        mlflow.log_figure(figure, "model.png")
        mlflow.log_dict({str(name): share for name, share in looks.items()}, "importance.json")
        version = tracking.registry().publish(
            model,
            system_id=system.system_id,
            trained_for=day.date(),
            examples=_some(known),
            run_id=run.info.run_id,
            candidate="recency" if config.recency else "daily",
        )
        learnt = (begin, split.train_end - HOUR)
        told = card.begin(version, model, known.grid, learnt, scores, groups)
        tracking.registry().describe(version, told)
    return scores.assign(
        system_id=system.system_id,
        trained_for=day,
        algorithm=learner.name,
        model_version=version.version,
        run_id=run.info.run_id,
        feature_version=FEATURE_VERSION,
        data_until=model.data_until,
        pairs=model.pairs,
    ), figure


def _newest_days(learner: Learner, known: History) -> datetime:
    """Where what is learnt begins, if it is as few days as serve best; it is recorded why."""
    import mlflow

    errors = choose(known.joined, known.grid, known.split, learner, FEATURE_VERSION)
    mlflow.log_metrics({f"crps_of_{days}_days": error for days, error in errors.items()})
    best = min(errors, key=errors.__getitem__)
    mlflow.log_param("recency_days", best)
    return known.split.train_end - best * DAY


def _record(
    system: System, model: Model, known: History, begin: datetime, scores: pd.DataFrame
) -> None:
    """In the active run of MLflow; metrics have the horizon as their step."""
    import mlflow

    split = known.split
    mlflow.set_tags({"system_id": system.system_id, "algorithm": model.algorithm})
    mlflow.log_params(
        {
            "trained_from": begin.isoformat(),
            "trained_until": split.train_end.isoformat(),
            "tested_until": split.end.isoformat(),
            "data_until": model.data_until.isoformat(),
            "feature_version": model.feature_version,
            "pairs": model.pairs,
            "stations": len(known.grid.station_ids),
        }
    )
    for row in scores.drop(columns="best_simple").to_dict("records"):
        name, horizon = row.pop("split"), row.pop("horizon")
        metrics = {f"{name}_{key}": float(row[key]) for key in row if not np.isnan(row[key])}
        mlflow.log_metrics(metrics, horizon)


def _some(known: History) -> Examples:
    """A few rows, whichever."""
    pairs = hourly_pairs(known.grid, known.split.end - DAY, known.split.end, HOUR, lags=())
    pairs = known.joined.of(pairs)
    return known.joined.examples(pairs.where(np.arange(len(pairs)) < SHOWN), HOUR)
