"""What commands do to the instance's runs."""

import json

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from bike_demand.instance import abandoned, fail


@dg.op(pool="places")
def work():
    return None


@dg.job
def job():
    work()


@pytest.fixture
def instance(tmp_path):
    return dg.DagsterInstance.ephemeral(tempdir=str(tmp_path))


def run_of(instance, status, *, launched=True):
    tags = {GRPC_INFO_TAG: json.dumps({"host": "code", "port": 4000})} if launched else {}
    return instance.create_run_for_job(job, status=status, tags=tags).run_id


@pytest.mark.parametrize("status", ["STARTING", "STARTED", "CANCELING"])
def test_a_run_whose_code_server_is_gone_fails_and_gives_its_places_back(instance, status):
    run = run_of(instance, DagsterRunStatus(status))
    storage = instance.event_log_storage
    storage.set_concurrency_slots("places", 1)
    assert storage.claim_concurrency_slot("places", run, "work").is_claimed
    fail(instance, abandoned(instance))
    assert instance.get_run_by_id(run).status is DagsterRunStatus.FAILURE
    assert not storage.get_concurrency_info("places").active_run_ids


@pytest.mark.parametrize("status", ["NOT_STARTED", "SUCCESS", "FAILURE", "CANCELED"])
def test_a_run_that_waits_or_has_ended_stays(instance, status):
    run = run_of(instance, DagsterRunStatus(status))
    assert abandoned(instance) == []
    assert instance.get_run_by_id(run).status is DagsterRunStatus(status)


def test_a_run_that_has_ended_meanwhile_stays_as_it_ended(instance):
    run = instance.get_run_by_id(run_of(instance, DagsterRunStatus.STARTED))
    instance.report_run_canceled(run)
    fail(instance, [run])
    assert instance.get_run_by_id(run.run_id).status is DagsterRunStatus.CANCELED


def test_a_command_that_runs_in_a_process_of_its_own_goes_on(instance):
    run = run_of(instance, DagsterRunStatus.STARTED, launched=False)
    assert abandoned(instance) == []
    assert instance.get_run_by_id(run).status is DagsterRunStatus.STARTED
