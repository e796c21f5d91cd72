"""The benchmark of the state on disk, on one call of each kind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.persistence import FORGOTTEN, KEPT
from local_stack.settings import PROJECT

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(600)]


def test_each_call_is_measured_on_both_sides(tmp_path: Path) -> None:
    report = tmp_path / "persistence.json"
    command = [sys.executable, "-m", "bench.persistence", "--objects", "1", "--products", "1"]
    ended = subprocess.run([*command, "--report", str(report)], cwd=PROJECT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    times = json.loads(report.read_text())["times"]
    assert {operation.split(",")[0] for operation in times} == {
        "PutObject",
        "GetObject",
        "ListObjectsV2",
        "ProvisionProduct",
        "DescribeRecord",
        "TerminateProvisionedProduct",
    }
    for row in times.values():
        for side in (KEPT, FORGOTTEN):
            least, median, most = row[side]
            assert 0 < least <= median <= most
