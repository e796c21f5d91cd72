"""From raw flights to a serving model: one run, one EMR cluster, and nothing left behind.

Stands up (or verifies) the platform, waits for the raw partitions, gets an EMR cluster from Service Catalog,
prepares the features with Spark through Livy, ends the cluster, trains on SageMaker, refuses a model that
does not beat its baselines, deploys it and proves that the endpoint predicts what the model predicted.
Whatever happens, `terminate_cluster` confirms that the cluster is gone.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import chain, dag

from sagemaker_emr.operators.livy import LivyRunBatchOperator
from sagemaker_emr.operators.s3 import S3StageFilesOperator
from sagemaker_emr.operators.sagemaker_endpoint import (
    SageMakerDeployEndpointOperator,
    SageMakerSmokeTestEndpointOperator,
)
from sagemaker_emr.operators.sagemaker_model import (
    SageMakerEvaluateModelOperator,
    SageMakerRegisterModelOperator,
)
from sagemaker_emr.operators.sagemaker_training import SageMakerTrainModelOperator
from sagemaker_emr.operators.service_catalog import (
    ServiceCatalogClaimProductOperator,
    ServiceCatalogProvisionProductOperator,
    ServiceCatalogTerminateProductOperator,
)
from sagemaker_emr.params import CLUSTER, ENDPOINT, ENVIRONMENT, PLATFORM_ACTION, TRAINING
from sagemaker_emr.sensors.emr import EmrClusterReadySensor
from sagemaker_emr.sensors.s3 import S3PartitionCompleteSensor
from sagemaker_emr.task_groups.platform import platform
from sagemaker_emr.task_groups.run import confirm_outcome, unless_released_at_end

HISTORY_DAYS = 28
SPARK_MODULES = ("prepare_features", "flight_features", "partitions", "quality", "raw_tables")
SPARK_CODE_HASH = "-".join(
    f"{{{{ ti.xcom_pull('stage_code', key='{module}_sha256')[:12] }}}}" for module in SPARK_MODULES
)
ENV = "{{ params.environment }}"
TRAINING_START = "{{ macros.ds_add(params.training_end_date, 1 - params.training_window_days) }}"
TRAINING_END = "{{ params.training_end_date }}"
EVALUATION_START = "{{ macros.ds_add(params.training_end_date, 1) }}"
EVALUATION_END = "{{ macros.ds_add(params.training_end_date, params.evaluation_days) }}"
FEATURES = "s3://{{ ti.xcom_pull('platform.read_platform', key='FeaturesBucket') }}"
RAW = "s3://{{ ti.xcom_pull('platform.read_platform', key='RawBucket') }}"
ENDPOINT_NAME = "sagemaker-emr-{{ params.environment }}-flight-delay"


@dag(
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,  # one endpoint and one set of stacks an environment
    tags=["sagemaker", "emr", "model"],
    default_args={
        "deferrable": True,
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2.0,
    },
    params={**ENVIRONMENT, **PLATFORM_ACTION, **CLUSTER, **TRAINING, **ENDPOINT},
)
def train_and_deploy_model() -> None:
    stacks = platform()
    artifacts = stacks.output["ArtifactsBucket"]
    run = {"environment": ENV, "bucket": artifacts}

    stage_code = S3StageFilesOperator(
        task_id="stage_code",
        bucket=artifacts,
        files={module: f"spark/{module}.py" for module in SPARK_MODULES},
        directories={"training_code": "training"},
    )
    wait_for_raw_partitions = S3PartitionCompleteSensor(
        task_id="wait_for_raw_partitions",
        uris=[
            f"{RAW}/flights/date={{date}}/flights.csv.gz",
            f"{RAW}/weather/date={{date}}/weather.csv.gz",
            f"{RAW}/planes/planes.csv.gz",
        ],
        first_date=TRAINING_START,
        last_date=EVALUATION_END,
        timeout=3600,
    )
    claim_cluster = ServiceCatalogClaimProductOperator(task_id="claim_cluster", **run)
    request_cluster = ServiceCatalogProvisionProductOperator(
        task_id="request_cluster",
        product_id=stacks.output["ProductId"],
        provisioning_artifact_id=stacks.output["ProvisioningArtifactName"],
        parameters={
            "EmrRelease": "{{ params.emr_release }}",
            "MasterInstanceType": "{{ params.master_instance_type }}",
            "CoreInstanceType": "{{ params.core_instance_type }}",
            "CoreInstanceCount": "{{ params.core_instance_count }}",
        },
        **run,
    )
    wait_for_cluster = EmrClusterReadySensor(task_id="wait_for_cluster", timeout=45 * 60, **run)
    prepare_features = LivyRunBatchOperator(
        task_id="prepare_features",
        environment=ENV,
        cluster_id=wait_for_cluster.output["cluster_id"],
        file=stage_code.output["prepare_features"],
        py_files=[stage_code.output[module] for module in SPARK_MODULES[1:]],
        args=[
            *("--raw", RAW, "--features", f"{FEATURES}/flights"),
            *("--from", TRAINING_START, "--to", EVALUATION_END, "--history-days", str(HISTORY_DAYS)),
            *("--batch-name", "{batch_name}", "--code-hash", SPARK_CODE_HASH),
            *("--region", "{region}"),
        ],
        completion_manifest=f"{FEATURES}/_batches/{{batch_name}}.json",
        timeout_seconds=2 * 3600,
    )
    release_cluster = ServiceCatalogTerminateProductOperator(
        task_id="release_cluster", timeout_seconds=1800, pre_execute=unless_released_at_end, **run
    )
    train_model = SageMakerTrainModelOperator(
        task_id="train_model",
        features_uri=f"{FEATURES}/flights",
        training_window=(TRAINING_START, TRAINING_END),
        evaluation_window=(EVALUATION_START, EVALUATION_END),
        code_uri=stage_code.output["training_code"],
        role_arn=stacks.output["ExecutionRoleArn"],
        instance_type="{{ params.training_instance_type }}",
        hyperparameters={
            name: f"{{{{ params.{name} }}}}"
            for name in ("max_depth", "eta", "num_round", "subsample", "min_child_weight", "seed")
        },
        max_runtime_seconds=3600,
        **run,
    )
    evaluate_model = SageMakerEvaluateModelOperator(task_id="evaluate_model", training=train_model.output)
    register_model = SageMakerRegisterModelOperator(
        task_id="register_model",
        model_package_group=ENDPOINT_NAME,
        training=train_model.output,
        evaluation=evaluate_model.output,
        **run,
    )
    deploy_model = SageMakerDeployEndpointOperator(
        task_id="deploy_model",
        environment=ENV,
        endpoint_name=ENDPOINT_NAME,
        model_package_arn=register_model.output["model_package_arn"],
        role_arn=stacks.output["ExecutionRoleArn"],
        instance_type="{{ params.endpoint_instance_type }}",
        initial_instance_count="{{ params.endpoint_instance_count }}",
        timeout_seconds=1800,
    )
    smoke_test = SageMakerSmokeTestEndpointOperator(
        task_id="smoke_test",
        endpoint_name=ENDPOINT_NAME,
        endpoint_config_name=deploy_model.output["endpoint_config_name"],
        evaluation=evaluate_model.output,
    )
    terminate_cluster = ServiceCatalogTerminateProductOperator(
        task_id="terminate_cluster", timeout_seconds=3600, retries=5, **run
    ).as_teardown(setups=claim_cluster, on_failure_fail_dagrun=True)

    stacks >> [stage_code, wait_for_raw_partitions]
    [stage_code, wait_for_raw_partitions] >> claim_cluster
    chain(claim_cluster, request_cluster, wait_for_cluster, prepare_features)
    prepare_features >> [release_cluster, train_model]
    chain(train_model, evaluate_model, register_model, deploy_model, smoke_test)
    [release_cluster, smoke_test] >> terminate_cluster
    terminate_cluster >> confirm_outcome("smoke_test").as_teardown(on_failure_fail_dagrun=True)


train_and_deploy_model()
