"""Parts of the stack killed with -9 at the wrong moment: the run ends well, with one cluster in all, ended.

Each run meets three kills, one after the other. After a component's, ``make up`` brings it back.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psutil
import pytest
import requests

from local_stack import processes, state
from local_stack.aws import LocalAws
from tests.system.conftest import DAG_ID, Stack
from tests.system.killing import kill_task, task_processes

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(1200)]

SLOW_SECONDS = 5.0
USUAL_CLOCK, SLOW_CLOCK = 60.0, 15.0
CLAIM, JOB = ("s3", "PutObject"), ("sagemaker", "DescribeTrainingJob")
"""What the request of a cluster notes its answer with; how a training job is waited for."""

RUN_SECONDS = 900
"""A task whose worker is gone is missed after a minute, and tried again."""


class Run:
    """A run of the chain that prepares its days in any case, and what AWS was asked for since it began."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.aws = LocalAws(stack.settings)
        self.begun = self.aws.last_request()
        self.clusters_before = {cluster["Id"] for cluster in stack.clusters()}
        self.jobs_before = set(self.training_jobs())
        self.batches_before = set(self.completed_batches())
        self.run_id = stack.trigger(platform="verify", prepare="always", deploy="always")

    def deferred(self, task_id: str) -> None:
        """Wait until a task waits in the triggerer."""
        self._until(lambda: self.stack.states(self.run_id).get(task_id) == "deferred", f"{task_id} deferred")

    def asked(self, operation: str) -> None:
        """Wait until AWS was asked for something."""
        self._until(
            lambda: operation in [call["operation"] for call in self.aws.requests(self.begun)],
            f"{operation} was called",
        )

    def process_of(self, task_id: str) -> psutil.Process:
        """The process of a task that runs."""

        def find() -> psutil.Process | None:
            tasks = self.stack.airflow.tasks(DAG_ID, self.run_id)
            (task,) = [task for task in tasks if task["task_id"] == task_id]
            assert task["state"] not in ("success", "deferred"), f"{task_id} was too fast to be killed"
            found = task_processes(self.stack.settings.home, task["id"])
            return found[0] if found else None

        process: psutil.Process = self.stack.wait_until(find, f"{task_id} has a process", RUN_SECONDS)
        return process

    def training_jobs(self) -> dict[str, str]:
        jobs = self.stack.client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
        return {job["TrainingJobName"]: job["TrainingJobStatus"] for job in jobs}

    def completed_batches(self) -> list[str]:
        bucket = self.stack.outputs("storage")["FeaturesBucket"]
        found = self.stack.client("s3").list_objects_v2(Bucket=bucket, Prefix="_batches/")
        return [item["Key"] for item in found.get("Contents", []) if item["Key"].endswith(".json")]

    def _until(self, reached: Callable[[], Any], what: str) -> None:
        def reached_in_time() -> Any:
            run = self.stack.airflow.run(DAG_ID, self.run_id)["state"]
            assert run in ("queued", "running"), f"the run is {run} before {what}"
            return reached()

        self.stack.wait_until(reached_in_time, what, RUN_SECONDS)


def kill_component(run: Run, name: str) -> None:
    """Kill a component and all below it, and bring it back as a user does."""
    current = state.read(run.stack.settings)
    assert current is not None
    process = psutil.Process(current.components[name].pid)
    for each in [process, *process.children(recursive=True)]:
        each.kill()
    run.stack.wait_until(lambda: name in state.read(run.stack.settings).dead(), f"{name} is missed")
    assert run.stack.command("up") == 0


def kill_everything(run: Run) -> None:
    """As where the machine loses its power."""
    home = run.stack.settings.home
    while left := processes.members(home):
        for process in left:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    assert run.stack.command("up") == 0


def while_waiting(task_id: str, kill: Callable[[Run], None]) -> Callable[[Run], None]:
    """Kill while a task waits in the triggerer."""

    def story(run: Run) -> None:
        run.deferred(task_id)
        kill(run)

    return story


def between_request_and_wait(
    task_id: str, operation: str, next_call: tuple[str, str], *, with_worker: bool
) -> Callable[[Run], None]:
    """Kill a task's process, and maybe the worker that minds it, when AWS has done what it asked for.

    :param next_call: service and operation that it calls then, which is made slow, so that there is time.
    """

    def story(run: Run) -> None:
        if with_worker:
            # Airflow misses a worker after a minute, in which a cluster's idle hour must not pass.
            set_clock(run.stack, SLOW_CLOCK)
        service, slow = next_call
        rule = {"kind": "latency", "seconds": SLOW_SECONDS, "service": service, "operation": slow}
        faults = f"{run.stack.settings.aws_url}/_local/faults"
        requests.post(faults, json={"seed": 1, "rules": [rule]}, timeout=30).raise_for_status()
        try:
            process = run.process_of(task_id)
            run.asked(operation)
            assert kill_task(process, with_worker=with_worker)
        finally:
            requests.delete(faults, timeout=30).raise_for_status()

    return story


def set_clock(stack: Stack, time_scale: float) -> None:
    """How many seconds of AWS pass in one."""
    clock = f"{stack.settings.aws_url}/_local/clock"
    requests.post(clock, json={"time_scale": time_scale}, timeout=30).raise_for_status()


@pytest.fixture(autouse=True)
def usual_clock(stack: Stack) -> Iterator[None]:
    """Other tests find the clock as it was."""
    yield
    set_clock(stack, USUAL_CLOCK)


def component(name: str) -> Callable[[Run], None]:
    return partial(kill_component, name=name)


STORIES: dict[str, list[Callable[[Run], None]]] = {
    "task at ProvisionProduct, triggerer at the batch, triggerer at the training": [
        between_request_and_wait("request_cluster", "ProvisionProduct", CLAIM, with_worker=False),
        while_waiting("prepare_features", component("triggerer")),
        while_waiting("train_model", component("triggerer")),
    ],
    "scheduler at provisioning, API server at the batch, worker at CreateTrainingJob": [
        while_waiting("wait_for_cluster", component("scheduler")),
        while_waiting("prepare_features", component("api-server")),
        between_request_and_wait("train_model", "CreateTrainingJob", JOB, with_worker=True),
    ],
    "triggerer at provisioning, scheduler at the batch, everything at the training": [
        while_waiting("wait_for_cluster", component("triggerer")),
        while_waiting("prepare_features", component("scheduler")),
        while_waiting("train_model", kill_everything),
    ],
    "worker at ProvisionProduct, everything at the batch, embedded AWS at the training": [
        between_request_and_wait("request_cluster", "ProvisionProduct", CLAIM, with_worker=True),
        while_waiting("prepare_features", kill_everything),
        while_waiting("train_model", component("local-aws")),
    ],
}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.replace(", ", "; "))
def test_a_run_whose_parts_are_killed_ends_well_with_one_cluster(stack: Stack, story: str) -> None:
    stack.deploy_platform()
    run = Run(stack)
    for kill in STORIES[story]:
        kill(run)
    assert stack.wait_for_end(run.run_id, seconds=RUN_SECONDS) == "success", stack.states(run.run_id)
    made = [cluster for cluster in stack.clusters() if cluster["Id"] not in run.clusters_before]
    assert [cluster["Status"]["State"] for cluster in made] == ["TERMINATED"]
    stack.assert_nothing_left()
    assert len(set(run.completed_batches()) - run.batches_before) == 1
    jobs = run.training_jobs()
    assert [jobs[name] for name in jobs.keys() - run.jobs_before] == ["Completed"]
