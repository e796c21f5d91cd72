"""The locks agree with each other, are hashed, and name no place they came from."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
LOCKS = [PROJECT / "requirements.txt", *sorted((PROJECT / "requirements").glob("*.txt"))]
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^ ;\\]+)")

REGISTRIES = re.compile(
    r"(?:https?:)?//(?:[^/\s@]+@)?(?:[\w.-]*\.)?(?:pypi|artifactory|nexus|jfrog|pkg\.dev)[\w.-]*/"
)
"""Addresses of package registries: where packages come from is the machine's own configuration."""

MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:root|work|Users|home/(?!hadoop\b)\w+)/\w")
"""Paths of one person's machine. (/home/hadoop is EMR's.)"""

ALLOWED = {
    Path("tests/test_requirements.py"),  # names them to refuse them
    Path("requirements/jars.toml"),  # Maven coordinates
}


def requirements(lock: Path) -> list[str]:
    """Each requirement with its hashes, as one line."""
    return [
        line for line in lock.read_text().replace("\\\n", " ").splitlines() if line and line[0] not in "#-"
    ]


def pins(lock: Path) -> set[tuple[str, str]]:
    """Names with versions; a name can have several, for different Pythons."""
    found = set()
    for line in requirements(lock):
        match = PIN.match(line)
        assert match, f"{lock.name}: not pinned: {line[:80]}"
        found.add((match["name"], match["version"]))
    return found


def tracked_files() -> list[Path]:
    """Files in the repository, and those that are about to be: neither ignored nor binary."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [Path(name) for name in listed if (PROJECT / name).is_file()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_is_pinned_and_hashed(lock: Path) -> None:
    assert pins(lock)
    unhashed = [line.split()[0] for line in requirements(lock) if "--hash=sha256:" not in line]
    assert unhashed == []


def test_a_deployment_gets_what_was_tested() -> None:
    deployed, tested = pins(PROJECT / "requirements.txt"), pins(PROJECT / "requirements" / "dev.txt")
    assert deployed - tested == set()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_lock_has_what_its_source_asks_for(lock: Path) -> None:
    source = (
        PROJECT / "requirements" / ("airflow.in" if lock.name == "requirements.txt" else f"{lock.stem}.in")
    )
    wanted = {
        re.split(r"[=<>\[ ;]", line)[0].lower()
        for line in source.read_text().splitlines()
        if line and line[0] not in "#-"
    }
    assert wanted - {name for name, _ in pins(lock)} == set()


@pytest.mark.parametrize("pattern", [REGISTRIES, MACHINE_PATHS], ids=["registry", "machine path"])
def test_no_file_names_where_it_was_made(pattern: re.Pattern[str]) -> None:
    found = []
    for name in tracked_files():
        if name in ALLOWED:
            continue
        text = (PROJECT / name).read_text(errors="ignore")
        found += [f"{name}: {match.group()}" for match in pattern.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("--index-url https://user:token@pypi.example.com/simple", REGISTRIES),
        ("https://files.pythonhosted.org https://mirror.artifactory.example/x", REGISTRIES),
        ("see /root/project/x", MACHINE_PATHS),
        ("/home/alice/airflow", MACHINE_PATHS),
    ],
)
def test_the_search_finds_what_it_is_for(text: str, pattern: re.Pattern[str]) -> None:
    assert pattern.search(text)
