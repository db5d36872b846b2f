"""Training is recorded in MLflow by `dagster-mlflow`: a run of MLflow for each run of Dagster.

Where MLflow is, and that its functions leave nothing behind, is the business of `registry.store`.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field, SecretStr

from bike_demand import settings
from bike_demand.failures import PermanentFailure
from bike_demand.registry import Registry, RegistryError, open_registry
from bike_demand.registry.store import EXPERIMENT

if TYPE_CHECKING:
    from mlflow import ActiveRun


class Tracking(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Runs and models in MLflow: in Postgres, or on the server of `MLFLOW_TRACKING_URI`."""

    url: str | None = Field(
        default=None,
        repr=False,
        description=(
            "A Postgres database, beside which MLflow's is, as that of PostgresIOManager. Without "
            "it the settings hold: MLFLOW_TRACKING_URI, else BIKE_DEMAND_POSTGRES_URL, else a "
            "Postgres inside the data directory."
        ),
    )
    home: str | None = Field(
        default=None,
        description="The data directory; by default BIKE_DEMAND_HOME, else .bike_demand.",
    )

    def registry(self) -> Registry:
        """The models."""
        place = settings.load(self.home)
        if self.url is not None or self.home is not None:
            # Asked for by name: that Postgres, whatever the environment says.
            url = None if self.url is None else SecretStr(self.url)
            place = place.model_copy(update={"postgres_url": url, "mlflow_tracking_uri": None})
        return open_registry(place)

    @contextmanager
    def child_run(self, context: dg.AssetExecutionContext, name: str) -> Iterator["ActiveRun"]:
        """Record the body of a `with` as a run of MLflow, below that of the Dagster run.

        In the body MLflow's own functions record in it. Both runs end with it, the upper one as
        failed if the last child of some name has failed; the next asset of the same Dagster run
        goes on with it, in this process or another.

        Args:
            context: Of the asset.
            name: The child's. A retry makes another child of the same name.

        Raises:
            PermanentFailure: MLflow refuses, or the body raises a `RegistryError`.
            RegistryUnavailableError: MLflow does not answer; a retry may succeed.
        """
        try:
            with self.registry().recording(), _parent_run(context):
                import mlflow

                with mlflow.start_run(run_name=name, nested=True) as run:
                    yield run
        except RegistryError as error:
            raise PermanentFailure(str(error)) from error

    @contextmanager
    def in_use(self) -> Iterator[Registry]:
        """The models, for the body of a `with` that is not recorded as a run.

        Raises:
            PermanentFailure: The body raises a `RegistryError`.
        """
        try:
            yield self.registry()
        except RegistryError as error:
            raise PermanentFailure(str(error)) from error


@contextmanager
def _parent_run(context: dg.AssetExecutionContext) -> Iterator[None]:
    """The MLflow run of a Dagster run, made unless it is there."""
    import mlflow

    with warnings.catch_warnings():
        # The whole library is beta, and pinned with Dagster.
        warnings.simplefilter("ignore", dg.BetaWarning)
        from dagster_mlflow.resources import MlFlow

        # What its resource does, without a configuration that Dagster shows, and without its hook,
        # by which an asset that fails, and then succeeds, leaves a failed run.
        library: Any = MlFlow
        library(
            SimpleNamespace(
                log=context.log,
                dagster_run=context.run,
                run_id=context.run.run_id,
                resource_config={"experiment_name": EXPERIMENT},
            )
        )
    parent: Any = mlflow.active_run()
    parent_id = parent.info.run_id
    if context.has_partition_key:  # else all are called by Dagster's one job of all assets
        mlflow.set_tag("mlflow.runName", context.partition_key)
    try:
        yield
    finally:
        mlflow.MlflowClient().set_terminated(parent_id, _status(parent_id))


def _status(parent_id: str) -> str:
    """As its children have ended: those that were tried again, as they did the last time."""
    import mlflow

    newest: dict[str, str] = {}
    for child in mlflow.search_runs(
        filter_string=f"tags.mlflow.parentRunId = '{parent_id}'",
        order_by=["attributes.start_time DESC"],
        output_format="list",
    ):
        newest.setdefault(child.info.run_name, child.info.status)
    return "FAILED" if "FAILED" in newest.values() else "FINISHED"
