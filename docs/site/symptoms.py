"""The pages that start from what a user sees: the checks' symptoms, and the texts of the errors."""

from __future__ import annotations

from collections.abc import Iterable

from docs.site.markdown import cell, table
from docs.site.texts import UNKNOWN, Check, Error, checks, errors

FIRST = "Cannot connect to livy service"
"""What most people come with."""

IN_THE_FINDING = "named in the report"


def checks_page(found: Iterable[Check] | None = None) -> str:
    """Markdown: a section a symptom, with what can cause it and what mends that."""
    by_symptom: dict[str, list[Check]] = {}
    for check in checks() if found is None else found:
        by_symptom.setdefault(check.symptom, []).append(check)
    ordered = sorted(by_symptom.items(), key=lambda one: FIRST not in one[0])
    return "\n".join(_symptom(symptom, those) for symptom, those in ordered)


def _symptom(symptom: str, found: Iterable[Check]) -> str:
    rows = [
        (f"{cell(check.title)}<br>`{check.name}`", _known(cause), _known(fix))
        for check in found
        for cause, fix in check.fixes
    ]
    return f"## {symptom.rstrip('.')}\n\n" + table(("what must hold", "cause", "fix"), rows)


def _known(text: str) -> str:
    return IN_THE_FINDING if text == UNKNOWN else _outside_code(text)


def errors_page(found: Iterable[Error] | None = None) -> str:
    """Markdown: a section a class, with all that it says."""
    return "\n".join(_error(error) for error in (errors() if found is None else found))


def _error(error: Error) -> str:
    retried = "Airflow tries the task again." if error.retried else "Airflow fails the task at once."
    rows = [tuple(_outside_code(part) for part in (m.what, m.reason, m.next_step)) for m in error.messages]
    head = ("the log says", "Reason", "Next step")
    return f"## {error.name}\n\n{error.described} {retried}\n\n{table(head, rows)}"


def _outside_code(text: str) -> str:
    """A cell in which Markdown reads code spans, and nothing else, into the text."""
    parts = cell(text).split("`")
    for number, part in enumerate(parts):
        if number % 2 == 0:
            for mark in "*_[]":
                part = part.replace(mark, f"\\{mark}")
            parts[number] = part
    return "`".join(parts)
