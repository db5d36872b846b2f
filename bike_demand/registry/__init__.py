"""Models in MLflow, without Dagster: what is published, what is champion, and loading it.

`open_registry` is the way in.
"""

from bike_demand.registry.errors import RegistryError, RegistryUnavailableError
from bike_demand.registry.registry import (
    APPOINTED_AT,
    REPLACED,
    RESTORED_AT,
    TAKEN_BACK_AT,
    Registry,
    Version,
    open_registry,
)

__all__ = [
    "APPOINTED_AT",
    "REPLACED",
    "RESTORED_AT",
    "TAKEN_BACK_AT",
    "Registry",
    "RegistryError",
    "RegistryUnavailableError",
    "Version",
    "open_registry",
]
