"""What Spark and the training made once, for the same raw data: files of ``recording/``.

``python -m tests.chaos record`` makes them anew with the real runtimes.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

EVENING_HOUR = 15
EVENING_MINUTES, DAY_MINUTES = 25, -10

FOLDER = Path(__file__).parent / "recording"
RECORD = "CHAOS_RECORD"

HYPERPARAMETERS = {
    "max_depth": 2,
    "eta": 0.3,
    "num_round": 20,
    "subsample": 1,
    "min_child_weight": 1,
    "seed": 1,
}
"""A small model, which beats its baselines."""


def raw_data(s3: Any, bucket: str) -> Any:
    """Eight days of raw data, uploaded. Flights in the evening lose time: there is something to learn."""
    from tests.include.spark.raw_data import RawData, clock

    data = RawData(s3, bucket)
    for flight in (one for day in data.flights.values() for one in day if one["dep_delay"] != "NA"):
        added = EVENING_MINUTES if flight["hour"] >= EVENING_HOUR else DAY_MINUTES
        flight["arr_delay"] = flight["dep_delay"] + added + flight["minute"] % 10
        flight["arr_time"] = clock(flight["hour"] * 60 + flight["minute"] + 150 + flight["arr_delay"])
    data.upload()
    return data


@cache
def partitions() -> dict[str, dict[str, Any]]:
    """What a manifest tells of each day: ``rows``, ``schema_hash``, ``content_hash``."""
    told: dict[str, dict[str, Any]] = json.loads((FOLDER / "partitions.json").read_text())
    return told


@cache
def partition(day: str) -> bytes:
    """A day's parquet file."""
    return (FOLDER / f"day={day}.parquet").read_bytes()
