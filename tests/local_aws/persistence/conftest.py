"""An embedded AWS in a process of its own, with a state folder, that is killed with -9 and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import requests
from botocore.config import Config

PROJECT = Path(__file__).resolve().parents[3]
START_SECONDS = 120
SETTLE_SECONDS = 120


class Server:
    """One embedded AWS over many lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._keeper: subprocess.Popen[bytes] | None = None
        self.environment = {"LOCAL_AWS_HOME": str(folder / "home"), "LOCAL_AWS_TIME_SCALE": "60"}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "local_aws", "--port", str(self.port), "--state", str(self.state)],
                cwd=PROJECT,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert time.monotonic() < deadline, self.log()
            assert self._keeper.poll() is None, self.log()
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/_local/health", timeout=5).ok
        except requests.RequestException:
            return False

    def kill(self) -> None:
        """Kill the server itself; its keeper ends what the server started, and then itself."""
        assert self._keeper is not None
        os.kill(requests.get(f"{self.url}/_local/health", timeout=60).json()["pid"], signal.SIGKILL)
        self._keeper.wait(60)

    def stop(self) -> None:
        if self._keeper is not None and self._keeper.poll() is None:
            self._keeper.terminate()
            self._keeper.wait(60)

    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = requests.get(f"{self.url}/_local/state", timeout=60).json()
        return told

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="not-a-secret",
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=120),
        )

    def descendants(self) -> list[psutil.Process]:
        assert self._keeper is not None
        return psutil.Process(self._keeper.pid).children(recursive=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.stop()


def eventually(look: Callable[[], Any], wanted: Any) -> None:
    """Look until it is as wanted, or a set of what is wanted."""
    deadline = time.monotonic() + SETTLE_SECONDS
    good = wanted if isinstance(wanted, set) else {wanted}
    while (seen := look()) not in good:
        assert time.monotonic() < deadline, f"{seen} instead of {wanted}"
        time.sleep(0.1)
