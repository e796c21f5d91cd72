"""Reading a Livy batch's log: what is new in it, and why the job failed.

Livy keeps the last lines only (``livy.cache-log.size``, 200 by default), so an offset does not name a line
for long. Its answer has sections: ``stdout:`` (the driver's output and errors together), ``stderr:`` and, on
YARN, ``YARN Diagnostics:``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

TAIL_LINES = 20
REASON_LINES = 40

_SECTIONS = ("stdout:", "stderr:", "YARN Diagnostics:")
_TRACEBACK = "Traceback (most recent call last):"
_JAVA_EXCEPTION = re.compile(
    r"^(Exception in thread |Caused by: |(?:[a-z_]\w*\.)+[A-Z]\w*(?:Exception|Error)\b)"
)
_JAVA_FRAME = re.compile(r"^\s+(at |\.\.\. \d+ more)")
_LOG_RECORD = re.compile(r"^\d{2,4}[-/]\d\d[-/]\d\d \d\d:\d\d:\d\d")
_PYTHON_ERROR = re.compile(r"^[A-Za-z_][\w.]*(:|$)")


def sections(lines: Sequence[str]) -> dict[str, list[str]]:
    """The lines of each section, without the headings."""
    found: dict[str, list[str]] = {name: [] for name in _SECTIONS}
    current = _SECTIONS[0]
    for line in lines:
        if line.strip() in _SECTIONS:
            current = line.strip()
        else:
            found[current].append(line)
    return found


def output(lines: Sequence[str]) -> list[str]:
    """What the driver printed."""
    found = sections(lines)
    return found["stdout:"] + found["stderr:"]


def diagnostics(lines: Sequence[str]) -> str:
    """What YARN says of the application."""
    return "\n".join(sections(lines)["YARN Diagnostics:"]).strip()


class LogTail:
    """Tells the new lines of a log of which each answer holds only the end.

    :param seen: how many lines were met so far.
    :param tail: the last of them, to recognise the place when older lines have gone.
    """

    def __init__(self, seen: int = 0, tail: Sequence[str] = ()) -> None:
        self.seen = seen
        self.tail = list(tail)
        self.lost = False

    def new(self, lines: Sequence[str]) -> list[str]:
        """The lines that were not there before; ``lost`` tells whether some came and went unseen."""
        start = self._place(lines)
        self.lost = start == 0 and self.seen > 0 and bool(lines)
        added = list(lines[start:])
        self.seen += len(added)
        self.tail = (self.tail + added)[-TAIL_LINES:]
        return added

    def _place(self, lines: Sequence[str]) -> int:
        """The index after the last line seen."""
        size = len(self.tail)
        if list(lines[max(0, self.seen - size) : self.seen]) == self.tail:
            return self.seen
        for start in range(len(lines) - size, -1, -1):
            if list(lines[start : start + size]) == self.tail:
                return start + size
        for length in range(min(size, len(lines)), 0, -1):
            if self.tail[-length:] == list(lines[:length]):
                return length
        return 0


def failure_reason(lines: Sequence[str]) -> str | None:
    """The exception that ended the job: the last Python traceback, else the last Java exception.

    None where the log shows neither.
    """
    printed = output(lines)
    return _python_reason(printed) or _java_reason(printed) or (diagnostics(lines) or None)


def exception_name(reason: str | None) -> str | None:
    """The class, without its module, of the Python exception in what :func:`failure_reason` found."""
    names = [line.split(":")[0] for line in (reason or "").splitlines() if _PYTHON_ERROR.match(line)]
    return names[-1].rpartition(".")[2] if names else None


def _python_reason(lines: Sequence[str]) -> str | None:
    starts = [index for index, line in enumerate(lines) if line.strip() == _TRACEBACK]
    if not starts:
        return None
    start = starts[-1]
    end = start + 1
    while end < len(lines) and not _PYTHON_ERROR.match(lines[end]):
        end += 1
    message = end + 1
    while message < len(lines) and not _LOG_RECORD.match(lines[message]):
        message += 1
    told = [line for line in lines[start:message] if not _JAVA_FRAME.match(line)]
    causes = [line for line in told if line.startswith("Caused by: ")]
    short = told[:REASON_LINES]
    return "\n".join(short + [cause for cause in causes[-1:] if cause not in short]).strip()


def _java_reason(lines: Sequence[str]) -> str | None:
    found = [line for line in lines if _JAVA_EXCEPTION.match(line)]
    causes = [line for line in found if line.startswith("Caused by: ")]
    return "\n".join(dict.fromkeys([*found[:1], *causes[-1:]])) or None
