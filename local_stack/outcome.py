"""How a run ended, for people."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import requests
from rich.console import Console
from rich.table import Table

from local_stack.api import AirflowClient, Json
from local_stack.report import Facts, failed_task
from local_stack.settings import Settings

LOG_LINES = 25
FAILURES_TOLD = 3


def show_result(console: Console, report: Json, facts: Facts) -> None:
    """Predictions beside actuals, the error beside the baselines', the cost, the time."""
    sample = (facts.results.get("smoke_test") or {}).get("sample", [])
    table = Table(
        "predicted", "actual", title="Minutes made up en route (negative) or lost, held-out flights"
    )
    for pair in sample:
        table.add_row(f"{pair['prediction']:.1f}", f"{pair['actual']:.1f}")
    console.print(table)
    evaluation = facts.results.get("evaluate_model") or {}
    for name, rmse in [("model", report["rmse"]), *sorted(evaluation.get("baselines", {}).items())]:
        _say(console, f"RMSE {name:20} {rmse:8.2f}")
    _say(
        console,
        f"endpoint {report['endpoint_name']}: {report['prediction_count']} predictions, "
        "the same as the model's own",
    )
    cluster = "no cluster, all days were prepared"
    if report["cluster_id"]:
        cluster = f"cluster {report['cluster_id']}: {report['cluster_seconds']:.0f} s paid, now terminated"
    _say(console, f"{cluster}; clusters alive: {report['clusters_alive_at_end']}")
    _say(
        console,
        f"{report['wall_seconds']:.0f} s: {report['work_seconds']:.0f} s of work, "
        f"{report['overhead_seconds']:.0f} s of overhead; "
        f"start-up {report['startup_seconds']:.0f} s, set-up {report['setup_seconds']:.0f} s; "
        f"memory {report['idle_pss_mib']} MiB idle, {report['peak_pss_mib']} MiB at most",
    )


def show_failure(
    console: Console, client: AirflowClient, report: Json, facts: Facts, settings: Settings
) -> None:
    """The failed task, the end of its log, and what to do."""
    task = failed_task(facts.tasks)
    if report["clusters_alive_at_end"] != 0:
        alive = report["clusters_alive_at_end"]
        _say(console, f"FAILED: clusters alive at the end: {'unknown' if alive is None else alive}")
    if task is None:
        _say(console, f"FAILED: the run ended {report['state']}")
        return
    _say(console, f"FAILED: {task['task_id']}, try {task['try_number']}. The end of its log:")
    for line in last_log_lines(client, task):
        _say(console, f"  {line}")
    _say(console, f"whole logs: {settings.home / 'airflow' / 'logs'} and {settings.home / 'local_aws'}")
    _say(
        console,
        f"next: mend what the log names, then run it again: make demo. Or: make up, open "
        f"{settings.airflow_url}/dags/{task['dag_id']}, trigger a run and clear {task['task_id']} in it "
        "as often as needed: it goes on from there.",
    )


def why_failed(client: AirflowClient, runs: Iterable[Json]) -> list[str]:
    """What the first failed ones of some runs failed of, each with the end of its log; empty if none failed.

    :raises requests.RequestException: Airflow does not answer.
    """
    lines: list[str] = []
    for run in islice((run for run in runs if run["state"] == "failed"), FAILURES_TOLD):
        task = failed_task(client.tasks(run["dag_id"], run["dag_run_id"]))
        what = f"{task['task_id']} of it, try {task['try_number']}" if task else "none of its tasks"
        lines.append(f"FAILED: {run['dag_id']}, {run['dag_run_id']}: {what}")
        lines += [f"  {line}" for line in (last_log_lines(client, task) if task else [])]
    return lines


def last_log_lines(client: AirflowClient, task: Json) -> list[str]:
    """The end of a task's log of its last try; why there is none, if there is none."""
    try:
        lines = client.log(task["dag_id"], task["dag_run_id"], task["task_id"], task["try_number"])
    except requests.RequestException as error:
        return [f"(no log: {error})"]
    return lines[-LOG_LINES:]


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
