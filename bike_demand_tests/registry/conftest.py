"""A registry in Postgres that all tests share: each has a system of its own."""

import warnings
from uuid import uuid4

import pytest

from bike_demand.registry import open_registry
from bike_demand.settings import Settings
from bike_demand_tests.registry.small_model import small_models

with warnings.catch_warnings():
    # MLflow's tables use what SQLAlchemy will drop, and its classes type hints that it dislikes.
    # Whichever test comes first would have these imported.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
    import mlflow.store.tracking.sqlalchemy_store


@pytest.fixture(scope="session")
def models():
    return small_models()


@pytest.fixture
def model(models):
    return models["lightgbm"]


@pytest.fixture(scope="session")
def place(server, tmp_path_factory):
    """Settings: a data directory with a space in its name, and a database that is not there yet."""
    url = server.url(f"w_{uuid4().hex}").render_as_string(hide_password=False)
    home = tmp_path_factory.mktemp("data directory")
    return Settings(home=home, postgres_url=url, MLFLOW_TRACKING_URI=None)


@pytest.fixture(scope="session")
def registry(place):
    return open_registry(place)


@pytest.fixture(scope="session")
def run_id(registry):
    with registry.recording(), mlflow.start_run() as run:
        return run.info.run_id


@pytest.fixture
def system_id():
    return f"city_{uuid4().hex}"
