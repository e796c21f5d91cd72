"""What decides how a run that owns a cluster ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, task

from sagemaker_emr.costs.budget import BUDGET
from sagemaker_emr.costs.report import report_costs
from sagemaker_emr.exceptions import RunIncomplete
from sagemaker_emr.operators.base import SKIP_REASON

ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
HOLD_POLL_SECONDS = 15
HOLD_SECONDS = 6 * 3600


class HoldClusterSensor(BaseSensorOperator):
    """Keeps the cluster until a task has ended, however it did, where the run's form says so.

    The cluster's teardown waits for this task and not for that other one: what a teardown waits for is a part
    of the cluster's life, and Airflow skips all of that in a run that claims no cluster.

    :param until: id of the task.
    :param budget_from: id of the task that claimed the cluster, which is let go once its budget is used up.
    """

    def __init__(self, *, until: str, budget_from: str | None = None, **kwargs: Any) -> None:
        super().__init__(mode="reschedule", poke_interval=HOLD_POLL_SECONDS, timeout=HOLD_SECONDS, **kwargs)
        self.until = until
        self.budget_from = budget_from

    def poke(self, context: Context) -> bool:
        ti: Any = context["ti"]
        budget = ti.xcom_pull(task_ids=self.budget_from, key=BUDGET) if self.budget_from else None
        if budget and time.time() >= budget["at"]:
            self.log.warning("The cluster has used up its budget, and is let go: %s", budget["sums"])
            return True
        run_id = context["run_id"]
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=[self.until], run_ids=[run_id])
        return may_end(context["params"]["release_cluster"], states.get(run_id, {}).get(self.until))


def may_end(release: str, state: str | None) -> bool:
    """Whether the cluster may end, by the form's choice and the state of the task that may hold it."""
    return release != "at_end" or state in ENDED


@task
def confirm_outcome(goal: str, may_skip: Sequence[str] = (), costs: bool = False, **context: Any) -> None:
    """Fail the run unless its goal was reached, or there was none, and nothing failed on the way.

    Airflow judges a run by its leaves alone. A teardown as the only leaf turns a failed run into a success,
    and a run marked as failed by hand ends as a success once the teardown has passed, the other leaves being
    skipped. This task is a teardown itself, so it always runs, and it looks at every task. Its verdict is
    final; it is tried again only where its process died.

    :param goal: id of the task whose success is the run's purpose.
    :param may_skip: ids of the tasks that may find that there is nothing to do, and leave the reason (see
        :func:`~sagemaker_emr.operators.base.skip_with_reason`).
    :param costs: report what the run has cost: see :mod:`sagemaker_emr.costs.report`.
    :raises RunIncomplete: naming the tasks that failed, or the state of the goal.
    """
    if costs:
        report_costs(context)
    ti, run_id = context["ti"], context["run_id"]
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id]).get(run_id, {})
    reasons = [
        reason
        for task_id in may_skip
        if states.get(task_id) == "skipped"
        and (reason := ti.xcom_pull(task_ids=task_id, key=SKIP_REASON)) is not None
    ]
    check_outcome(goal, states, reasons)
    for reason in reasons:
        logging.getLogger(__name__).info("%s", reason)


def check_outcome(goal: str, states: dict[str, str | None], skip_reasons: Sequence[str] = ()) -> None:
    """Judge a run by the states of its tasks.

    :param skip_reasons: why the goal was skipped; without one it was missed.
    :raises RunIncomplete: naming the tasks that failed, or the state of the goal.
    """
    failed = sorted(task_id for task_id, state in states.items() if state == "failed")
    good_end = states.get(goal) == "success" or (states.get(goal) == "skipped" and skip_reasons)
    if failed or not good_end:
        raise RunIncomplete(
            f"The run did not reach its goal: {goal} is {states.get(goal) or 'not run'}",
            reason=f"failed: {', '.join(failed)}" if failed else "no task failed; the run was stopped",
            next_step="The failed task's log says why, and what to clear so that the run goes on.",
        )
