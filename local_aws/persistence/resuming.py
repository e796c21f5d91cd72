"""Operations in progress go on in the next life."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from moto.core.base_backend import BackendDict

log = logging.getLogger(__name__)


def resume() -> dict[str, int]:
    """Let every backend with a ``resume`` go on; how many operations of each kind there are.

    ``resume()`` starts threads for what was in progress and answers a count by kind.
    """
    counts: Counter[str] = Counter()
    for backend in _backends():
        if hasattr(backend, "resume"):
            counts.update(backend.resume())
    resumed = {kind: count for kind, count in counts.items() if count}
    if resumed:
        log.info("Resumed: %s", ", ".join(f"{count} {kind}" for kind, count in resumed.items()))
    return resumed


def _backends() -> list[Any]:
    instances = list(BackendDict._instances)
    return [backend for each in instances for _, _, backend in list(each.iter_backends())]
