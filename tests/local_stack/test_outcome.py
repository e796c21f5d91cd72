from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import requests
from rich.console import Console

from local_stack.api import AirflowClient
from local_stack.outcome import show_failure, show_result, why_failed
from local_stack.report import Facts, Work, compute
from local_stack.settings import Settings

RUN = {"dag_run_id": "r", "start_date": "2026-01-01T00:00:00Z", "end_date": "2026-01-01T00:01:40Z"}


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def failed(clusters_alive: int | None = 0) -> Facts:
    task = {
        "dag_id": "train_and_deploy_model",
        "dag_run_id": "r",
        "task_id": "prepare_features",
        "state": "failed",
        "try_number": 3,
        "start_date": RUN["start_date"],
        "end_date": RUN["end_date"],
    }
    return Facts({**RUN, "state": "failed"}, [task], {}, Work(), clusters_alive)


def shown_failure(facts: Facts, client: Any, home: Path) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_failure(console, client, compute(facts), facts, Settings(home=home))
    return text_of(console)


def test_a_run_that_needed_no_cluster_says_so() -> None:
    evaluation = {"rmse": 17.65, "baseline_rmse": 19.15}
    facts = Facts({**RUN, "state": "success"}, [], {"evaluate_model": evaluation}, Work(), clusters_alive=0)
    console = Console(file=io.StringIO(), width=200)
    show_result(console, compute(facts), facts)
    assert "no cluster, all days were prepared; clusters alive: 0" in text_of(console)


def test_predictions_stand_beside_actuals_and_the_error_beside_the_baselines() -> None:
    results = {
        "evaluate_model": {
            "rmse": 17.65,
            "baseline_rmse": 19.15,
            "baselines": {"mean": 19.15, "route_mean": 19.5},
        },
        "smoke_test": {
            "prediction_count": 50,
            "endpoint_name": "flight-delay",
            "sample": [{"prediction": -7.25, "actual": -12.0}],
        },
        "terminate_cluster": {"cluster_id": "j-1", "cluster_seconds": 61.2},
    }
    facts = Facts({**RUN, "state": "success"}, [], results, Work(spark=40), clusters_alive=0)
    console = Console(file=io.StringIO(), width=200)
    show_result(console, compute(facts), facts)
    text = text_of(console)
    for part in ("-7.2", "-12.0", "17.65", "19.15", "19.50", "j-1: 61 s", "40 s of work", "60 s of overhead"):
        assert part in text


def test_a_failure_shows_the_task_the_end_of_its_log_and_the_next_step(tmp_path: Path) -> None:
    client = create_autospec(AirflowClient, instance=True)
    client.log.return_value = [f"line {number}" for number in range(100)] + ["SparkException: no such column"]
    text = shown_failure(failed(), client, tmp_path)
    assert "FAILED: prepare_features, try 3" in text
    assert "SparkException: no such column" in text
    assert "line 50" not in text
    assert "next: " in text
    client.log.assert_called_once_with("train_and_deploy_model", "r", "prepare_features", 3)


def test_a_log_that_cannot_be_had_does_not_hide_the_failure(tmp_path: Path) -> None:
    client = create_autospec(AirflowClient, instance=True)
    client.log.side_effect = requests.ConnectionError("refused")
    assert "FAILED: prepare_features" in shown_failure(failed(), client, tmp_path)


def test_a_cluster_left_alive_is_told(tmp_path: Path) -> None:
    client = create_autospec(AirflowClient, instance=True)
    client.log.return_value = []
    assert "clusters alive at the end: 2" in shown_failure(failed(2), client, tmp_path)
    assert "clusters alive at the end: unknown" in shown_failure(failed(None), client, tmp_path)


def test_the_first_failed_runs_tell_what_they_failed_of() -> None:
    client = create_autospec(AirflowClient, instance=True)
    client.tasks.side_effect = lambda dag_id, run_id: failed().tasks if run_id == "r1" else []
    client.log.return_value = ["ClusterFailed: j-1 ended"]
    runs = [
        {"dag_id": "prepare_features", "dag_run_id": f"r{number}", "state": state}
        for number, state in enumerate(["success", *["failed"] * 4])
    ]
    assert why_failed(client, runs) == [
        "FAILED: prepare_features, r1: prepare_features of it, try 3",
        "  ClusterFailed: j-1 ended",
        "FAILED: prepare_features, r2: none of its tasks",
        "FAILED: prepare_features, r3: none of its tasks",
    ]
