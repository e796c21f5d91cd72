"""Runs of a DAG without a scheduler: its own tasks, in their order, against the embedded AWS.

Played as Airflow does: templates and XComs are rendered, mapped tasks expanded, branches skip, trigger
rules decide, a deferred task waits in a reloaded trigger and resumes in a new operator. A task that fails
ends the run, unless it is asked to go on as Airflow does; nothing is tried again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from airflow.sdk.definitions._internal.types import NOTSET
from airflow.sdk.definitions.param import process_params
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped, TaskDeferred

from tests.plugins.sagemaker_emr.conftest import fire

MAX_STEPS = 50
RETURN_VALUE = "return_value"
DEFAULTS: dict[str, dict[str, Any]] = {}
"""What the params of each DAG were before its first run."""


class XComs:
    """What tasks said, by task, map index and key."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, int], dict[str, Any]] = {}

    def push(self, task_id: str, map_index: int, key: str, value: Any) -> None:
        self._values.setdefault((task_id, map_index), {})[key] = json.loads(json.dumps(value))

    def pull(self, task_id: str, key: str, default: Any) -> Any:
        return self._values.get((task_id, -1), {}).get(key, default)

    def pull_all(self, task_id: str, key: str) -> list[Any]:
        """Of each map index that has one."""
        return [
            values[key]
            for (task, _), values in sorted(self._values.items())
            if task == task_id and key in values
        ]


class TaskInstance(SimpleNamespace):
    """A task instance as far as operators, templates and XComArgs look at it."""

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms.push(self.task_id, self.map_index, key, value)

    def xcom_pull(
        self,
        task_ids: str | list[str],
        key: str = RETURN_VALUE,
        default: Any = None,
        map_indexes: Any = NOTSET,
    ) -> Any:
        if isinstance(task_ids, str):
            return self.xcoms.pull(task_ids, key, default)
        return [value for task_id in task_ids for value in self.xcoms.pull_all(task_id, key)]

    def get_dr_count(self, dag_id: str, run_ids: list[str], states: list[str] | None = None) -> int:
        known = [self.airflow[dag_id, run_id] for run_id in run_ids if (dag_id, run_id) in self.airflow]
        return sum(states is None or run["state"] in states for run in known)

    def get_task_states(self, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str | None]]:
        known = {run_id: self.airflow.get((dag_id, run_id), {}).get("tasks", {}) for run_id in run_ids}
        return {run_id: tasks for run_id, tasks in known.items() if tasks}


class Run:
    """One run of a DAG.

    :param form: what the form says beside the params' defaults.
    :param on_task: called with each operator before it executes or resumes, and with None at the end.
    :param airflow: what Airflow knows of other runs, by DAG and run: ``state``, and ``tasks`` with theirs.
    :param stops: at the first failure, which is raised; else the run goes on as Airflow's does.
    :ivar states: ``success`` or ``skipped``, by task; a run that stopped has no state of the failed task.
    :ivar errors: of a run that goes on: what each task raised, by task and map index.
    """

    def __init__(
        self,
        dag: Any,
        form: dict[str, Any],
        *,
        on_task: Callable[[Any], None] = lambda operator: None,
        deferrable: bool = True,
        airflow: dict[tuple[str, str], dict[str, Any]] | None = None,
        stops: bool = True,
    ) -> None:
        self.dag = dag
        # Airflow writes a form's values into the DAG's own params: the next run is to find the defaults.
        self.form = {**DEFAULTS.setdefault(dag.dag_id, dag.params.dump()), **form}
        self.on_task = on_task
        self.deferrable = deferrable
        self.airflow = airflow or {}
        self.stops = stops
        self.errors: dict[tuple[str, int], Exception] = {}
        self.xcoms = XComs()
        self.states: dict[str, str] = {}
        self._skipped: set[str] = set()

    def execute(self) -> Run:
        """Run every task that its trigger rule lets run; raise what the first failed one raises."""
        try:
            for task in self.dag.topological_sort():
                self.states[task.task_id] = self._run_or_skip(task)
        finally:
            self.on_task(None)
        return self

    def _run_or_skip(self, task: Any) -> str:
        upstream = [self.states[task_id] for task_id in task.upstream_task_ids]
        if task.trigger_rule == "none_failed_min_one_success":
            due = "success" in upstream
        elif task.trigger_rule == "none_failed":
            due = not {"failed", "upstream_failed"} & {*upstream}
        elif task.trigger_rule == "all_done":
            due = True
        else:
            assert task.trigger_rule == "all_success", f"{task.task_id}: {task.trigger_rule}"
            due = {*upstream} <= {"success"}
        if not due or task.task_id in self._skipped:
            return "upstream_failed" if {"failed", "upstream_failed"} & {*upstream} else "skipped"
        try:
            for map_index in self._map_indexes(task):
                self._run_or_note(task, map_index)
        except AirflowSkipException:
            return "skipped"
        except DownstreamTasksSkipped as skipped:
            self._skipped.update(each if isinstance(each, str) else each[0] for each in skipped.tasks)
        return "failed" if any(task_id == task.task_id for task_id, _ in self.errors) else "success"

    def _run_or_note(self, task: Any, map_index: int) -> None:
        """Of a mapped task one instance's failure is not the others'."""
        try:
            self._run(task, map_index)
        except (AirflowSkipException, DownstreamTasksSkipped):
            raise
        except Exception as error:
            if self.stops:
                raise
            self.errors[task.task_id, map_index] = error

    def _map_indexes(self, task: Any) -> Iterable[int]:
        if not task.is_mapped:
            return [-1]
        context = self._context(task, 0)
        expanded = task._get_specified_expand_input().value
        return range(min(len(v.resolve(context) if hasattr(v, "resolve") else v) for v in expanded.values()))

    def _context(self, task: Any, map_index: int) -> dict[str, Any]:
        ti = TaskInstance(
            dag_id=self.dag.dag_id,
            run_id="manual__2013-02-14",
            task_id=task.task_id,
            task=task,
            map_index=map_index,
            try_number=1,
            xcoms=self.xcoms,
            airflow=self.airflow,
        )
        dag_run = SimpleNamespace(run_type="manual", conf=self.form, run_id=ti.run_id)
        return {
            "ti": ti,
            "task_instance": ti,
            "task": task,
            "dag": self.dag,
            "dag_run": dag_run,
            "run_id": ti.run_id,
            "params": process_params(self.dag, task, self.form, suppress_exception=False),
            "outlet_events": {},
        }

    def _operator(self, task: Any, context: dict[str, Any]) -> Any:
        """A fresh, rendered operator, as a new process has it."""
        operator = task.prepare_for_execution()
        context["task"] = context["ti"].task = operator
        operator.render_template_fields(context)
        operator = context["ti"].task
        if hasattr(operator, "deferrable"):
            operator.deferrable = self.deferrable
        return operator

    def _run(self, task: Any, map_index: int) -> None:
        context = self._context(task, map_index)
        method: str = "execute"
        kwargs: dict[str, Any] = {}
        for _ in range(MAX_STEPS):
            operator = self._operator(task, context)
            self.on_task(operator)
            try:
                result = getattr(operator, method)(context, **kwargs)
            except TaskDeferred as deferred:
                method = deferred.method_name
                kwargs = {**(deferred.kwargs or {}), "event": fire(deferred.trigger)}
                continue
            self._push(operator, context["ti"], result)
            return
        raise AssertionError(f"{task.task_id} deferred more than {MAX_STEPS} times")

    def _push(self, operator: Any, ti: TaskInstance, result: Any) -> None:
        if result is None or not operator.do_xcom_push:
            return
        ti.xcom_push(RETURN_VALUE, result)
        if operator.multiple_outputs:
            for key, value in result.items():
                ti.xcom_push(key, value)
