"""Recorded results in the place of the runtimes of the embedded AWS: Livy and Spark, training, serving.

Everything else of a cluster, a training job and an endpoint is the embedded AWS's own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from local_aws.emr import bootstrap, cluster, forwarder
from local_aws.sagemaker import hosting_container, training_run
from local_aws.sagemaker.hosting_container import Answer, Container
from local_aws.sagemaker.training_run import TrainingFailed, TrainingRun
from tests.chaos import job, recorded
from tests.chaos.livy import Livy
from tests.include.spark.raw_data import DAYS

TRAINED_ON, EVALUATED_ON = [*map(str, DAYS[:-1])], [str(DAYS[-1])]
"""The window of the recorded model."""


FORWARDER_LOOK_SECONDS = 5.0
"""No security group is changed here; to look whether one was costs more than the rest of a cluster."""


class AtRest(cluster.Cluster):
    """A cluster that nobody should touch: it lives on without a thread."""

    def start(self) -> None:
        """There is nothing to do."""


def install() -> None:
    """For good, in this process."""
    job.load()
    forwarder.LOOK_SECONDS = FORWARDER_LOOK_SECONDS
    cluster.Livy = Livy
    cluster.Cluster.__init__ = _without_idle_timeout(cluster.Cluster.__init__)
    bootstrap.BootstrapAction.run = _fetch_only
    TrainingRun._train = _train
    Container.start, Container.stop = _start, _stop
    Container.wait_until_healthy = lambda self: self.healthy()
    Container.healthy = lambda self: bool(getattr(self, "predictions", None))
    Container.invoke = _invoke
    hosting_container.LogFollower = training_run.LogFollower = None


def _without_idle_timeout(init: Any) -> Any:
    """No cluster ends by its auto-termination policy, whose hour is short here: that would hide leaks."""

    def __init__(self: Any, request: dict[str, Any], *args: Any) -> None:  # noqa: N807
        init(self, request, *args)
        self.auto_termination_policy = None

    return __init__


def _fetch_only(action: Any, node: Path, stop: Any) -> None:
    directory = node / "bootstrap-actions" / str(action.number)
    directory.mkdir(parents=True)
    action._fetch(directory)


def _train(run: Any) -> str:
    """The recorded model, if the channels hold what it was made from."""
    data = run.folder / "input" / "data"
    for channel, days in (("train", TRAINED_ON), ("evaluation", EVALUATED_ON)):
        found = sorted(_digest(file.read_bytes()) for file in (data / channel).rglob("*.parquet"))
        if found != sorted(_digest(recorded.partition(day)) for day in days):
            raise TrainingFailed(f"AlgorithmError: channel {channel} does not hold the recorded days")
    code = run._job.request["HyperParameters"]["sagemaker_submit_directory"].strip('"')
    if not run._objects.exists(code):
        raise TrainingFailed(f"AlgorithmError: {code} not found, exit code: 1")
    for part, archive in (("model", "model.tar.gz"), ("output/data", "output.tar.gz")):
        with tarfile.open(recorded.FOLDER / archive) as packed:
            packed.extractall(run.folder / part, filter="data")
    return "Stopped" if run._job.stop_requested.is_set() else "Completed"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@cache
def _recorded(archive: str, member: str) -> bytes:
    with tarfile.open(recorded.FOLDER / archive) as packed:
        found = packed.extractfile(member)
        assert found is not None
        return found.read()


@cache
def _predictions() -> dict[str, float]:
    """By the features of a row, as JSON."""
    rows = [json.loads(line) for line in _recorded("output.tar.gz", "predictions.jsonl").splitlines()]
    return {json.dumps(row["features"], sort_keys=True): row["prediction"] for row in rows}


def _start(container: Any) -> None:
    """It is healthy if it was given the recorded model, and code."""
    shutil.rmtree(container.folder, ignore_errors=True)
    (container.folder / "tmp").mkdir(parents=True)
    try:
        container._fetch(container.definition.model_data_url, container.folder / "model")
        container._code_folder()
    except FileNotFoundError:
        return
    found = (container.folder / "model" / "model.ubj").read_bytes()
    container.predictions = _predictions() if found == _recorded("model.tar.gz", "model.ubj") else None


def _stop(container: Any, grace_seconds: float = 1) -> None:
    container.predictions = None


def _invoke(container: Any, body: bytes, headers: dict[str, str]) -> Answer:
    rows = json.loads(body)["instances"]
    found = [container.predictions[json.dumps(row, sort_keys=True)] for row in rows]
    return Answer(200, "application/json", json.dumps({"predictions": found}).encode())
