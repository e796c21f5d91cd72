"""SageMaker training: jobs that run for real."""

from __future__ import annotations

import json
import re
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ResourceInUseException, ValidationError
from moto.sagemaker.utils import arn_formatter

from local_aws.sagemaker.images import check_image
from local_aws.sagemaker.parameters import ANY, CheckedRequests
from local_aws.sagemaker.roles import check_role
from local_aws.sagemaker.s3_objects import Denied, Objects, split_uri
from local_aws.sagemaker.training_job import ENDED, TrainingJob, channel_sources
from local_aws.sagemaker.training_run import TrainingFailed, TrainingRun, channel_objects

NO = frozenset({False})

PLAYED_CHANNEL = {
    "ChannelName": ANY,
    "DataSource": {
        "S3DataSource": {
            "S3DataType": frozenset({"S3Prefix", "ManifestFile"}),
            "S3Uri": ANY,
            # One instance: sharding gives it everything, as replicating does.
            "S3DataDistributionType": ANY,
        }
    },
    "ContentType": ANY,
    "CompressionType": frozenset({"None"}),
    "RecordWrapperType": frozenset({"None"}),
    "InputMode": frozenset({"File"}),
}
PLAYED = {
    "TrainingJobName": ANY,
    "HyperParameters": ANY,
    "AlgorithmSpecification": {
        "TrainingImage": ANY,
        "TrainingInputMode": frozenset({"File"}),
        "MetricDefinitions": ANY,
        "EnableSageMakerMetricsTimeSeries": NO,
    },
    "RoleArn": ANY,
    "InputDataConfig": PLAYED_CHANNEL,
    "OutputDataConfig": {"S3OutputPath": ANY, "CompressionType": frozenset({"GZIP"})},
    "ResourceConfig": {"InstanceType": ANY, "InstanceCount": frozenset({1}), "VolumeSizeInGB": ANY},
    "StoppingCondition": {"MaxRuntimeInSeconds": ANY},
    "Tags": ANY,
    "EnableNetworkIsolation": NO,
    "EnableInterContainerTrafficEncryption": NO,
    "EnableManagedSpotTraining": NO,
    "Environment": ANY,
    "ProfilerConfig": {"DisableProfiler": frozenset({True})},
}
# https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html: without them the image trains by itself,
# in algorithm mode, which is not played.
SCRIPT_MODE = ("sagemaker_program", "sagemaker_submit_directory")


class TrainingBackend:
    """Training jobs, and the threads that run them."""

    account_id: str
    region_name: str
    training_jobs: dict[str, TrainingJob]

    @property
    def _runs(self) -> dict[str, TrainingRun]:
        runs: dict[str, TrainingRun] = self.__dict__.setdefault("_training_runs", {})
        return runs

    def start_training_job(self, request: dict[str, Any]) -> TrainingJob:
        """Check a request as SageMaker does and start its job."""
        name = request["TrainingJobName"]
        arn = arn_formatter("training-job", name, self.account_id, self.region_name)
        if name in self.training_jobs:
            raise ResourceInUseException(
                "Training job names must be unique within an AWS account and Region, "
                f"and a training job with this name already exists ({arn})"
            )
        check_image(request["AlgorithmSpecification"].get("TrainingImage", ""), self.region_name)
        _check_hyperparameters(request.get("HyperParameters", {}))
        _check_metrics(request["AlgorithmSpecification"].get("MetricDefinitions", []))
        check_role(request["RoleArn"], self.account_id, self.region_name)
        self._check_data(request)
        job = TrainingJob(arn, request)
        self.training_jobs[name] = job
        self._runs[name] = TrainingRun(job, self.account_id, self.region_name)
        self._runs[name].start()
        return job

    def _resume_training_jobs(self) -> int:
        """Jobs that a crash of the server interrupted run again from the start; how many."""
        self._runs.clear()
        interrupted = [job for job in self.training_jobs.values() if job.status not in ENDED]
        for job in interrupted:
            job.restart()
            self._runs[job.name] = TrainingRun(job, self.account_id, self.region_name)
            self._runs[job.name].start()
        return len(interrupted)

    def find_training_job(self, name: str) -> TrainingJob:
        """The job of a name.

        :raises ValidationError: there is none; AWS does not answer ResourceNotFound here.
        """
        if name not in self.training_jobs:
            raise ValidationError("Requested resource not found.")
        return self.training_jobs[name]

    def kill_training_jobs(self) -> None:
        """End every job's process, at once."""
        for run in self._runs.values():
            run.kill()

    def _check_data(self, request: dict[str, Any]) -> None:
        objects = Objects(self.account_id, self.region_name, request["RoleArn"])
        for channel in request.get("InputDataConfig", []):
            try:
                found = bool(channel_objects(objects, channel))
            except Denied:
                found = False
            except TrainingFailed:
                continue  # a broken manifest fails the job, when it is read
            if not found:
                uri = channel_sources(channel)[1]
                raise ValidationError(_no_objects(uri, self.region_name, request["RoleArn"]))


def _no_objects(uri: str, region: str, role: str) -> str:
    bucket, _ = split_uri(uri)
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the '
        f"bucket exists in the selected region ({region}), that objects exist under that S3 prefix, and that "
        f'the role "{role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )


def _check_hyperparameters(hyperparameters: dict[str, str]) -> None:
    for name in SCRIPT_MODE:
        if name not in hyperparameters:
            raise ValidationError(
                f"The embedded AWS plays XGBoost's script mode only: hyperparameter {name} is missing"
            )


def _check_metrics(definitions: list[dict[str, str]]) -> None:
    for definition in definitions:
        try:
            re.compile(definition["Regex"])
        except re.error as error:
            raise ValidationError(
                f"Invalid regular expression of metric {definition['Name']}: {error}"
            ) from error


class TrainingResponse(CheckedRequests):
    """Training's operations."""

    sagemaker_backend: Any

    def create_training_job(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html"""
        request = self.checked("CreateTrainingJob", PLAYED)
        for required in ("ResourceConfig", "StoppingCondition"):
            if required not in request:
                raise ValidationError(f"{required} is required for a training job on instances.")
        return ActionResult({"TrainingJobArn": self.sagemaker_backend.start_training_job(request).arn})

    def describe_training_job(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html"""
        job = self.sagemaker_backend.find_training_job(json.loads(self.body)["TrainingJobName"])
        return ActionResult(job.describe())

    def stop_training_job(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTrainingJob.html"""
        job = self.sagemaker_backend.find_training_job(json.loads(self.body)["TrainingJobName"])
        if job.status in ENDED:
            raise ValidationError(
                f"The request was rejected because the training job is in status {job.status}."
            )
        job.request_stop()
        return EmptyResult()

    def list_training_jobs(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTrainingJobs.html"""
        summaries = [job.summary() for job in self.sagemaker_backend.training_jobs.values()]
        return self.listing(
            "ListTrainingJobs",
            "TrainingJobSummaries",
            summaries,
            name="TrainingJobName",
            status="TrainingJobStatus",
        )
