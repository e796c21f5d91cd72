"""What a stack consists of, and how each part is started."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local_stack.settings import Settings


@dataclass(frozen=True)
class Component:
    """One part of the stack.

    :param arguments: of the ``airflow`` command, or of Python.
    :param is_airflow: forked from the supervisor, which has Airflow imported, rather than started anew.
    """

    name: str
    arguments: Sequence[str]
    is_airflow: bool = True


def local_aws(settings: Settings) -> Component:
    """The embedded AWS."""
    arguments = ["-m", "local_aws", "--port", str(settings.local_aws_port), "--with-parent"]
    arguments += ["--state", str(settings.aws_state)]
    return Component("local-aws", arguments, is_airflow=False)


def after_database(settings: Settings) -> list[Component]:
    """What can start once the database is migrated: Airflow's processes, and the feed of raw data.

    Task logs are read from disk, so nothing needs to serve them on ports of their own.
    """
    return [
        Component("api-server", ["api-server"]),
        Component("scheduler", ["scheduler", "--skip-serve-logs"]),
        Component("dag-processor", ["dag-processor"]),
        Component("triggerer", ["triggerer", "--skip-serve-logs"]),
        Component("feed", ["-m", "local_stack.feed"], is_airflow=False),
    ]


def named(settings: Settings, name: str) -> Component:
    """The part of a name."""
    parts = [local_aws(settings), *after_database(settings)]
    return next(part for part in parts if part.name == name)


MIGRATION = Component("db-migrate", ["db", "migrate"])


def log_of(settings: Settings, name: str) -> Path:
    """The file with a component's output since its last start."""
    return settings.logs / f"{name}.log"


def start(component: Component, settings: Settings, *, close: Sequence[int] = ()) -> int:
    """Start a component in a session of its own, its output in its log file; its process id.

    :param close: file descriptors that the component must not hold.
    """
    log = log_of(settings, component.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    with log.open("wb") as output:
        return _fork(component, output.fileno(), close)


def _fork(component: Component, output: int, close: Sequence[int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        for descriptor in close:
            os.close(descriptor)
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if not component.is_airflow:
            os.execv(sys.executable, [sys.executable, *component.arguments])  # noqa: S606
        status = _run_airflow(component.arguments)
    except BaseException:  # the fork must not return into the supervisor, whatever happens
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _run_airflow(arguments: Sequence[str]) -> int:
    from airflow.__main__ import main

    sys.argv = ["airflow", *arguments]
    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    return 0
