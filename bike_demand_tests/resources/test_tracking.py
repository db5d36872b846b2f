"""Training in MLflow: one run for each Dagster run, a child for each body, and true statuses."""

import os
import subprocess
import sys
from uuid import uuid4

import dagster as dg
import mlflow
import pytest

from bike_demand.failures import PermanentFailure
from bike_demand.registry import RegistryError, RegistryUnavailableError
from bike_demand.registry.store import EXPERIMENT
from bike_demand.resources.tracking import Tracking


@pytest.fixture(scope="module")
def place(server, tmp_path_factory):
    """A data directory, and a database that is not there yet."""
    url = server.url(f"w_{uuid4().hex}").render_as_string(hide_password=False)
    return str(tmp_path_factory.mktemp("home")), url


@pytest.fixture
def tracking(place, monkeypatch):
    home, url = place
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Tracking(home=home, url=url)


@pytest.fixture
def client(tracking):
    with tracking.registry()._store.client("Testing") as client:
        yield client


def runs_of(client, dagster_run_id):
    """The MLflow run of a Dagster run, and its children, oldest first."""
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    [parent] = client.search_runs([experiment], f"tags.dagster_run_id = '{dagster_run_id}'")
    of_parent = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    children = client.search_runs([experiment], of_parent, order_by=["attributes.start_time"])
    return parent, children


def told(children):
    return [(child.info.run_name, child.info.status) for child in children]


@dg.asset
def first(context: dg.AssetExecutionContext, tracking: Tracking) -> None:
    with tracking.child_run(context, name="first") as run:
        mlflow.log_param("run", run.info.run_id)


@dg.asset(deps=[first])
def second(context: dg.AssetExecutionContext, tracking: Tracking) -> None:
    with tracking.child_run(context, "second"):
        mlflow.log_metric("error", 0.5)


def materialize(assets, tracking, **options):
    return dg.materialize(assets, resources={"tracking": tracking}, **options)


def failing(times, failure, **options):
    """An asset whose body raises, as often as that."""
    left = [failure] * times

    @dg.asset(**options)
    def fails(context: dg.AssetExecutionContext, tracking: Tracking) -> None:
        with tracking.child_run(context, "fails"):
            if left:
                raise left.pop()

    return fails


def test_a_dagster_run_is_one_run_of_mlflow_with_a_child_for_each_asset(tracking, client):
    run_id = materialize([first, second], tracking).run_id
    parent, children = runs_of(client, run_id)
    assert parent.info.status == "FINISHED"
    assert told(children) == [("first", "FINISHED"), ("second", "FINISHED")]
    assert children[0].data.params == {"run": children[0].info.run_id}
    assert children[1].data.metrics == {"error": 0.5}
    assert parent.data.params == parent.data.metrics == {}


def test_the_run_is_called_by_its_partition(tracking, client):
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a day"]))
    def daily(context: dg.AssetExecutionContext, tracking: Tracking) -> None:
        with tracking.child_run(context, "child"):
            pass

    parent, children = runs_of(client, materialize([daily], tracking, partition_key="a day").run_id)
    assert parent.info.run_name == "a day"
    assert told(children) == [("child", "FINISHED")]


def test_two_dagster_runs_are_two_runs_of_mlflow(tracking, client):
    runs = [runs_of(client, materialize([first], tracking).run_id) for _ in range(2)]
    assert len({parent.info.run_id for parent, _ in runs}) == 2
    assert [len(children) for _, children in runs] == [1, 1]


def test_an_asset_that_fails_fails_both_runs_and_the_next_one_does_not_hide_it(tracking, client):
    assets = [failing(1, ValueError("no")), second, first]
    result = materialize(assets, tracking, raise_on_error=False)
    assert not result.success
    parent, children = runs_of(client, result.run_id)
    assert parent.info.status == "FAILED"
    assert sorted(told(children)) == [
        ("fails", "FAILED"),
        ("first", "FINISHED"),
        ("second", "FINISHED"),
    ]


def test_a_retry_that_succeeds_heals_the_run(tracking, client):
    asset = failing(1, ValueError("once"), retry_policy=dg.RetryPolicy(max_retries=1))
    result = materialize([asset, first], tracking)
    assert result.success
    parent, children = runs_of(client, result.run_id)
    assert parent.info.status == "FINISHED"
    assert sorted(told(children)) == [
        ("fails", "FAILED"),
        ("fails", "FINISHED"),
        ("first", "FINISHED"),
    ]


def test_an_asset_may_have_several_children(tracking, client):
    @dg.asset
    def several(context: dg.AssetExecutionContext, tracking: Tracking) -> None:
        for name in ("nyc lightgbm", "sf lightgbm"):
            with tracking.child_run(context, name):
                pass

    parent, children = runs_of(client, materialize([several], tracking).run_id)
    assert [name for name, _ in told(children)] == ["nyc lightgbm", "sf lightgbm"]
    assert parent.info.status == "FINISHED"


NEXT_PROCESS = """
import logging
from types import SimpleNamespace
import sys
from bike_demand.resources.tracking import Tracking
run = SimpleNamespace(run_id=sys.argv[1], job_name="any")
context = SimpleNamespace(run=run, log=logging.getLogger("any"), has_partition_key=False)
with Tracking().child_run(context, "later"):
    pass
"""


def test_another_process_goes_on_with_the_run(tracking, client, place):
    run_id = materialize([first], tracking).run_id
    subprocess.run(
        [sys.executable, "-c", NEXT_PROCESS, run_id],
        env={
            **os.environ,
            "BIKE_DEMAND_HOME": place[0],
            "BIKE_DEMAND_POSTGRES_URL": place[1],
        },
        check=True,
    )
    parent, children = runs_of(client, run_id)
    assert told(children) == [("first", "FINISHED"), ("later", "FINISHED")]
    assert parent.info.status == "FINISHED"


def test_a_permanent_error_of_the_registry_is_not_tried_again(tracking, client):
    asset = failing(3, RegistryError("no"), retry_policy=dg.RetryPolicy(max_retries=2))
    result = materialize([asset], tracking, raise_on_error=False)
    assert PermanentFailure.__name__ in str(result.failure_data_for_node("fails").error)
    assert told(runs_of(client, result.run_id)[1]) == [("fails", "FAILED")]


@pytest.mark.parametrize("server", [False, True])
def test_where_mlflow_is_down_the_run_fails_for_that_reason(
    tmp_path, monkeypatch, closed_port, server
):
    login = f"me:hidden-word@127.0.0.1:{closed_port}"
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("BIKE_DEMAND_HOME", str(tmp_path))
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", f"postgresql://{login}/bikes")
    if server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{login}")
    with dg.instance_for_test() as instance:
        result = materialize([first], Tracking(), instance=instance, raise_on_error=False)
        failure = result.failure_data_for_node("first").error
        assert failure.cause.cls_name == RegistryUnavailableError.__name__
        assert "hidden-word" not in str(instance.all_logs(result.run_id))


def test_dagster_is_told_no_password(tracking, server):
    with dg.instance_for_test() as instance:
        result = materialize([first], tracking, instance=instance)
        logs = str(instance.all_logs(result.run_id))
        config = str(instance.get_run_by_id(result.run_id).run_config)
    assert "mlflow run" in logs
    assert server.password not in logs + config


def test_mlflow_is_as_it_was_after_a_run(tracking):
    materialize([first, second], tracking)
    materialize([failing(1, ValueError("no"))], tracking, raise_on_error=False)
    assert mlflow.active_run() is None
    assert not mlflow.is_tracking_uri_set()
    assert "MLFLOW_EXPERIMENT_ID" not in os.environ


def test_a_place_that_is_named_holds_whatever_the_environment_says(tracking, client, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("BIKE_DEMAND_POSTGRES_URL", "postgresql://127.0.0.1:1/bikes")
    assert told(runs_of(client, materialize([first], tracking).run_id)[1])
    assert "postgresql" not in repr(tracking)


def test_mlflow_is_not_imported_before_an_asset_needs_it():
    code = (
        "import sys, bike_demand.resources.tracking as t; t.Tracking().registry();"
        "assert not {'mlflow', 'dagster_mlflow'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
