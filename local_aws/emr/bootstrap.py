"""Bootstrap actions: scripts from S3 that really run, before the applications start.

https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-plan-bootstrap.html

They run as the server's own user in a directory of the cluster, with ``commands/`` first on their path:
harmless stand-ins of sudo, the system's package manager and pip, which check what a script asks for. That
keeps well-meant scripts from changing the machine; it is no jail for hostile ones.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any

from botocore.exceptions import ClientError

from local_aws import internal
from local_aws.emr.exceptions import StartFailed
from local_aws.emr.livy import node_environment
from local_aws.processes import ChildProcess
from local_aws.settings import settings

COMMANDS = Path(__file__).parent / "commands"
POLL_SECONDS = 0.05


class BootstrapAction:
    """One bootstrap action of a cluster's master node.

    :param number: counted from 1, as EMR's messages do.
    :param instance_id: the master's EC2 instance, for EMR's messages.
    """

    def __init__(self, action: dict[str, Any], number: int, instance_id: str, region: str) -> None:
        script = action["ScriptBootstrapAction"]
        self.path: str = script["Path"]
        self.arguments: list[str] = script.get("Args", [])
        self.number = number
        self._instance_id = instance_id
        self._region = region

    def run(self, node: Path, stop: Event) -> None:
        """Fetch the script and run it to its end, or until ``stop`` is set.

        Its output goes to ``bootstrap-actions/<number>/output.log`` in the node's directory.

        :raises StartFailed: no such script, or its exit status is not 0.
        """
        directory = node / "bootstrap-actions" / str(self.number)
        directory.mkdir(parents=True)
        script = self._fetch(directory)
        environment = _environment(node, directory, self._region)
        try:
            process = ChildProcess(
                [*_interpreter(script), script, *self.arguments],
                log=directory / "output.log",
                env=environment,
                cwd=directory,
            )
        except OSError as error:  # there is no such interpreter
            raise self._failed() from error
        try:
            while process.returncode is None and not stop.is_set():
                try:
                    process.wait(POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
            failed = process.returncode not in (None, 0)
        finally:
            process.stop()
        if failed:
            raise self._failed()

    def _failed(self) -> StartFailed:
        return StartFailed(
            "BOOTSTRAP_FAILURE",
            f"On the master instance ({self._instance_id}), bootstrap action {self.number} returned a "
            "non-zero return code",
        )

    def _fetch(self, directory: Path) -> Path:
        bucket, _, key = self.path.removeprefix("s3://").partition("/")
        script = directory / Path(key).name
        try:
            body = internal.client("s3", self._region).get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            raise StartFailed(
                "BOOTSTRAP_FAILURE",
                f"Master instance ({self._instance_id}) failed attempting to download bootstrap action "
                f"{self.number} file from S3",
            ) from error
        script.write_bytes(body)
        return script


def _interpreter(script: Path) -> list[str]:
    """What the script's first line names, with the one argument it may give; bash, if it names nothing.

    The script itself is never executed: a process that another thread forked while it was written has it open
    for writing until it executes something, and so long Linux refuses with ETXTBSY ("Text file busy").
    As Linux does (execve(2)), only spaces and tabs separate: a carriage return is part of the name.
    """
    first, _, _ = script.read_bytes().partition(b"\n")
    if not first.startswith(b"#!"):
        return ["/bin/bash"]
    return re.split(r"[ \t]+", os.fsdecode(first[2:]).strip(" \t"), maxsplit=1)


def _environment(node: Path, home: Path, region: str) -> dict[str, str]:
    commands = node / "commands"
    if not commands.exists():
        _install_commands(commands)
    environment = node_environment(region)
    return {
        **environment,
        "HOME": str(home),
        "NODE_PYTHON": str(settings.emr_python),
        "PATH": f"{commands}:{environment['PATH']}",
        "TMPDIR": str(home),
    }


def _install_commands(directory: Path) -> None:
    """Links, since what is written here may be busy just when a script calls it."""
    directory.mkdir()
    for name in ("sudo", "dnf", "python3", "pip3", "node_pip.py"):
        (directory / name).symlink_to(COMMANDS / name)
    for alias, name in (("yum", "dnf"), ("pip", "pip3")):
        (directory / alias).symlink_to(name)
    aws = Path(sys.executable).parent / "aws"
    if aws.exists():
        (directory / "aws").symlink_to(aws)
