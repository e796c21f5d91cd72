"""What is expected of a date's prepared rows, checked row by row with pydantic; and a hash of their content.

The rows are those of the written files, read back: a date has to fit into the memory of whoever trains on
it, so it fits into the driver's.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from flight_features import FEATURES, HIGHEST_WIND_MPH, IDENTITY, ORDER, TARGET
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

DAY_MINUTES = 24 * 60
DELAY = (-DAY_MINUTES, 2 * DAY_MINUTES)
CIRCLE = (-1, 1)
FLAG = (0, 1)

KINDS: dict[str, Any] = {
    "date": datetime.date,
    "carrier": str,
    "flight": int,
    "tailnum": str,
    "origin": str,
    "dest": str,
    "sched_dep_time": int,
}
"""Types of what identifies a flight; none of them may be null."""
REQUIRED_RANGES = {
    "dep_delay": DELAY,
    "distance": (1, 12_000),
    "sched_dep_minute": (0, DAY_MINUTES),
    "sched_minutes": (0, DAY_MINUTES),
    "time_of_day_sin": CIRCLE,
    "time_of_day_cos": CIRCLE,
    "weekday_sin": CIRCLE,
    "weekday_cos": CIRCLE,
    "from_jfk": FLAG,
    "from_lga": FLAG,
    TARGET: DELAY,
}
"""Minutes and miles; none of these columns may be null."""
RANGES = {
    "seats": (1, 900),
    "engines": (1, 8),
    "plane_age": (-1, 100),
    "temp": (-80, 140),
    "dewp": (-80, 100),
    "humid": (0, 100),
    "wind_speed": (0, HIGHEST_WIND_MPH),
    "wind_gust": (0, HIGHEST_WIND_MPH),
    "wind_from_east": (-HIGHEST_WIND_MPH, HIGHEST_WIND_MPH),
    "wind_from_north": (-HIGHEST_WIND_MPH, HIGHEST_WIND_MPH),
    "precip": (0, 15),
    "pressure": (850, 1100),
    "visib": (0, 100),
}
"""Years, degrees Fahrenheit, percent, miles an hour, inches, millibars, miles; null where nothing is known.
What the history taught is in minutes, null where there is none."""


class Failed(NamedTuple):
    """One expectation that was not met, and by how many rows."""

    column: str
    expectation: str
    rows: int

    def __str__(self) -> str:
        return f"{self.column}: {self.expectation} ({self.rows} rows)"


def _row_model() -> type[BaseModel]:
    columns: dict[str, Any] = {name: (KINDS[name], ...) for name in IDENTITY}
    for name in [*FEATURES, TARGET]:
        required = name in REQUIRED_RANGES
        low, high = REQUIRED_RANGES[name] if required else RANGES.get(name, DELAY)
        kind = float if required else Optional[float]  # noqa: UP045 (Python 3.9)
        columns[name] = (kind, Field(ge=low, le=high, allow_inf_nan=False))
    return create_model("PreparedFlight", __config__=ConfigDict(strict=True, extra="forbid"), **columns)


_ROWS = TypeAdapter(list[_row_model()])  # type: ignore[misc]


def failed_expectations(
    rows: Sequence[Mapping[str, Any]], date: datetime.date, expected_rows: int
) -> list[Failed]:
    """All that is wrong with a date's rows: columns, types, nulls, ranges, their number, duplicates, date.

    :param expected_rows: how many flights of the date arrived, counted before anything was joined to them.
    """
    found: Counter[tuple[str, str]] = Counter()
    try:
        _ROWS.validate_python(rows)
    except ValidationError as error:
        found.update(
            (str(problem["loc"][1]), problem["msg"])
            for problem in error.errors(include_url=False, include_input=False)
        )
    failed = [Failed(column, message, count) for (column, message), count in sorted(found.items())]
    if len(rows) != expected_rows:
        message = f"{len(rows)} of {expected_rows} flights that arrived"
        failed.append(Failed("rows", message, abs(len(rows) - expected_rows)))
    flights = Counter(tuple(row.get(name) for name in IDENTITY) for row in rows)
    if repeated := sum(count - 1 for count in flights.values()):
        failed.append(Failed(", ".join(IDENTITY), "a flight is there more than once", repeated))
    if strangers := sum(row.get("date") != date for row in rows):
        failed.append(Failed("date", f"is not {date}", strangers))
    return failed


def content_hash(rows: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 of the rows' columns and values, in the job's order: equal for equal content, however stored.

    Numbers are written as Python's shortest form that reads back as the same number.
    """
    ordered = sorted(rows, key=lambda row: [(row[name] is not None, row[name]) for name in ORDER])
    digest = hashlib.sha256()
    for row in ordered:
        digest.update(json.dumps(dict(row), default=str).encode() + b"\n")
    return digest.hexdigest()
