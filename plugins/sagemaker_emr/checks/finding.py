"""What a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How a check ended; what could not be read is never PASSED."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """One statement of one check.

    :param verdict: how it ended.
    :param read: what was read, with the values found.
    :param resources: ids or ARNs of the resources that the statement is about, the one to mend first.
    :param cause: why it fails, or why it could not be checked.
    :param symptom: what a user would see.
    :param fix: what mends it.
    :param follows_from: name of the check whose finding tells the cause of this one.
    :param check: the check's name; filled in by the registry, as ``title`` is.
    """

    verdict: Verdict
    read: str
    resources: tuple[str, ...] = ()
    cause: str = ""
    symptom: str = ""
    fix: str = ""
    follows_from: str | None = None
    check: str = ""
    title: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "verdict": self.verdict.value, "resources": list(self.resources)}

    def __str__(self) -> str:
        parts = [f"{self.title} ({', '.join(self.resources)}): {self.cause or self.read}"]
        if self.symptom:
            parts.append(f"Symptom: {self.symptom}")
        if self.fix:
            parts.append(f"Fix: {self.fix}")
        return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts)


def passed(read: str, *resources: str) -> Finding:
    """What was read is as it must be."""
    return Finding(Verdict.PASSED, read, resources)


def failed(read: str, *resources: str, cause: str, fix: str, symptom: str = "") -> Finding:
    """What was read will make something fail.

    :param symptom: what a user would see, where it differs from the check's own.
    """
    return Finding(Verdict.FAILED, read, resources, cause=cause, fix=fix, symptom=symptom)


def not_checked(why: str, *resources: str, read: str = "", fix: str = "") -> Finding:
    """It could not be read, or says nothing here.

    :param fix: what would let it be checked.
    """
    return Finding(Verdict.NOT_CHECKED, read, resources, cause=why, fix=fix)
