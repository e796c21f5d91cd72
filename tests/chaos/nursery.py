"""Plays schedules, each in a fork of one process that made the ground: as many at once as it is told to."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

from tests.chaos import ground
from tests.chaos.play import Result, play
from tests.chaos.schedules import Schedule

PLAY_SECONDS = 300.0
"""A play that takes longer hangs; it is killed and counts as violated."""


class Nursery:
    """Makes the ground in this process, which should do nothing else."""

    def __init__(self) -> None:
        self._home = tempfile.mkdtemp(prefix="chaos-")
        self._ground = ground.make(self._home)
        # Forks need not look through all that for garbage, nor copy its pages by doing so.
        gc.collect()
        gc.freeze()

    def close(self) -> None:
        """Remove the files of all plays."""
        shutil.rmtree(self._home, ignore_errors=True)

    def play(
        self,
        schedules: Iterable[Schedule],
        undisturbed: dict[str, dict[str, Any]] | None = None,
        at_once: int = 1,
        prepare: Any = None,
    ) -> Iterator[Result]:
        """The result of each schedule, in the order in which they end.

        :param undisturbed: the outputs of each scenario's undisturbed play.
        :param prepare: called in each fork, before the play: to break the product on purpose.
        """
        waiting = iter(schedules)
        running: dict[int, tuple[Schedule, int, float, bytearray]] = {}
        reverse = False
        while True:
            while len(running) < at_once and (schedule := next(waiting, None)) is not None:
                expected = (undisturbed or {}).get(schedule.scenario)
                pid, pipe = self._fork(schedule, expected, reverse, prepare)
                reverse = not reverse
                running[pipe] = schedule, pid, time.monotonic(), bytearray()
            if not running:
                return
            yield from self._collect(running)

    def _fork(
        self, schedule: Schedule, undisturbed: dict[str, Any] | None, reverse: bool, prepare: Any
    ) -> tuple[int, int]:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writing)
            return pid, reading
        self._hush()
        try:
            if prepare:
                prepare()
            result = play(self._ground, schedule, undisturbed, reverse)
        except BaseException:
            result = Result(schedule, [f"the play broke: {traceback.format_exc()}"], 0, [], {})
        with contextlib.suppress(OSError), os.fdopen(writing, "wb") as pipe:
            pickle.dump(result, pipe)
        os._exit(0)

    def _hush(self) -> None:
        """What threads say while an embedded AWS is killed under them is for those who ask for it."""
        if not os.environ.get("CHAOS_LOG"):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())

    def _collect(self, running: dict[int, tuple[Schedule, int, float, bytearray]]) -> Iterator[Result]:
        """What has ended meanwhile."""
        ready, _, _ = select.select(list(running), [], [], 1.0)
        for pipe in ready:
            if chunk := os.read(pipe, 1 << 20):
                running[pipe][3].extend(chunk)
                continue
            schedule, pid, _, told = self._reap(running, pipe)
            yield pickle.loads(told) if told else _broken(schedule, f"its process {pid} died")  # noqa: S301
        for pipe, (schedule, pid, began, _) in list(running.items()):
            if time.monotonic() - began > PLAY_SECONDS:
                os.kill(pid, signal.SIGKILL)
                self._reap(running, pipe)
                yield _broken(schedule, f"it hung for {PLAY_SECONDS:.0f} s")

    @staticmethod
    def _reap(running: dict[int, Any], pipe: int) -> Any:
        os.waitpid(running[pipe][1], 0)
        os.close(pipe)
        return running.pop(pipe)


def _broken(schedule: Schedule, why: str) -> Result:
    return Result(schedule, [f"the play broke: {why}"], 0, [], {})
