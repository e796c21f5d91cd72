"""``python3 -m local_stack.mwaa 3.3.1`` writes what Amazon MWAA takes beside ``dags/`` into ``dist/mwaa/``.

``plugins.zip`` holds ``plugins/`` at its top, where MWAA unpacks it into Airflow's plugins folder, and
``include/`` in it, since MWAA has no folder beside that one. It is the same, byte for byte, whenever made.
``requirements.txt`` names the constraints of that Airflow and pins what they pin.
https://docs.aws.amazon.com/mwaa/latest/userguide/configuring-dag-import-plugins.html
https://docs.aws.amazon.com/mwaa/latest/userguide/connections-packages.html
Standard library only.
"""

from __future__ import annotations

import sys
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from local_stack.settings import PROJECT

PINS = PROJECT / "requirements" / "mwaa.toml"
DIST = PROJECT / "dist" / "mwaa"
CONSTRAINTS = (
    "https://raw.githubusercontent.com/apache/airflow/constraints-{airflow}/constraints-{python}.txt"
)
IGNORE = ".airflowignore"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first time that a ZIP file can tell."""

_LEFT_OUT = frozenset({"__pycache__", ".DS_Store"})


def versions() -> list[str]:
    """The versions of Airflow that there are pins for, the newest last."""
    return sorted(tomllib.loads(PINS.read_text()), key=lambda text: [int(part) for part in text.split(".")])


def requirements(airflow: str) -> str:
    """``requirements.txt`` for MWAA's environment of that Airflow."""
    pinned = tomllib.loads(PINS.read_text())[airflow]
    url = CONSTRAINTS.format(airflow=airflow, python=pinned["python"])
    lines = [f'--constraint "{url}"', f"apache-airflow=={airflow}", *pinned["packages"]]
    return "\n".join(lines) + "\n"


def write_plugins(archive: Path) -> None:
    """Write ``plugins.zip``, not compressed: what compresses it differs from machine to machine."""
    with zipfile.ZipFile(archive, "w") as written:
        for name, content in sorted(_members()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o100644 << 16
            written.writestr(entry, content)


def _members() -> Iterator[tuple[str, bytes]]:
    for file in _files(PROJECT / "plugins"):
        content = file.read_bytes()
        if file.name == IGNORE:
            # Airflow would run what lies in include/ as plugins.
            content = content.rstrip(b"\n") + b"\ninclude/\n"
        yield file.relative_to(PROJECT / "plugins").as_posix(), content
    for file in _files(PROJECT / "include"):
        yield file.relative_to(PROJECT).as_posix(), file.read_bytes()


def _files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        if file.is_file() and not _LEFT_OUT.intersection(file.parts):
            yield file


def main(arguments: Sequence[str]) -> int:
    """Write both files; the exit status."""
    asked = arguments[0] if arguments else versions()[-1]
    if asked not in versions():
        print(f"there are no pins for Airflow {asked} in {PINS}; there are for {', '.join(versions())}")
        return 1
    folder = DIST / asked
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "requirements.txt").write_text(requirements(asked))
    write_plugins(folder / "plugins.zip")
    print(f"wrote requirements.txt and plugins.zip for Airflow {asked} to {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
