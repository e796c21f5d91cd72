"""What decides how a run that owns a cluster ends."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Context, task
from airflow.sdk.exceptions import AirflowSkipException

from sagemaker_emr.exceptions import RunIncomplete


def unless_released_at_end(context: Context) -> None:
    """Skip the early release when the run's form says that the cluster stays until the end.

    For an operator's ``pre_execute``.
    """
    if context["params"]["release_cluster"] == "at_end":
        raise AirflowSkipException("The form says: release the cluster at the end; terminate_cluster will.")


@task(retries=0)
def confirm_outcome(goal: str, decided_by: str | None = None, **context: Any) -> None:
    """Fail the run unless its goal was reached and nothing failed on the way.

    Airflow judges a run by its leaves alone. A teardown as the only leaf turns a failed run into a success,
    and a run marked as failed by hand ends as a success once the teardown has passed, the other leaves being
    skipped. This task is a teardown itself, so it always runs, and it looks at every task.

    :param goal: id of the task whose success is the run's purpose.
    :param decided_by: id of the task that finds out whether there is anything to do; where it answered that
        there is not, a goal that was skipped is reached.
    :raises RunIncomplete: naming the tasks that failed, or the state of the goal.
    """
    ti, run_id = context["ti"], context["run_id"]
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id]).get(run_id, {})
    idle = decided_by is not None and states.get(decided_by) == "success" and not ti.xcom_pull(decided_by)
    check_outcome(goal, states, idle=idle)


def check_outcome(goal: str, states: dict[str, str | None], *, idle: bool = False) -> None:
    """Judge a run by the states of its tasks.

    :param idle: whether the run found nothing to do, so that its goal may be skipped.
    :raises RunIncomplete: naming the tasks that failed, or the state of the goal.
    """
    failed = sorted(task_id for task_id, state in states.items() if state == "failed")
    reached = states.get(goal) in (("success", "skipped") if idle else ("success",))
    if failed or not reached:
        raise RunIncomplete(
            f"The run did not reach its goal: {goal} is {states.get(goal) or 'not run'}",
            reason=f"failed: {', '.join(failed)}" if failed else "no task failed; the run was stopped",
            next_step="The failed task's log says why, and what to clear so that the run goes on.",
        )
