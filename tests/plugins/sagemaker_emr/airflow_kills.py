"""Kills as Airflow carries them out: by a signal to a worker's process, and by its triggerer."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from airflow.jobs.triggerer_job_runner import TriggerRunner

from tests.plugins.sagemaker_emr.conftest import reloaded

LIMIT_SECONDS = 60.0
TRIGGER_ID = 1

When = Callable[[], bool]


def until(when: When) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not when():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def kill_running(operator: Any, context: Any, when: When, **event: Any) -> Any:
    """SIGTERM while the task runs: its handler calls ``on_kill`` and lets ``execute`` go on.

    As ``_on_term`` in airflow/sdk/execution_time/task_runner.py; without the SIGKILL that follows 5 s later.

    :param event: what its trigger fired, for a task that resumes.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())

    def kill() -> None:
        until(when)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        return operator.execute_complete(context, **event) if event else operator.execute(context)
    finally:
        thread.join()
        signal.signal(signal.SIGTERM, before)


def kill_deferred(trigger: Any, when: When) -> None:
    """The task is marked failed or cleared while it is deferred: Airflow's triggerer cancels its trigger."""
    runner = TriggerRunner()

    async def live() -> None:
        waiting = reloaded(trigger)
        details: Any = {"name": "the wait", "events": 0, "is_watcher": False, "task": None}
        runner.triggers[TRIGGER_ID] = details
        waiting.task_instance = None
        details["task"] = asyncio.create_task(runner.run_trigger(TRIGGER_ID, waiting))
        await asyncio.to_thread(until, when)
        runner.to_cancel.append(TRIGGER_ID)
        await runner.cancel_triggers()
        with suppress(asyncio.CancelledError):
            await details["task"]

    asyncio.run(live())
    assert not runner.events, "a wait that was killed has no result"
