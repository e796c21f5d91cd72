"""Runs, from Airflow's own database: no call of AWS, and two or three queries however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from sagemaker_emr import names
from sagemaker_emr.catalog_clusters import RUN_TAG
from sagemaker_emr.params import ENVIRONMENT
from sagemaker_emr.web.control_room.models import Cluster, Run, RunLink, Runs, Stage

DAG_ID = "train_and_deploy_model"
TERMINATION_DAG_ID = "terminate_cluster"
CHECK_DAG_IDS = ("check_platform", "deploy_platform")

SHOWN = 15
LOOKED_AT = 300
"""The newest runs, of all environments, among which those of one environment are looked for."""

GOING_ON = ("queued", "running")
TASK_GOING_ON = ("scheduled", "queued", "running", "deferred", "up_for_retry", "up_for_reschedule")
TASK_FAILED = ("failed", "upstream_failed")

STAGES: Mapping[str, tuple[str, ...]] = {
    "Platform": ("platform.",),
    "Inputs": ("choose_window", "stage_code", "wait_for_raw_partitions"),
    "Cluster start": ("claim_cluster", "request_cluster", "wait_for_cluster"),
    "Features": ("prepare_features",),
    "Training": ("train_model",),
    "Evaluation": ("evaluate_model", "register_model"),
    "Deployment": ("deploy_model",),
    "Smoke test": ("smoke_test",),
    "Cluster end": ("terminate_cluster",),
}
"""The stages of a run by their tasks, or the beginning of a group's; in the order of the chain."""


def environment_of(conf: Any, partition_key: str | None) -> str:
    """A run's environment: its partition's, its form's, or the form's default."""
    if partition_key and "|" in partition_key:
        return partition_key.split("|")[0]
    given = conf.get("environment") if isinstance(conf, dict) else None
    return str(given or ENVIRONMENT["environment"].value)


def path_of(dag_id: str, run_id: str) -> str:
    """A run's page in Airflow, below Airflow's root."""
    return f"dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def recent_runs(session: Session, environment: str) -> Runs:
    """The newest runs of the chain, by stage."""
    found = [
        run
        for run in _newest(session, [DAG_ID], LOOKED_AT)
        if environment_of(run.conf, run.partition_key) == environment
    ][:SHOWN]
    tasks: dict[str, list[Any]] = {run.run_id: [] for run in found}
    if found:
        columns = (
            TaskInstance.run_id,
            TaskInstance.task_id,
            TaskInstance.state,
            TaskInstance.start_date,
            TaskInstance.end_date,
        )
        asked = select(*columns).where(TaskInstance.dag_id == DAG_ID, TaskInstance.run_id.in_(list(tasks)))
        for task in session.execute(asked):
            tasks[task.run_id].append(task)
    return Runs(environment=environment, runs=[_run(run, tasks[run.run_id]) for run in found])


def terminations(session: Session, environment: str) -> dict[str, RunLink]:
    """The runs of terminate_cluster that go on, by the provisioned product that they end."""
    columns = (DagRun.run_id, DagRun.state, DagRun.conf, DagRun.partition_key)
    going_on = session.execute(
        select(*columns).where(DagRun.dag_id == TERMINATION_DAG_ID, DagRun.state.in_(GOING_ON))
    )
    return {
        str(run.conf.get("provisioned_product")): link(TERMINATION_DAG_ID, run.run_id, run.state)
        for run in going_on
        if isinstance(run.conf, dict) and environment_of(run.conf, run.partition_key) == environment
    }


def last_checks(session: Session, environment: str, count: int) -> list[RunLink]:
    """The newest ended runs that may have written a report, the newest first."""
    return [
        link(run.dag_id, run.run_id, run.state)
        for run in _newest(session, CHECK_DAG_IDS, LOOKED_AT)
        if run.state not in GOING_ON and environment_of(run.conf, run.partition_key) == environment
    ][:count]


def link_owners(session: Session, clusters: Sequence[Cluster]) -> None:
    """Give the runs that own clusters their state and their page, where this Airflow knows them.

    A tag can't hold every character of a run's id: one that is not found as it stands is looked for among the
    newest of its DAG by what their tags would say.
    """
    owners = [cluster.run for cluster in clusters if cluster.run]
    if not owners:
        return
    wanted = {(owner.dag_id, owner.run_id) for owner in owners}
    exact = session.execute(
        select(DagRun.dag_id, DagRun.run_id, DagRun.state).where(
            tuple_(DagRun.dag_id, DagRun.run_id).in_(list(wanted))
        )
    )
    found = {(run.dag_id, run.run_id): link(run.dag_id, run.run_id, run.state) for run in exact}
    if rest := wanted - set(found):
        for run in _newest(session, sorted({dag_id for dag_id, _ in rest}), LOOKED_AT):
            spelled = names.tags("", run_id=run.run_id)[RUN_TAG]
            if (run.dag_id, spelled) in rest:
                found.setdefault((run.dag_id, spelled), link(run.dag_id, run.run_id, run.state))
    for cluster in clusters:
        if cluster.run:
            cluster.run = found.get((cluster.run.dag_id, cluster.run.run_id), cluster.run)


def link(dag_id: str, run_id: str, state: Any) -> RunLink:
    """A run that this Airflow knows."""
    return RunLink(
        dag_id=dag_id, run_id=run_id, state=str(state) if state else None, path=path_of(dag_id, run_id)
    )


def _newest(session: Session, dag_ids: Sequence[str], count: int) -> list[Any]:
    columns = (
        DagRun.dag_id,
        DagRun.run_id,
        DagRun.state,
        DagRun.conf,
        DagRun.partition_key,
        DagRun.start_date,
        DagRun.end_date,
    )
    newest = select(*columns).where(DagRun.dag_id.in_(dag_ids)).order_by(DagRun.run_after.desc()).limit(count)
    return list(session.execute(newest))


def _run(run: Any, tasks: Sequence[Any]) -> Run:
    end = run.end_date or datetime.now(UTC)
    return Run(
        run=link(run.dag_id, run.run_id, run.state),
        started_at=run.start_date,
        seconds=(end - run.start_date).total_seconds() if run.start_date else None,
        stages=[_stage(name, parts, tasks, run.start_date) for name, parts in STAGES.items()],
    )


def _stage(name: str, parts: Iterable[str], tasks: Sequence[Any], began: datetime | None) -> Stage:
    own = [
        task
        for task in tasks
        if any(task.task_id == part or (part[-1] == "." and task.task_id.startswith(part)) for part in parts)
    ]
    started = [task.start_date for task in own if task.start_date and task.state != "skipped"]
    running = any(str(task.state) in TASK_GOING_ON for task in own) and bool(started)
    stage = Stage(
        name=name,
        running=running,
        failed=any(str(task.state) in TASK_FAILED for task in own if task.start_date),
    )
    if started:
        ends = [datetime.now(UTC)] if running else [task.end_date for task in own if task.end_date]
        stage.seconds = max(0.0, (max(ends) - min(started)).total_seconds()) if ends else None
        stage.offset_seconds = (min(started) - began).total_seconds() if began else None
    return stage
