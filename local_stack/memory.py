"""The memory that a stack takes, watched while it works."""

from __future__ import annotations

import threading
from pathlib import Path

from local_stack import processes

SAMPLE_SECONDS = 3.0
"""One sample reads the page tables of some forty processes: about 50 ms."""


class PeakMemory(threading.Thread):
    """Samples the PSS of all processes of a stack until stopped. Used as a context manager."""

    def __init__(self, home: Path) -> None:
        super().__init__(name="peak-memory", daemon=True)
        self._home = home
        self._stop_event = threading.Event()
        self.idle_bytes = processes.pss_bytes(home)
        self.peak_bytes = self.idle_bytes

    def run(self) -> None:
        while not self._stop_event.wait(SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, processes.pss_bytes(self._home))

    def __enter__(self) -> PeakMemory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_event.set()
        self.join()
