"""Pictures for asset pages: small enough for metadata, and drawn whatever is missing."""

import base64
import io
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bike_demand.forecasting import pictures
from bike_demand.forecasting.inline_image import inline_figure
from bike_demand.forecasting.promotion import GATED, Decision, Gain

ORIGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)


def image(figure):
    """What a page shows."""
    page = inline_figure("name", figure)
    assert page.startswith("![name](data:image/png;base64,")
    assert len(page) < 40_000
    [code] = re.findall(r"base64,([^)]+)", page)
    return Image.open(io.BytesIO(base64.b64decode(code))).convert("RGB")


def test_a_model_is_shown_by_its_errors_and_by_what_it_looks_at():
    held = [{"split": "validation", "horizon": hour, "rmse": hour**0.5} for hour in range(1, 25)]
    test = [
        {"split": "test", "horizon": hour, "rmse": hour**0.5, "skill_rmse": 0.1} for hour in GATED
    ]
    looks = pd.Series(np.linspace(0.2, 0, 90), index=[f"feature_{n}" for n in range(90)])
    picture = image(pictures.of_model("city", pd.DataFrame(held + test), looks))
    assert picture.size == (774, 279)


@pytest.mark.parametrize(
    "decision",
    [
        Decision(promoted=True, reason="first", detail="There was no champion."),
        Decision(promoted=False, reason="not_better", detail="", gain=Gain(0.001, -0.01, 0.02)),
    ],
)
def test_a_decision_is_shown_whether_or_not_models_were_compared(decision):
    skill = dict.fromkeys(GATED, 0.1) | {24: -0.2}
    image(pictures.of_decision("city", decision, skill, dict.fromkeys(GATED, 0.9)))


def test_a_forecast_is_shown_with_the_day_before_it():
    ticks = pd.date_range(ORIGIN - timedelta(days=1), ORIGIN, freq="15min")
    past = pd.DataFrame({"empty": 0.1, "full": np.nan}, index=ticks)
    rows = pd.DataFrame(
        {"horizon": range(1, 25), "in_service": True, "p_empty": 0.2, "p_full": 0.1}
    )
    image(pictures.of_forecast("city", ORIGIN, past, rows))
