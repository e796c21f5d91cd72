"""A real stack, from its start over accidents to its end. One after the other: a start takes ten seconds."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local_stack import processes, state
from local_stack.settings import PROJECT, Settings

pytestmark = pytest.mark.runtime

DAG = """
from airflow.sdk import dag, task

@dag(schedule=None)
def nothing():
    @task
    def pause(): ...
    pause()

nothing()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Commands:
    """``python -m local_stack`` for one stack of its own."""

    def __init__(self, home: Path, dags: Path) -> None:
        self.settings = Settings(home=home, dags=dags, airflow_port=free_port(), local_aws_port=free_port())
        self.env = {
            **os.environ,
            "LOCAL_STACK_HOME": str(home),
            "LOCAL_STACK_DAGS": str(dags),
            "AIRFLOW_PORT": str(self.settings.airflow_port),
            "LOCAL_AWS_PORT": str(self.settings.local_aws_port),
        }

    def __call__(self, *arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "local_stack", *arguments],
            cwd=PROJECT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def state(self) -> state.State:
        current = state.read(self.settings)
        assert current is not None
        return current

    def members(self) -> list[psutil.Process]:
        return processes.members(self.settings.home)


@pytest.fixture(scope="module")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    folder = tmp_path_factory.mktemp("life")
    (folder / "dags").mkdir()
    (folder / "dags" / "nothing.py").write_text(DAG)
    commands = Commands(folder / "var", folder / "dags")
    commands("up")
    yield commands
    processes.end(commands.settings.home)


def wait_until_gone(commands: Commands, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while left := commands.members():
        assert time.monotonic() < deadline, [processes.describe(process) for process in left]
        time.sleep(0.1)


def test_it_listens_on_loopback_only(local_stack: Commands) -> None:
    addresses = {
        connection.laddr.ip
        for process in local_stack.members()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses)


def test_a_second_up_says_that_it_is_up(local_stack: Commands) -> None:
    before = local_stack.state().pid
    assert "already up" in local_stack("up")
    assert local_stack.state().pid == before


def test_status_tells_what_runs_and_the_memory_it_takes(local_stack: Commands) -> None:
    shown = local_stack("status")
    for name in ("local-aws", "api-server", "scheduler", "dag-processor", "triggerer", "feed"):
        assert f"{name:14} runs" in shown
    assert "GiB (PSS)" in shown
    assert processes.pss_bytes(local_stack.settings.home) < 2.5 * 2**30


def test_the_env_file_makes_the_aws_and_airflow_commands_talk_to_it(local_stack: Commands) -> None:
    script = f"source {local_stack.settings.env_file}; aws s3api list-buckets; airflow dags list"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "Buckets" in done.stdout
    assert "nothing" in done.stdout


def test_a_port_of_another_stack_is_refused_before_anything_starts(
    local_stack: Commands, tmp_path: Path
) -> None:
    other = Commands(tmp_path / "var", local_stack.settings.dags)
    other.env["AIRFLOW_PORT"] = str(local_stack.settings.airflow_port)
    assert f"port {local_stack.settings.airflow_port}" in other("up", status=1)
    assert other.members() == []


def test_a_part_that_died_is_named_can_be_started_again_and_everything_else_can_be_stopped(
    local_stack: Commands,
) -> None:
    os.kill(local_stack.state().components["scheduler"].pid, signal.SIGKILL)
    time.sleep(1)
    shown = local_stack("status", status=1)
    assert f"{'scheduler':14} ENDED" in shown
    assert "scheduler ended, killed by signal 9" in shown
    shown = local_stack("up")
    assert "scheduler had ended, killed by signal 9: starting it again" in shown
    assert "already up" in shown
    assert local_stack("status")
    os.kill(local_stack.state().components["triggerer"].pid, signal.SIGKILL)
    time.sleep(1)
    assert "stopped" in local_stack("down")
    assert local_stack.members() == []
    assert "nothing was running" in local_stack("down")


def test_nothing_outlives_a_killed_supervisor(local_stack: Commands) -> None:
    local_stack("up")
    os.kill(local_stack.state().pid, signal.SIGKILL)
    wait_until_gone(local_stack)


def test_up_after_a_crash_of_everything_above_ends_what_is_left_and_says_so(local_stack: Commands) -> None:
    local_stack("up")
    supervisor = psutil.Process(local_stack.state().pid)
    components = {component.pid for component in local_stack.state().components.values()}
    (guard,) = [
        child
        for child in supervisor.children()
        if child.cmdline() == supervisor.cmdline() and child.pid not in components
    ]
    guard.kill()
    supervisor.kill()
    time.sleep(1)
    assert local_stack.members()
    shown = local_stack("up")
    assert "of a stack that was not stopped" in shown
    assert "up after" in shown
    local_stack("down")
    assert local_stack.members() == []


def test_up_after_kill_9_of_everything_goes_on_with_what_the_local_aws_held(local_stack: Commands) -> None:
    local_stack("up")
    make = f"source {local_stack.settings.env_file}; aws s3 mb s3://kept-after-a-crash"
    subprocess.run(["bash", "-c", make], capture_output=True, check=True)
    while members := local_stack.members():
        for process in members:
            process.kill()
        psutil.wait_procs(members, 5)
    shown = local_stack("up")
    assert "dead: supervisor, local-aws, api-server" in shown
    assert "the local AWS has its state again" in shown
    listing = f"source {local_stack.settings.env_file}; aws s3 ls"
    done = subprocess.run(["bash", "-c", listing], capture_output=True, text=True, check=True)
    assert "kept-after-a-crash" in done.stdout
    local_stack("down")
    assert local_stack.members() == []
