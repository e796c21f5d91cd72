"""The files that a guide shows, as its reader would save them."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
YOUR_OWN_JOB = PROJECT / "docs" / "guides" / "your_own_job.md"

_BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def files_of(guide: Path) -> dict[str, str]:
    """Content by path: the fenced blocks that have a path for a title."""
    return {match[1]: match[2] for match in _BLOCK.finditer(guide.read_text())}


def save(guide: Path, folder: Path) -> None:
    """Write a guide's files below a folder."""
    for path, content in files_of(guide).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
