"""Models in MLflow, without Dagster: what is published, what is champion, and loading it.

`open_registry` is the way in.
"""

from bike_demand.registry.errors import RegistryError, RegistryUnavailableError
from bike_demand.registry.registry import (
    APPOINTED_AT,
    PROBATION,
    REPLACED,
    RESTORED_AT,
    TAKEN_BACK_AT,
    Candidate,
    Registry,
    Version,
    on_probation,
    open_registry,
    unfit,
)

__all__ = [
    "APPOINTED_AT",
    "PROBATION",
    "REPLACED",
    "RESTORED_AT",
    "TAKEN_BACK_AT",
    "Candidate",
    "Registry",
    "RegistryError",
    "RegistryUnavailableError",
    "Version",
    "on_probation",
    "open_registry",
    "unfit",
]
