"""Waiting for a SageMaker training job, with its CloudWatch log in the task log while it runs."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import SageMakerEmrError, TrainingFailed
from sagemaker_emr.hooks.base import AwsHook
from sagemaker_emr.hooks.logs import LogsHook
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.hooks.sagemaker import (
    TRAINING_JOB_STATES,
    TRAINING_LOG_GROUP,
    JobState,
    SageMakerHook,
    training_result,
)
from sagemaker_emr.triggers.base import AwsWaiterTrigger, WaitTrigger

_DENIED = re.compile(r"Access ?Denied|not authorized", re.IGNORECASE)

CODE_PARAMETER = "sagemaker_submit_directory"
"""The hyperparameter, in JSON as all of them, that names the code in script mode."""


class SageMakerTrainingJobTrigger(AwsWaiterTrigger):
    """Waits until a training job is Completed; killed, it stops the job.

    :param log_tokens: how far each log stream was written to the task log when the wait began. It is stored
        once: a triggerer that takes over from another begins there, so the task log repeats what the other
        wrote.
    """

    hook_class: ClassVar[type[AwsHook]] = SageMakerHook
    waiter_name = "training_job_completed"

    def __init__(self, *, job_name: str, log_tokens: dict[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_name = job_name
        self.log_tokens = log_tokens or {}

    def describe(self) -> str:
        return f"training job {self.job_name}"

    def waiter_args(self) -> dict[str, Any]:
        return {"TrainingJobName": self.job_name}

    def progress(self, response: dict[str, Any]) -> None:
        for line in self._logs.new_lines(TRAINING_LOG_GROUP, f"{self.job_name}/", self.log_tokens):
            self.log.info("%s", line)
        transitions = response.get("SecondaryStatusTransitions") or [{}]
        message = transitions[-1].get("StatusMessage")
        status = f"Training job {self.job_name}: {response['SecondaryStatus']}"
        self.report(f"{status}: {message}" if message else status)
        TRAINING_JOB_STATES.of(response["TrainingJobStatus"], self.job_name)

    def result(self, response: dict[str, Any]) -> dict[str, Any]:
        return training_result(response)

    def failure(self, response: dict[str, Any]) -> SageMakerEmrError:
        status, secondary = response["TrainingJobStatus"], response["SecondaryStatus"]
        reason = response.get("FailureReason") or (secondary if secondary != status else None)
        failure = TrainingFailed(
            f"Training job {self.job_name} is {status}",
            reason=reason,
            next_step=_next_step(reason or "", response.get("RoleArn", "")),
        )
        code = json.loads(response.get("HyperParameters", {}).get(CODE_PARAMETER, "null"))
        if code and status == "Failed":
            ArtifactsHook(**self.connection).check_staged([code], failure)
        return failure

    def stop(self) -> None:
        """StopTrainingJob; a job that has ended already refuses it, which is as good."""
        try:
            self.hook.conn.stop_training_job(TrainingJobName=self.job_name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ValidationException", "ResourceNotFound"):
                raise
        else:
            self.log.info("Asked SageMaker to stop training job %s", self.job_name)

    @cached_property
    def _logs(self) -> LogsHook:
        return LogsHook(**self.connection)


def _next_step(reason: str, role_arn: str) -> str:
    """What the reader can do about a FailureReason.

    https://repost.aws/knowledge-center/sagemaker-s3-accessdenied-training
    """
    if not _DENIED.search(reason):
        return "Its log is above. The next try starts a new job."
    return give_role_back(role_arn)


def give_role_back(role_arn: str) -> str:
    """What the reader can do where a job's role is missing, or lacks something."""
    return (
        f"Run check_platform: it tells what {role_arn}, the job's role, lacks, and how it is put back. Then "
        "clear this task: it starts a new job."
    )


class SageMakerTrainingJobEndedTrigger(WaitTrigger):
    """Waits until a job that is Stopping has ended, whichever way: its successor must not run beside it."""

    hook_class: ClassVar[type[AwsHook]] = SageMakerHook

    def __init__(self, *, job_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_name = job_name

    def describe(self) -> str:
        return f"training job {self.job_name} to end"

    def look(self) -> dict[str, Any] | None:
        job = self.hook.find_training_job(self.job_name)
        status = job["TrainingJobStatus"] if job else "deleted"
        self.report(f"Training job {self.job_name} is {status}")
        going_on = (JobState.ATTACH, JobState.ENDING)
        if job and TRAINING_JOB_STATES.of(status, self.job_name) in going_on:
            return None
        return {"ended": self.job_name}
