"""docker-compose.yaml for real: both images built, the whole chain on two Celery workers, one of them killed.

Takes an engine, its images and many minutes, so it runs only when asked for: ``make compose-test``. With
``COMPOSE_TEST=run`` the images are those that are there.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_stack import compose_env
from local_stack.api import AirflowClient
from local_stack.credentials import Credentials
from local_stack.settings import PROJECT, Settings
from tests.system.conftest import DAG_ID, ENDED, Stack, free_port

ASKED = os.environ.get("COMPOSE_TEST")
BUILD_SECONDS = 3600
UP_SECONDS = 1200
RUN_SECONDS = 3600
"""Deadlines for what hangs, many times what it takes on an idle machine."""

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(BUILD_SECONDS + UP_SECONDS + RUN_SECONDS),
    pytest.mark.skipif(not ASKED, reason="not run: make compose-test asks for it"),
]


@dataclass
class Project:
    """One run of the compose file, with secrets, ports and volumes of its own."""

    name: str
    env_file: Path
    settings: Settings

    def compose(self, *arguments: str, seconds: float = 300) -> str:
        command = ["docker", "compose", "--project-name", self.name, "--env-file", str(self.env_file)]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "AIRFLOW_PORT": str(self.settings.airflow_port),
            "LOCAL_AWS_PORT": str(self.settings.local_aws_port),
        }
        begun = time.monotonic()
        done = subprocess.run(
            [*command, *arguments],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        tell(f"docker compose {' '.join(arguments)}: {time.monotonic() - begun:.0f} s")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def containers(self, *arguments: str) -> list[dict[str, Any]]:
        lines = self.compose("ps", "--format", "json", *arguments).splitlines()
        return [json.loads(line) for line in lines]

    def stack(self) -> Stack:
        secrets = values(self.env_file)
        known = Credentials(
            password=secrets["AIRFLOW_ADMIN_PASSWORD"],
            fernet_key=secrets["AIRFLOW_FERNET_KEY"],
            jwt_secret=secrets["AIRFLOW_JWT_SECRET"],
            api_secret_key=secrets["AIRFLOW_API_SECRET_KEY"],
        )
        return Stack(self.settings, AirflowClient(self.settings, known))


def tell(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)


def values(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return {name: value.strip("'") for name, value in (line.split("=", 1) for line in lines)}


def docker(*arguments: str) -> str:
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=120, check=True
    ).stdout.strip()


@contextmanager
def project(folder: Path, name: str) -> Iterator[Project]:
    env_file = folder / "env"
    assert compose_env.main(["--local", "--file", str(env_file)]) == 0
    settings = Settings(home=folder, airflow_port=free_port(), local_aws_port=free_port())
    made = Project(name, env_file, settings)
    try:
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "60")


def left_of(name: str) -> dict[str, str]:
    label = f"label=com.docker.compose.project={name}"
    return {
        "containers": docker("ps", "--all", "--quiet", "--filter", label),
        "volumes": docker("volume", "ls", "--quiet", "--filter", label),
        "networks": docker("network", "ls", "--quiet", "--filter", label),
    }


def host_of_a_running_task(stack: Stack, run_id: str) -> tuple[str, str] | None:
    """Name and host of a task that runs between the cluster's request and its end."""
    state, tasks = stack.airflow.run(DAG_ID, run_id)["state"], stack.airflow.tasks(DAG_ID, run_id)
    assert state not in ENDED, {task["task_id"]: task["state"] for task in tasks}
    for task in tasks:
        if task["state"] == "running" and task["task_id"] in ("prepare_features", "train_model"):
            return task["task_id"], task["hostname"]
    return None


def test_the_whole_chain_survives_a_killed_worker(tmp_path: Path) -> None:
    name = f"compose-test-{os.getpid()}"
    with project(tmp_path, name) as running:
        if ASKED != "run":
            running.compose("build", seconds=BUILD_SECONDS)
        running.compose("up", "--detach", "--wait", "--scale", "worker=2", seconds=UP_SECONDS)
        workers = {container["ID"] for container in running.containers("worker")}
        assert len(workers) == 2
        stack = running.stack()
        run_id = stack.trigger()
        begun = time.monotonic()

        task_id, host = stack.wait_until(
            lambda: host_of_a_running_task(stack, run_id), "a task to kill the worker of", RUN_SECONDS
        )
        killed = next(worker for worker in workers if worker.startswith(host))
        docker("kill", killed)
        tell(
            f"killed worker {killed}, which ran {task_id}, {time.monotonic() - begun:.0f} s after the trigger"
        )

        state = stack.wait_for_end(run_id, seconds=RUN_SECONDS)
        tell(f"the run ended {state} after {time.monotonic() - begun:.0f} s")
        for task in sorted(stack.airflow.tasks(DAG_ID, run_id), key=lambda task: task["start_date"] or ""):
            duration = task["duration"] or 0.0
            tell(f"  {task['task_id']}: {task['state']}, try {task['try_number']}, {duration:.1f} s")
            if task["state"] == "failed":
                print(stack.log(run_id, task["task_id"]))
        assert state == "success"
        assert len(stack.clusters()) == 1
        stack.assert_nothing_left()
        jobs = stack.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
        assert [job["TrainingJobStatus"] for job in jobs] == ["Completed"]
        tell(docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"))
    assert left_of(name) == {"containers": "", "volumes": "", "networks": ""}
