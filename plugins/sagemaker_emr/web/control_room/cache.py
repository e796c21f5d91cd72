"""What was read of AWS, kept for a while; and kept on, with the reason, while AWS can't be read."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr.airflow_versions import AirflowException
from sagemaker_emr.exceptions import SageMakerEmrError
from sagemaker_emr.web.control_room.models import Trouble

T = TypeVar("T")

FRESH_SECONDS = 20.0
"""How long an answer is shown without asking AWS again, whoever looks."""

TROUBLE_SECONDS = 10.0
"""How long AWS is left alone after it could not be read."""

KEYS = 256
"""Of environments, sections and years together; the one that nobody asked for longest goes."""

MAX_REASON_CHARACTERS = 500

READ_ERRORS = (AirflowException, BotoCoreError, ClientError)
"""What keeps AWS from being read: no connection, no credentials, no network, or AWS's refusal."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What is known.

    :param value: None where nothing was ever read.
    :param read_at: when ``value`` was read.
    :param trouble: why it could not be read again.
    """

    value: T | None = None
    read_at: datetime | None = None
    trouble: Trouble | None = None


@dataclass
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Answer[object] = field(default_factory=Answer)
    asked_at: float | None = None


class Cache:
    """Answers by key; one reader a key, however many ask at once.

    It is of one process: each worker of the API server has its own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: OrderedDict[tuple[str, ...], _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, key: tuple[str, ...], read: Callable[[], T], fresh_seconds: float = FRESH_SECONDS
    ) -> Answer[T]:
        """What ``read`` returned last, read again where that is too long ago.

        While somebody reads, others get what is known already; only who knows nothing waits.
        """
        entry = self._entry(key)
        if self._is_due(entry, fresh_seconds) and entry.lock.acquire(blocking=entry.asked_at is None):
            try:
                if self._is_due(entry, fresh_seconds):
                    entry.answer = _read(read, entry.answer)
                    entry.asked_at = self._clock()
            finally:
                entry.lock.release()
        return entry.answer  # type: ignore[return-value]

    def forget(self, key: tuple[str, ...]) -> None:
        """Read this anew next time; what is known stays for the case that it can't be."""
        entry = self._entry(key)
        with entry.lock:
            if entry.asked_at is not None:
                entry.asked_at = float("-inf")

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def _entry(self, key: tuple[str, ...]) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            if len(self._entries) > KEYS:
                self._entries.popitem(last=False)
            return entry

    def _is_due(self, entry: _Entry, fresh_seconds: float) -> bool:
        kept = TROUBLE_SECONDS if entry.answer.trouble else fresh_seconds
        return entry.asked_at is None or self._clock() - entry.asked_at >= kept


def _read(read: Callable[[], object], before: Answer[object]) -> Answer[object]:
    try:
        return Answer(read(), datetime.now(UTC))
    except READ_ERRORS as error:
        return replace(before, trouble=trouble(error))


def trouble(error: Exception) -> Trouble:
    """Why AWS could not be read, for the page.

    Of AWS's words only the first line: what follows it, of a wrong signature, is the request itself, with the
    session's token.
    """
    if isinstance(error, SageMakerEmrError):
        return Trouble(what=error.what, reason=_first_line(error.reason), next_step=error.next_step)
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        return Trouble(
            what=f"AWS refused {error.operation_name} ({code})",
            reason=_first_line(error.response.get("Error", {}).get("Message") or str(error)),
            next_step="The API server reads AWS through the connection aws_default. "
            "docs/guides/control_room.md lists what its role needs.",
        )
    return Trouble(
        what="AWS can't be reached",
        reason=_first_line(str(error)),
        next_step="Look at the connection aws_default and at the network of Airflow's API server.",
    )


def _first_line(text: str | None) -> str | None:
    lines = (text or "").strip().splitlines()
    return lines[0][:MAX_REASON_CHARACTERS] if lines else None
