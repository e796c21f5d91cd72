"""What reads said before a write, to say it again for a while after."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, defaultdict
from typing import Any

from local_aws.errors import Answer
from local_aws.identify import Identity

READING = (
    *("BatchDescribe", "BatchGet", "Describe", "Get", "Head", "List", "Lookup", "Query", "Scan"),
    *("Search", "Select", "Simulate", "Validate"),
)
KEPT_READS = 1_000

Key = tuple[Any, ...]
Place = tuple[str | None, str | None]


def is_read(identity: Identity) -> bool:
    """Whether an operation changes nothing, by its name."""
    return (identity.operation or "").startswith(READING)


class History:
    """Writes by service and Region, and the answers to reads; thread-safe.

    An answer was there *before* a write if it was complete when the write came in.
    """

    def __init__(self, kept_seconds: float) -> None:
        self._kept_seconds = kept_seconds
        self._lock = threading.Lock()
        self._writes: dict[Place, list[tuple[float, float]]] = defaultdict(list)
        self._reads: OrderedDict[Key, list[tuple[float, Answer]]] = OrderedDict()

    def wrote(self, identity: Identity, begun: float) -> None:
        """Note a write that was executed just now."""
        ended = time.monotonic()
        place = identity.service, identity.region
        with self._lock:
            recent = [write for write in self._writes[place] if ended - write[1] < self._kept_seconds]
            self._writes[place] = [*recent, (begun, ended)]

    def read(self, key: Key, answer: Answer) -> None:
        """Note the answer to a read."""
        now = time.monotonic()
        with self._lock:
            answers = self._reads.setdefault(key, [])
            self._reads.move_to_end(key)
            # What is older than the last one of before all writes kept is never told again.
            while len(answers) > 1 and answers[1][0] < now - self._kept_seconds:
                answers.pop(0)
            answers.append((now, answer))
            while len(self._reads) > KEPT_READS:
                self._reads.popitem(last=False)

    def before(self, identity: Identity, key: Key, seconds: float) -> tuple[bool, Answer | None]:
        """Whether there was a write within the last seconds, and the last answer of before it."""
        now = time.monotonic()
        with self._lock:
            place = identity.service, identity.region
            begun = [begun for begun, ended in self._writes.get(place, ()) if now - ended < seconds]
            if not begun:
                return False, None
            told = [answer for at, answer in self._reads.get(key, ()) if at <= min(begun)]
        return True, told[-1] if told else None
