"""The embedded AWS killed and started from its state, in the middle of a play."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from local_aws import persistence
from local_aws.persistence import objects, world
from local_aws.persistence.state import State

_state: State | None = None


def prepare() -> None:
    """Before anything is made: S3's keys are to tell what changes, and requests to go through the gate."""
    objects.install()
    persistence.is_kept = lambda: True


def restart(folder: Path) -> None:
    """Write the state, forget it, begin another life with what is on the disk.

    That every answer is durable before it leaves is for ``tests/local_aws/persistence``: here the state is
    written when it is needed, so that a play costs no more than it must.
    """
    global _state
    if _state is None:
        folder.mkdir(parents=True)
        _state = State(folder, persistence.gate, extra=_nothing)
    persistence._state = _state
    try:
        with persistence.gate.closed():  # what was begun without a state to keep is done by then
            for bucket in world.buckets():
                for key in list(bucket.keys):
                    bucket.keys._note(key)
            persistence.keep()
        persistence.restart()
    finally:
        persistence._state = None


def _nothing() -> dict[str, Any]:
    return {}
