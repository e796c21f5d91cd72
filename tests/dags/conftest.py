"""The DAG files as Airflow's own parser sees them, and what it takes to run them here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_names import DAG_BAG
from tests.dags.faults import boundary
from tests.local_aws.conftest import endpoint_url
from tests.plugins.sagemaker_emr.conftest import local_aws

__all__ = ["boundary", "endpoint_url", "local_aws"]

PROJECT = Path(__file__).resolve().parents[2]
DAGS_FOLDER = PROJECT / "dags"
TIME_SCALE = 20_000
"""Hours of AWS's waiting in less than a second."""


@pytest.fixture(scope="session")
def dags() -> dict[str, Any]:
    """Each DAG by id; a file that does not import fails here, with its traceback."""
    bag = import_module(DAG_BAG).DagBag(DAGS_FOLDER)
    assert bag.import_errors == {}
    return dict(bag.dags)


@pytest.fixture(scope="module")
def told_by(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, float], dict[str, Any]]:
    """``told_by(module, seconds)``: what a module of ``tests.chaos`` tells of the runs it made.

    It changes its process for good, so it has one of its own.
    """

    def run(module: str, seconds: float) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp(module)
        path = os.pathsep.join([str(PROJECT), str(PROJECT / "plugins")])
        subprocess.run(
            [sys.executable, "-m", f"tests.chaos.{module}", str(folder)],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": path, "AIRFLOW_HOME": str(folder / "airflow")},
            check=True,
            timeout=seconds,
        )
        told: dict[str, Any] = json.loads((folder / "told.json").read_text())
        return told

    return run


@pytest.fixture
def airflow_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's default connection is the local account's administrator, and AWS takes no time."""
    from local_aws import clock
    from local_aws.iam.local_user import ACCESS_KEY_ID
    from sagemaker_emr.triggers import base

    monkeypatch.setattr(clock, "settings", replace(clock.settings, time_scale=TIME_SCALE))
    monkeypatch.setattr(base, "FIRST_DELAY_SECONDS", 0.005)
    monkeypatch.setattr(base, "MAX_DELAY_SECONDS", 0.05)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
