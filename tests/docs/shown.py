"""The commands that the documentation shows: those of its fenced blocks of shell."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"^( *)```(?:sh|bash|shell|console)\b[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"(?:^|\s+)#.*$")


def blocks(page: Path) -> list[str]:
    """A page's blocks of shell, as they stand."""
    return [match[2] for match in _BLOCK.finditer(page.read_text())]


@cache
def commands(page: Path) -> tuple[str, ...]:
    """A page's commands, each on one line, without comments."""
    return tuple(command for block in blocks(page) for command in commands_of(block))


def commands_of(block: str) -> Iterator[str]:
    """A block's commands: a line goes on in the next one where bash says that it is not complete.

    :raises ValueError: bash does not understand what is left at the end.
    """
    open_text = ""
    for line in block.splitlines():
        line = _COMMENT.sub("", line).strip()
        if not open_text and not line:
            continue
        open_text = f"{open_text.removesuffix(chr(92))} {line}".strip()
        if not open_text.endswith("\\") and _is_complete(open_text):
            yield " ".join(open_text.split())
            open_text = ""
    if open_text:
        raise ValueError(f"no command: {open_text}")


def _is_complete(text: str) -> bool:
    return subprocess.run(["bash", "-n", "-c", text], capture_output=True, check=False).returncode == 0
