"""Deploying a registered model to an endpoint, and proving that it predicts what the model predicted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from botocore.exceptions import ClientError

from sagemaker_emr import names
from sagemaker_emr.exceptions import (
    EndpointFailed,
    EndpointUnusable,
    InvalidInput,
    PredictionMismatch,
    ResourceConflict,
)
from sagemaker_emr.hooks.base import ServiceHook
from sagemaker_emr.hooks.s3 import ArtifactsHook, split_uri
from sagemaker_emr.hooks.sagemaker import TRAINED_UNTIL_TAG, SageMakerHook
from sagemaker_emr.hooks.sagemaker_output import parse_predictions
from sagemaker_emr.links.logs import SageMakerEndpointLogLink
from sagemaker_emr.links.sagemaker import SageMakerEndpointLink
from sagemaker_emr.operators.base import AwsWaitingOperator, skip_with_reason
from sagemaker_emr.operators.sagemaker_model import TRAINED_UNTIL
from sagemaker_emr.triggers.sagemaker_endpoint import SageMakerEndpointTrigger

VARIANT = "AllTraffic"
SAMPLE_ROWS = 10


class SageMakerDeployEndpointOperator(AwsWaitingOperator[SageMakerHook]):
    """Serves a model package behind an endpoint, created or updated.

    Model and configuration are named by what they are, so the same deployment finds its own; the endpoint is
    asked for only what it is not already. A kill leaves the endpoint to itself: SageMaker takes no
    cancellation.

    Runs may deploy to one endpoint at once: each waits for the update of the other, and a model is not put in
    the place of one that was trained on later days.

    :param model_package_arn: an approved package; what it says is what is deployed.
    :param role_arn: the role that the container runs under.
    :param replace_newer: "True" to deploy also where a newer model serves.
    :param model_environment: environment variables beside the package's own.
    :param timeout_seconds: until the endpoint serves.
    :return: ``endpoint_name``, ``endpoint_config_name`` and ``model_name``: this model's, also where the
        endpoint goes on serving a newer one.
    """

    aws_hook_class = SageMakerHook
    template_fields: Sequence[str] = aws_template_fields(
        "environment",
        "endpoint_name",
        "model_package_arn",
        "role_arn",
        "instance_type",
        "initial_instance_count",
        "replace_newer",
        "model_environment",
    )
    operator_extra_links = (SageMakerEndpointLink(), SageMakerEndpointLogLink())

    def __init__(
        self,
        *,
        environment: str,
        endpoint_name: str,
        model_package_arn: str,
        role_arn: str,
        instance_type: str = "ml.m5.large",
        initial_instance_count: int | str = 1,
        replace_newer: bool | str = False,
        model_environment: Mapping[str, str] | None = None,
        timeout_seconds: float = 1800,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, multiple_outputs=multiple_outputs, **kwargs)
        self.environment = environment
        self.endpoint_name = endpoint_name
        self.model_package_arn = model_package_arn
        self.role_arn = role_arn
        self.instance_type = instance_type
        self.initial_instance_count = initial_instance_count
        self.replace_newer = replace_newer
        self.model_environment = model_environment

    def execute(self, context: Context) -> Any:
        """Ensure model, configuration and endpoint.

        :raises InvalidInput: the package is not approved.
        :raises EndpointFailed: with SageMaker's FailureReason; a previous endpoint keeps serving.
        :raises EndpointUnusable: the endpoint is in a state that its owner must end.
        """
        tags = names.to_tag_list(
            names.tags(
                self.environment,
                owner=self.owner,
                dag_id=context["ti"].dag_id,
                run_id=context["ti"].run_id,
            )
        )
        package = self._package()
        trained_until = package.get("CustomerMetadataProperties", {}).get(TRAINED_UNTIL)
        model_name = self._ensure_model(package, tags)
        config_name = self._ensure_config(model_name, trained_until, tags)
        region, partition = self.hook.conn_region_name, self.hook.conn_partition
        for link in (SageMakerEndpointLink, SageMakerEndpointLogLink):
            link.persist(context, self, region, partition, endpoint_name=self.endpoint_name)
        trigger = SageMakerEndpointTrigger(
            endpoint_name=self.endpoint_name,
            endpoint_config_name=config_name,
            model_name=model_name,
            tags=tags,
            trained_until=None if str(self.replace_newer) == "True" else trained_until,
            **self.trigger_parameters,
        )
        return self.wait_for(context, trigger)

    def _package(self) -> dict[str, Any]:
        """The model package.

        :raises InvalidInput: the package is not approved.
        """
        package: dict[str, Any] = self.hook.conn.describe_model_package(
            ModelPackageName=self.model_package_arn
        )
        approval = package.get("ModelApprovalStatus")
        if approval != "Approved":
            raise InvalidInput(
                f"Model package {self.model_package_arn} is not approved",
                reason=f"its status is {approval}",
                next_step="Approve it in the model registry, then clear this task.",
            )
        return package

    def _ensure_model(self, package: dict[str, Any], tags: list[dict[str, str]]) -> str:
        packaged = package["InferenceSpecification"]["Containers"][0]
        container = {
            "Image": packaged["Image"],
            "ModelDataUrl": packaged["ModelDataUrl"],
            "Environment": {**packaged.get("Environment", {}), **(self.model_environment or {})},
        }
        name = names.derive(self.endpoint_name, "model", container, self.role_arn)
        package_tag = {"Key": "sagemaker-emr:model-package", "Value": self.model_package_arn}
        self.hook.create(
            "create_model",
            ModelName=name,
            PrimaryContainer=container,
            ExecutionRoleArn=self.role_arn,
            Tags=[*tags, package_tag],
        )
        found = self.hook.conn.describe_model(ModelName=name)
        same = {key: found["PrimaryContainer"].get(key) for key in container} == container
        if not same or found["ExecutionRoleArn"] != self.role_arn:
            raise _conflict("Model", name)
        return name

    def _ensure_config(self, model_name: str, trained_until: str | None, tags: list[dict[str, str]]) -> str:
        variant = {
            "VariantName": VARIANT,
            "ModelName": model_name,
            "InstanceType": self.instance_type,
            "InitialInstanceCount": int(self.initial_instance_count),
        }
        name = names.derive(self.endpoint_name, "config", variant)
        age = [{"Key": TRAINED_UNTIL_TAG, "Value": trained_until}] if trained_until else []
        self.hook.create(
            "create_endpoint_config",
            EndpointConfigName=name,
            ProductionVariants=[variant],
            Tags=[*tags, *age],
        )
        found = self.hook.conn.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
        if [{key: existing.get(key) for key in variant} for existing in found] != [variant]:
            raise _conflict("Endpoint configuration", name)
        return name


def _conflict(kind: str, name: str) -> ResourceConflict:
    return ResourceConflict(
        f"{kind} {name} exists with another content than its name stands for",
        next_step="It was not made by this package: delete it, then clear the task.",
    )


class SageMakerRuntimeHook(ServiceHook):
    """Invokes endpoints."""

    service = "sagemaker-runtime"

    def predict(self, endpoint_name: str, instances: Sequence[Mapping[str, Any]]) -> list[float]:
        """The predictions of rows, as ``application/json``.

        :raises EndpointFailed: the container answered with an error.
        """
        try:
            answer = self.conn.invoke_endpoint(
                EndpointName=endpoint_name,
                ContentType="application/json",
                Accept="application/json",
                Body=json.dumps({"instances": list(instances)}).encode(),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ModelError":
                raise
            raise EndpointFailed(
                f"Endpoint {endpoint_name} answers with an error",
                reason=str(error.response.get("OriginalMessage") or error),
                next_step="Read the endpoint's CloudWatch log.",
            ) from error
        predictions: list[float] = json.loads(answer["Body"].read())["predictions"]
        return predictions


class SageMakerSmokeTestEndpointOperator(AwsBaseOperator[SageMakerRuntimeHook]):
    """Sends real held-out rows to an endpoint and compares its predictions with those made offline.

    :param evaluation: what :class:`SageMakerEvaluateModelOperator` returned.
    :param endpoint_config_name: what the endpoint must serve, as :class:`SageMakerDeployEndpointOperator`
        returned it; by default anything.
    :param tolerance: the largest absolute difference allowed, in the prediction's unit (minutes).
    :param rows: how many rows to send.
    :return: ``endpoint_name``, ``prediction_count``, ``max_abs_difference`` and ``sample``: ten pairs of
        ``prediction`` and ``actual``.
    """

    aws_hook_class = SageMakerRuntimeHook
    template_fields: Sequence[str] = aws_template_fields(
        "endpoint_name", "endpoint_config_name", "evaluation"
    )

    def __init__(
        self,
        *,
        endpoint_name: str,
        evaluation: dict[str, Any],
        endpoint_config_name: str | None = None,
        tolerance: float = 1e-3,
        rows: int = 50,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint_name = endpoint_name
        self.evaluation = evaluation
        self.endpoint_config_name = endpoint_config_name
        self.tolerance = tolerance
        self.rows = rows

    def execute(self, context: Context) -> dict[str, Any]:
        """Invoke and compare.

        :raises AirflowSkipException: the endpoint serves a newer model, so there is nothing to compare with.
        :raises PredictionMismatch: naming the worst row.
        :raises EndpointUnusable: another run's deployment overtook this one's.
        """
        rows = self._held_out_rows()
        self._check_config(context)
        predictions = self.hook.predict(self.endpoint_name, [row["features"] for row in rows])
        self._check_config(context)
        worst = self._compare(rows, predictions)
        self.log.info("%d predictions, largest difference %.2g", len(rows), worst)
        sample = [
            {"prediction": prediction, "actual": row["actual"]}
            for row, prediction in zip(rows[:SAMPLE_ROWS], predictions, strict=False)
        ]
        for pair in sample:
            self.log.info("predicted %8.2f, actual %8.2f", pair["prediction"], pair["actual"])
        return {
            "endpoint_name": self.endpoint_name,
            "prediction_count": len(predictions),
            "max_abs_difference": worst,
            "sample": sample,
        }

    def _check_config(self, context: Context) -> None:
        """Before and after: predictions in between are those of the configuration that is expected.

        :raises AirflowSkipException: the endpoint serves a newer model.
        :raises EndpointUnusable: the endpoint serves another.
        """
        if self.endpoint_config_name is None:
            return
        sagemaker = SageMakerHook(**self._hook_parameters)
        found = sagemaker.find_endpoint(self.endpoint_name)
        served = found["EndpointConfigName"] if found else None
        if served != self.endpoint_config_name:
            ours = max(self.evaluation.get("training_dates") or [], default=None)
            if served and (newer := sagemaker.newer_than(served, ours)):
                skip_with_reason(
                    context,
                    f"Endpoint {self.endpoint_name} serves {served}, trained until {newer}; "
                    f"this run's model, trained until {ours}, is registered and not deployed",
                )
            raise EndpointUnusable(
                f"Endpoint {self.endpoint_name} does not serve {self.endpoint_config_name}",
                reason=f"it serves {served}, deployed by another run meanwhile" if served else "it is gone",
                next_step="If this run's model is the one to serve, clear deploy_model and what follows it.",
            )

    def _held_out_rows(self) -> list[dict[str, Any]]:
        uri = self.evaluation["predictions_uri"]
        bucket, key = split_uri(uri)
        body = ArtifactsHook(**self._hook_parameters).conn.get_object(Bucket=bucket, Key=key)["Body"]
        return parse_predictions(body.read(), uri)[: self.rows]

    def _compare(self, rows: Sequence[Mapping[str, Any]], predictions: Sequence[float]) -> float:
        """The largest difference.

        :raises PredictionMismatch: it exceeds the tolerance, or rows are missing.
        """
        if len(predictions) != len(rows):
            raise PredictionMismatch(
                f"Endpoint {self.endpoint_name} gave {len(predictions)} predictions for {len(rows)} rows"
            )
        differences = [
            abs(prediction - row["prediction"]) for row, prediction in zip(rows, predictions, strict=True)
        ]
        index = max(
            range(len(rows)), key=lambda i: math.inf if math.isnan(differences[i]) else differences[i]
        )
        if not differences[index] <= self.tolerance:
            row = rows[index]
            raise PredictionMismatch(
                f"Endpoint {self.endpoint_name} predicts other than its model did offline",
                reason=f"row {index + 1} of {self.evaluation['predictions_uri']}: {predictions[index]} here, "
                f"{row['prediction']} offline; features {json.dumps(row['features'])}",
                next_step="Look for a difference between train.py and inference.py, or their images.",
            )
        largest: float = differences[index]
        return largest
