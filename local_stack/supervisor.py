"""The one process above a stack: starts its parts, notices their deaths, ends them all.

Airflow is imported once, here, and its components are forked from this process: on two cores that saves
some ten seconds at the start, and their code is in memory once. Modules every task needs are imported too,
so that they are there in each forked task.

A second process, the guard, waits for the end of this one, however it comes, and then ends what is left.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
import threading
import time
from types import FrameType

import psutil

from local_stack import airflow_pauses, components, postgres, processes, state
from local_stack.components import Component
from local_stack.settings import Settings

LOOK_SECONDS = 0.2
STOP_SECONDS = 4.0
"""How long a component may take to stop by itself. The scheduler waits for running tasks, for ever if let."""

PRELOADED = (
    "airflow.__main__",
    "airflow.api_fastapi.app",
    "airflow.cli.commands.api_server_command",
    "airflow.cli.commands.db_command",
    "airflow.dag_processing.manager",
    "airflow.dag_processing.processor",
    "airflow.executors.local_executor",
    "airflow.jobs.dag_processor_job_runner",
    "airflow.jobs.scheduler_job_runner",
    "airflow.jobs.triggerer_job_runner",
    "airflow.providers.amazon.aws.hooks.base_aws",
    "airflow.providers.amazon.aws.operators.base_aws",
    "airflow.providers.amazon.aws.triggers.base",
    "airflow.providers.standard.operators.python",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "boto3",
)


class Supervisor:
    """Runs one stack until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._repairing = threading.Event()
        self._guard_pid, self._guard_pipe = _start_guard(settings)
        self._state = state.State(
            pid=os.getpid(),
            create_time=psutil.Process().create_time(),
            airflow_port=settings.airflow_port,
            local_aws_port=settings.local_aws_port,
            region=settings.region,
            started=time.time(),
        )

    def run(self) -> int:
        """Start everything, watch it, stop it; the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(state.REPAIR, lambda *_: self._repairing.set())
        processes.adopt_orphans()
        self._write()
        try:
            self._start()
            while not self._stopping.wait(LOOK_SECONDS):
                self._look()
                if self._repairing.is_set():
                    self._repairing.clear()
                    self._repair()
        except Exception as error:
            self._state.failure = f"{type(error).__name__}: {error}"
            self._state.phase = "failed"
            self._write()
            raise
        finally:
            self._end_all()
        return 0

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping.set()

    def _start(self) -> None:
        database = _Database(self._settings)
        database.start()
        self._start_component(components.local_aws(self._settings))
        for module in PRELOADED:
            importlib.import_module(module)
        airflow_pauses.look_often(sys.modules["airflow.jobs.triggerer_job_runner"])
        airflow_pauses.notice_exits(sys.modules["airflow.sdk.execution_time.supervisor"])
        # Objects that are never collected need not be touched, and stay shared with the forked components.
        gc.collect()
        gc.freeze()
        database.join()
        if database.error is not None:
            raise database.error
        self._migrate()
        for component in components.after_database(self._settings):
            if not self._stopping.is_set():
                self._start_component(component)
        self._state.phase = "started"
        self._write()

    def _migrate(self) -> None:
        from airflow import __version__ as version

        socket_folder = postgres.socket_folder(self._settings)
        if postgres.migrated_to(socket_folder) == version:
            return
        pid = components.start(components.MIGRATION, self._settings, close=[self._guard_pipe])
        _, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status):
            raise RuntimeError(
                f"airflow db migrate failed, see {components.log_of(self._settings, 'db-migrate')}"
            )
        postgres.note_migration(socket_folder, version)

    def _start_component(self, component: Component) -> None:
        pid = components.start(component, self._settings, close=[self._guard_pipe])
        self._state.components[component.name] = state.ComponentState(pid, time.time())
        self._write()

    def _look(self) -> None:
        """Notice components that ended."""
        ended = processes.reap()
        dead = [component for component in self._state.components.values() if component.pid in ended]
        for component in dead:
            component.exit_code = ended[component.pid]
        if dead:
            self._write()

    def _repair(self) -> None:
        """Start the parts again that ended; what they left running ends first."""
        postgres.start(self._settings)
        for name, component in list(self._state.components.items()):
            if component.exit_code is not None:
                left = processes.of_session(component.pid)
                _end([process.pid for process in left])
                self._start_component(components.named(self._settings, name))

    def _end_all(self) -> None:
        """Stop the parts, those that use others first; the guard ends what this leaves."""
        running = {n: c for n, c in self._state.components.items() if c.exit_code is None}
        local_aws = running.pop("local-aws", None)
        _end([component.pid for component in running.values()])
        _end([local_aws.pid] if local_aws else [])
        postgres.stop(self._settings)
        # What is left was started by a component that died.
        children = psutil.Process().children(recursive=True)
        _end([child.pid for child in children if child.pid != self._guard_pid])
        if not self._state.failure:
            state.path(self._settings).unlink(missing_ok=True)

    def _write(self) -> None:
        state.write(self._settings, self._state)


class _Database(threading.Thread):
    """Starts PostgreSQL while this process imports Airflow."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="database")
        self._settings = settings
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            postgres.start(self._settings)
        except Exception as error:
            self.error = error


def _end(pids: list[int]) -> None:
    """Stop child processes, politely at first."""
    for pid in pids:
        _kill(pid, signal.SIGTERM)
    left = set(pids)
    deadline = time.monotonic() + STOP_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left -= processes.reap().keys()
    for pid in left:
        _kill(pid, signal.SIGKILL)
    processes.reap()


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _start_guard(settings: Settings) -> tuple[int, int]:
    """Start the guard; its process id, and the pipe's end whose closing, by this process's end, wakes it."""
    receiver, sender = os.pipe()
    if pid := os.fork():
        os.close(receiver)
        return pid, sender
    os.close(sender)
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.read(receiver, 1)  # returns when no process holds the sender any more
    processes.end(settings.home, STOP_SECONDS)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(Supervisor(Settings()).run())
