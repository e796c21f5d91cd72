"""The benchmark's command on two days, on a stack of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from local_stack.settings import PROJECT
from tests.system.conftest import free_port, left_behind, stack_home

pytestmark = [pytest.mark.system, pytest.mark.timeout(1500)]

COMMAND_SECONDS = 1400


def test_two_days_cost_one_cluster_ours_and_two_the_stock_way() -> None:
    with stack_home("bench") as home:
        environment = {
            **os.environ,
            "LOCAL_STACK_HOME": str(home),
            "AIRFLOW_PORT": str(free_port()),
            "LOCAL_AWS_PORT": str(free_port()),
        }
        command = [sys.executable, "-m", "bench", "--days", "2", "--at-once", "2"]
        ended = subprocess.run(
            command,
            env=environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        report = json.loads((home / "bench" / "backfill-2-days.json").read_text())
        assert left_behind(home / "bench" / "stack") == []
    shared, stock = report["sides"]
    assert (shared["clusters"], stock["clusters"]) == (1, 2)
    assert report["same_content"]
    assert min(shared["api_calls"], stock["api_calls"]) > 0
    assert sorted(life["run"] for life in stock["cluster_lives"]) == ["2013-01-01", "2013-01-02"]
    assert all(life["paid_seconds"] > life["seconds_measured"] for life in stock["cluster_lives"])
