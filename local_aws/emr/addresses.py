"""An address for each cluster, so that each has its own port 8998.

Linux answers on all of 127.0.0.0/8, and on any other network that ``local_aws.routing`` has led here.
"""

from __future__ import annotations

import random
import socket
from ipaddress import IPv4Network
from typing import Any

from local_aws.persistence import perishing
from local_aws.settings import CLUSTER_ADDRESSES

LIVY_PORT = 8998
ATTEMPTS = 100
LOOPBACK = IPv4Network(CLUSTER_ADDRESSES)


class Address:
    """An address that no other cluster on this machine has, of this server or another.

    Another server's cluster may not listen yet, so looking for a free TCP port is not enough. The same
    port is held for UDP, which nothing else uses, until ``release``.

    :param network: the addresses to choose from.
    :raises OSError: none is free, or they don't lead to this machine.
    """

    def __init__(self, network: IPv4Network = LOOPBACK) -> None:
        self._claim: socket.socket | None = None
        for _ in range(ATTEMPTS):
            self.ip = str(network[random.randint(1, network.num_addresses - 2)])
            try:
                self.claim()
            except OSError:
                continue
            return
        raise OSError(f"No address of {network} with a free port {LIVY_PORT} in {ATTEMPTS} attempts.")

    @property
    def is_held(self) -> bool:
        """Whether nobody else can have it."""
        return self._claim is not None

    def claim(self) -> None:
        """Hold the address; one that came back from a state on disk is not held yet.

        :raises OSError: another has it.
        """
        self._claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._claim.bind((self.ip, LIVY_PORT))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((self.ip, LIVY_PORT))
        except OSError:
            self._claim.close()
            raise
        perishing.note(self)

    def release(self) -> None:
        """Give the address back."""
        if self._claim is not None:
            self._claim.close()

    def perish(self) -> None:
        """As ``release``, for the server's end."""
        self.release()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_claim": None}

    def __str__(self) -> str:
        return self.ip
