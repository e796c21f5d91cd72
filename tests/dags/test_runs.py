"""The little Airflow decides as the real one was seen to decide."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from tests.airflow_names import AirflowFailException, AirflowSkipException, TaskDeferred
from tests.dags.runs import Airflow, Observer, Process, ProcessDied, Run, TriggerFailed


class Task(BaseOperator):
    """Does what it is told, once for each try; the last word counts for all later tries."""

    def __init__(self, *, does: tuple[str, ...] = ("succeed",), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.does = does

    def execute(self, context: Any) -> Any:
        ti = context["ti"]
        assert ti.xcom_pull(self.task_id, key="tried") is None  # a retry finds nothing of the try before
        ti.xcom_push("tried", ti.try_number)
        word = self.does[min(ti.try_number, len(self.does)) - 1]
        if word == "fail":
            raise ValueError(word)
        if word == "fail for good":
            raise AirflowFailException(word)
        if word == "skip":
            raise AirflowSkipException(word)
        if word == "wait":
            raise TaskDeferred(trigger=Waiting(), method_name="resume")
        return word

    def resume(self, context: Any, event: Any) -> Any:
        return event


class Waiting(BaseTrigger):
    """Fires at its second look."""

    made = 0

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.Waiting", {}

    def look_tolerantly(self) -> None:
        return None

    async def run(self) -> Any:
        import asyncio

        Waiting.made += 1
        for _ in range(2):
            await asyncio.to_thread(self.look_tolerantly)
            await asyncio.sleep(0.01)
        yield TriggerEvent("fired")


def chain_of(dag_id: str, **does: tuple[str, ...]) -> Any:
    """``setup``, ``work`` and ``teardown``, and a leaf beside it."""
    with DAG(dag_id, schedule=None) as dag:
        setup, work = (Task(task_id=name, does=does.get(name, ("succeed",))) for name in ("setup", "work"))
        teardown = Task(task_id="teardown", does=does.get("teardown", ("succeed",))).as_teardown(
            setups=setup, on_failure_fail_dagrun=True
        )
        setup >> work >> teardown
        work >> Task(task_id="leaf")
    return dag


def play(dag: Any, observer: Observer | None = None, **settings: Any) -> Run:
    airflow = Airflow({dag.dag_id: dag}, observer, **settings)
    run = airflow.start(Run(dag, {}))
    airflow.play()
    return run


@pytest.mark.parametrize(
    ("does", "states", "state"),
    [
        ({}, ["success", "success", "success", "success"], "success"),
        (
            {"setup": ("fail",)},
            ["failed", "upstream_failed", "upstream_failed", "upstream_failed"],
            "failed",
        ),
        ({"setup": ("skip",)}, ["skipped", "skipped", "skipped", "skipped"], "success"),
        ({"work": ("fail",)}, ["success", "failed", "success", "upstream_failed"], "failed"),
        ({"work": ("skip",)}, ["success", "skipped", "success", "skipped"], "success"),
        ({"teardown": ("fail",)}, ["success", "success", "failed", "success"], "failed"),
    ],
    ids=["well", "setup fails", "setup skips", "work fails", "work skips", "teardown fails"],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_teardown_runs_where_its_setup_did(does, states, state, reverse):
    run = play(chain_of("life", **does), reverse=reverse)
    assert [run.states[task] for task in ("setup", "work", "teardown", "leaf")] == states
    assert run.state == state


def test_a_teardown_that_is_the_only_leaf_hides_a_failure():
    with DAG("hidden", schedule=None) as dag:
        setup = Task(task_id="setup")
        work = Task(task_id="work", does=("fail",))
        setup >> work >> Task(task_id="end").as_teardown(setups=setup, on_failure_fail_dagrun=True)
    assert play(dag).state == "success"


def test_a_task_is_tried_again_without_its_xcoms_as_often_as_it_has_retries():
    with DAG("tried", schedule=None) as dag:
        Task(task_id="late", does=("fail", "fail", "late"), retries=2)
        Task(task_id="never", does=("fail",), retries=2)
        Task(task_id="final", does=("fail for good", "succeed"), retries=2)
    run = play(dag)
    assert run.states == {"late": "success", "never": "failed", "final": "failed"}
    assert dict(run.tries) == {"late": 3, "never": 3, "final": 1}
    assert run.xcoms.pull("late", "return_value", None) == "late"


def test_none_failed_lets_a_skipped_task_pass_and_a_failed_one_not():
    with DAG("rules", schedule=None) as dag:
        skipped, failed = Task(task_id="skipped", does=("skip",)), Task(task_id="failed", does=("fail",))
        skipped >> Task(task_id="after_skipped", trigger_rule="none_failed")
        [skipped, failed] >> Task(task_id="after_both", trigger_rule="none_failed")
    states = play(dag).states
    assert (states["after_skipped"], states["after_both"]) == ("success", "upstream_failed")


class Breaking(Observer):
    """Breaks one thing, once."""

    def __init__(self, what: str, error: BaseException) -> None:
        self.what, self.error, self.broke = what, error, False

    def looked(self, process: Process, result: Any) -> None:
        self._break("look")

    def stores(self, process: Process, state: str) -> None:
        self._break("store")

    def _break(self, what: str) -> None:
        if what == self.what and not self.broke:
            self.broke = True
            raise self.error


@pytest.fixture
def waiting():
    Waiting.made = 0
    with DAG("waiting", schedule=None) as dag:
        Task(task_id="wait", does=("wait",), retries=1)
    return dag


@pytest.mark.parametrize(
    ("what", "error", "tries", "triggers"),
    [
        ("none", ProcessDied(), 1, 1),
        ("look", ProcessDied(), 1, 2),
        ("look", TriggerFailed(), 2, 2),
        ("store", ProcessDied(), 2, 1),
    ],
    ids=["well", "triggerer dies", "trigger fails", "worker dies"],
)
def test_a_trigger_is_reloaded_where_its_triggerer_died_and_a_task_retried_where_its_worker_did(
    waiting, what, error, tries, triggers
):
    run = play(waiting, Breaking(what, error))
    assert run.states == {"wait": "success"}
    assert (run.tries["wait"], Waiting.made) == (tries, triggers)
    assert run.xcoms.pull("wait", "return_value", None) == "fired"


def test_a_triggerer_that_stops_hands_its_trigger_over(waiting):
    airflow = Airflow({"waiting": waiting})
    run = airflow.start(Run(waiting, {}))
    airflow.move_triggers()
    airflow.play()
    assert (airflow.moved_triggers, Waiting.made, run.tries["wait"]) == (1, 2, 1)
    assert run.state == "success"


def test_without_retries_the_first_error_is_raised():
    with pytest.raises(ValueError, match="fail"):
        play(chain_of("raising", work=("fail",)), retry=False, slots=1)
