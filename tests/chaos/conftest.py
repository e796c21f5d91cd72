"""The matrix runs in processes of its own: it changes what it runs in for good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]

Chaos = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def chaos(tmp_path_factory: pytest.TempPathFactory) -> Chaos:
    """``chaos("play", "--scenario", "chain")``: what ``python -m tests.chaos`` wrote into its report."""

    def run(*arguments: str) -> dict[str, Any]:
        path = tmp_path_factory.mktemp("chaos") / "report.json"
        command = [sys.executable, "-m", "tests.chaos", *arguments, "--report", str(path)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CHAOS_")}
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
        print(done.stdout)
        assert path.exists(), done.stderr[-5000:]
        report: dict[str, Any] = json.loads(path.read_text())
        return report

    return run
