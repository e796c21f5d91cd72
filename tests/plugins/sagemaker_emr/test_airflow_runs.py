"""Whether a run goes on, by what the Task SDK tells."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.utils.state import DagRunState, TaskInstanceState

from sagemaker_emr.airflow_runs import GOING_ON, AirflowRuns
from sagemaker_emr.orphans import RunState
from sagemaker_emr.task_groups.run import ENDED

ALIVE = [None, *(state.value for state in TaskInstanceState if state.value not in ENDED)]


class Airflow:
    """Answers as the Task SDK does, of one run."""

    def __init__(self, state=None, tasks=()):
        self.state, self.tasks = state, {f"t{number}": each for number, each in enumerate(tasks)}

    def get_dr_count(self, dag_id, run_ids, states=None):
        return int(self.state is not None and (states is None or self.state in states))

    def get_task_states(self, dag_id, run_ids):
        return {run_ids[0]: self.tasks} if self.tasks else {}


def state_of(airflow):
    return AirflowRuns(airflow).state("train", "r1")


@pytest.mark.parametrize("state", [each.value for each in DagRunState])
def test_a_run_in_each_state_that_airflow_has(state):
    expected = RunState.LIVE if state in GOING_ON else RunState.ENDED
    assert state_of(Airflow(state, ["success", "failed"])) is expected


@pytest.mark.parametrize("task", ALIVE)
def test_a_run_that_has_ended_goes_on_while_a_task_of_it_works(task):
    found = state_of(Airflow("failed", ["failed", task]))
    assert found is (RunState.ENDED if task is None else RunState.LIVE)


def test_a_run_that_airflow_does_not_know():
    assert state_of(Airflow()) is RunState.UNKNOWN


def test_an_airflow_that_tells_a_task_nothing_of_other_runs():
    assert state_of(SimpleNamespace()) is RunState.UNTOLD


def test_an_airflow_that_can_not_be_asked_makes_no_orphans():
    broken = Airflow("running")
    broken.get_dr_count = lambda **_: (_ for _ in ()).throw(ConnectionError("no API server"))
    with pytest.raises(ConnectionError):
        state_of(broken)
