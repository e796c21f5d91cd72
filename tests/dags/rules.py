"""When a task may run, and how a run has ended: Airflow's rules, of the states of its tasks.

After ``airflow/ti_deps/deps/trigger_rule_dep.py`` and ``airflow/models/dagrun.py`` of Airflow 3.3.2. A state
that is missing is one of a task that has not ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

WAIT, RUN = "wait", "run"
SKIPPED, UPSTREAM_FAILED = "skipped", "upstream_failed"
FAILED = frozenset({"failed", UPSTREAM_FAILED})

States = Mapping[str, str]


def decide(task: Any, states: States, skipped_by_branch: Collection[str] = ()) -> str:
    """``RUN``, ``WAIT``, or the state that the task gets without running."""
    if task.task_id in skipped_by_branch:
        return SKIPPED
    if not task.is_teardown:
        setups = {setup.task_id for setup in task.get_upstreams_only_setups()}
        decided = _of_indirect_setups(setups - set(task.upstream_task_ids), states)
        if decided != RUN:
            return decided
    decided = _of_upstream(task, states)
    if decided == RUN and task.is_teardown and not _scope_has_ended(task, states):
        return WAIT
    return decided


def _of_indirect_setups(setups: Collection[str], states: States) -> str:
    found = [states.get(setup) for setup in setups]
    if FAILED.intersection(found):
        return UPSTREAM_FAILED
    if SKIPPED in found:
        return SKIPPED
    return RUN if all(state == "success" for state in found) else WAIT


def _of_upstream(task: Any, states: States) -> str:
    upstream = list(task.upstream_list)
    if not upstream:
        return RUN
    count = Counter(states.get(one.task_id, WAIT) for one in upstream)
    rule = str(getattr(task.trigger_rule, "value", task.trigger_rule))
    if rule == "all_done_setup_success":
        return _all_done_setup_success(upstream, states)
    if rule == "all_done":
        return _when(not count[WAIT])
    failed = sum(count[state] for state in FAILED)
    if rule == "all_success":
        if failed:
            return UPSTREAM_FAILED
        return SKIPPED if count[SKIPPED] else _when(count["success"] == len(upstream))
    assert rule in ("none_failed", "none_failed_min_one_success"), f"{task.task_id}: {rule}"
    if failed:
        return UPSTREAM_FAILED
    if rule == "none_failed_min_one_success" and count[SKIPPED] == len(upstream):
        return SKIPPED
    return _when(not count[WAIT])


def _all_done_setup_success(upstream: list[Any], states: States) -> str:
    if any(one.task_id not in states for one in upstream):
        return WAIT
    setups = Counter(states[one.task_id] for one in upstream if one.is_setup)
    if not setups:
        return RUN
    if setups[SKIPPED] == setups.total():
        return SKIPPED
    return RUN if setups["success"] else UPSTREAM_FAILED


def _scope_has_ended(task: Any, states: States) -> bool:
    """Whether all tasks between the setups of a teardown and itself have ended."""
    indirect = task.get_flat_relative_ids(upstream=True) - set(task.upstream_task_ids)
    scope: set[str] = set()
    for setup in task.upstream_list:
        if setup.is_setup:
            scope |= indirect & setup.get_flat_relative_ids(upstream=False)
    return all(task_id in states for task_id in scope)


def _when(holds: bool) -> str:
    return RUN if holds else WAIT


def run_state(dag: Any, states: States) -> str:
    """``running``; when all tasks have ended ``success`` or ``failed``, by the effective leaves."""
    if any(task_id not in states for task_id in dag.task_ids):
        return "running"
    leaves = [task.task_id for task in dag.tasks if _is_effective_leaf(dag, task)]
    leaves = leaves or [task.task_id for task in dag.tasks if not task.downstream_list]
    return "failed" if any(states[task_id] in FAILED for task_id in leaves) else "success"


def _is_effective_leaf(dag: Any, task: Any) -> bool:
    for task_id in task.downstream_task_ids:
        below = dag.get_task(task_id)
        if not below.is_teardown or below.on_failure_fail_dagrun:
            return False
    return not task.is_teardown or task.on_failure_fail_dagrun
