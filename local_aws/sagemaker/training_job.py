"""A training job's record: its request, its states and what DescribeTrainingJob tells of them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

from local_aws import persistence
from local_aws.sagemaker.s3_objects import split_uri

DEFAULT_MAX_RUNTIME_SECONDS = 86400

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SecondaryStatusTransition.html
MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Restarting": "Launched instance was unhealthy, replacing it!",
    "Downloading": "Downloading the training image and the input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
ENDED = frozenset({"Completed", "Failed", "Stopped"})


class TrainingJob:
    """State of one job; changed by its runner's thread, read by requests.

    :param request: CreateTrainingJob's parameters.
    """

    def __init__(self, arn: str, request: dict[str, Any]) -> None:
        self.arn, self.request = arn, request
        self.name: str = request["TrainingJobName"]
        self.tags: list[dict[str, str]] = list(request.get("Tags", []))
        self.status, self.failure_reason = "InProgress", ""
        self.creation_time = datetime.now(UTC)
        self.last_modified_time = self.creation_time
        self.training_start_time: datetime | None = None
        self.training_end_time: datetime | None = None
        self.transitions: list[dict[str, Any]] = []
        self.metrics: list[dict[str, Any]] = []
        self.stop_requested = threading.Event()
        self._lock = threading.Lock()
        self._enter("Starting")

    @property
    def output_uri(self) -> str:
        """Where the job's archives go."""
        return f"{self.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}/output"

    @property
    def max_runtime_seconds(self) -> int:
        """The limit of StoppingCondition, in real seconds."""
        return int(self.request["StoppingCondition"].get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_SECONDS))

    def proceed(self, secondary_status: str) -> bool:
        """Begin the next phase of the work; False, and no change, if the job is being stopped."""
        with persistence.change(), self._lock:
            if self.stop_requested.is_set():
                return False
            if secondary_status == "Downloading":
                self.training_start_time = datetime.now(UTC)
            self._enter(secondary_status)
            return True

    def end(self, secondary_status: str, failure_reason: str = "") -> None:
        """The last state. A job that was asked to stop has never succeeded."""
        with persistence.change(), self._lock:
            if self.stop_requested.is_set() and secondary_status == "Completed":
                secondary_status = "Stopped"
            self._enter(secondary_status, failure_reason)
            self.transitions[-1]["EndTime"] = self.last_modified_time
            self.training_end_time = self.last_modified_time if self.training_start_time else None
            self.failure_reason = failure_reason
            self.status = "Stopped" if secondary_status == "MaxRuntimeExceeded" else secondary_status

    def restart(self) -> None:
        """Its instance was lost: unless it is being stopped, it runs again from the start."""
        with persistence.change(), self._lock:
            if self.status == "InProgress":
                self._enter("Restarting")

    def request_stop(self) -> None:
        """Stopping, until the runner has ended the process."""
        with persistence.change(), self._lock:
            if self.status == "InProgress":
                self.status = "Stopping"
                self._enter("Stopping")
                self.stop_requested.set()

    def _enter(self, secondary_status: str, message: str = "") -> None:
        now = datetime.now(UTC)
        if self.transitions:
            self.transitions[-1]["EndTime"] = now
        self.transitions.append(
            {
                "Status": secondary_status,
                "StartTime": now,
                "StatusMessage": message or MESSAGES[secondary_status],
            }
        )
        self.last_modified_time = now

    def describe(self) -> dict[str, Any]:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html"""
        described = {name: value for name, value in self.request.items() if name != "Tags"}
        described |= {
            "TrainingJobArn": self.arn,
            "ModelArtifacts": {"S3ModelArtifacts": f"{self.output_uri}/model.tar.gz"},
            "TrainingJobStatus": self.status,
            "SecondaryStatus": self.transitions[-1]["Status"],
            "SecondaryStatusTransitions": list(self.transitions),
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            "EnableNetworkIsolation": False,
            "EnableInterContainerTrafficEncryption": False,
            "EnableManagedSpotTraining": False,
            "ProfilingStatus": "Disabled",
        }
        if self.failure_reason:
            described["FailureReason"] = self.failure_reason
        if self.metrics:
            described["FinalMetricDataList"] = self.metrics
        return described | self._times()

    def _times(self) -> dict[str, Any]:
        times: dict[str, Any] = {}
        if self.training_start_time:
            times["TrainingStartTime"] = self.training_start_time
        if self.training_start_time and self.training_end_time:
            seconds = max(1, round((self.training_end_time - self.training_start_time).total_seconds()))
            times |= {
                "TrainingEndTime": self.training_end_time,
                "TrainingTimeInSeconds": seconds,
                "BillableTimeInSeconds": seconds,
            }
        return times

    def summary(self) -> dict[str, Any]:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrainingJobSummary.html"""
        summary = {
            "TrainingJobName": self.name,
            "TrainingJobArn": self.arn,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            "TrainingJobStatus": self.status,
        }
        return summary | ({"TrainingEndTime": self.training_end_time} if self.training_end_time else {})


def channel_sources(channel: dict[str, Any]) -> tuple[str, str]:
    """A channel's S3DataType and S3Uri."""
    source = channel["DataSource"]["S3DataSource"]
    return source["S3DataType"], source["S3Uri"]


def prefix_paths(prefix_uri: str, uris: list[str]) -> dict[str, str]:
    """Where the objects under an S3Prefix land in the channel: URI -> path below its folder.

    What follows the prefix's last slash is kept, as SageMaker's File mode does.
    """
    _, prefix = split_uri(prefix_uri)
    start = prefix.rfind("/") + 1
    if not prefix.endswith("/") and any(split_uri(uri)[1].startswith(prefix + "/") for uri in uris):
        start = len(prefix) + 1
    return {uri: split_uri(uri)[1][start:] or uri.rsplit("/", 1)[-1] for uri in uris}
