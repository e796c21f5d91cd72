"""CloudWatch Logs: moto's groups and streams, written to by our jobs and endpoints while they run.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path

from moto.logs import models as moto_models
from moto.logs.exceptions import ResourceNotFoundException

from local_aws import persistence
from local_aws.persistence import perishing

FOLLOW_SECONDS = 0.2
MAX_EVENT_CHARACTERS = 262_118
"""PutLogEvents' limit of one event, less the 26 bytes that AWS adds."""


class LogsBackend(moto_models.LogsBackend):
    """moto's backend, and what FilterLogEvents needs to find streams by prefix."""

    def stream_names(self, group: str, prefix: str) -> list[str]:
        """The names of a group's streams that start with a prefix.

        :raises ResourceNotFoundException: there is no such group.
        """
        if group not in self.groups:
            raise ResourceNotFoundException
        return [name for name in list(self.groups[group].streams) if name.startswith(prefix)]


class LogStream:
    """One stream, made with its group when first written to, as SageMaker's agents do."""

    def __init__(self, account_id: str, region: str, group: str, stream: str) -> None:
        self.group, self.name = group, stream
        self._backend = moto_models.logs_backends[account_id][region]

    def write(self, lines: Iterable[str]) -> None:
        """Append lines, now; empty ones can't be events and are left out."""
        now = int(time.time() * 1000)
        events = [
            {"timestamp": now, "message": line[:MAX_EVENT_CHARACTERS]} for line in lines if line.strip()
        ]
        if not events:
            return
        with persistence.change():
            self._backend.ensure_log_group(self.group)
            self._backend.ensure_log_stream(self.group, self.name)
            self._backend.put_log_events(self.group, self.name, events)


class LogFollower:
    """Copies a file that a process writes into a stream, line by line, until told that it is finished."""

    def __init__(self, path: Path, stream: LogStream) -> None:
        self._path, self._stream = path, stream
        self._position, self._rest = 0, b""
        self._finished = threading.Event()
        run = persistence.background(self._follow)
        self._thread = threading.Thread(target=run, name=f"log of {stream.name}", daemon=True)
        self._thread.start()
        perishing.note(self)

    def perish(self) -> None:
        """Follow no longer: the server ends."""
        self._finished.set()

    def finish(self) -> None:
        """Copy what is left; returns when all of it is in the stream."""
        self._finished.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._finished.wait(FOLLOW_SECONDS):
            self._copy()
        self._copy()
        if self._rest:
            self._stream.write([self._rest.decode(errors="replace")])

    def _copy(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            added = file.read()
        self._position += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        self._stream.write(line.decode(errors="replace") for line in lines)


moto_models.logs_backends.backend = LogsBackend
