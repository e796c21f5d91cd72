"""The gate before the state: many may change it at once, or one may take its picture.

A picture must not show half a request or half a step of a background operation. So whoever changes the state
is *inside* the gate meanwhile, and leaves it to wait: for AWS's time, for a process, for another thread.

A lock is taken inside the gate, never the other way round: a thread that waited before the gate with a lock
in its hand would keep those inside from leaving.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class ServerRestarted(BaseException):
    """The server this thread belongs to is no more; no ``except Exception`` holds the thread back."""


class _Place(threading.local):
    """Where a thread stands."""

    depth = 0
    life: int | None = None
    waits = 0


class Gate:
    """Shared by those who change the state, exclusive for the picture."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = 0
        self._at_work = 0
        self._here = _Place()
        self.life = 0
        """Number of the server's life in this process; a background thread belongs to one."""
        self.frozen = False
        """No background thread gets in any more: that children are being stopped is no news to be kept."""
        self.generation = 0
        """Counts changes of the state."""

    def touch(self) -> None:
        """Something changed, or is about to in this stay inside."""
        with self._changed:
            self.generation += 1
            self._changed.notify_all()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Stay inside; nested stays are one.

        :raises ServerRestarted: the thread is a former life's.
        """
        here = self._here
        if not here.depth:
            self._enter()
        here.depth += 1
        try:
            yield
        finally:
            # A thread whose life ended while it waited is outside for good.
            if here.depth:
                here.depth -= 1
                if not here.depth:
                    self._leave()

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Wait for something; whoever is inside leaves meanwhile.

        :raises ServerRestarted: the thread is a former life's by now.
        """
        here = self._here
        depth, here.depth = here.depth, 0
        if depth:
            self._leave()
        self._at_rest(+1)
        try:
            yield
        finally:
            self._at_rest(-1)
            if depth:
                self._enter()
                here.depth = depth
        self.check()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Nobody but this thread is inside meanwhile; those that come wait."""
        with self._changed:
            self._closed += 1
            while self._inside:
                self._changed.wait()
        self._here.depth += 1
        try:
            yield
        finally:
            self._here.depth -= 1
            with self._changed:
                self._closed -= 1
                self._changed.notify_all()

    def begin_life(self) -> None:
        """End the threads of the present life as soon as they come to the gate; called while it is closed."""
        with self._changed:
            self.life += 1
            self._changed.notify_all()

    def wait_for_work(self, seconds: float) -> bool:
        """Wait until no background thread works any more, on files or ports perhaps; whether that is so.

        Whoever waits *outside* does not work, and finds there that its life is over.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._at_work, seconds)

    def wait_for_change(self, generation: int) -> None:
        """Return once the state has changed since a generation."""
        with self._changed:
            while self.generation == generation:
                self._changed.wait()

    def of_this_life(self, run: Callable[[], None]) -> Callable[[], None]:
        """What a background thread runs: it ends silently once its life is over.

        What a thread of a former life starts belongs to that life.
        """
        life = self.life if self._here.life is None else self._here.life

        def limited() -> None:
            self._here.life = life
            self._work(+1)
            try:
                self.check()
                run()
            except ServerRestarted:
                return
            finally:
                self._work(-1)

        return limited

    def check(self) -> None:
        """:raises ServerRestarted: this thread is a former life's."""
        if self._here.life not in (None, self.life):
            raise ServerRestarted

    def _at_rest(self, step: int) -> None:
        """A background thread begins or ends a wait, which may be within another."""
        here = self._here
        before, here.waits = here.waits, here.waits + step
        if here.life is not None and 0 in (before, here.waits):
            self._work(-step)

    def _work(self, step: int) -> None:
        with self._changed:
            self._at_work += step
            if not self._at_work:
                self._changed.notify_all()

    def _enter(self) -> None:
        with self._changed:
            self.check()
            while self._closed or (self.frozen and self._here.life is not None):
                self._changed.wait()
                self.check()
            self._inside += 1

    def _leave(self) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()
