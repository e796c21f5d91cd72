"""Starting and stopping a stack, and what it looks like from outside."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from local_stack import airflow, components, credentials, postgres, processes, state
from local_stack.api import AirflowClient
from local_stack.settings import PROJECT, REGION_VARIABLE, Settings, StackError

START_SECONDS = 180
"""After which a start has failed; on two busy cores it takes 20 s."""

STOP_SECONDS = 30
POLL_SECONDS = 0.25
LOG_LINES = 15

Say = Callable[[str], None]


@dataclass(frozen=True)
class Started:
    """A stack that answers. ``was_running`` if it did before."""

    was_running: bool
    seconds: float


def up(settings: Settings, say: Say, *, anew: bool = False) -> Started:
    """Start the stack, and return when everything answers and every DAG is parsed.

    Parts of a running stack that ended are started again. After a crash the embedded AWS goes on with what it
    held, and Airflow with its runs.

    :param anew: forget what the embedded AWS held, unless it runs.
    :raises StackError: a port is taken, a part died, or a DAG can't be imported.
    """
    begun = time.monotonic()
    running = state.read(settings)
    if running is not None and running.supervisor_runs:
        check(settings, running)
        _repair(settings, running, say)
        _wait_ready(settings, say)
        return Started(was_running=True, seconds=time.monotonic() - begun)
    clean_up(settings, say)
    settings.check_ports()
    if anew:
        forget(settings)
    _start_supervisor(settings)
    try:
        _wait_ready(settings, say)
        _make_pools(settings)
        _say_state(settings, say)
    except BaseException:
        # Interrupted or failed: what was started does not stay behind. A DAG with an error is its author's to
        # mend, in a stack that goes on running.
        if not isinstance(sys.exc_info()[1], ImportErrors):
            _stop(settings, say)
        raise
    return Started(was_running=False, seconds=time.monotonic() - begun)


class ImportErrors(StackError):
    """Airflow can't import some DAG files."""


def check(settings: Settings, current: state.State) -> None:
    """Refuse a stack that runs on other ports or in another Region than asked for.

    :raises StackError: says which.
    """
    asked = (settings.airflow_port, settings.local_aws_port, settings.region)
    actual = (current.airflow_port, current.local_aws_port, current.region)
    if asked != actual:
        raise StackError(
            f"this checkout's stack runs already, with AIRFLOW_PORT={actual[0]} LOCAL_AWS_PORT={actual[1]} "
            f"LOCAL_AWS_REGION={actual[2]}; use those, or stop it first: make down"
        )


def _repair(settings: Settings, current: state.State, say: Say) -> None:
    """Have the supervisor start again what ended."""
    dead = current.dead()
    for name, exit_code in dead.items():
        say(f"{name} had ended, {_ending(exit_code)}: starting it again")
    if current.phase == "started" and not postgres.is_running(settings):
        say("PostgreSQL had ended: starting it again")
    elif not dead:
        return
    os.kill(current.pid, state.REPAIR)
    deadline = time.monotonic() + START_SECONDS
    before = {name: current.components[name].pid for name in dead}
    while _any_left(settings, before) or not postgres.is_running(settings):
        if time.monotonic() > deadline:
            raise StackError(f"the supervisor did not start {', '.join(dead)} again; logs: {settings.logs}")
        time.sleep(POLL_SECONDS)


def _any_left(settings: Settings, before: dict[str, int]) -> bool:
    current = state.read(settings)
    if current is None or not current.supervisor_runs:
        check_alive(settings, current)
    return current is not None and any(
        component.pid == before.get(name) for name, component in current.components.items()
    )


def check_alive(settings: Settings, current: state.State | None) -> None:
    """Raise if a part of the stack is not running any more.

    :raises StackError: names the part and shows its last log lines.
    """
    if current is None or not current.supervisor_runs:
        reason = current.failure if current is not None and current.failure else "the supervisor ended"
        raise StackError(f"{reason}\n{tail(components.log_of(settings, 'supervisor'))}")
    for name, exit_code in current.dead().items():
        log = components.log_of(settings, name)
        raise StackError(
            f"{name} ended, {_ending(exit_code)}; make up starts it again. Last lines of {log}:\n{tail(log)}"
        )


def down(settings: Settings, say: Say) -> int:
    """Stop everything, and return when no process is left; how many processes there were.

    What the embedded AWS held is forgotten: no cluster comes back at the next start. Airflow's runs stay.
    """
    count = _stop(settings, say)
    forget(settings)
    return count


def forget(settings: Settings) -> None:
    """Forget what the embedded AWS held when it was last running."""
    shutil.rmtree(settings.aws_state, ignore_errors=True)


def _stop(settings: Settings, say: Say) -> int:
    current = state.read(settings)
    count = len(processes.members(settings.home))
    if current is not None and current.supervisor_runs:
        _ask_to_stop(settings, current.pid)
    left = processes.end(settings.home)
    if left and current is None:
        say(f"ended {left} processes without a supervisor")
    state.path(settings).unlink(missing_ok=True)
    return count


def _ask_to_stop(settings: Settings, pid: int) -> None:
    os.kill(pid, 15)
    deadline = time.monotonic() + STOP_SECONDS
    while processes.members(settings.home) and time.monotonic() < deadline:
        time.sleep(0.05)


def clean_up(settings: Settings, say: Say) -> None:
    """End what a crashed stack left, saying what it was."""
    crashed = state.read(settings)
    if crashed is not None:
        dead = [name for name in crashed.components if not crashed.component_runs(name)]
        say(
            f"the stack started {time.strftime('%Y-%m-%d %H:%M', time.localtime(crashed.started))} was not "
            f"stopped; dead: {', '.join(['supervisor', *dead])}"
        )
    left = processes.members(settings.home)
    if left:
        say(f"found {len(left)} processes of a stack that was not stopped, ending them:")
        for process in left:
            say(f"  {processes.describe(process)}")
        processes.end(settings.home)
    postgres.forget_dead(settings)
    state.path(settings).unlink(missing_ok=True)


def _say_state(settings: Settings, say: Say) -> None:
    """What the embedded AWS went on with, if it had a state."""
    told = requests.get(f"{settings.aws_url}/_local/state", timeout=10).json()
    if aside := told.get("set_aside"):
        say(f"the local AWS could not read its state ({aside['reason']}); it is in {aside['folder']} now")
    if told.get("restored"):
        resumed = ", ".join(f"{count} {kind}" for kind, count in told["resumed"].items())
        say(f"the local AWS has its state again; resumed: {resumed or 'nothing was in progress'}")


def _start_supervisor(settings: Settings) -> None:
    secrets = credentials.load(settings)
    folder = postgres.socket_folder(settings)
    write_env_file(settings, folder)
    log = components.log_of(settings, "supervisor")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "local_stack.supervisor"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=airflow.environment(settings, secrets, folder),
            cwd=PROJECT,
            start_new_session=True,
        )
    while (current := state.read(settings)) is None or current.pid != child.pid:
        if child.poll() is not None:
            raise StackError(f"the supervisor ended at once:\n{tail(log)}")
        time.sleep(0.05)


def write_env_file(settings: Settings, socket_folder: Path) -> None:
    """Write ``local.env``: sourced, it points ``aws``, boto3 and ``airflow`` at the stack."""
    secrets = credentials.load(settings)
    variables = {
        **airflow.aws(settings),
        **airflow.client(settings, secrets, socket_folder),
        "AIRFLOW_PORT": str(settings.airflow_port),
        "LOCAL_AWS_PORT": str(settings.local_aws_port),
        REGION_VARIABLE: settings.region,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    credentials.write_private(settings.env_file, "\n".join(lines) + "\n")


def _wait_ready(settings: Settings, say: Say) -> None:
    deadline = time.monotonic() + START_SECONDS
    client = AirflowClient(settings, credentials.load(settings))
    waiting_for = ""
    while missing := _missing(settings, client):
        if missing != waiting_for:
            say(f"waiting for {missing}")
            waiting_for = missing
        check_alive(settings, state.read(settings))
        if time.monotonic() > deadline:
            raise StackError(
                f"not up after {START_SECONDS} s, still waiting for {missing}; logs: {settings.logs}"
            )
        time.sleep(POLL_SECONDS)


def _make_pools(settings: Settings) -> None:
    client = AirflowClient(settings, credentials.load(settings))
    for name, (slots, description) in airflow.POOLS.items():
        client.ensure_pool(name, slots, description)


def _missing(settings: Settings, client: AirflowClient) -> str:
    """What the stack is waiting for, empty when ready.

    :raises ImportErrors: a DAG file can't be imported.
    """
    try:
        requests.get(f"{settings.aws_url}/_local/health", timeout=2).raise_for_status()
    except requests.RequestException:
        return "the local AWS"
    try:
        client.warm_up()
        health = client.health()
    except requests.RequestException:
        return "Airflow's API server"
    unhealthy = [
        name for name, part in health.items() if part and part.get("status") not in ("healthy", None)
    ]
    if unhealthy:
        return ", ".join(unhealthy).replace("_", " ")
    errors = client.import_errors()
    if errors:
        raise ImportErrors("\n".join(f"{file} can't be imported:\n{trace}" for file, trace in errors.items()))
    unparsed = dag_files(settings.dags) - client.parsed_files(since=_started(settings))
    return f"{', '.join(sorted(path.name for path in unparsed))} to be parsed" if unparsed else ""


def _started(settings: Settings) -> float:
    current = state.read(settings)
    return current.started if current else 0.0


def dag_files(folder: Path) -> set[Path]:
    """The files Airflow finds DAGs in: those that mention both words, as its own heuristic has it."""
    found = set()
    for path in folder.glob("*.py"):
        content = path.read_bytes().lower()
        if b"dag" in content and b"airflow" in content:
            found.add(path.resolve())
    return found


def tail(log: Path, lines: int = LOG_LINES) -> str:
    """The last lines of a log file, indented."""
    if not log.exists():
        return f"  (no {log})"
    return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-lines:])


def _ending(exit_code: int) -> str:
    return f"killed by signal {-exit_code}" if exit_code < 0 else f"exit status {exit_code}"
