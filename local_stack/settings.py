"""Where one checkout's stack keeps its files and which ports it listens on."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
REGION_VARIABLE = "LOCAL_AWS_REGION"
HOME_VARIABLE = "LOCAL_STACK_HOME"


class StackError(Exception):
    """The local stack can't do what was asked; the message says why and what to do about it."""


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise StackError(f"{variable}={text} is no port number; set it to a number from 1 to 65535")
    return int(text)


def _region() -> str:
    text = os.environ.get(REGION_VARIABLE, "us-east-1")
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-[0-9]", text):
        raise StackError(
            f"{REGION_VARIABLE}={text} is no Region; set it to one such as us-east-1 or cn-north-1"
        )
    return text


@dataclass(frozen=True)
class Settings:
    """Settings of one stack.

    :param home: everything the stack writes; two stacks need two of them.
    :param dags: the folder Airflow parses.
    :param task_slots: tasks that run at once, each in a waiting worker process. The chain needs two,
        backfills a few more.
    :param region: the Region of the connection; one of China or of GovCloud brings its partition.
    """

    home: Path = field(default_factory=lambda: Path(os.environ.get(HOME_VARIABLE, PROJECT / "var")).resolve())
    dags: Path = field(default_factory=lambda: Path(os.environ.get("LOCAL_STACK_DAGS", PROJECT / "dags")))
    airflow_port: int = field(default_factory=lambda: _port("AIRFLOW_PORT", 8080))
    local_aws_port: int = field(default_factory=lambda: _port("LOCAL_AWS_PORT", 4566))
    region: str = field(default_factory=_region)
    task_slots: int = 6

    @property
    def airflow_url(self) -> str:
        """Airflow's UI and REST API."""
        return f"http://{LOOPBACK}:{self.airflow_port}"

    @property
    def aws_url(self) -> str:
        """The embedded AWS, every service of it."""
        return f"http://{LOOPBACK}:{self.local_aws_port}"

    @property
    def run(self) -> Path:
        """What is running: process ids and state."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """One log file a component."""
        return self.home / "logs"

    @property
    def aws_state(self) -> Path:
        """What the embedded AWS holds, for the start after a crash."""
        return self.home / "local_aws" / "state"

    @property
    def env_file(self) -> Path:
        """For ``source``: points the AWS and Airflow commands at this stack."""
        return self.home / "local.env"

    def check_ports(self) -> None:
        """Refuse ports that something else listens on, before anything is started.

        :raises StackError: names the port and the variable that changes it.
        """
        if self.airflow_port == self.local_aws_port:
            raise StackError(
                f"AIRFLOW_PORT and LOCAL_AWS_PORT are both {self.airflow_port}; change one of them"
            )
        _check_free(self.airflow_port, "AIRFLOW_PORT", "Airflow")
        _check_free(self.local_aws_port, "LOCAL_AWS_PORT", "the local AWS")


def _check_free(port: int, variable: str, user: str) -> None:
    with socket.socket() as listener:
        # A port whose last connections are still in TIME_WAIT is free to a server, and so to this check.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise StackError(
                f"port {port} on {LOOPBACK}, meant for {user}, can't be used ({error.strerror}); "
                f"free it, or choose another: {variable}={port + 1} make up"
            ) from error
