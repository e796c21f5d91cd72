"""What ends with a life of the server but is neither a thread nor a child process: sockets above all."""

from __future__ import annotations

import contextlib
import weakref
from typing import Protocol

from local_aws import processes


class Perishable(Protocol):
    """Something that a killed process would have let go of."""

    def perish(self) -> None:
        """Let go, at once."""


_alive: weakref.WeakSet[Perishable] = weakref.WeakSet()


def note(thing: Perishable) -> None:
    """Have it let go at the end of this life."""
    _alive.add(thing)


def end() -> None:
    """Kill the children and let go of the rest."""
    processes.kill_all()
    for thing in list(_alive):
        with contextlib.suppress(OSError):
            thing.perish()
    _alive.clear()
