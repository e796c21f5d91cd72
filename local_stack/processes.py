"""The processes of one stack: found by a mark in their environment, whoever their parent is by now."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

MEMBER_VARIABLE = "LOCAL_STACK_MEMBER"
"""Holds the stack's home in the environment of every process that a stack starts, and of their children.

Set for no other process: a shell that sourced ``local.env``, or the tests, are not members.
"""

GRACE_SECONDS = 10.0
_PR_SET_CHILD_SUBREAPER = 36
_PSS = re.compile(rb"^Pss:\s+(\d+) kB$", re.MULTILINE)


def members(home: Path) -> list[psutil.Process]:
    """The running processes of the stack with that home, children of children included.

    A marked process's children count too: PostgreSQL's overwrite their environment with a title.
    """
    mark = f"{MEMBER_VARIABLE}={home}".encode()
    parents: dict[int, int] = {}
    found: set[int] = set()
    for process in psutil.process_iter():
        # Gone meanwhile, or another user's.
        with contextlib.suppress(OSError, psutil.Error):
            parents[process.pid] = process.ppid()
            if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found.add(process.pid)
    found |= {pid for pid in parents if found & set(_ancestors(pid, parents))}
    return [process for pid in sorted(found - {os.getpid()}) for process in _running(pid)]


def _ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid := parents.get(pid, 0):
        yield pid


def _running(pid: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            yield process


def of_session(leader: int) -> list[psutil.Process]:
    """The running processes of a session, whose leader may have ended."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def adopt_orphans() -> None:
    """Make this process the parent of descendants whose own parent ends, so that it can reap them.

    Where process 1 reaps nothing, as in many containers, they would stay in the process table for ever.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap() -> dict[int, int]:
    """Take ended children out of the process table: exit status by process id, negative for a signal."""
    ended: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    return ended


def end(home: Path, grace_seconds: float = GRACE_SECONDS) -> int:
    """End every process of a stack, politely at first; return when none is left.

    :returns: how many there were.
    """
    found = members(home)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    deadline = time.monotonic() + grace_seconds
    while (left := members(home)) and time.monotonic() < deadline:
        time.sleep(0.05)
    while left:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.05)
        left = members(home)
    return len(found)


def describe(process: psutil.Process) -> str:
    """One line: the process's id and command, shortened."""
    try:
        command = " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        command = "(ended meanwhile)"
    return f"{process.pid} {command[:100]}"


def pss_bytes(home: Path) -> int:
    """Memory of all processes of the stack: PSS, which counts a page shared by n processes once.

    Reads ``/proc/*/smaps_rollup`` (Linux 4.14 or newer).
    """
    total = 0
    for process in members(home):
        with contextlib.suppress(OSError):
            total += _pss_of(process.pid)
    return total


def _pss_of(pid: int) -> int:
    match = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
    return int(match[1]) * 1024 if match else 0
