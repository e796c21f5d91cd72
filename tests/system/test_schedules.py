"""Runs that a prepared day starts, runs for a past date, and several at once, in real Airflow.

The days are prepared here, unless they are there already. The tests after these train until later days, so
that their models replace those of here, and on a day that is missing still, so that they need a cluster.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import requests

from tests.system.conftest import DAG_ID, Stack

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

TIMEOUT_SECONDS = 20
TRAINED_UNTIL = "2013-02-10"
LAST_DAY = "2013-02-13"
CLUSTER_TASKS = {
    "wait_for_raw_partitions",
    "claim_cluster",
    "request_cluster",
    "wait_for_cluster",
    "prepare_features",
    "hold_cluster",
    "terminate_cluster",
}


class Announcer:
    """Airflow's API for assets, and the runs their events start."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._url = stack.settings.airflow_url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {stack.airflow.token()}"

    def _call(self, method: str, path: str, **kwargs: Any) -> Any:
        answer = self._session.request(method, f"{self._url}/api/v2{path}", timeout=TIMEOUT_SECONDS, **kwargs)
        answer.raise_for_status()
        return answer.json()

    def runs(self, key: str) -> list[str]:
        """The ids of a partition's runs, the latest first."""
        runs = self._call("GET", f"/dags/{DAG_ID}/dagRuns?order_by=-run_after")["dag_runs"]
        return [run["dag_run_id"] for run in runs if run["partition_key"] == key]

    def announce(self, day: str) -> str:
        """Post the event of a day's features; the id of the run it starts."""
        key = f"dev|{day}"
        before = len(self.runs(key))
        (asset,) = [
            found for found in self._call("GET", "/assets")["assets"] if found["name"] == "flight_features"
        ]
        extra = {"environment": "dev", "date": day}
        self._call(
            "POST",
            "/assets/events",
            json={"asset_id": asset["id"], "partition_key": key, "extra": extra},
        )
        runs = self._stack.wait_until(
            lambda: found if len(found := self.runs(key)) > before else None, f"a run of {key}", 60
        )
        return str(runs[0])


@pytest.fixture(scope="module")
def announcer(stack: Stack) -> Announcer:
    stack.airflow.unpause(DAG_ID)
    return Announcer(stack)


@pytest.fixture(scope="module")
def past_run(stack: Stack) -> str:
    """A run by hand, for a date that is years ago."""
    return stack.trigger(platform="deploy", training_end_date=TRAINED_UNTIL)


@pytest.fixture(scope="module")
def prepared(stack: Stack, past_run: str) -> str:
    assert stack.wait_for_end(past_run) == "success", stack.states(past_run)
    return past_run


@pytest.fixture(scope="module")
def scheduled_run(stack: Stack, announcer: Announcer, prepared: str) -> str:
    return announcer.announce(LAST_DAY)


def served(stack: Stack) -> str:
    """The last training day of the model that the endpoint serves."""
    sagemaker = stack.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName="sagemaker-emr-dev-flight-delay")
    assert endpoint["EndpointStatus"] == "InService"
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    tags = sagemaker.list_tags(ResourceArn=config["EndpointConfigArn"])["Tags"]
    return next(str(tag["Value"]) for tag in tags if tag["Key"] == "sagemaker-emr:trained-until")


def test_no_run_starts_by_itself(announcer, stack, past_run):
    """The schedule is an asset's: nothing happens before a day is announced."""
    runs = announcer._call("GET", f"/dags/{DAG_ID}/dagRuns")["dag_runs"]
    assert [run["run_type"] for run in runs if run["run_type"] != "manual"] == []


def test_a_run_by_hand_for_a_past_date_trains_on_its_days(stack, prepared):
    evaluation = stack.airflow.xcom(DAG_ID, prepared, "evaluate_model")
    assert evaluation["training_dates"][0] == "2013-01-14"
    assert evaluation["training_dates"][-1] == TRAINED_UNTIL
    assert evaluation["evaluation_dates"] == ["2013-02-11", "2013-02-12", LAST_DAY]
    stack.assert_nothing_left()


def test_a_day_that_completes_a_window_is_trained_on_without_a_cluster(stack, scheduled_run):
    clusters = len(stack.clusters())
    assert stack.wait_for_end(scheduled_run) == "success", stack.states(scheduled_run)
    states = stack.states(scheduled_run)
    assert {task for task, state in states.items() if state == "skipped"} >= CLUSTER_TASKS
    assert states["platform.deploy_storage"] == "skipped"
    trained = ("train_model", "evaluate_model", "register_model", "deploy_model", "smoke_test")
    assert {states[task] for task in trained} == {"success"}
    assert len(stack.clusters()) == clusters
    assert served(stack) == TRAINED_UNTIL


def test_the_same_day_announced_again_is_not_trained_on_twice(stack, announcer, scheduled_run):
    again = announcer.announce(LAST_DAY)
    assert stack.wait_for_end(again) == "success"
    assert stack.states(again)["train_model"] == "skipped"
    assert f"Run {scheduled_run} trains on the same partitions" in stack.log(again, "choose_window")


def test_a_day_whose_window_lacks_another_ends_its_run_as_skipped(stack, announcer, prepared):
    run_id = announcer.announce("2013-12-15")
    assert stack.wait_for_end(run_id) == "success"
    states = stack.states(run_id)
    for teardown in ("stop_training", "confirm_outcome"):
        assert states.pop(teardown) == "success"
    assert {
        task for task, state in states.items() if state != "skipped" and not task.startswith("platform.")
    } == set()
    assert "No window with 2013-12-15 is complete; up to that day miss: 2013-11-15, 2013-11-16" in stack.log(
        run_id, "choose_window"
    )


def test_runs_of_different_dates_at_once_leave_the_newer_model_serving(stack, scheduled_run):
    stack.wait_for_end(scheduled_run)
    clusters = len(stack.clusters())
    runs = [
        stack.trigger(platform="deploy", training_end_date=day, training_window_days=days, evaluation_days=2)
        for day, days in (("2013-02-11", 28), ("2013-02-10", 27))
    ]
    assert [stack.wait_for_end(run_id) for run_id in runs] == ["success"] * 2, list(map(stack.states, runs))
    times = [stack.airflow.run(DAG_ID, run_id) for run_id in runs]
    starts, ends = (
        [datetime.fromisoformat(run[name]) for run in times] for name in ("start_date", "end_date")
    )
    assert max(starts) < min(ends)
    assert len(stack.clusters()) == clusters
    assert served(stack) == "2013-02-11"
    newer, older = (stack.states(run_id) for run_id in runs)
    assert newer["smoke_test"] == "success"
    # Before the newer one it was deployed and tested; after it, it is registered only.
    assert older["smoke_test"] in ("success", "skipped")
    assert older["register_model"] == "success"
