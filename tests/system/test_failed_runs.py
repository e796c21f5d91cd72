"""What is shown of the shared stack where one of its tests fails; no stack is started for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest
import requests

from local_stack.api import AirflowClient
from tests.system.conftest import Stack, pytest_runtest_makereport

BEGUN = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def run(run_id: str, state: str, end_date: str | None) -> dict[str, Any]:
    return {"dag_id": "prepare_features", "dag_run_id": run_id, "state": state, "end_date": end_date}


@pytest.fixture
def airflow() -> Any:
    client = create_autospec(AirflowClient, instance=True)
    client.runs.return_value = [
        run("before", "failed", "2025-12-31T23:59:00Z"),
        run("meanwhile", "failed", "2026-01-01T00:01:00Z"),
        run("well", "success", "2026-01-01T00:01:00Z"),
        run("still", "running", None),
    ]
    client.tasks.return_value = []
    return client


def sections(airflow: Any, *, failed: bool) -> list[tuple[str, str]]:
    """Of the report of a test, as the hook leaves it."""
    stack = Stack(settings=SimpleNamespace(), airflow=airflow)  # type: ignore[arg-type]
    item: Any = SimpleNamespace(funcargs={"stack": stack})
    call: Any = SimpleNamespace(start=BEGUN)
    report: Any = SimpleNamespace(failed=failed, sections=[])
    hook = pytest_runtest_makereport(item, call)
    next(hook)
    with pytest.raises(StopIteration) as returned:
        hook.send(report)
    assert returned.value.value is report
    found: list[tuple[str, str]] = report.sections
    return found


def test_a_test_that_fails_shows_what_runs_failed_of_meanwhile(airflow: Any) -> None:
    [(title, text)] = sections(airflow, failed=True)
    assert title == "Runs that failed"
    assert text == "FAILED: prepare_features, meanwhile: none of its tasks"


def test_a_test_that_passes_shows_nothing(airflow: Any) -> None:
    assert sections(airflow, failed=False) == []


def test_an_airflow_that_does_not_answer_hides_no_failure(airflow: Any) -> None:
    airflow.runs.side_effect = requests.ConnectionError("refused")
    assert sections(airflow, failed=True) == []
