"""What Spark and the training made once, for the same raw data: files of ``recording/``.

``python -m tests.chaos record`` makes them anew with the real runtimes.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "recording"
RECORD = "CHAOS_RECORD"

HYPERPARAMETERS = {"max_depth": 2, "eta": 0.3, "num_round": 20, "subsample": 1, "min_child_weight": 1, "seed": 1}
"""A small model, which beats its baselines."""


@cache
def partitions() -> dict[str, dict[str, Any]]:
    """What a manifest tells of each day: ``rows``, ``schema_hash``, ``content_hash``."""
    told: dict[str, dict[str, Any]] = json.loads((FOLDER / "partitions.json").read_text())
    return told


@cache
def partition(day: str) -> bytes:
    """A day's parquet file."""
    return (FOLDER / f"day={day}.parquet").read_bytes()
