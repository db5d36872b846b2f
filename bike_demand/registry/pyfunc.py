"""A model in MLflow's own form: frames in, frames out, for `mlflow.pyfunc` and `mlflow models`.

MLflow imports this module to load a model, so `bike_demand` has to be installed there. The project
itself does not go this way: it loads models by `Registry.load`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bike_demand.forecasting.examples import NAMES, Examples
from bike_demand.forecasting.model import Model
from bike_demand.forecasting.outlook import DESCRIBED, described
from bike_demand.registry.stored_model import read

if TYPE_CHECKING:
    from mlflow.models import ModelSignature


def to_frame(examples: Examples) -> pd.DataFrame:
    """Rows as a frame: the columns `NAMES`, of which `bikes` are those at the origin; and two more.

    These are `room`, bikes that there is room for, and `docked`, whether docks are told.
    """
    frame = pd.DataFrame(examples.features.astype(np.float64), columns=list(NAMES))
    return frame.assign(bikes=examples.bikes, room=examples.room, docked=examples.docked)


def to_examples(frame: pd.DataFrame) -> Examples:
    """The rows of a frame as `to_frame` makes it."""
    return Examples(
        features=frame[list(NAMES)].to_numpy(dtype=np.float32),
        bikes=frame["bikes"].to_numpy(dtype=np.int64),
        room=frame["room"].to_numpy(dtype=np.int64),
        docked=frame["docked"].to_numpy(dtype=np.bool_),
        horizons=frame["horizon"].to_numpy(dtype=np.int64),
    )


def signature() -> "ModelSignature":
    """Of all models: they differ in what they have learnt, not in what they are asked."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    kinds = {"bikes": "long", "room": "long", "docked": "boolean"}
    return ModelSignature(
        Schema([ColSpec(kinds.get(name, "double"), name) for name in (*NAMES, "room", "docked")]),
        Schema([ColSpec("double", name) for name in DESCRIBED]),
    )


class Forecaster:
    """What MLflow holds when it has loaded a model."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Forecast each row.

        Args:
            frame: As `to_frame` makes it.

        Returns:
            The columns `outlook.DESCRIBED`, with the frame's index [bikes; probabilities]. Null are
            `p_full` where docks are not told, and all of a row whose horizon is none of 1 to 24
            hours.
        """
        examples = to_examples(frame)
        told = np.full((len(frame), len(DESCRIBED)), np.nan)
        for rows, distribution in self._model.forecast(examples):
            told[rows] = described(distribution)[[*DESCRIBED]]
        outputs = pd.DataFrame(told, columns=list(DESCRIBED), index=frame.index)
        return outputs.assign(p_full=outputs["p_full"].where(examples.docked))


def _load_pyfunc(path: str) -> Forecaster:
    """Called by MLflow, with the file's path."""
    return Forecaster(read(Path(path)))
