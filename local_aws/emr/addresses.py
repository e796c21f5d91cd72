"""Loopback addresses for clusters: Linux answers on all of 127.0.0.0/8, so each has its own port 8998."""

from __future__ import annotations

import random
import socket

LIVY_PORT = 8998
ATTEMPTS = 100


class Address:
    """A loopback address that no other cluster on this machine has, of this server or another.

    Another server's cluster may not listen yet, so looking for a free TCP port is not enough. The same
    port is held for UDP, which nothing else uses, until ``release``.
    """

    def __init__(self) -> None:
        for _ in range(ATTEMPTS):
            self.ip = f"127.{random.randint(64, 127)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
            self._claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._claim.bind((self.ip, LIVY_PORT))
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((self.ip, LIVY_PORT))
                return
            except OSError:
                self._claim.close()
        raise OSError(f"No loopback address with a free port {LIVY_PORT} in {ATTEMPTS} attempts.")

    def release(self) -> None:
        """Give the address back."""
        self._claim.close()

    def __str__(self) -> str:
        return self.ip
