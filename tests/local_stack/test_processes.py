from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local_stack import processes
from local_stack.processes import MEMBER_VARIABLE

READY = "import sys, time; print('ready', flush=True); "
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts Python code as a member of the stack whose home is ``tmp_path``, and waits until it runs."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, home: Path = tmp_path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, MEMBER_VARIABLE: str(home)},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def pids(home: Path) -> set[int]:
    return {process.pid for process in processes.members(home)}


def test_members_are_found_by_their_mark_and_not_those_of_another_stack(tmp_path: Path, start: Start) -> None:
    ours = start(READY + "time.sleep(60)")
    start(READY + "time.sleep(60)", home=tmp_path / "other")
    assert pids(tmp_path) == {ours.pid}


def test_a_child_that_lost_the_mark_is_a_member_all_the_same(tmp_path: Path, start: Start) -> None:
    code = "import subprocess, time; c = subprocess.Popen(['sleep', '60'], env={}); "
    parent = start(code + "print('ready', flush=True); time.sleep(60)")
    (child,) = psutil.Process(parent.pid).children()
    assert pids(tmp_path) == {parent.pid, child.pid}
    assert processes.end(tmp_path) == 2
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_process_whose_parent_is_gone_is_found(tmp_path: Path, start: Start) -> None:
    code = (
        "import os, time\nif os.fork(): os._exit(0)\nos.setsid(); print('ready', flush=True); time.sleep(60)"
    )
    start(code).wait()
    assert len(pids(tmp_path)) == 1
    assert processes.end(tmp_path) == 1
    assert pids(tmp_path) == set()


def test_end_takes_force_where_politeness_fails(tmp_path: Path, start: Start) -> None:
    stubborn = start(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY + "time.sleep(60)"
    )
    begun = time.monotonic()
    assert processes.end(tmp_path, grace_seconds=0.2) == 1
    assert stubborn.wait() == -9
    assert time.monotonic() - begun < 5


def test_ending_a_stack_that_does_not_run_ends_nothing(tmp_path: Path) -> None:
    assert processes.end(tmp_path) == 0


def test_the_caller_is_no_member_even_when_marked(tmp_path: Path) -> None:
    code = "from pathlib import Path; from local_stack import processes; import sys; "
    code += "print(processes.members(Path(sys.argv[1])))"
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, MEMBER_VARIABLE: str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"


def test_pss_counts_what_a_stack_uses(tmp_path: Path, start: Start) -> None:
    assert processes.pss_bytes(tmp_path) == 0
    start("x = b'1' * (50 << 20); " + READY + "time.sleep(60)")
    assert 50 << 20 < processes.pss_bytes(tmp_path) < 90 << 20
