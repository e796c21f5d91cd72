from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from local_stack import report
from local_stack.report import Facts, Work

BEGIN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
AIRFLOW_AGENT = "Boto3/1.44 Airflow/3.3.2 AmPP/9.39.0 Caller/Unknown"


def at(seconds: float) -> str:
    return (BEGIN + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def task(task_id: str, start: float | None, end: float | None, state: str = "success", tries: int = 1) -> Any:
    return {
        "task_id": task_id,
        "state": state,
        "start_date": None if start is None else at(start),
        "end_date": None if end is None else at(end),
        "try_number": tries,
    }


def request(seconds: float, agent: str = AIRFLOW_AGENT) -> Any:
    return {"seq": 1, "time": BEGIN.timestamp() + seconds, "user_agent": agent}


@pytest.fixture
def facts() -> Facts:
    return Facts(
        run={"state": "success", "dag_run_id": "manual__1", "start_date": at(0), "end_date": at(100)},
        tasks=[task("smoke_test", 90, 91.5, tries=2), task("claim_cluster", 1, 2)],
        results={
            "evaluate_model": {"rmse": 17.0, "baseline_rmse": 19.0},
            "smoke_test": {"prediction_count": 50, "endpoint_name": "flight-delay"},
            "terminate_cluster": {"cluster_id": "j-1", "cluster_seconds": 40.5},
        },
        work=Work(cluster_start=8, spark=30, training=10, endpoint_start=4.04),
        clusters_alive=0,
        requests=[request(1.5), request(1.6), request(50), request(1.5, "Boto3/1.44 feed")],
        setup={"setup_seconds": 200.0, "download_seconds": 150.0},
        startup_seconds=14.26,
        idle_pss_bytes=900 << 20,
        peak_pss_bytes=3000 << 20,
    )


def test_the_report_has_the_fields_it_promises(facts: Facts) -> None:
    made = report.compute(facts)
    assert made["state"] == "success"
    assert made["run_id"] == "manual__1"
    assert made["wall_seconds"] == 100.0
    assert made["prediction_count"] == 50
    assert (made["rmse"], made["baseline_rmse"]) == (17.0, 19.0)
    assert made["endpoint_name"] == "flight-delay"
    assert (made["cluster_id"], made["cluster_seconds"]) == ("j-1", 40.5)
    assert made["clusters_alive_at_end"] == 0
    assert (made["setup_seconds"], made["download_seconds"], made["startup_seconds"]) == (200.0, 150.0, 14.3)
    assert (made["idle_pss_mib"], made["peak_pss_mib"]) == (900, 3000)


def test_overhead_is_what_is_not_work(facts: Facts) -> None:
    made = report.compute(facts)
    assert made["work_seconds"] == 52.0
    assert made["overhead_seconds"] == 48.0


def test_tasks_are_in_the_order_they_ran(facts: Facts) -> None:
    tasks = report.compute(facts)["tasks"]
    assert [item["id"] for item in tasks] == ["claim_cluster", "smoke_test"]
    assert tasks[1] == {
        "id": "smoke_test",
        "state": "success",
        "start": at(90),
        "end": at(91.5),
        "tries": 2,
        "seconds": 1.5,
    }


def test_api_calls_are_told_by_time_and_by_who_called(facts: Facts) -> None:
    assert report.compute(facts)["api_calls"] == {
        "claim_cluster": 2,
        report.BETWEEN_TASKS: 1,
        report.OTHERS: 1,
    }


def test_of_two_tasks_at_once_the_later_one_made_the_call() -> None:
    tasks = [task("release_cluster", 0, 10), task("train_model", 2, 20)]
    assert report.calls_by_task([request(1), request(3), request(15)], tasks) == {
        "release_cluster": 1,
        "train_model": 2,
    }


def test_a_run_that_failed_early_is_reported_too() -> None:
    run = {"state": "failed", "dag_run_id": "r", "start_date": at(0), "end_date": at(9)}
    tasks = [task("platform", 1, 8, "failed"), task("smoke_test", None, None, "upstream_failed")]
    made = report.compute(Facts(run, tasks, {}, Work(), clusters_alive=None))
    assert made["state"] == "failed"
    assert made["clusters_alive_at_end"] is None
    assert made["prediction_count"] == 0
    assert made["rmse"] is None
    assert made["overhead_seconds"] == 9.0


def test_the_failure_shown_is_the_first_and_not_its_consequences() -> None:
    tasks = [
        task("confirm_outcome", 30, 31, "failed"),
        task("prepare_features", 10, 20, "failed"),
        task("train_model", 21, 21, "upstream_failed"),
    ]
    found = report.failed_task(tasks)
    assert found is not None
    assert found["task_id"] == "prepare_features"
    assert report.failed_task([task("a", 1, 2)]) is None


def test_the_report_is_readable_json(facts: Facts, tmp_path: Path) -> None:
    path = tmp_path / "demo" / "report.json"
    report.write(path, report.compute(facts))
    assert json.loads(path.read_text()) == report.compute(facts)
