"""Addresses are led to this machine, in a network namespace of the test's own: root, or user namespaces."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
UNSHARE = ["unshare", "--net", *([] if os.getuid() == 0 else ["--map-root-user"])]
LISTEN = "import socket; s = socket.create_server(('172.30.200.7', 8998)); print('listens')"
SHOW = (
    "import os, pathlib; s = pathlib.Path('/proc/self/status').read_text();"
    "print(os.getuid(), [l for l in s.splitlines() if l.startswith('CapEff')][0].split()[1])"
)


def in_namespace(*command: str, network: str = "172.30.128.0/17") -> subprocess.CompletedProcess[str]:
    routing = [sys.executable, "-m", "local_aws.routing", *command]
    environment = {**os.environ, "LOCAL_AWS_CLUSTER_ADDRESSES": network, "PYTHONPATH": str(PROJECT)}
    script = "import fcntl, os, socket, struct, sys\n" + UP + "os.execv(sys.argv[1], sys.argv[1:])"
    return subprocess.run(
        [*UNSHARE, sys.executable, "-c", script, *routing],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


# A new namespace's loopback interface is down: SIOCSIFFLAGS, netdevice(7).
UP = (
    "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "fcntl.ioctl(s, 0x8914, struct.pack('16sH14x', b'lo', 1))\n"
)

needs_namespaces = pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run([*UNSHARE, "true"], capture_output=True).returncode != 0,
    reason="not run: this user may make no network namespace",
)


@needs_namespaces
def test_a_cluster_can_listen_on_an_address_that_was_led_here() -> None:
    before = in_namespace("--user", "root", sys.executable, "-c", LISTEN, network="198.51.100.0/24")
    assert "Cannot assign requested address" in before.stderr
    done = in_namespace("--user", "root", sys.executable, "-c", LISTEN)
    assert done.stdout == "listens\n", done.stderr


@needs_namespaces
@pytest.mark.skipif(os.getuid() != 0, reason="not run: only root can become another user")
def test_the_command_runs_as_the_user_and_without_capabilities() -> None:
    done = in_namespace("--user", "nobody", "/usr/bin/env", "python3", "-c", SHOW)
    user, capabilities = done.stdout.split()
    assert int(user) != 0
    assert int(capabilities, 16) == 0


@pytest.mark.skipif(os.getuid() == 0, reason="not run: root has the capability")
def test_without_the_capability_it_says_so() -> None:
    command = [sys.executable, "-m", "local_aws.routing", "--user", "root", "true"]
    environment = {**os.environ, "LOCAL_AWS_CLUSTER_ADDRESSES": "198.51.100.0/24"}
    done = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "CAP_NET_ADMIN" in done.stderr
