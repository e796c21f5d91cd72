"""Progress of a run: a live table on a terminal, plain lines in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

_STYLES = {
    "success": "green",
    "running": "bold cyan",
    "deferred": "cyan",
    "failed": "bold red",
    "upstream_failed": "red",
    "up_for_retry": "yellow",
    "skipped": "dim",
}
_SHOWN_AS = {"deferred": "waiting", "up_for_retry": "will retry", "": "not yet"}


@dataclass(frozen=True)
class Row:
    """One task as shown: ``seconds`` since its start, or that it took."""

    name: str
    state: str = ""
    tries: int = 0
    seconds: float | None = None
    note: str = ""

    @property
    def shown_state(self) -> str:
        """The state in words for people."""
        return _SHOWN_AS.get(self.state, self.state.replace("_", " "))


class Progress(Protocol):
    """Shows what a run is doing. Used as a context manager around the run."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, rows: Sequence[Row]) -> None:
        """Show the current state of every task."""


def progress(console: Console) -> Progress:
    """The kind of progress that the console can show."""
    return LiveTable(console) if console.is_terminal else PlainLines(console)


class LiveTable:
    """A table that is drawn anew at each change."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, rows: Sequence[Row]) -> None:
        """Draw the table."""
        self._live.update(table(rows), refresh=True)


class PlainLines:
    """A line for each change of a task's state or try."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, Row] = {}

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, rows: Sequence[Row]) -> None:
        """Print what changed since the last call."""
        for row in rows:
            before = self._shown.get(row.name, Row(row.name))
            if replace(row, seconds=None) != replace(before, seconds=None):
                self._shown[row.name] = row
                self._console.print(line(row), highlight=False, markup=False, soft_wrap=True)


def line(row: Row) -> str:
    """A row as one line of text."""
    parts = [f"{row.name:28} {row.shown_state:15}"]
    if row.seconds is not None:
        parts.append(f"{row.seconds:6.1f} s")
    if row.tries > 1:
        parts.append(f"try {row.tries}")
    if row.note:
        parts.append(row.note)
    return "  ".join(parts).rstrip()


def table(rows: Sequence[Row]) -> Table:
    """The rows as a table."""
    tries, seconds = Column("tries", justify="right"), Column("seconds", justify="right")
    result = Table("task", "state", tries, seconds, "note")
    for row in rows:
        took = "" if row.seconds is None else f"{row.seconds:.1f}"
        state = Text(row.shown_state, style=_STYLES.get(row.state, "dim"))
        result.add_row(row.name, state, str(row.tries or ""), took, row.note)
    return result
