"""Nothing that the server started outlives it, whoever is killed. Real processes, real kill -9."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
END_SECONDS = 30

# What the server starts in real life: a leader of its own session, whose child makes a process group of its
# own (as PySpark's daemon does) and whose grandchild leaves the session (as nothing should).
CHILD = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); time.sleep(600)"
GRANDCHILD = (
    "import os, subprocess, sys, time; os.setpgid(0, 0);"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True);"
    "time.sleep(600)"
)
SERVER_WITH_CHILDREN = f"""
import sys
from pathlib import Path
from local_aws import server_process
from local_aws.processes import ChildProcess
scratch = Path(sys.argv.pop(1))
ChildProcess([sys.executable, "-c", {CHILD!r}, {GRANDCHILD!r}], log=scratch / "log", env={{}}, cwd=scratch)
server_process.main()
"""
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, *sys.argv[1:]])
time.sleep(600)
"""


class Stack:
    """A parent, the keeper, the server, and the server's family."""

    def __init__(self, parent: psutil.Process, port: int) -> None:
        self.parent = parent
        self.port = port
        self.everyone: list[psutil.Process] = []

    def is_up(self) -> bool:
        family = self.parent.children(recursive=True)
        if len(family) < 5:
            return False
        try:
            health = requests.get(f"http://127.0.0.1:{self.port}/_local/health", timeout=1)
        except requests.ConnectionError:
            return False
        self.everyone = family
        return health.json()["status"] == "ok"

    @property
    def keeper(self) -> psutil.Process:
        return self.parent.children()[0]

    @property
    def server(self) -> psutil.Process:
        return self.keeper.children()[0]

    def left(self) -> list[psutil.Process]:
        return [p for p in self.everyone if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """The server below its keeper below a parent; this server has children from the start."""
    port = free_port()
    (tmp_path / "server.py").write_text(SERVER_WITH_CHILDREN)
    keeper = (
        "import os, sys; from local_aws import keeper;"
        "keeper.SERVER = [sys.executable, sys.argv[1], sys.argv[2]];"
        "sys.exit(keeper.run(['--host', '127.0.0.1', '--port', sys.argv[3]], parent=os.getppid()))"
    )
    arguments = ["-c", keeper, str(tmp_path / "server.py"), str(tmp_path), str(port)]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT, *arguments],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=output,
            stderr=output,
        )
    made = Stack(psutil.Process(process.pid), port)
    assert eventually(made.is_up, START_SECONDS), (tmp_path / "output").read_text()
    yield made
    for left in [*made.left(), made.parent]:
        if left.is_running():
            left.kill()
    process.wait()


@pytest.mark.local_aws
@pytest.mark.parametrize("victim", ["parent", "keeper", "server"])
def test_nothing_survives_a_kill_9_of(stack: Stack, victim: str) -> None:
    getattr(stack, victim).kill()
    assert eventually(lambda: not stack.left(), END_SECONDS), stack.left()


@pytest.mark.local_aws
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_the_keeper_stops_everything(stack: Stack, number: signal.Signals) -> None:
    stack.keeper.send_signal(number)
    assert eventually(lambda: not stack.left(), END_SECONDS), stack.left()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local_aws", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


@pytest.mark.local_aws
def test_a_busy_port_is_named_with_the_variable_that_changes_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run("--port", str(port))
    assert ended.returncode == 1
    assert f"Port {port}" in ended.stderr
    assert "LOCAL_AWS_PORT" in ended.stderr


@pytest.mark.local_aws
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.com"])  # noqa: S104
def test_only_loopback_addresses_are_served(host: str) -> None:
    ended = run("--port", str(free_port()), "--host", host)
    assert ended.returncode == 1
    assert "loopback" in ended.stderr
