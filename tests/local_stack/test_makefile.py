from __future__ import annotations

import os
import re
import subprocess

from local_stack.settings import PROJECT


def make(*arguments: str) -> str:
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_help_lists_every_target() -> None:
    declared = re.search(r"^\.PHONY: (.*)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert declared is not None
    listed = re.findall(r"^make ([a-z-]+)", make("help"), re.MULTILINE)
    assert sorted(listed) == sorted(declared[1].split())


def test_help_is_what_make_alone_shows() -> None:
    assert make() == make("help")


def test_continuous_integration_runs_make_test() -> None:
    script = PROJECT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_tests_pytest_runs_come_after_lint_and_the_documentation() -> None:
    commands = make("--dry-run", "test").splitlines()
    order = [
        next(i for i, line in enumerate(commands) if word in line)
        for word in ("ruff check", "mypy", "sphinx-build", "pytest")
    ]
    assert order == sorted(order)


def test_make_test_runs_the_crash_matrix_after_the_others_and_then_the_tests_of_the_whole_system() -> None:
    parallel, matrix, system = [line for line in make("--dry-run", "test").splitlines() if "/pytest" in line]
    assert '-m "not system and not chaos"' in parallel
    assert '-m "system and not chaos"' in system
    assert '-m "chaos and not system"' in matrix
