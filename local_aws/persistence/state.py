"""A server's state on disk: written before an answer leaves that could have told it, read at the start."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_aws.persistence import objects, world
from local_aws.persistence.gate import Gate
from local_aws.persistence.store import Store, set_aside

REQUEST_SECONDS = 0.05
"""After which a noted request is on the disk; nothing waits for it."""

LAST_WORK_SECONDS = 10.0
"""Given to the threads of a former life to come to the gate, where they end."""

log = logging.getLogger(__name__)


class State:
    """Keeps the state of this process in a folder.

    :param gate: entered by whoever changes the state.
    :param extra: what else than moto's backends belongs to the picture.
    """

    def __init__(self, folder: Path, gate: Gate, extra: Callable[[], dict[str, Any]]) -> None:
        self._gate, self._extra, self._folder = gate, extra, folder
        self._saved = threading.Condition()
        self._saved_generation = 0
        self._saving = threading.RLock()
        self.failure: Exception | None = None
        self.told: dict[str, Any] = {"folder": str(folder)}
        """What is to be told of the start: what was resumed, what could not be read."""
        self.saves, self.save_seconds = 0, 0.0
        try:
            self._use(Store(folder))
        except sqlite3.DatabaseError as error:
            self._set_aside(str(error))

    def _use(self, store: Store) -> None:
        self.store, self.kept = store, objects.use(store)

    def _set_aside(self, why: str) -> None:
        aside = set_aside(self._folder)
        self.told["set_aside"] = {"folder": str(aside), "reason": why}
        log.error(
            "The state in %s can't be read (%s). It is in %s now; this one is empty.",
            self._folder,
            why,
            aside,
        )
        self._use(Store(self._folder))

    # Reading

    def restore(self) -> dict[str, Any] | None:
        """Put the state back; what ``extra`` was, None for a new folder."""
        content = self.store.read_world()
        if content is None:
            return None
        started = time.monotonic()
        try:
            extra = world.put_back(content)
            keys = self.kept.restore(world.buckets())
        except (world.UnreadableState, sqlite3.DatabaseError) as error:
            world.forget()
            self.store.close()
            self._set_aside(str(error))
            return None
        log.info("State of %s: %d S3 keys, read in %.2f s", self._folder, keys, time.monotonic() - started)
        return extra

    def requests(self, last: int) -> list[dict[str, Any]]:
        """The last requests noted in former lives, oldest first."""
        return [json.loads(entry) for entry in self.store.requests(last)]

    # Writing

    def start(self) -> None:
        """Begin to write what changes."""
        threading.Thread(target=self._save_for_ever, name="state", daemon=True).start()
        threading.Thread(target=self._flush_for_ever, name="state requests", daemon=True).start()

    def wait(self, *, keys_only: bool = False) -> None:
        """Return once all that is changed by now is durable.

        :param keys_only: all of S3's keys and uploads; the rest need not be.
        :raises OSError: it can't be: the disk is full, for example.
        """
        self.store.flush()
        if keys_only:
            return
        generation = self._gate.generation
        with self._saved:
            while self._saved_generation < generation:
                if self.failure is not None:
                    raise OSError(f"The state can't be written to {self._folder}: {self.failure}")
                self._saved.wait()

    def save(self) -> None:
        """Write the picture now.

        :raises pickle.PicklingError: something can't be kept.
        """
        with self._saving:
            started = time.monotonic()
            with self._gate.closed():
                generation = self._gate.generation
                content = world.take(self._extra())
            # Keys first: a job that has ended in the picture has its results in S3.
            self.store.flush()
            self.store.write_world(content)
            self.saves += 1
            self.save_seconds += time.monotonic() - started
        with self._saved:
            self._saved_generation = max(generation, self._saved_generation)
            self.failure = None
            self._saved.notify_all()

    def _save_for_ever(self) -> None:
        while True:
            self._gate.wait_for_change(self._saved_generation)
            try:
                self.save()
            except Exception as error:
                log.exception("The state can't be written to %s", self._folder)
                with self._saved:
                    self.failure = error
                    self._saved.notify_all()
                time.sleep(1)

    def _flush_for_ever(self) -> None:
        while True:
            time.sleep(REQUEST_SECONDS)
            self.store.flush()

    def restart(self, end: Callable[[], None], begin: Callable[[dict[str, Any] | None], None]) -> None:
        """Another life with what is on the disk, which is all that anybody was told.

        :param end: ends what the present life runs.
        :param begin: goes on with what was in progress, given what ``restore`` answers.
        """
        with self._gate.closed(), self._saving:
            self.save()
            self._gate.begin_life()
            end()
            # A thread that is at work, on a cluster's folder or port, must not meet the one that resumes it.
            if not self._gate.wait_for_work(LAST_WORK_SECONDS):
                log.warning("Threads of the former life still work after %.0f s", LAST_WORK_SECONDS)
            end()
            begin(self.restore())

    def forget(self, reset: Callable[[], Any]) -> Any:
        """Forget everything, here and on disk; what ``reset``, which forgets it here, answers."""
        with self._saving:
            answer = reset()
            self.store.clear()
        self._gate.touch()
        self.wait()
        return answer
