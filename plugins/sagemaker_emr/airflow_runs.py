"""What a task may know of other runs: Airflow's Task SDK asks the API server, never the database.

``get_dr_count`` and ``get_task_states`` of the task instance; they work in workers of any executor.
https://airflow.apache.org/docs/task-sdk/stable/
"""

from __future__ import annotations

from typing import Any

from sagemaker_emr.orphans import RunState
from sagemaker_emr.task_groups.run import ENDED

GOING_ON = ["queued", "running"]
"""The states of a DAG run that has not ended; a run that was cleared is queued again."""


class AirflowRuns:
    """The runs of the Airflow that a task belongs to.

    :param ti: the task's own instance, ``context["ti"]``.
    """

    def __init__(self, ti: Any) -> None:
        self._ti = ti

    def state(self, dag_id: str, run_id: str) -> RunState:
        """Whether a run goes on, as Airflow knows it now.

        A run that has ended may still have a task that works: one marked as failed by hand while its teardown
        ends the cluster. It goes on as long as that.

        :raises Exception: whatever the Task SDK raises where the API server can't be asked; then nothing may
            be taken for an orphan.
        """
        if not (hasattr(self._ti, "get_dr_count") and hasattr(self._ti, "get_task_states")):
            return RunState.UNTOLD
        of = {"dag_id": dag_id, "run_ids": [run_id]}
        if self._ti.get_dr_count(**of) == 0:
            return RunState.UNKNOWN
        if self._ti.get_dr_count(**of, states=GOING_ON):
            return RunState.LIVE
        tasks = self._ti.get_task_states(**of).get(run_id, {})
        working = [state for state in tasks.values() if state is not None and state not in ENDED]
        return RunState.LIVE if working else RunState.ENDED
