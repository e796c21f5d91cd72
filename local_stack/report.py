"""``report.json``: what a run of the chain took, gave and left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_stack.api import Json, timestamp

FROM_AIRFLOW = "AmPP/"
"""The mark that Airflow's Amazon provider puts into its clients' user agent."""

BETWEEN_TASKS = "(between tasks)"
OTHERS = "(not from Airflow)"
"""Spark, the training and serving containers, the feed of raw data."""


@dataclass(frozen=True)
class Work:
    """Seconds of real work, one after the other: each needs what the one before made."""

    cluster_start: float = 0.0
    spark: float = 0.0
    training: float = 0.0
    endpoint_start: float = 0.0

    @property
    def seconds(self) -> float:
        """The length of the chain."""
        return self.cluster_start + self.spark + self.training + self.endpoint_start


@dataclass(frozen=True)
class Facts:
    """What was found out about a run, from Airflow and from AWS.

    :param results: what tasks returned, by task id.
    :param setup: what ``make setup`` noted, if it ran for this.
    :param requests: the entries of ``GET /_local/requests`` since the run began.
    :param clusters_alive: None if the local AWS did not answer any more.
    """

    run: Json
    tasks: Sequence[Json]
    results: Mapping[str, Any]
    work: Work
    clusters_alive: int | None
    requests: Sequence[Json] = ()
    setup: Mapping[str, float] = field(default_factory=dict)
    startup_seconds: float = 0.0
    idle_pss_bytes: int = 0
    peak_pss_bytes: int = 0


def compute(facts: Facts) -> Json:
    """The report: seconds are of the run, from its start to its end, unless they say otherwise."""
    wall = duration(facts.run)
    smoke_test = facts.results.get("smoke_test") or {}
    evaluation = facts.results.get("evaluate_model") or {}
    ended = facts.results.get("terminate_cluster") or {}
    return {
        "state": facts.run["state"],
        "run_id": facts.run["dag_run_id"],
        "wall_seconds": round(wall, 1),
        "work_seconds": round(facts.work.seconds, 1),
        "overhead_seconds": round(wall - facts.work.seconds, 1),
        "setup_seconds": facts.setup.get("setup_seconds", 0.0),
        "download_seconds": facts.setup.get("download_seconds", 0.0),
        "startup_seconds": round(facts.startup_seconds, 1),
        "work": {name: round(value, 1) for name, value in vars(facts.work).items()},
        "tasks": [_task(task) for task in in_order(facts.tasks)],
        "api_calls": calls_by_task(facts.requests, facts.tasks),
        "prediction_count": smoke_test.get("prediction_count", 0),
        "rmse": evaluation.get("rmse"),
        "baseline_rmse": evaluation.get("baseline_rmse"),
        "endpoint_name": smoke_test.get("endpoint_name"),
        "cluster_id": ended.get("cluster_id"),
        "cluster_seconds": ended.get("cluster_seconds"),
        "clusters_alive_at_end": facts.clusters_alive,
        "idle_pss_mib": facts.idle_pss_bytes >> 20,
        "peak_pss_mib": facts.peak_pss_bytes >> 20,
    }


def write(path: Path, report: Json) -> None:
    """Write the report for people and programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")


def duration(timed: Json) -> float:
    """Seconds from ``start_date`` to ``end_date``; 0 where one is missing."""
    if not timed.get("start_date") or not timed.get("end_date"):
        return 0.0
    return timestamp(timed["end_date"]) - timestamp(timed["start_date"])


def in_order(tasks: Iterable[Json]) -> list[Json]:
    """Task instances as they ran: by start, those that never started last."""
    return sorted(tasks, key=lambda task: (task.get("start_date") or "9", task["task_id"]))


def _task(task: Json) -> Json:
    return {
        "id": task["task_id"],
        "state": task["state"],
        "start": task["start_date"],
        "end": task["end_date"],
        "tries": task["try_number"],
        "seconds": round(duration(task), 1),
    }


def calls_by_task(requests: Iterable[Json], tasks: Sequence[Json]) -> dict[str, int]:
    """How many AWS API calls each task made.

    A call from Airflow says who made it only by its time: it counts for the task that ran then, among
    several for the one that started last.
    """
    spans = sorted(
        (timestamp(task["start_date"]), timestamp(task["end_date"]), str(task["task_id"]))
        for task in tasks
        if task.get("start_date") and task.get("end_date")
    )
    counts: dict[str, int] = {}
    for request in requests:
        name = _caller(request, spans)
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))


def _caller(request: Json, spans: Sequence[tuple[float, float, str]]) -> str:
    if FROM_AIRFLOW not in str(request["user_agent"]):
        return OTHERS
    running = [task_id for start, end, task_id in spans if start <= request["time"] <= end]
    return running[-1] if running else BETWEEN_TASKS


def failed_task(tasks: Sequence[Json]) -> Json | None:
    """The task that failed first; what failed because of it does not count."""
    failed = [task for task in tasks if task["state"] == "failed"]
    return min(failed, key=lambda task: task["end_date"] or "9") if failed else None
