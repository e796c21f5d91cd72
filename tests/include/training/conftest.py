"""The training and serving scripts as their container runs them: in its interpreter, by its variables."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_aws.settings import PROJECT, settings

TRAINING = PROJECT / "include" / "training"
HERE = Path(__file__).parent

Completed = subprocess.CompletedProcess[str]
Run = Callable[..., Completed]


def run_python(arguments: list[str | Path], **variables: str) -> Completed:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(TRAINING),
        "PYTHONDONTWRITEBYTECODE": "1",
        **variables,
    }
    return subprocess.run(
        [settings.sagemaker_python, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


class Job:
    """One training job's folders, its channels filled with made-up days."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.train, self.evaluation = folder / "input" / "train", folder / "input" / "evaluation"
        self.model, self.output = folder / "model", folder / "output"

    def write(self, channel: Path, *dates: str, rows: int = 60, **options: Any) -> None:
        """Parquet files, one a date, in nested folders as SageMaker lays a manifest's files out."""
        channel.mkdir(parents=True, exist_ok=True)
        call = json.dumps({"channel": str(channel), "dates": dates, "rows": rows, **options})
        run_python([HERE / "make_features.py", call]).check_returncode()

    def run(self, *hyperparameters: str, cpus: int = 1) -> Completed:
        return run_python(
            [TRAINING / "train.py", *hyperparameters],
            SM_CHANNEL_TRAIN=str(self.train),
            SM_CHANNEL_EVALUATION=str(self.evaluation),
            SM_MODEL_DIR=str(self.model),
            SM_OUTPUT_DATA_DIR=str(self.output),
            SM_NUM_CPUS=str(cpus),
        )

    def result(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.output / "evaluation.json").read_text())
        return content

    def predictions(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.output / "predictions.jsonl").read_text().splitlines()]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A job that trained on two days and was evaluated on the two after."""
    job = Job(tmp_path_factory.mktemp("job"))
    job.write(job.train, "2013-03-01", "2013-03-02", rows=300)
    job.write(job.evaluation, "2013-03-04", "2013-03-03", rows=150)
    job.run("--min_child_weight", "5", cpus=1).check_returncode()
    return job


@pytest.fixture
def serve(trained: Job) -> Callable[..., dict[str, Any]]:
    """``serve(body, content_type, accept)``: what the handlers answer, or the error they raise."""

    def call(body: str, content_type: str, accept: str = "application/json") -> dict[str, Any]:
        request = json.dumps([str(trained.model), body, content_type, accept])
        done = run_python([HERE / "serve_once.py", request])
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return call
