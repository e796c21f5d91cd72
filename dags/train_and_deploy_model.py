"""From raw flights to a serving model: one run, one EMR cluster at most, and nothing left behind.

Stands up (or verifies) the platform, waits for the raw partitions, gets an EMR cluster from Service Catalog,
prepares the features with Spark through Livy, ends the cluster, trains on SageMaker, refuses a model that
does not beat its baselines, deploys it and proves that the endpoint predicts what the model predicted.
Whatever happens, `terminate_cluster` confirms that the cluster is gone.

Each feature partition that is committed starts a run: it trains where the newest window with that day is
complete, without any cluster, and ends as skipped where it is not. A run by hand takes its window from the
form (or from the partition key `environment|YYYY-MM-DD`), and prepares only a window that lacks a day, or has
one whose raw files or code have changed.
"""

from __future__ import annotations

from airflow.sdk import chain, dag

from sagemaker_emr.assets import RUN_ENVIRONMENT as ENV
from sagemaker_emr.assets import on_feature_partitions
from sagemaker_emr.flights import FINAL_ERRORS, HISTORY_DAYS, SPARK_MODULES, code_hash
from sagemaker_emr.notifications import configured, run_failed
from sagemaker_emr.operators.livy import LivyRunBatchOperator
from sagemaker_emr.operators.s3 import S3StageFilesOperator
from sagemaker_emr.operators.service_catalog import (
    ServiceCatalogClaimProductOperator,
    ServiceCatalogProvisionProductOperator,
    ServiceCatalogTerminateProductOperator,
)
from sagemaker_emr.params import (
    BUDGET,
    CLUSTER,
    DEPLOYMENT,
    ENDPOINT,
    ENVIRONMENT,
    PLATFORM_ACTION,
    PREPARATION,
    PRODUCT_PARAMETERS,
    RETRIES,
    TRAINING,
)
from sagemaker_emr.platform_form import FIRST_PROFILE
from sagemaker_emr.sensors.emr import EmrClusterReadySensor
from sagemaker_emr.sensors.s3 import S3PartitionCompleteSensor
from sagemaker_emr.task_groups.model import train_and_deploy
from sagemaker_emr.task_groups.platform import platform
from sagemaker_emr.task_groups.run import HoldClusterSensor, confirm_outcome
from sagemaker_emr.task_groups.window import choose_window

CODE_HASH = code_hash(staged_by="stage_code")
TRAINING_START, TRAINING_END, EVALUATION_START, EVALUATION_END = (
    f"{{{{ ti.xcom_pull('choose_window', key='{day}') }}}}"
    for day in ("training_start", "training_end", "evaluation_start", "evaluation_end")
)
# Templates instead of outputs: train_model would run where choose_window skipped all, had it a direct
# upstream that succeeds there.
ARTIFACTS, FEATURES_BUCKET, RAW_BUCKET, EXECUTION_ROLE = (
    f"{{{{ ti.xcom_pull('platform.read_platform', key='{output}') }}}}"
    for output in ("ArtifactsBucket", "FeaturesBucket", "RawBucket", "ExecutionRoleArn")
)
FEATURES = f"s3://{FEATURES_BUCKET}"
RAW = f"s3://{RAW_BUCKET}"
ENDPOINT_NAME = f"sagemaker-emr-{ENV}-flight-delay"


@dag(
    doc_md=__doc__,
    on_failure_callback=configured(run_failed),
    schedule=on_feature_partitions(),
    catchup=False,
    max_active_runs=4,
    tags=["sagemaker", "emr", "model"],
    default_args={**RETRIES, "deferrable": True},
    params={
        **ENVIRONMENT,
        **PLATFORM_ACTION,
        **PREPARATION,
        **CLUSTER,
        **TRAINING,
        **ENDPOINT,
        **DEPLOYMENT,
        **BUDGET,
    },
)
def train_and_deploy_model() -> None:
    stacks = platform(environment=ENV, first_profile=FIRST_PROFILE)
    run = {"environment": ENV, "bucket": ARTIFACTS}
    window = choose_window(f"{FEATURES}/flights", RAW, ARTIFACTS)

    stage_code = S3StageFilesOperator(
        task_id="stage_code",
        bucket=ARTIFACTS,
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
        parameters=PRODUCT_PARAMETERS,
        budget_from="claim_cluster",
        **run,
    )
    wait_for_cluster = EmrClusterReadySensor(
        task_id="wait_for_cluster", timeout=45 * 60, budget_from="claim_cluster", **run
    )
    prepare_features = LivyRunBatchOperator(
        task_id="prepare_features",
        environment=ENV,
        cluster_id=wait_for_cluster.output["cluster_id"],
        file=stage_code.output["prepare_features"],
        py_files=[stage_code.output[module] for module in SPARK_MODULES[1:]],
        args=[
            *("--raw", RAW, "--features", f"{FEATURES}/flights"),
            *("--from", TRAINING_START, "--to", EVALUATION_END, "--history-days", str(HISTORY_DAYS)),
            *("--batch-name", "{batch_name}", "--code-hash", CODE_HASH),
            *("--region", "{region}"),
            "{{ '--force' if params.prepare == 'always' else '--no-force' }}",
        ],
        completion_manifest=f"{FEATURES}/_batches/{{batch_name}}.json",
        final_errors=FINAL_ERRORS,
        timeout_seconds=2 * 3600,
        retries=4,  # each killed worker costs one
        budget_from="claim_cluster",
    )
    hold_cluster = HoldClusterSensor(task_id="hold_cluster", until="smoke_test", budget_from="claim_cluster")
    model = train_and_deploy(
        environment=ENV,
        bucket=ARTIFACTS,
        features_uri=f"{FEATURES}/flights",
        training_window=(TRAINING_START, TRAINING_END),
        evaluation_window=(EVALUATION_START, EVALUATION_END),
        code_uri=stage_code.output["training_code"],
        role_arn=EXECUTION_ROLE,
        endpoint_name=ENDPOINT_NAME,
        hyperparameters={
            name: f"{{{{ params.{name} }}}}"
            for name in ("max_depth", "eta", "num_round", "subsample", "min_child_weight", "seed")
        },
        training_instance_type="{{ params.training_instance_type }}",
        endpoint_instance_type="{{ params.endpoint_instance_type }}",
        endpoint_instance_count="{{ params.endpoint_instance_count }}",
        replace_newer="{{ params.deploy == 'always' }}",
        trigger_rule="none_failed_min_one_success",  # nothing had to be prepared
    )
    terminate_cluster = ServiceCatalogTerminateProductOperator(
        task_id="terminate_cluster", timeout_seconds=3600, retries=5, **run
    ).as_teardown(setups=claim_cluster, on_failure_fail_dagrun=True)

    stacks >> window >> [stage_code, wait_for_raw_partitions] >> claim_cluster
    chain(claim_cluster, request_cluster, wait_for_cluster, prepare_features)
    prepare_features >> hold_cluster >> terminate_cluster
    prepare_features >> model.train
    outcome = confirm_outcome("smoke_test", may_skip=["choose_window", "smoke_test"], costs=True)
    [terminate_cluster, model.smoke_test, model.stop_training] >> outcome.as_teardown(
        on_failure_fail_dagrun=True
    )


train_and_deploy_model()
