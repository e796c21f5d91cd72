"""State on disk: what a client was told survives the server, however it ends.

``change()``
    Around whatever changes the state outside of a request: inside, nobody takes a picture of half of it.
``touch()``
    Says that something changed.
``waiting()``
    Around whatever waits, for AWS's time above all, in a thread that may be inside.
``background(run)``
    For the target of a thread that belongs to this life of the server.
``restart()``
    kill -9 and a new start, within this process: for tests that want many of them.

Without a state folder all this costs next to nothing and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws.persistence.gate import Gate, ServerRestarted

if TYPE_CHECKING:
    from local_aws.persistence.state import State

__all__ = ["ServerRestarted", "background", "change", "check", "keep", "restart", "touch", "waiting"]

SEQUENCE_GAP = 1000
"""How far the numbers of noted requests jump after a crash, which may have lost the last few."""

gate = Gate()
_state: State | None = None


@contextmanager
def change() -> Iterator[None]:
    """Change the state: whole, as far as the next life can tell.

    :raises ServerRestarted: this thread's server is no more.
    """
    with gate.inside():
        try:
            yield
        finally:
            keep()
            gate.touch()


def keep() -> bool:
    """Queue the S3 keys that this thread has changed; whether there are some."""
    return _state is not None and _state.kept.keep_changes()


def check() -> None:
    """:raises ServerRestarted: this thread's server is no more, and what it would tidy up is another's."""
    gate.check()


def touch() -> None:
    """Something changed, or will before this thread leaves the gate."""
    gate.touch()


def waiting() -> AbstractContextManager[None]:
    """Wait outside of the gate.

    :raises ServerRestarted: this thread's server is no more.
    """
    return gate.outside()


def background(run: Callable[[], None], *, inside: bool = False) -> Callable[[], None]:
    """A thread's target that ends with this life of the server.

    :param inside: it is inside all the time except where it says ``waiting``.
    """

    def within() -> None:
        with gate.inside():
            run()

    return gate.of_this_life(within if inside else run)


def is_kept() -> bool:
    """Whether there is a state folder."""
    return _state is not None


def wait(*, keys_only: bool = False) -> None:
    """Return once all that is changed by now is durable.

    :param keys_only: all of S3's keys; the rest need not be.
    :raises OSError: it can't be written.
    """
    if _state is not None:
        _state.wait(keys_only=keys_only)


def note_request(seq: int, entry: str) -> None:
    """Keep a noted request, soon."""
    if _state is not None:
        _state.store.queue_request(seq, entry)


def forget(reset: Callable[[], Any]) -> Any:
    """Forget everything; what ``reset``, which does so in memory, answers."""
    return reset() if _state is None else _state.forget(reset)


def freeze() -> None:
    """Let no background thread change the state any more: the server ends."""
    gate.frozen = True


def told() -> dict[str, Any]:
    """What is to be told of the state.

    Its ``folder``, whether it was ``restored``, what was ``resumed`` and what was ``set_aside``.
    """
    return {} if _state is None else _state.told


def open_folder(folder: Path) -> State:
    """Keep the state of this process there, beginning with what is there; what is in memory is forgotten."""
    global _state
    from local_aws.persistence import objects, scratch, world
    from local_aws.persistence.state import State
    from local_aws.settings import settings

    objects.install()
    world.forget()
    scratch.reap(settings.home)
    _state = State(folder, gate, extra=_extra)
    with gate.closed():
        _come_to_life(_state.restore())
    _state.start()
    return _state


def restart() -> dict[str, int]:
    """End this life of the server as kill -9 would, and begin another with what is on the disk.

    Requests that are being worked on are answered first; those that come wait. Threads of the former life end
    where they next change the state or wait for AWS's time, before the next life begins; its processes end at
    once. What differs from a real kill: connections stay, and modules keep what they cache.

    :return: how many operations of each kind were resumed.
    """
    from local_aws.persistence import perishing

    assert _state is not None, "restart() needs a state folder"  # noqa: S101
    _state.restart(perishing.end, _come_to_life)
    resumed: dict[str, int] = _state.told.get("resumed", {})
    return resumed


def _extra() -> dict[str, Any]:
    return {}


def _come_to_life(extra: dict[str, Any] | None) -> None:
    """Go on with everything while the gate is closed, so that nothing of it goes on by itself yet.

    A stack that is resumed may make a cluster at once, which must not be taken for one to resume.
    """
    from local_aws.persistence import resuming

    assert _state is not None  # noqa: S101
    _state.told["restored"] = extra is not None
    _state.told["resumed"] = resuming.resume() if extra is not None else {}
