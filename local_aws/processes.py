"""Child processes that never outlive their server.

Each child leads a session of its own. Stopping one ends the whole session, so that a JVM's Python workers
or a server's children go with it, process groups notwithstanding.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

GRACE_SECONDS = 5.0

_running: dict[int, ChildProcess] = {}
_stopping = threading.Event()


class ChildProcess:
    """A program in a session of its own, its output in a file.

    :param argv: the program and its arguments.
    :param log: receives standard output and standard error.
    :param errors: receives standard error instead.
    :param env: the whole environment; nothing is inherited.
    :param cwd: the working directory.
    :raises RuntimeError: ``stop_all`` was called; whoever restarts what died must not do so then.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        errors: Path | None = None,
    ) -> None:
        if _stopping.is_set():
            raise RuntimeError("The server is stopping: no process is started any more.")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output, (errors or log).open("ab") as error_output:
            self._process = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=error_output if errors else subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        self.log = log
        _running[self._process.pid] = self

    @property
    def pid(self) -> int:
        """Process id, which is the session's id too."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, or None while it runs."""
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the exit status.

        :raises subprocess.TimeoutExpired: it still runs after ``timeout`` seconds.
        """
        return self._process.wait(timeout)

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End every process of the session: politely, then by force. Returns once all are gone."""
        _stop([self], grace_seconds)


def _stop(children: list[ChildProcess], grace_seconds: float) -> None:
    sessions = {child.pid for child in children}
    for member in _session_members(sessions):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.terminate()
    deadline = time.monotonic() + grace_seconds
    while (members := _session_members(sessions)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    for child in children:
        child.wait()
        _running.pop(child.pid, None)


def _session_members(sessions: set[int]) -> list[psutil.Process]:
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


def kill_all() -> None:
    """Kill every child that still runs; others may start."""
    _stop(list(_running.values()), 0)


@atexit.register
def stop_all(grace_seconds: float = GRACE_SECONDS) -> None:
    """Stop every child that still runs, all at once, and let no other start."""
    _stopping.set()
    _stop(list(_running.values()), grace_seconds)
