"""SageMaker: jobs, models and endpoints found by name, and what its errors mean."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.hooks.base import ServiceHook
from sagemaker_emr.names import derive
from sagemaker_emr.states import StateTable

TRAINING_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
ENDPOINT_LOG_GROUP = "/aws/sagemaker/Endpoints"

TRAINED_UNTIL_TAG = "sagemaker-emr:trained-until"
"""Of endpoint configurations: the last day that the model was trained on, as ``YYYY-MM-DD``."""

_MISSING = re.compile(r"could not find|not found|does not exist|cannot find", re.IGNORECASE)
_EXISTING = re.compile(r"already exist", re.IGNORECASE)
_BUSY = re.compile(r"in-progress|in progress|currently being", re.IGNORECASE)


def is_missing(error: ClientError) -> bool:
    """Whether the named resource does not exist: most SageMaker calls say so by a ValidationException."""
    return _is(error, {"ResourceNotFound", "ResourceNotFoundException"}, _MISSING)


def is_existing(error: ClientError) -> bool:
    """Whether a create met a resource of the same name."""
    return _is(error, {"ResourceInUse", "ConflictException"}, _EXISTING)


def is_busy(error: ClientError) -> bool:
    """Whether an endpoint is being created, updated or deleted just now."""
    return _is(error, {"ResourceInUse"}, _BUSY)


def _is(error: ClientError, codes: set[str], words: re.Pattern[str]) -> bool:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return code in codes or (code == "ValidationException" and bool(words.search(message)))


class JobState(StrEnum):
    """What the training operator does with a job of an earlier try."""

    ATTACH = "it is waited for"
    COMPLETED = "it is the answer"
    ENDING = "its end is waited for, then a new job is created"
    PAST = "a new job is created"


TRAINING_JOB_STATES = StateTable(
    "training job",
    "sagemaker",
    "TrainingJobStatus",
    {
        "InProgress": JobState.ATTACH,
        "Completed": JobState.COMPLETED,
        "Failed": JobState.PAST,
        "Stopping": JobState.ENDING,
        "Stopped": JobState.PAST,
        "Deleting": JobState.PAST,
    },
)
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html"""


class EndpointState(StrEnum):
    """What the deployment does with an endpoint in one state."""

    SERVING = "it is updated where it has another configuration"
    MIXED = "it is updated, which is AWS's remedy"
    OURS = "it is waited for; an operation that leads to our configuration counts as ours"
    OF_OTHERS = "it is waited for"
    DEAD = "it is deleted and created anew"
    OUT = "it is left to its owner"


ENDPOINT_STATES = StateTable(
    "endpoint",
    "sagemaker",
    "EndpointStatus",
    {
        "OutOfService": EndpointState.OUT,
        "Creating": EndpointState.OURS,
        "Updating": EndpointState.OURS,
        "SystemUpdating": EndpointState.OF_OTHERS,
        "RollingBack": EndpointState.OF_OTHERS,
        "InService": EndpointState.SERVING,
        "Deleting": EndpointState.OF_OTHERS,
        "Failed": EndpointState.DEAD,
        "UpdateRollbackFailed": EndpointState.MIXED,
    },
)
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html and, of the way out of
UpdateRollbackFailed, https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-rolling.html
"""


class ProjectState(StrEnum):
    """What the termination of a cluster launched from Studio does with its project in one state."""

    DELETE = "it is deleted"
    CHANGING = "its change is waited for, since what changes can't be deleted"
    ENDED = "the wait is over: it is gone, or its deletion failed"


PROJECT_STATES = StateTable(
    "project",
    "sagemaker",
    "ProjectStatus",
    {
        "Pending": ProjectState.CHANGING,
        "CreateInProgress": ProjectState.CHANGING,
        "CreateCompleted": ProjectState.DELETE,
        "CreateFailed": ProjectState.DELETE,
        "DeleteInProgress": ProjectState.CHANGING,
        "DeleteFailed": ProjectState.ENDED,
        "DeleteCompleted": ProjectState.ENDED,
        "UpdateInProgress": ProjectState.CHANGING,
        "UpdateCompleted": ProjectState.DELETE,
        "UpdateFailed": ProjectState.DELETE,
    },
)
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeProject.html"""


class SageMakerHook(ServiceHook):
    """A thin hook over SageMaker."""

    service = "sagemaker"

    def find(self, operation: str, **request: Any) -> dict[str, Any] | None:
        """What a Describe call answers (``find("describe_model", ModelName=…)``), or None."""
        describe: Callable[..., dict[str, Any]] = getattr(self.conn, operation)
        try:
            return describe(**request)
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def create(self, operation: str, **request: Any) -> dict[str, Any] | None:
        """What a Create call answers, or None where one of that name exists."""
        create: Callable[..., dict[str, Any]] = getattr(self.conn, operation)
        try:
            return create(**request)
        except ClientError as error:
            if is_existing(error):
                return None
            raise

    def find_training_job(self, name: str) -> dict[str, Any] | None:
        """DescribeTrainingJob, or None."""
        return self.find("describe_training_job", TrainingJobName=name)

    def latest_training_job(self, purpose: str, *key: str) -> tuple[str, JobState | None]:
        """Of the jobs of one key, the name of the one that counts, and what its state means.

        None where it is still to be created. A gap of one in the generations is a job that somebody deleted.
        """
        missing: str | None = None
        for generation in count(1):
            name = derive(purpose, *key, generation=generation)
            state = self._job_state(name)
            if state is None and missing:
                return missing, None
            if state not in (None, JobState.PAST):
                return name, state
            missing = name if state is None else None
        raise AssertionError("count never ends")

    def _job_state(self, name: str) -> JobState | None:
        job = self.find_training_job(name)
        if job is None:
            return None
        state = TRAINING_JOB_STATES.of(job["TrainingJobStatus"], name)
        self.log.info("Training job %s is %s: %s", name, job["TrainingJobStatus"], state)
        return state

    def trained_until(self, endpoint_config_name: str) -> str | None:
        """The last training day of an endpoint configuration's model, from its tag; None without one.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTags.html
        """
        found = self.find("describe_endpoint_config", EndpointConfigName=endpoint_config_name)
        if found is None:
            return None
        pages = self.conn.get_paginator("list_tags").paginate(ResourceArn=found["EndpointConfigArn"])
        tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        return tags.get(TRAINED_UNTIL_TAG)

    def newer_than(self, endpoint_config_name: str, trained_until: str | None) -> str | None:
        """The last training day of a configuration's model, where it is later than the one given."""
        other = self.trained_until(endpoint_config_name) if trained_until else None
        return other if other and trained_until and other > trained_until else None

    def find_endpoint(self, name: str) -> dict[str, Any] | None:
        """DescribeEndpoint, or None."""
        return self.find("describe_endpoint", EndpointName=name)


def hyperparameters(values: Mapping[str, Any]) -> dict[str, str]:
    """Hyperparameters as script mode wants them: each value a JSON text.

    A text that is a JSON number or boolean already (as templates render them) stays as it is.
    """
    return {name: _to_json(value) for name, value in values.items()}


def _to_json(value: Any) -> str:
    if isinstance(value, str):
        try:
            if isinstance(json.loads(value), int | float):
                return value
        except ValueError:
            pass
    return json.dumps(value)


def code_hash(code_uri: str) -> str:
    """The hash in a staged archive's address (``…/<sha256>/sourcedir.tar.gz``).

    :raises InvalidInput: the address has none.
    """
    found = re.search(r"/([0-9a-f]{64})/[^/]+$", code_uri)
    if not found:
        raise InvalidInput(
            f"{code_uri} is no staged code", reason="expected s3://bucket/…/<sha256>/sourcedir.tar.gz"
        )
    return found[1]


def training_result(job: Mapping[str, Any]) -> dict[str, Any]:
    """What the next tasks need of a completed job, all from DescribeTrainingJob.

    So it describes the job that ran, also when a retry found it.
    """
    name = job["TrainingJobName"]
    code_uri = json.loads(job["HyperParameters"]["sagemaker_submit_directory"])
    output = f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/output/output.tar.gz"
    return {
        "job_name": name,
        "job_arn": job["TrainingJobArn"],
        "model_data": job["ModelArtifacts"]["S3ModelArtifacts"],
        "output_data": output,
        "image": job["AlgorithmSpecification"]["TrainingImage"],
        "code_uri": code_uri,
        "code_hash": code_hash(code_uri),
        "inputs": {
            channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
            for channel in job["InputDataConfig"]
        },
        "training_seconds": job.get("TrainingTimeInSeconds"),
    }
