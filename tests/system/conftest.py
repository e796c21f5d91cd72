"""One running stack for all whole-run tests: real Airflow, PostgreSQL, Livy, Spark, training and serving."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from local_stack import credentials
from local_stack.airflow import AWS_ACCESS_KEY_ID
from local_stack.api import AirflowClient, timestamp
from local_stack.outcome import why_failed
from local_stack.settings import PROJECT, Settings
from sagemaker_emr.schedules import CATCH_UP_VARIABLE
from sagemaker_emr.staging import INCLUDE_VARIABLE
from tests.docs.guide_files import YOUR_OWN_JOB, save

DAG_ID = "train_and_deploy_model"
RUN_SECONDS = 420
"""A deadline for a run that hangs, several times what a run takes."""

ORDER = (
    *("schedules", "train_and_deploy_model", "open_studio", "control_room"),
    *("backfills", "backfills_killed", "crashes", "platform_life", "bench", "guide"),
)
"""What looks at all runs or days of the shared stack comes before what makes more of them."""

CATCH_UP_FROM = datetime.now(UTC).date() - timedelta(days=3)
"""The day from which on the shared stack's schedule leaves none out."""

ENDED = ("success", "failed")
ALIVE = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs in :data:`ORDER`; all other tests stay as they are, before them."""
    files = [Path(__file__).with_name(f"test_{name}.py") for name in ORDER]
    items.sort(key=lambda item: files.index(item.path) if item.path in files else -1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[pytest.TestReport]:
    """Show what runs of the shared stack failed of meanwhile: its logs go with it."""
    report: pytest.TestReport = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        with suppress(requests.RequestException):
            runs = [
                run
                for run in stack.airflow.runs("~")
                if run["end_date"] and timestamp(run["end_date"]) >= call.start
            ]
            if lines := why_failed(stack.airflow, runs):
                report.sections.append(("Runs that failed", "\n".join(lines)))
    return report


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Stack:
    """A running stack as its user meets it: Airflow's API and boto3."""

    settings: Settings
    airflow: AirflowClient
    variables: dict[str, str] = field(default_factory=dict)
    """The project's settings in the environment of all its processes."""

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.settings.aws_url,
            region_name="us-east-1",
            aws_access_key_id=AWS_ACCESS_KEY_ID,
            aws_secret_access_key="local",
        )

    def trigger(self, **conf: Any) -> str:
        self.airflow.unpause(DAG_ID)
        return self.airflow.trigger(DAG_ID, conf)

    def states(self, run_id: str, dag_id: str = DAG_ID) -> dict[str, str | None]:
        return {task["task_id"]: task["state"] for task in self.airflow.tasks(dag_id, run_id)}

    def wait_until(self, reached: Callable[[], Any], what: str, seconds: float = RUN_SECONDS) -> Any:
        """What ``reached`` returns once it is true; a machine that is busy may not answer every time."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(requests.ConnectionError, requests.Timeout):
                if result := reached():
                    return result
            if time.monotonic() > deadline:
                pytest.fail(f"not reached within {seconds} s: {what}")
            time.sleep(0.5)

    def wait_for_end(self, run_id: str, dag_id: str = DAG_ID, seconds: float = RUN_SECONDS) -> str:
        def ended() -> str | None:
            state: str = self.airflow.run(dag_id, run_id)["state"]
            return state if state in ENDED else None

        state: str = self.wait_until(ended, f"{run_id} ended; {self.states(run_id, dag_id)}", seconds)
        return state

    def wait_for_backfill(self, backfill_id: int, seconds: float = RUN_SECONDS) -> None:
        """Until Airflow has noticed that the backfill's last run ended: it takes no other of a DAG before."""
        self.wait_until(
            lambda: self.airflow.find_backfill(backfill_id)["completed_at"],
            f"Airflow noticed the end of backfill {backfill_id}",
            seconds,
        )

    def log(self, run_id: str, task_id: str, dag_id: str = DAG_ID) -> str:
        tries = next(t["try_number"] for t in self.airflow.tasks(dag_id, run_id) if t["task_id"] == task_id)
        return "\n".join(self.airflow.log(dag_id, run_id, task_id, tries))

    def deploy_platform(self) -> None:
        """Deploy the platform of the environment ``dev``, unless it stands."""
        try:
            self.outputs("catalog")
        except ClientError:
            run_id = self.airflow.trigger("deploy_platform", {})
            assert self.wait_for_end(run_id, "deploy_platform") == "success"

    def clusters(self) -> list[dict[str, Any]]:
        clusters: list[dict[str, Any]] = self.client("emr").list_clusters()["Clusters"]
        return clusters

    def clusters_alive(self) -> list[str]:
        alive = self.client("emr").list_clusters(ClusterStates=ALIVE)["Clusters"]
        return [cluster["Id"] for cluster in alive]

    def products(self) -> list[str]:
        found = self.client("servicecatalog").search_provisioned_products()["ProvisionedProducts"]
        return [product["Name"] for product in found]

    def assert_nothing_left(self) -> None:
        """No cluster costs money and no product holds one."""
        assert self.clusters_alive() == []
        assert self.products() == []

    def command(self, name: str) -> int:
        """A command of the stack's own, as make runs it; its exit status."""
        return subprocess.run(
            [sys.executable, "-m", "local_stack", name], check=False, env=self.environment, cwd=PROJECT
        ).returncode

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.variables,
            "LOCAL_STACK_HOME": str(self.settings.home),
            "LOCAL_STACK_DAGS": str(self.settings.dags),
            INCLUDE_VARIABLE: str(self.settings.dags.parent / "include"),
            "AIRFLOW_PORT": str(self.settings.airflow_port),
            "LOCAL_AWS_PORT": str(self.settings.local_aws_port),
            "LOCAL_AWS_REGION": self.settings.region,
        }

    def outputs(self, stack: str) -> dict[str, str]:
        name = f"sagemaker-emr-dev-{stack}"
        described = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


def deployment_with_guide(folder: Path) -> Path:
    """A folder with the project's ``dags`` and ``include``, and what the guide adds to them."""
    (folder / "dags").mkdir()
    for dag in (PROJECT / "dags").glob("*.py"):
        (folder / "dags" / dag.name).symlink_to(dag)
    # Copied: what is staged must lie below the folder, links followed.
    shutil.copytree(PROJECT / "include", folder / "include")
    save(YOUR_OWN_JOB, folder)
    return folder


@contextmanager
def stack_home(name: str) -> Iterator[Path]:
    """A folder for a stack. Not below pytest's own, which another session closes to PostgreSQL's user."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o711)
        yield home


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with stack_home("stack") as home, stack_home("deployment") as folder:
        dags = deployment_with_guide(folder) / "dags"
        yield from running_stack(home, dags, {CATCH_UP_VARIABLE: str(CATCH_UP_FROM)})


def running_stack(
    home: Path, dags: Path = PROJECT / "dags", variables: dict[str, str] | None = None, **choices: Any
) -> Iterator[Stack]:
    """A stack that is started, and stopped without a process left."""
    settings = Settings(home=home, dags=dags, airflow_port=free_port(), local_aws_port=free_port(), **choices)
    stack = Stack(settings, AirflowClient(settings, credentials.load(settings)), variables or {})
    assert stack.command("up") == 0
    try:
        yield stack
    finally:
        assert stack.command("down") == 0
        assert left_behind(home) == []


def left_behind(home: Path) -> list[str]:
    """Processes of the stack that still run."""
    from local_stack import processes

    return [processes.describe(process) for process in processes.members(home)]
