"""What was found, decided and done, as a table for the log and as JSON; and the verdict over a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sagemaker_emr.exceptions import OrphansRemain
from sagemaker_emr.orphans import Decision

ROWS = "rows"
"""The XCom key of rows, pushed by the tasks that decide."""

FAILURE = "failure"
"""The XCom key of what a task could not end, and why."""

COLUMNS = ("decision", "environment", "kind", "resource", "what", "owner", "age_hours", "why", "outcome")
NO_OUTCOME = "nothing is known of its end: the task's log tells"

Rows = Sequence[Mapping[str, Any]]


def log_table(rows: Rows) -> str:
    """A line for each row, what ends first."""
    if not rows:
        return "Nothing was found."
    order = {decision: rank for rank, decision in enumerate(Decision)}
    cells = [list(COLUMNS)]
    for row in sorted(rows, key=lambda one: (order[Decision(one["decision"])], one["kind"], one["resource"])):
        cells.append([" ".join(str(row[column]).split()) for column in COLUMNS])
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return "\n".join(line.rstrip() for line in lines)


def with_outcomes(rows: Rows, ended: Iterable[Any], failures: Iterable[Any]) -> list[dict[str, Any]]:
    """The rows with what came of each that was to end.

    :param ended: what the tasks that ended them returned.
    :param failures: what those left that could not.
    """
    told = {_key(one): one["outcome"] for one in [*failures, *ended] if one}
    return [
        {**row, "outcome": row["outcome"] or told.get(_key(row), NO_OUTCOME)}
        if row["decision"] == Decision.END
        else dict(row)
        for row in rows
    ]


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["resource"], row["kind"], row.get("environment", "")


def report(environment: str, rows: Rows, dry_run: bool) -> dict[str, Any]:
    """The whole report, for JSON."""
    return {
        "environment": environment,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "dry_run": dry_run,
        "counts": counts(rows),
        "rows": list(rows),
    }


def counts(rows: Rows) -> dict[str, int]:
    """How many rows there are of each decision."""
    return {each.value: sum(row["decision"] == each for row in rows) for each in Decision}


def check(environment: str, rows: Rows, missing: Sequence[str], unreadable: Sequence[str] = ()) -> None:
    """Whether all that was to end has ended, or was kept by a second look.

    :param missing: tasks that left no rows.
    :param unreadable: environments that nothing is known of.
    :raises OrphansRemain: naming each thing that could not be ended, and each task that did not decide.
    """
    left = [
        f"{row['kind']} {row['resource']}: {row['outcome']}"
        for row in rows
        if row["decision"] == Decision.END and not row["outcome"].startswith(("ended", "kept"))
    ]
    left += [f"{task_id} failed before it had decided" for task_id in missing]
    left += unreadable
    if left:
        raise OrphansRemain(
            f"Not everything that is left over in environment {environment} could be ended",
            reason="\n".join(left),
            next_step="Remove the causes: the failed task's log says more. The next run tries again.",
        )
