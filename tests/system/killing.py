"""Finding processes of a stack, and killing them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from local_stack import processes


def processes_of(home: Path, command: str) -> list[psutil.Process]:
    """The processes of a stack whose command line has a text in it."""
    found = []
    for process in processes.members(home):
        with contextlib.suppress(psutil.Error):
            if command in " ".join(process.cmdline()):
                found.append(process)
    return found


def task_processes(home: Path, task_instance_id: str) -> list[psutil.Process]:
    """The processes of a task instance that runs: one, or none yet."""
    # The title is cut off where the room for it ends.
    return processes_of(home, f"airflow worker -- {task_instance_id[:30]}")


def kill_task(process: psutil.Process, *, with_worker: bool) -> bool:
    """Kill a task's process; False if it ended by itself before.

    A worker that waits for its next task holds a lock of all workers, and must not be killed: so it is
    stopped first, then its task looked at, and only one with a task is killed.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        worker = process.parent()
        if worker is None or "LocalExecutor" not in " ".join(worker.cmdline()):
            return False
        worker.suspend()
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if with_worker:
                worker.kill()
            process.kill()
            return True
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.resume()
    return False
