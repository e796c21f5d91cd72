"""Shortens two pauses that Airflow 3.3 has no setting for. To be removed when it has.

The triggerer looks for new and finished triggers once a second. A deferral passes through that loop twice,
and a run of the chain defers some ten times.

The supervisor of a task, once the task's sockets are closed, looks every five seconds whether its process has
ended. A wait that is over within those seconds is queued again before the executor has heard of the first
part's end; the scheduler then takes the task for lost and retries it. Waits on AWS take longer than that.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio

LOOK_SECONDS = 0.2
EXIT_LOOK_SECONDS = 0.05


def look_often(runner: ModuleType) -> None:
    """Shorten the pauses of ``airflow.jobs.triggerer_job_runner``, here and in what is forked from here."""

    def move_on_after(delay: float) -> AbstractContextManager[Any]:
        return anyio.move_on_after(min(delay, LOOK_SECONDS))

    # The module uses nothing else of anyio; if a later Airflow does, the triggerer's start says so.
    runner.anyio = SimpleNamespace(Event=anyio.Event, move_on_after=move_on_after)  # type: ignore[attr-defined]


def notice_exits(supervisor: ModuleType) -> None:
    """Shorten the pause of ``airflow.sdk.execution_time.supervisor`` that nothing but an exit can end."""
    service = supervisor.WatchedSubprocess._service_subprocess

    def service_soon(process: Any, max_wait_time: float, *args: Any, **kwargs: Any) -> Any:
        wait = max_wait_time if process._open_sockets else min(max_wait_time, EXIT_LOOK_SECONDS)
        return service(process, wait, *args, **kwargs)

    supervisor.WatchedSubprocess._service_subprocess = service_soon
