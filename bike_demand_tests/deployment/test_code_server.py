"""What `bike-demand code-server` does for runs whose process has ended."""

import json
import os
import subprocess
import sys

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.events import EngineEventData
from dagster._core.storage.tags import GRPC_INFO_TAG

from bike_demand.deployment import fail_lifeless


@dg.job
def job():
    pass


@pytest.fixture
def instance(tmp_path):
    return dg.DagsterInstance.ephemeral(tempdir=str(tmp_path))


@pytest.fixture
def worker():
    """A process of ours."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def run_at(instance, pid: int | None) -> str:
    """A run that is executed by a process."""
    tags = {GRPC_INFO_TAG: json.dumps({"host": "code", "port": 4000})}
    run = instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags=tags)
    if pid is not None:
        metadata = {"pid": dg.MetadataValue.text(str(pid))}
        instance.report_engine_event("executed", run, EngineEventData(metadata))
    return run.run_id


def status(instance, run: str) -> DagsterRunStatus:
    return instance.get_run_by_id(run).status


def test_a_run_without_a_process_fails_at_the_second_look(instance, worker):
    run = run_at(instance, worker.pid)
    worker.kill()
    worker.wait()
    doubted = fail_lifeless(instance, os.getpid(), set())
    assert (doubted, status(instance, run)) == ({run}, DagsterRunStatus.STARTED)
    assert fail_lifeless(instance, os.getpid(), doubted) == set()
    assert status(instance, run) is DagsterRunStatus.FAILURE


def test_a_run_that_told_its_end_after_its_process_was_gone_stays_as_it_ended(instance, worker):
    run = run_at(instance, worker.pid)
    worker.kill()
    worker.wait()
    doubted = fail_lifeless(instance, os.getpid(), set())
    instance.report_run_canceled(instance.get_run_by_id(run))
    assert fail_lifeless(instance, os.getpid(), doubted) == set()
    assert status(instance, run) is DagsterRunStatus.CANCELED


@pytest.mark.parametrize("known", [True, False])
def test_a_run_that_goes_on_or_is_about_to_begin_is_left(instance, worker, known):
    run = run_at(instance, worker.pid if known else None)
    assert fail_lifeless(instance, os.getpid(), {run}) == set()
    assert status(instance, run) is DagsterRunStatus.STARTED
