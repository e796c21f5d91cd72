"""Judging a trained model, and registering it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context

from sagemaker_emr import names
from sagemaker_emr.exceptions import ModelRejected, ResourceConflict
from sagemaker_emr.hooks.s3 import ArtifactsHook, split_uri
from sagemaker_emr.hooks.sagemaker import SageMakerHook
from sagemaker_emr.hooks.sagemaker_output import (
    EVALUATION,
    PREDICTIONS,
    parse_evaluation,
    parse_predictions,
    read_output,
)
from sagemaker_emr.triggers.base import surely

DEFAULT_INFERENCE_INSTANCE_TYPES = ("ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge", "ml.c5.xlarge")
TRAINED_UNTIL = "trained_until"
"""The metadata property of a model package that holds the last training day."""
AWAY_SECONDS = 600.0
"""How long S3 may not answer: as long as a wait in the triggerer would bear it, and longer than a client
tries (71 s) and a task is retried (``RETRIES``)."""
CONTENT_TYPES = ("application/json", "text/csv")


class SageMakerEvaluateModelOperator(AwsBaseOperator[SageMakerHook]):
    """Refuses a model that does not beat every simple baseline on the evaluation days.

    The job's evaluation and held-out predictions are copied beside the model first, also those of a model
    that is refused.

    :param training: what :class:`SageMakerTrainModelOperator` returned.
    :return: the evaluation, with ``job_name``, ``evaluation_uri`` and ``predictions_uri``.
    """

    aws_hook_class = SageMakerHook
    template_fields: Sequence[str] = aws_template_fields("training")

    def __init__(self, *, training: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.training = training

    def execute(self, context: Context) -> dict[str, Any]:
        """Read, copy, show, judge.

        :raises TrainingFailed: the job left no usable evaluation.
        :raises ModelRejected: a baseline is as good or better, and by how much.
        """
        return surely(self._judge, f"Judging {self.training['job_name']}", self.log, AWAY_SECONDS)

    def _judge(self) -> dict[str, Any]:
        s3 = ArtifactsHook(**self._hook_parameters)
        uri, job_name = self.training["output_data"], self.training["job_name"]
        files = read_output(s3, uri)
        evaluation = parse_evaluation(files[EVALUATION], uri)
        parse_predictions(files[PREDICTIONS], uri)
        bucket, _ = split_uri(uri)
        uris = {name: f"s3://{bucket}/evaluations/{job_name}/{name}" for name in files}
        for name, target in uris.items():
            s3.conn.put_object(Bucket=bucket, Key=split_uri(target)[1], Body=files[name])
        self.log.info("%s", table(evaluation))
        check_beats_baselines(evaluation, job_name)
        return {
            **evaluation,
            "job_name": job_name,
            "evaluation_uri": uris[EVALUATION],
            "predictions_uri": uris[PREDICTIONS],
        }


def table(evaluation: Mapping[str, Any]) -> str:
    """The model's error beside the baselines', for the log."""
    rmse = evaluation["rmse"]
    rows = [("model", rmse), *sorted(evaluation["baselines"].items(), key=lambda item: item[1])]
    lines = [f"  {name:<24}{value:>10.3f}{value - rmse:>+12.3f}" for name, value in rows]
    head = f"RMSE on {evaluation['evaluation_rows']} rows of {len(evaluation['evaluation_dates'])} later days"
    return "\n".join([head, f"  {'':<24}{'RMSE':>10}{'to model':>12}", *lines])


def check_beats_baselines(evaluation: Mapping[str, Any], job_name: str) -> None:
    """:raises ModelRejected: naming each baseline that the model does not beat, and by how much."""
    rmse = evaluation["rmse"]
    lost = {name: value for name, value in evaluation["baselines"].items() if rmse >= value}
    if lost:
        told = ", ".join(
            f"{name} {value:.3f} (model worse by {rmse - value:.3f})" for name, value in lost.items()
        )
        days = evaluation["evaluation_dates"]
        raise ModelRejected(
            f"The model of {job_name} does not beat its baselines",
            reason=f"RMSE {rmse:.3f} on {days[0]} to {days[-1]}; baselines: {told}",
            next_step="Nothing was deployed. Train on another window or with other hyperparameters.",
        )


class SageMakerRegisterModelOperator(AwsBaseOperator[SageMakerHook]):
    """Registers a judged model as the next version in its model package group.

    The package carries where the model comes from: training job, image, code hash, the versions of the
    feature partitions (all in the S3 object that ``partitions_uri`` names, and as a digest), and its metrics.
    A package of the same training job is found by its description and returned again.

    :param model_package_group: created where it does not exist.
    :param description: of the group, where it is created: what its models predict.
    :param training: what :class:`SageMakerTrainModelOperator` returned.
    :param evaluation: what :class:`SageMakerEvaluateModelOperator` returned.
    :param bucket: the artifacts bucket.
    :param approval_status: a model that passed its gate is ``Approved``; ``PendingManualApproval`` leaves the
        last word to a person.
    :param inference_instance_types: what the model may be deployed on, for endpoints and batch transform.
    :return: ``model_package_arn`` and ``version``.
    """

    aws_hook_class = SageMakerHook
    template_fields: Sequence[str] = aws_template_fields(
        "environment",
        "bucket",
        "model_package_group",
        "description",
        "training",
        "evaluation",
        "approval_status",
        "inference_instance_types",
    )

    def __init__(
        self,
        *,
        environment: str,
        bucket: str,
        model_package_group: str,
        training: dict[str, Any],
        evaluation: dict[str, Any],
        description: str | None = None,
        approval_status: str = "Approved",
        inference_instance_types: Sequence[str] = DEFAULT_INFERENCE_INSTANCE_TYPES,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.environment = environment
        self.bucket = bucket
        self.model_package_group = model_package_group
        self.training = training
        self.evaluation = evaluation
        self.description = description
        self.approval_status = approval_status
        self.inference_instance_types = inference_instance_types

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the job's model package, created now where there is none.

        :raises ResourceConflict: the evaluation is of another training job.
        """
        if self.evaluation["job_name"] != self.training["job_name"]:
            raise ResourceConflict(
                f"The evaluation is of {self.evaluation['job_name']}",
                reason=f"the model is of {self.training['job_name']}",
                next_step="Clear evaluate_model and what follows it.",
            )
        self._ensure_group()
        arn = (
            self._find_package() or self.hook.conn.create_model_package(**self._request())["ModelPackageArn"]
        )
        self.log.info("Model package %s", arn)
        return {"model_package_arn": arn, "version": int(arn.rsplit("/", 1)[1])}

    def _ensure_group(self) -> None:
        group = self.model_package_group
        if self.hook.find("describe_model_package_group", ModelPackageGroupName=group):
            return
        self.hook.create(
            "create_model_package_group",
            ModelPackageGroupName=group,
            **({"ModelPackageGroupDescription": self.description} if self.description else {}),
            Tags=names.to_tag_list(names.tags(self.environment)),
        )

    @property
    def _package_description(self) -> str:
        """Tells packages of the same training job: ListModelPackages answers it."""
        return f"Model of training job {self.training['job_name']}"

    def _find_package(self) -> str | None:
        pages = self.hook.conn.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self.model_package_group, SortBy="CreationTime", SortOrder="Descending"
        )
        for page in pages:
            for package in page["ModelPackageSummaryList"]:
                failed = package["ModelPackageStatus"] in ("Failed", "Deleting")
                if package.get("ModelPackageDescription") == self._package_description and not failed:
                    return str(package["ModelPackageArn"])
        return None

    def _request(self) -> dict[str, Any]:
        """CreateModelPackage's parameters. A version takes its group's tags; it can't have its own."""
        training, evaluation = self.training, self.evaluation
        partitions_uri, digest = self._write_partitions()
        return {
            "ModelPackageGroupName": self.model_package_group,
            "ModelPackageDescription": self._package_description,
            "ClientToken": f"register-{names.digest(self.model_package_group, training['job_name'])}",
            "ModelApprovalStatus": self.approval_status,
            "InferenceSpecification": {
                "Containers": [
                    {
                        "Image": training["image"],
                        "ModelDataUrl": training["model_data"],
                        "Environment": {
                            "SAGEMAKER_PROGRAM": "inference.py",
                            "SAGEMAKER_SUBMIT_DIRECTORY": training["code_uri"],
                            "SAGEMAKER_REGION": self.hook.conn_region_name,
                        },
                    }
                ],
                "SupportedRealtimeInferenceInstanceTypes": list(self.inference_instance_types),
                "SupportedTransformInstanceTypes": list(self.inference_instance_types),
                "SupportedContentTypes": list(CONTENT_TYPES),
                "SupportedResponseMIMETypes": list(CONTENT_TYPES),
            },
            "ModelMetrics": {
                "ModelQuality": {
                    "Statistics": {"ContentType": "application/json", "S3Uri": evaluation["evaluation_uri"]}
                }
            },
            "MetadataProperties": {"CommitId": training["code_hash"], "GeneratedBy": training["job_arn"]},
            "CustomerMetadataProperties": {
                "training_job": training["job_name"],
                TRAINED_UNTIL: max(evaluation["training_dates"]),
                "code_hash": training["code_hash"],
                "partitions_digest": digest,
                "partitions_uri": partitions_uri,
                "rmse": f"{evaluation['rmse']:.6g}",
                "baseline_rmse": f"{evaluation['baseline_rmse']:.6g}",
            },
        }

    def _write_partitions(self) -> tuple[str, str]:
        """The feature partitions' versions as an S3 object: there may be hundreds; and their digest."""
        data = json.dumps(self.training["partition_etags"], sort_keys=True, indent=1).encode()
        uri = ArtifactsHook(**self._hook_parameters).put_data_by_content(
            self.bucket, "lineage", data, "partitions.json"
        )
        return uri, uri.split("/")[-2]
