"""What MLflow's own functions remember between calls, set aside for a while and given back.

That is a place and an experiment for the process, active runs for each thread, and variables of the
environment. Which place is meant is not known here.
"""
# ruff: noqa: SLF001  # MLflow tells no other way what it remembers

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_VARIABLES = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")
_one_at_a_time = threading.RLock()


@contextmanager
def functions_at(uri: str, experiment_id: str) -> Iterator[None]:
    """MLflow's functions speak to a place, without an active run; afterwards all is as before.

    Other threads wait, as far as they come by here.

    Args:
        uri: Of MLflow, password included. It does not get into the environment, as it does by
            `mlflow.set_tracking_uri`: child processes would see it, and who reads the settings
            would take it for a server's.
        experiment_id: There, that runs belong to.
    """
    import mlflow
    from mlflow.tracking import fluent
    from mlflow.tracking._model_registry import utils as of_models
    from mlflow.tracking._tracking_service import utils as of_runs

    runs: Any = of_runs
    models: Any = of_models
    state: Any = fluent
    of_thread = (state._active_run_stack, state._last_active_run_id, state._last_logged_model_id)
    # Runs and experiments that the environment names are somebody else's.
    with _one_at_a_time, environment(dict.fromkeys(_VARIABLES)):
        before = runs._tracking_uri, models._registry_uri, state._active_experiment_id
        remembered = [variable.get() for variable in of_thread]
        try:
            runs._tracking_uri = models._registry_uri = uri
            state._active_run_stack.set([])
            mlflow.set_experiment(experiment_id=experiment_id)
            yield
        finally:
            runs._tracking_uri, models._registry_uri, state._active_experiment_id = before
            for variable, value in zip(of_thread, remembered, strict=True):
                variable.set(value)


@contextmanager
def environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Variables are set, or not there where they are `None`; afterwards as before."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
