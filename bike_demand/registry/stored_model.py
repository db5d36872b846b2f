"""A model as a file: what is written, what has to be installed to read it, and what cannot be read.

Where such files are kept is not known here.
"""

import gzip
import pickle
from contextlib import suppress
from dataclasses import fields, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from bike_demand.forecasting.features import FEATURE_VERSION
from bike_demand.forecasting.model import Model
from bike_demand.registry.errors import RegistryError

FILE_NAME: Final = "model.pickle.gz"

_LIBRARIES: Final = {"lightgbm": ("lightgbm",), "xgboost": ("xgboost", "xgboost-cpu")}
"""By algorithm, the packages that may bring it."""


def write(model: Model, folder: Path) -> Path:
    """Write a model into a folder; gives the file."""
    path = folder / FILE_NAME
    with gzip.open(path, "wb", compresslevel=6) as file:
        pickle.dump(model, file, protocol=pickle.HIGHEST_PROTOCOL)
    return path


def read(path: Path) -> Model:
    """Read a model that `write` has written. Who may write the file may run code here.

    Raises:
        RegistryError: It is damaged, or of code or packages that do not fit those that are here.
    """
    try:
        data = gzip.decompress(path.read_bytes())  # all of it, for the checksum comes last
        model = pickle.loads(data)  # noqa: S301  # as trusted as the registry is
    except Exception as error:  # bytes can fail to be a model in any way
        raise RegistryError(
            f"{path.name} is damaged, or of other versions of packages than those that are "
            f"installed ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(model, Model) or not _is_whole(model):
        raise RegistryError(f"{path.name} is of another version of bike_demand")
    if model.feature_version != FEATURE_VERSION:
        raise RegistryError(
            f"{path.name} has learnt features of version {model.feature_version}, and this "
            f"bike_demand makes those of version {FEATURE_VERSION}"
        )
    return model


def requirements(algorithm: str) -> list[str]:
    """What reads a model of an algorithm: the packages that are installed here, as pip pins them.

    Of these `bike-demand` is on no index: MLflow could take its source along (`code_paths`), but
    puts that before what is installed, for the whole process that loads a model.
    """
    names = ("bike-demand", "mlflow", "numpy", "pandas", *_LIBRARIES.get(algorithm, ()))
    pinned = []
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            pinned.append(f"{name}=={metadata.version(name)}")
    return pinned


def _is_whole(part: Any) -> bool:
    """Unpickling fills in what was pickled, whatever a class has by now."""
    if isinstance(part, tuple):
        return all(_is_whole(each) for each in part)
    if not is_dataclass(part):
        return True
    names = [field.name for field in fields(part)]
    return all(hasattr(part, name) and _is_whole(getattr(part, name)) for name in names)
