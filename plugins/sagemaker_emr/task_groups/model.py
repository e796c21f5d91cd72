"""From committed features to a served model: the way every model takes here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from airflow.sdk import chain

from sagemaker_emr.operators.sagemaker_endpoint import (
    SageMakerDeployEndpointOperator,
    SageMakerSmokeTestEndpointOperator,
)
from sagemaker_emr.operators.sagemaker_model import (
    SageMakerEvaluateModelOperator,
    SageMakerRegisterModelOperator,
)
from sagemaker_emr.operators.sagemaker_training import SageMakerTrainModelOperator
from sagemaker_emr.operators.sagemaker_training_stop import SageMakerStopTrainingJobOperator


class ModelTasks(NamedTuple):
    """The tasks of one model, in their order; and ``stop_training``, the training's teardown."""

    train: SageMakerTrainModelOperator
    evaluate: SageMakerEvaluateModelOperator
    register: SageMakerRegisterModelOperator
    deploy: SageMakerDeployEndpointOperator
    smoke_test: SageMakerSmokeTestEndpointOperator
    stop_training: SageMakerStopTrainingJobOperator


def train_and_deploy(
    *,
    environment: str,
    bucket: Any,
    features_uri: str,
    training_window: Sequence[str],
    evaluation_window: Sequence[str],
    code_uri: Any,
    role_arn: Any,
    endpoint_name: str,
    hyperparameters: Mapping[str, Any] | None = None,
    training_instance_type: str = "ml.m5.xlarge",
    endpoint_instance_type: str = "ml.m5.large",
    endpoint_instance_count: int | str = 1,
    replace_newer: bool | str = False,
    trigger_rule: str = "all_success",
) -> ModelTasks:
    """Train, refuse a model that does not beat its baselines, register, deploy, and test the endpoint.

    What the training code has to do is told in docs/guides/your_own_job.md.

    :param bucket: of artifacts.
    :param features_uri: the folder of the committed ``date=…`` partitions.
    :param training_window: first and last day, as ``YYYY-MM-DD``.
    :param evaluation_window: first and last day, after the training days.
    :param code_uri: the staged folder with ``train.py`` and ``inference.py``.
    :param role_arn: the execution role of training job and endpoint.
    :param endpoint_name: of the endpoint, and of the model package group.
    :param hyperparameters: the script's own.
    :param replace_newer: also deploy where a model serves that was trained on later days.
    :param trigger_rule: of ``train_model``.
    """
    run = {"environment": environment, "bucket": bucket}
    train = SageMakerTrainModelOperator(
        task_id="train_model",
        features_uri=features_uri,
        training_window=training_window,
        evaluation_window=evaluation_window,
        code_uri=code_uri,
        role_arn=role_arn,
        instance_type=training_instance_type,
        hyperparameters=hyperparameters,
        max_runtime_seconds=3600,
        trigger_rule=trigger_rule,
        **run,
    )
    evaluate = SageMakerEvaluateModelOperator(task_id="evaluate_model", training=train.output)
    register = SageMakerRegisterModelOperator(
        task_id="register_model",
        model_package_group=endpoint_name,
        training=train.output,
        evaluation=evaluate.output,
        **run,
    )
    deploy = SageMakerDeployEndpointOperator(
        task_id="deploy_model",
        environment=environment,
        endpoint_name=endpoint_name,
        model_package_arn=register.output["model_package_arn"],
        role_arn=role_arn,
        instance_type=endpoint_instance_type,
        initial_instance_count=endpoint_instance_count,
        replace_newer=replace_newer,
        timeout_seconds=1800,
    )
    smoke_test = SageMakerSmokeTestEndpointOperator(
        task_id="smoke_test",
        endpoint_name=endpoint_name,
        endpoint_config_name=deploy.output["endpoint_config_name"],
        evaluation=evaluate.output,
    )
    stop_training = SageMakerStopTrainingJobOperator(
        task_id="stop_training", environment=environment
    ).as_teardown(on_failure_fail_dagrun=True)
    chain(train, evaluate, register, deploy, smoke_test)
    train >> stop_training
    return ModelTasks(train, evaluate, register, deploy, smoke_test, stop_training)
