"""Training a model on committed feature partitions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from botocore.exceptions import ClientError

from sagemaker_emr import names
from sagemaker_emr.exceptions import InvalidInput, TrainingFailed
from sagemaker_emr.features import committed_files, read_lineage, window_dates, write_training_input
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.hooks.sagemaker import (
    JobState,
    SageMakerHook,
    code_hash,
    hyperparameters,
)
from sagemaker_emr.links.logs import SageMakerTrainingLogLink
from sagemaker_emr.links.sagemaker import SageMakerTrainingJobLink
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.partitions import DEFAULT_XGBOOST_VERSION, xgboost_image
from sagemaker_emr.triggers.sagemaker_training import (
    CODE_PARAMETER,
    SageMakerTrainingJobEndedTrigger,
    SageMakerTrainingJobTrigger,
    give_role_back,
)

_OF_ROLE = re.compile(r"Could not assume role|that the role \S+ has", re.IGNORECASE)
"""Of a ValidationException of CreateTrainingJob: the execution role is not there, or lacks something."""

QUEUE_SECONDS = 1800
"""Beyond the job's own MaxRuntimeInSeconds: getting instances, downloading, uploading."""


class SageMakerTrainModelOperator(AwsWaitingOperator[SageMakerHook]):
    """Trains XGBoost in script mode on exactly the files that are committed for given days.

    The job's name is derived from the run: in every try a job that runs is attached to, a completed one is
    the answer, and only past one that Failed or was Stopped is the next generation created; one that is
    Stopping is waited for first. The answer describes the job that ran, from DescribeTrainingJob.

    :param bucket: the artifacts bucket: training inputs, model and evaluation are written there.
    :param features_uri: the folder of the ``date=…`` partitions.
    :param training_window: first and last day to train on.
    :param evaluation_window: first and last day to evaluate on; all later than the training days.
    :param code_uri: the staged ``sourcedir.tar.gz`` with ``train.py`` and ``inference.py``.
    :param hyperparameters: the script's own; those of script mode are added.
    :param max_runtime_seconds: SageMaker stops the job after it.
    :return: ``job_name``, ``job_arn``, ``model_data``, ``output_data``, ``image``, ``code_uri``,
        ``code_hash``, ``inputs`` (channel to training input), ``training_seconds``
        and ``partition_etags`` (date to version).
    """

    aws_hook_class = SageMakerHook
    template_fields: Sequence[str] = aws_template_fields(
        "environment",
        "bucket",
        "features_uri",
        "training_window",
        "evaluation_window",
        "code_uri",
        "role_arn",
        "hyperparameters",
        "instance_type",
        "image_version",
    )
    operator_extra_links = (SageMakerTrainingJobLink(), SageMakerTrainingLogLink())

    def __init__(
        self,
        *,
        environment: str,
        bucket: str,
        features_uri: str,
        training_window: Sequence[str],
        evaluation_window: Sequence[str],
        code_uri: str,
        role_arn: str,
        hyperparameters: Mapping[str, Any] | None = None,
        instance_type: str = "ml.m5.xlarge",
        volume_size_gb: int = 30,
        image_version: str = DEFAULT_XGBOOST_VERSION,
        max_runtime_seconds: int = 3600,
        purpose: str = "train-model",
        timeout_seconds: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds or max_runtime_seconds + QUEUE_SECONDS, **kwargs)
        self.environment = environment
        self.bucket = bucket
        self.features_uri = features_uri
        self.training_window = training_window
        self.evaluation_window = evaluation_window
        self.code_uri = code_uri
        self.role_arn = role_arn
        self.hyperparameters = hyperparameters
        self.instance_type = instance_type
        self.volume_size_gb = volume_size_gb
        self.image_version = image_version
        self.max_runtime_seconds = max_runtime_seconds
        self.purpose = purpose

    def execute(self, context: Context) -> Any:
        """Attach to the run's job, or create it.

        :raises InvalidInput: a day has no committed features, or the windows can't be used.
        :raises TrainingFailed: with SageMaker's FailureReason.
        """
        return self._train(context)

    def _train(self, context: Context) -> Any:
        job_name, state = self.hook.latest_training_job(
            self.purpose, self.environment, context["ti"].dag_id, context["ti"].run_id
        )
        if state is JobState.ENDING:
            return self.wait_for(
                context, SageMakerTrainingJobEndedTrigger(job_name=job_name, **self.trigger_parameters)
            )
        trigger = SageMakerTrainingJobTrigger(job_name=job_name, **self.trigger_parameters)
        if state is None:
            # Before the job may be there: a kill must find what to stop.
            self._trigger = trigger
            self._create_job(context, job_name)
        region, partition = self.hook.conn_region_name, self.hook.conn_partition
        for link in (SageMakerTrainingJobLink, SageMakerTrainingLogLink):
            link.persist(context, self, region, partition, job_name=job_name)
        return self.wait_for(context, trigger)

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        if "ended" in result:
            return self._train(context)
        s3 = ArtifactsHook(**self._hook_parameters)
        etags: dict[str, str] = {}
        for uri in result["inputs"].values():
            etags |= read_lineage(s3, uri)
        self.log.info("Trained %s in %s s", result["model_data"], result["training_seconds"])
        return {**result, "partition_etags": etags}

    def _create_job(self, context: Context, name: str) -> None:
        tags = names.tags(
            self.environment,
            owner=self.owner,
            dag_id=context["ti"].dag_id,
            run_id=context["ti"].run_id,
        )
        request = self._request(name)
        try:
            created = self.hook.create("create_training_job", **request, Tags=names.to_tag_list(tags))
        except ClientError as error:
            if not _OF_ROLE.search(str(error)):
                raise
            raise TrainingFailed(
                f"SageMaker refused training job {name}",
                reason=str(error),
                next_step=give_role_back(self.role_arn),
            ) from error
        self.log.info("Training job %s %s", name, "created" if created else "was created by another try")

    def _request(self, name: str) -> dict[str, Any]:
        """CreateTrainingJob's parameters, for script mode:
        https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html#xgboost-modes
        """
        region = self.hook.conn_region_name
        code_hash(self.code_uri)
        script_mode = {
            "sagemaker_program": "train.py",
            CODE_PARAMETER: self.code_uri,
            "sagemaker_region": region,
        }
        return {
            "TrainingJobName": name,
            "HyperParameters": hyperparameters(self.hyperparameters or {})
            | {key: json.dumps(value) for key, value in script_mode.items()},
            "AlgorithmSpecification": {
                "TrainingImage": xgboost_image(region, self.image_version),
                "TrainingInputMode": "File",
            },
            "RoleArn": self.role_arn,
            "InputDataConfig": [_channel(channel, uri) for channel, uri in self._write_inputs().items()],
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/training"},
            "ResourceConfig": {
                "InstanceType": self.instance_type,
                "InstanceCount": 1,
                "VolumeSizeInGB": self.volume_size_gb,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": self.max_runtime_seconds},
        }

    def _write_inputs(self) -> dict[str, str]:
        """The training input of each channel: exactly the files committed now."""
        training, evaluation = window_dates(*self.training_window), window_dates(*self.evaluation_window)
        if evaluation[0] <= training[-1]:
            raise InvalidInput(
                f"The evaluation window starts on {evaluation[0]}, within the training window",
                reason=f"a model is judged on days it was not trained on: after {training[-1]}",
            )
        s3 = ArtifactsHook(**self._hook_parameters)
        partitions = committed_files(s3, self.features_uri, training + evaluation)
        channels = {"train": partitions[: len(training)], "evaluation": partitions[len(training) :]}
        return {
            channel: write_training_input(s3, self.bucket, self.features_uri, chosen)
            for channel, chosen in channels.items()
        }


def _channel(name: str, manifest_uri: str) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "ContentType": "application/x-parquet",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "ManifestFile",
                "S3Uri": manifest_uri,
                "S3DataDistributionType": "FullyReplicated",
            }
        },
    }
