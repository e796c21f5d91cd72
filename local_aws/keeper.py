"""The keeper: a small process above the server which sees to it that nothing outlives it.

Whatever the server starts (JVMs, Python workers, training and serving processes) descends from the keeper,
which is a "subreaper": an orphan becomes its child, whatever session or process group it made for itself. So

* when the server ends, in any way, the keeper kills every descendant that is left;
* when the keeper is killed, the server notices (``watch``), stops its children and ends;
* with ``parent``, the end of that process ends the keeper.

Both watch by a pidfd rather than PR_SET_PDEATHSIG, which fires on the end of the *thread* that made a
process.
https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import psutil

STOP_SECONDS = 20.0
PR_SET_CHILD_SUBREAPER = 36
SERVER = [sys.executable, "-m", "local_aws.server_process"]
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run(arguments: list[str], parent: int | None) -> int:
    """Run the server and outlive it.

    :param arguments: the command line of ``local_aws.server_process``.
    :param parent: the process whose end is ours too.
    :return: the exit status: 0 when told to stop, the server's own otherwise.
    """
    become_subreaper()
    told_to_stop, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    server = subprocess.Popen(
        [*SERVER, *arguments, "--keeper", str(os.getpid())],
        start_new_session=True,
    )
    try:
        status = _wait(server, told_to_stop, parent)
    finally:
        kill_descendants()
    return status


def _wait(server: subprocess.Popen[bytes], told_to_stop: int, parent: int | None) -> int:
    ended = os.pidfd_open(server.pid)
    watched = [ended, told_to_stop]
    if parent is not None:
        try:
            watched.append(os.pidfd_open(parent))
        except ProcessLookupError:
            return _stop(server)
    ready, _, _ = select.select(watched, [], [])
    return server.wait() if ended in ready else _stop(server)


def _stop(server: subprocess.Popen[bytes]) -> int:
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    return 0


def become_subreaper() -> None:
    """From now on orphaned descendants become children of this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def kill_descendants() -> None:
    """Kill every descendant of this process, and what they leave behind, until none is left."""
    me = psutil.Process()
    while left := [p for p in me.children(recursive=True) if _is_alive(p)]:
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.02)


def _is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; a zombie of ours is reaped on the way."""
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return True
        if process.ppid() == os.getpid():
            os.waitpid(process.pid, os.WNOHANG)
    except (psutil.NoSuchProcess, ChildProcessError):
        pass
    return False


def watch(pid: int, ended: Callable[[], None]) -> None:
    """Call ``ended`` from a thread when a process is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        ended()
        return

    def wait() -> None:
        select.select([descriptor], [], [])
        ended()

    threading.Thread(target=wait, name=f"watch-{pid}", daemon=True).start()
