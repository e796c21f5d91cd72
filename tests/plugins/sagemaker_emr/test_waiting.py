"""Where a task waits: in the triggerer, unless a kill would leave its work going on."""

from __future__ import annotations

import pytest

from sagemaker_emr import airflow_versions
from sagemaker_emr.exceptions import SageMakerEmrError
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.triggers.base import WaitTrigger
from tests.airflow_names import TaskDeferred
from tests.plugins.sagemaker_emr.airflow_kills import kill_running


class Reading(WaitTrigger):
    """Done at the third look."""

    hook_class = ServiceCatalogHook
    looks = 0
    done_at = 3

    def look(self):
        Reading.looks += 1
        return {"looks": self.looks} if Reading.looks >= self.done_at else None


class Working(Reading):
    stopped = False

    def stop(self):
        Working.stopped = True


class Wait(AwsWaitingOperator):
    aws_hook_class = ServiceCatalogHook

    def __init__(self, *, cls, **kwargs):
        super().__init__(task_id="wait", timeout_seconds=60, aws_conn_id=None, **kwargs)
        self.cls = cls

    def execute(self, context):
        return self.wait_for(context, self.cls(**self.trigger_parameters))


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(Reading, "looks", 0)
    monkeypatch.setattr(Working, "stopped", False)


@pytest.fixture
def no_trigger_is_killed(monkeypatch):
    monkeypatch.setattr(airflow_versions, "TRIGGERS_ARE_KILLED", False)


@pytest.mark.parametrize("cls", [Reading, Working])
def test_a_wait_defers_where_airflow_tells_triggers_of_a_kill(cls, context, monkeypatch):
    monkeypatch.setattr(airflow_versions, "TRIGGERS_ARE_KILLED", True)
    with pytest.raises(TaskDeferred):
        Wait(cls=cls, deferrable=True).execute(context)


def test_a_wait_that_a_kill_must_stop_stays_in_the_worker_where_airflow_does_not(
    context, no_trigger_is_killed
):
    assert Wait(cls=Working, deferrable=True).execute(context) == {"looks": 3}


def test_a_kill_of_such_a_wait_stops_its_work(context, no_trigger_is_killed, monkeypatch):
    monkeypatch.setattr(Reading, "done_at", 1_000_000)
    with pytest.raises(SageMakerEmrError, match="was killed"):
        kill_running(Wait(cls=Working, deferrable=True), context, lambda: Reading.looks > 1)
    assert Working.stopped


def test_a_wait_that_only_looks_defers_all_the_same(context, no_trigger_is_killed):
    with pytest.raises(TaskDeferred):
        Wait(cls=Reading, deferrable=True).execute(context)
