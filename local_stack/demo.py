"""The demo: one run of the whole chain, shown live, and judged at its end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from rich.console import Console

from local_stack import credentials, processes, report, stack, state
from local_stack.api import AirflowClient, Json, timestamp
from local_stack.aws import LocalAws
from local_stack.memory import PeakMemory
from local_stack.outcome import show_failure, show_result
from local_stack.progress import Row, progress
from local_stack.settings import PROJECT, Settings

DAG_ID = "train_and_deploy_model"
POLL_SECONDS = 0.5
ENDED = ("success", "failed")
SETUP_REPORT = PROJECT / "var" / "setup.json"
SETUP_IS_RECENT_SECONDS = 60
"""``make demo`` sets up right before; an older report is of another command."""

_WITH_RESULTS = (
    "prepare_features",
    "train_model",
    "evaluate_model",
    "deploy_model",
    "smoke_test",
    "terminate_cluster",
)


@dataclass
class Demo:
    """One run of the demo, on a stack that is started for it unless it runs already."""

    settings: Settings
    console: Console
    conf: Json
    # Read before anything else: minutes later the report would look like another command's.
    setup: Mapping[str, float] = field(default_factory=lambda: _setup_report(), init=False)

    def run(self) -> int:
        """Run, show, report; the exit status: 0 if the run succeeded and left no cluster."""
        processes.adopt_orphans()
        with self._stack() as startup_seconds:
            facts = self._facts(startup_seconds)
            result = report.compute(facts)
            report.write(self._report_path, result)
            good = result["state"] == "success" and result["clusters_alive_at_end"] == 0
            if good:
                show_result(self.console, result, facts)
            else:
                show_failure(self.console, self._client, result, facts, self.settings)
            self._say(f"report: {self._report_path}")
        return 0 if good and self._nothing_left else 1

    @property
    def _report_path(self) -> Any:
        return self.settings.home / "demo" / "report.json"

    @contextmanager
    def _stack(self) -> Iterator[float]:
        """The running stack, left as it was found; seconds its start took."""
        self._say("starting PostgreSQL, Airflow and the local AWS")
        started = stack.up(self.settings, self._say, anew=True)
        self._say("was up already" if started.was_running else f"up after {started.seconds:.0f} s")
        self._client = AirflowClient(self.settings, credentials.load(self.settings))
        self._aws = LocalAws(self.settings)
        self._nothing_left = True
        try:
            yield started.seconds
        except KeyboardInterrupt:
            self._say("interrupted" + ("; the run goes on in Airflow" if started.was_running else ""))
            raise
        finally:
            if not started.was_running:
                self._stop()

    def _stop(self) -> None:
        begun = time.monotonic()
        stack.down(self.settings, self._say)
        processes.reap()
        left = processes.members(self.settings.home)
        self._nothing_left = not left
        self._say(
            f"stopped after {time.monotonic() - begun:.0f} s, "
            + (f"{len(left)} processes left" if left else "no process left")
        )

    def _facts(self, startup_seconds: float) -> report.Facts:
        last_request = self._aws.last_request()
        with PeakMemory(self.settings.home) as memory:
            run_id = self._trigger()
            run, tasks = self._follow(run_id)
        results = self._results(run_id, tasks)
        received = self._aws.requests(last_request)
        return report.Facts(
            run=run,
            tasks=tasks,
            results=results,
            work=self._aws.work(results, received),
            clusters_alive=self._aws.clusters_alive(),
            requests=received,
            setup=self.setup,
            startup_seconds=startup_seconds,
            idle_pss_bytes=memory.idle_bytes,
            peak_pss_bytes=memory.peak_bytes,
        )

    def _trigger(self) -> str:
        self._client.unpause(DAG_ID)
        run_id = self._client.trigger(DAG_ID, self.conf)
        self._say(f"triggered {DAG_ID}: {run_url(self.settings, run_id)}")
        return run_id

    def _follow(self, run_id: str) -> tuple[Json, list[Json]]:
        """Show the run until it ended.

        :raises StackError: a part of the stack died.
        """
        with progress(self.console) as display:
            while True:
                # The run first: when it has ended, so have its tasks.
                run = self._patiently(run_id)
                tasks = self._client.tasks(DAG_ID, run_id)
                display.show([_row(task) for task in report.in_order(tasks)])
                if run["state"] in ENDED:
                    return run, tasks
                stack.check_alive(self.settings, state.read(self.settings))
                time.sleep(POLL_SECONDS)

    def _patiently(self, run_id: str) -> Json:
        """The run's state; one unanswered call is no failure, a dead API server is."""
        try:
            return self._client.run(DAG_ID, run_id)
        except requests.ConnectionError:
            time.sleep(POLL_SECONDS)
            stack.check_alive(self.settings, state.read(self.settings))
            return self._client.run(DAG_ID, run_id)

    def _results(self, run_id: str, tasks: list[Json]) -> Mapping[str, Any]:
        succeeded = {task["task_id"] for task in tasks if task["state"] == "success"}
        return {
            task_id: self._client.xcom(DAG_ID, run_id, task_id)
            for task_id in _WITH_RESULTS
            if task_id in succeeded
        }

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def run_url(settings: Settings, run_id: str) -> str:
    """The run's page in Airflow."""
    return f"{settings.airflow_url}/dags/{DAG_ID}/runs/{run_id}"


def _row(task: Json) -> Row:
    start, end = task.get("start_date"), task.get("end_date")
    seconds = None
    if start:
        seconds = (timestamp(end) if end else time.time()) - timestamp(start)
    return Row(
        name=task["task_id"],
        state=task["state"] or "",
        tries=task["try_number"],
        seconds=seconds,
        note=task.get("note") or "",
    )


def _setup_report() -> dict[str, float]:
    """What ``make setup`` took, if it ran for this demo."""
    try:
        age = time.time() - SETUP_REPORT.stat().st_mtime
        content: dict[str, float] = json.loads(SETUP_REPORT.read_text())
    except (OSError, ValueError):
        return {}
    return content if age < SETUP_IS_RECENT_SECONDS else {}


def console() -> Console:
    """Where the demo writes: a terminal's width, or lines as long as they come."""
    width = None if os.isatty(1) else 200
    return Console(width=width, soft_wrap=True)
