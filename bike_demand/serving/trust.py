"""Routes for who asks whether to believe it: accuracy, and the model. From the warehouse."""

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import Field

from bike_demand.serving import answers, queries
from bike_demand.serving.city import dumps
from bike_demand.serving.problems import OF_DATA, documented
from bike_demand.serving.ready import KEPT, Ready
from bike_demand.serving.state import OfSystem, asks, read, serving_of
from bike_demand.serving.times import told

router = APIRouter(tags=["trust"], responses=KEPT | documented(*OF_DATA))

_FIELDS: Final = (
    "rmse",
    "mae",
    "persistence_rmse",
    "persistence_mae",
    "skill_rmse",
    "quantile_loss",
    "coverage_80",
    "brier_empty",
    "brier_full",
    "observed_empty",
    "forecast_empty",
)


class _Days(OfSystem):
    days: Annotated[int, Field(ge=1, le=60, description="How far back [days]")] = 7


@router.get(
    "/accuracy",
    response_model=answers.AccuracyOfDays,
    summary="How forecasts have fared",
    openapi_extra=asks(_Days),
)
def accuracy(request: Request) -> Response:
    """Errors of the forecasts that came due, by hours ahead, beside those of persistence."""
    serving, asked = serving_of(request), read(request, _Days)
    city, until = serving.city(asked.system_id), serving.now()
    since = until - timedelta(days=asked.days)
    values = {"system": city.system_id, "since": since, "until": until}
    rows = serving.database.ask(queries.ACCURACY, values)
    told_of = {
        "system_id": city.system_id,
        "from": told(since),
        "to": told(until),
        "horizons": [_accuracy(row) for row in rows],
    }
    return Ready(dumps(told_of)).response(request, serving.cache(None))


@router.get(
    "/model",
    response_model=answers.Model,
    summary="Which model forecasts",
    openapi_extra=asks(OfSystem),
)
def model(request: Request) -> Response:
    """The champion, how good it was on days it had not seen, and what was done about models."""
    serving, asked = serving_of(request), read(request, OfSystem)
    city = serving.city(asked.system_id)
    reign, algorithm, scores, events = serving.database.read(
        lambda connection: queries.model(connection, city.system_id)
    )
    champion = reign and {
        "model_version": reign.model_version,
        "algorithm": algorithm,
        "trained_for": told(reign.trained_for),
        "since": told(reign.since),
        "reason": reign.reason,
        "pinned": reign.pinned,
    }
    names = ("horizon", "rmse", "skill_rmse", "skill_crps", "pit_coverage_80")
    told_of = {
        "system_id": city.system_id,
        "champion": champion,
        "evaluation": [_rounded(zip(names, row, strict=True)) for row in scores],
        "events": [
            {
                "at": told(at),
                "kind": kind,
                "model_version": version,
                "replaced": replaced,
                "reason": reason,
            }
            for at, kind, version, replaced, reason in events
        ],
    }
    return Ready(dumps(told_of)).response(request, serving.cache(None))


def _accuracy(row: tuple[Any, ...]) -> dict[str, Any]:
    horizon, role, version, count, *figures = row
    head = {"horizon": horizon, "role": role, "model_version": version, "rows": count}
    return head | _rounded(zip(_FIELDS, figures, strict=True))


def _rounded(figures: Any) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures}
