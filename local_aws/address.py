"""Where the server may listen."""

from __future__ import annotations

import ipaddress
import socket

from local_aws.settings import PORT_VARIABLE


class AddressRefused(ValueError):
    """The server listens on loopback only: it takes any credentials."""


class PortInUse(RuntimeError):
    """Another program listens on the port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"Port {port} of {host} is in use. Stop what listens there, or choose another port "
            f"with the environment variable {PORT_VARIABLE}."
        )


def check(host: str, port: int) -> None:
    """Refuse an address the server can't or must not listen on.

    :raises AddressRefused: the host is not a loopback address.
    :raises PortInUse: the port is taken.
    """
    if not _is_loopback(host):
        raise AddressRefused(f"local_aws listens on loopback addresses only, not on {host}.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise PortInUse(host, port) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False
