"""The caller's connection, which WSGI does not show."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

SOCKET = "local_aws.socket"
"""Where the server's gateway puts it into the environ."""


def hang_up(environ: dict[str, Any]) -> None:
    """End the connection; what is answered after that goes nowhere."""
    with contextlib.suppress(OSError):
        environ[SOCKET].shutdown(socket.SHUT_RDWR)
