"""Runs a training job: the container's folders, the real training toolkit in them, and the results.

The contract is SageMaker's: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.s3.exceptions import MissingBucket

from local_aws import clock, persistence
from local_aws.logs.models import LogFollower, LogStream
from local_aws.processes import ChildProcess
from local_aws.sagemaker.s3_objects import Denied, Objects, pack
from local_aws.sagemaker.training_job import TrainingJob, channel_sources, prefix_paths
from local_aws.settings import settings

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
STARTING_AWS_SECONDS = 60
POLL_SECONDS = 0.05
KILL_SECONDS = 10
MAX_FAILURE_CHARACTERS = 1024
HOST = "algo-1"


class TrainingFailed(Exception):
    """The job ends as Failed; the text is its FailureReason."""


class TrainingRun(threading.Thread):
    """The life of one job, in a thread of its own."""

    def __init__(self, job: TrainingJob, account_id: str, region: str) -> None:
        super().__init__(name=f"training job {job.name}", daemon=True)
        self._job, self._account_id, self._region = job, account_id, region
        self._objects = Objects(account_id, region, job.request["RoleArn"])
        self.folder = settings.home / "sagemaker" / job.name
        self._process: ChildProcess | None = None
        self._killed = False
        self._life = persistence.background(self._live)

    def run(self) -> None:
        """The thread's work."""
        self._life()

    def _live(self) -> None:
        """Starting, Downloading, Training, Uploading; every failure ends the job with its reason."""
        try:
            self._job.end(self._work())
        except TrainingFailed as failure:
            self._job.end("Failed", str(failure))
        except Exception as error:  # the service's own fault is an answer too, never a job that hangs
            self._job.end("Failed", f"InternalServerError: {type(error).__name__}: {error}")
            raise
        finally:
            self._clean_up()

    def kill(self) -> None:
        """End the job at once; for a server that ends."""
        self._killed = True
        self._job.stop_requested.set()
        if self._process:
            self._process.stop(grace_seconds=0)
        self.join(KILL_SECONDS)

    def _work(self) -> str:
        job = self._job
        clock.wait(job.stop_requested, STARTING_AWS_SECONDS)
        if not job.proceed("Downloading"):
            return "Stopped"
        self._lay_out()
        if not job.proceed("Training"):
            return "Stopped"
        verdict = self._train()
        if verdict == "Completed" and not job.proceed("Uploading"):
            verdict = "Stopped"
        # A job that was stopped uploads what it has; one that was killed has nobody to upload for.
        if not self._killed:
            self._upload()
        return verdict

    def _lay_out(self) -> None:
        persistence.check()
        shutil.rmtree(self.folder, ignore_errors=True)
        for part in ("input/config", "input/data", "model", "output/data", "tmp"):
            (self.folder / part).mkdir(parents=True)
        channels = self._job.request.get("InputDataConfig", [])
        try:
            for channel in channels:
                self._download(channel)
        except Denied as denied:
            raise TrainingFailed(f"ClientError: Data download failed:{denied}") from denied
        self._configure("hyperparameters", self._job.request["HyperParameters"])
        self._configure(
            "inputdataconfig", {channel["ChannelName"]: _channel_config(channel) for channel in channels}
        )
        self._configure(
            "resourceconfig", _resource_config(self._job.request["ResourceConfig"]["InstanceType"])
        )

    def _configure(self, name: str, content: dict[str, Any]) -> None:
        (self.folder / "input" / "config" / f"{name}.json").write_text(json.dumps(content))

    def _download(self, channel: dict[str, Any]) -> None:
        folder = (self.folder / "input" / "data" / channel["ChannelName"]).resolve()
        folder.mkdir()
        for uri, path in channel_objects(self._objects, channel).items():
            target = (folder / path).resolve()
            content = self._objects.read(uri)
            if content is None:
                raise TrainingFailed(f"ClientError: Data download failed:NoSuchKey (404): {uri} not found.")
            if not target.is_relative_to(folder):
                raise TrainingFailed(f"ClientError: Data download failed:{uri} lies outside of its channel.")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def _train(self) -> str:
        """Run the toolkit to its end: Completed, Stopped or MaxRuntimeExceeded.

        :raises TrainingFailed: with what the toolkit wrote to ``output/failure``.
        """
        job, log = self._job, self.folder / "container.log"
        stream = LogStream(self._account_id, self._region, LOG_GROUP, f"{job.name}/{HOST}-{int(time.time())}")
        self._process = ChildProcess(
            [settings.sagemaker_python.parent / "train"], log=log, env=self._environment(), cwd=self.folder
        )
        follower = LogFollower(log, stream)
        try:
            verdict = self._outcome(self._process)
        finally:
            follower.finish()
        job.metrics = final_metrics(
            log.read_text(errors="replace"),
            job.request["AlgorithmSpecification"].get("MetricDefinitions", []),
        )
        if verdict == "Completed" and self._process.returncode:
            raise TrainingFailed(self._failure(self._process.returncode))
        return verdict

    def _outcome(self, process: ChildProcess) -> str:
        deadline = time.monotonic() + self._job.max_runtime_seconds
        while True:
            try:
                process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if self._job.stop_requested.is_set():
                    process.stop()
                    return "Stopped"
                if time.monotonic() > deadline:
                    process.stop()
                    return "MaxRuntimeExceeded"
            else:
                return "Completed"

    def _failure(self, exit_code: int) -> str:
        file = self.folder / "output" / "failure"
        text = (
            file.read_text(errors="replace")[:MAX_FAILURE_CHARACTERS]
            if file.exists()
            else "Please check the log."
        )
        return f"AlgorithmError: {text}, exit code: {exit_code}"

    def _upload(self) -> None:
        """model.tar.gz and output.tar.gz, of the folders that hold something."""
        for part, name in (("model", "model.tar.gz"), ("output/data", "output.tar.gz")):
            if not any((self.folder / part).iterdir()):
                continue
            archive = self.folder / name
            pack(self.folder / part, archive)
            uri = f"{self._job.output_uri}/{name}"
            try:
                self._objects.write(uri, archive.read_bytes())
            except MissingBucket as error:
                raise TrainingFailed(
                    f"ClientError: Artifact upload failed:NoSuchBucket (404): {uri}"
                ) from error
            except Denied as denied:
                raise TrainingFailed(f"ClientError: Artifact upload failed:{denied}") from denied

    def _environment(self) -> dict[str, str]:
        return container_environment(self.folder, self._region) | {
            "TRAINING_JOB_NAME": self._job.name,
            "TRAINING_JOB_ARN": self._job.arn,
            # The host is named algo-1 as on SageMaker, and this keeps the toolkit from looking that name up.
            "SM_STUDIO_LOCAL_MODE": "true",
            **self._job.request.get("Environment", {}),
        }

    def _clean_up(self) -> None:
        persistence.check()
        if self._process:
            self._process.stop()
        for part in ("input/data", "code", "tmp", "model", "site-packages"):
            shutil.rmtree(self.folder / part, ignore_errors=True)
        for archive in self.folder.glob("*.tar.gz"):
            archive.unlink()


def container_environment(folder: Path, region: str) -> dict[str, str]:
    """What both of SageMaker's containers find in their environment.

    Packages that a requirements.txt asks for go to the container's own folder, never to the interpreter's.
    """
    packages = str(folder / "site-packages")
    return {
        "PATH": os.pathsep.join(
            [str(settings.sagemaker_python.parent), "/usr/local/bin", "/usr/bin", "/bin"]
        ),
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": packages,
        "PIP_TARGET": packages,
        "SAGEMAKER_BASE_DIR": str(folder),
        "SAGEMAKER_REGION": region,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": settings.endpoint_url,
        "AWS_ACCESS_KEY_ID": "ASIASAGEMAKERROLE000",
        "AWS_SECRET_ACCESS_KEY": "execution-role",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def channel_objects(objects: Objects, channel: dict[str, Any]) -> dict[str, str]:
    """The objects of a channel: URI -> path in the channel's folder. Empty if there are none.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
    """
    kind, uri = channel_sources(channel)
    if kind == "S3Prefix":
        return prefix_paths(uri, objects.under(uri))
    manifest = objects.read(uri)
    if manifest is None:
        return {}
    try:
        first, *names = json.loads(manifest)
        return {f"{first['prefix']}{name}": name for name in names}
    except (ValueError, TypeError, KeyError) as error:
        raise TrainingFailed(
            f"ClientError: Data download failed:Invalid manifest {uri}: {error!r}"
        ) from error


def final_metrics(log: str, definitions: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The last value each definition's regular expression finds in the log.

    https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
    """
    metrics = []
    for definition in definitions:
        found = [match for line in log.splitlines() for match in re.finditer(definition["Regex"], line)]
        if found and found[-1].groups():
            metrics.append(
                {
                    "MetricName": definition["Name"],
                    "Value": float(found[-1][1]),
                    "Timestamp": datetime.now(UTC),
                }
            )
    return metrics


def _channel_config(channel: dict[str, Any]) -> dict[str, str]:
    config = {
        "TrainingInputMode": "File",
        "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
            "S3DataDistributionType", "FullyReplicated"
        ),
        "RecordWrapperType": "None",
    }
    return config | ({"ContentType": channel["ContentType"]} if "ContentType" in channel else {})


def _resource_config(instance_type: str) -> dict[str, Any]:
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance_type, "hosts": [HOST]}
    return {
        "current_host": HOST,
        "hosts": [HOST],
        "current_instance_type": instance_type,
        "current_group_name": "homogeneousCluster",
        "instance_groups": [group],
        "network_interface_name": "eth0",
    }
