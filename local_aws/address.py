"""Where the server may listen."""

from __future__ import annotations

import ipaddress
import socket

from local_aws.settings import PORT_VARIABLE, settings


class AddressRefused(ValueError):
    """The server takes any credentials: it listens on loopback, or in a network that ``sources`` names."""


class PortInUse(RuntimeError):
    """Another program listens on the port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"Port {port} of {host} is in use. Stop what listens there, or choose another port "
            f"with the environment variable {PORT_VARIABLE}."
        )


def check(host: str, port: int) -> None:
    """Refuse an address the server can't or must not listen on.

    :param host: an address, or a name of this machine.
    :raises AddressRefused: the host is neither a loopback address nor in a network of ``settings.sources``.
    :raises PortInUse: the port is taken.
    """
    if not _is_trusted(host):
        raise AddressRefused(
            f"local_aws listens on loopback addresses only, not on {host}: it takes any credentials. "
            "A private network whose machines may use it is named in LOCAL_AWS_SOURCES."
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise PortInUse(host, port) from None


def _is_trusted(host: str) -> bool:
    try:
        address = ipaddress.IPv4Address(socket.gethostbyname(host))
    except (OSError, ValueError):
        return False
    networks = [ipaddress.IPv4Network(source) for source in settings.sources]
    # A single address is a machine that may call, not a network to listen in.
    trusted = [network for network in networks if network.is_private and network.num_addresses > 1]
    return address.is_loopback or any(address in network for network in trusted)
