"""The Dagster instance of commands: the one whose runs the web page shows."""

import os
from pathlib import Path

import dagster as dg


def open_instance() -> dg.DagsterInstance:
    """The instance of `DAGSTER_HOME`, else of this project's `dagster.yaml`."""
    if os.environ.get("DAGSTER_HOME"):
        return dg.DagsterInstance.get()
    return dg.DagsterInstance.from_config(str(Path(__file__).parents[1]))
