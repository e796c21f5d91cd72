"""The features of one day: flights joined with weather, planes and what past days taught.

One partition a run, the day of its logical date, whatever started it: the schedule, a backfill, a person. A
day that is prepared already, from the same raw files by the same code, ends at once. The others share one
EMR cluster: the first run that needs it has it brought up, and it is taken down after the last.

By hand, give a date, or none and no logical date for yesterday. All days are UTC's.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import chain, dag, task

from sagemaker_emr.airflow_versions import CronDataIntervalTimetable
from sagemaker_emr.assets import FEATURE_PARTITIONS
from sagemaker_emr.flights import FINAL_ERRORS, HISTORY_DAYS, SPARK_MODULES, code_hash, inputs
from sagemaker_emr.notifications import configured, run_failed
from sagemaker_emr.operators.cloud_formation import CloudFormationReadOutputsOperator
from sagemaker_emr.operators.s3 import S3StageFilesOperator
from sagemaker_emr.params import BACKFILL_BUDGET, CLUSTER_SIZE, ENVIRONMENT, RETRIES
from sagemaker_emr.schedules import catch_up
from sagemaker_emr.task_groups.partition import PARTITION, announce_committed, find_work
from sagemaker_emr.task_groups.run import confirm_outcome
from sagemaker_emr.task_groups.shared_cluster import shared_cluster_batch

CODE_HASH = code_hash(staged_by="stage_code")
ENV = "{{ params.environment }}"
DATE = "{{ ti.xcom_pull('check_partition')['date'] }}"
FEATURES = "s3://{{ ti.xcom_pull('read_platform')['FeaturesBucket'] }}"
RAW = "s3://{{ ti.xcom_pull('read_platform')['RawBucket'] }}"


@task(retries=3)
def check_partition(raw: str, features: str, version: str, **context: Any) -> dict[str, str]:
    """Go on only if the day has raw data and is not prepared yet."""
    return find_work(context, features_uri=f"{features}/flights", inputs=inputs(raw), code_hash=version)


@task(retries=3, outlets=[FEATURE_PARTITIONS])
def announce_partition(batch: dict[str, Any], features: str, **context: Any) -> None:
    """Tell the training, and whoever else waits for it, that the day is committed."""
    announce_committed(context, batch["completion"], f"{features}/flights")


@dag(
    doc_md=__doc__,
    on_failure_callback=configured(run_failed),
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    **catch_up(),
    is_paused_upon_creation=True,  # a schedule that costs money is switched on by somebody
    max_active_runs=8,
    tags=["sagemaker", "emr", "features"],
    default_args={**RETRIES, "deferrable": True},
    params={**ENVIRONMENT, **PARTITION, **CLUSTER_SIZE, **BACKFILL_BUDGET},
)
def prepare_features() -> None:
    platform = CloudFormationReadOutputsOperator(task_id="read_platform", environment=ENV, stacks=["storage"])
    artifacts = platform.output["ArtifactsBucket"]
    stage_code = S3StageFilesOperator(
        task_id="stage_code",
        bucket=artifacts,
        files={module: f"spark/{module}.py" for module in SPARK_MODULES},
    )
    check = check_partition(RAW, FEATURES, CODE_HASH)
    cluster = shared_cluster_batch(
        "prepare_features",
        environment=ENV,
        bucket=artifacts,
        file=stage_code.output["prepare_features"],
        py_files=[stage_code.output[module] for module in SPARK_MODULES[1:]],
        args=[
            *("--raw", RAW, "--features", f"{FEATURES}/flights"),
            *("--from", DATE, "--to", DATE, "--history-days", str(HISTORY_DAYS)),
            *("--batch-name", "{batch_name}", "--code-hash", CODE_HASH),
            *("--region", "{region}", "--when-raw-is-missing", "{{ params.when_raw_data_is_missing }}"),
            "{{ '--force' if params.force else '--no-force' }}",
        ],
        completion_manifest=f"{FEATURES}/_batches/{{batch_name}}.json",
        batch_name_key=[ENV, "{{ ti.xcom_pull('check_partition')['batch_key'] }}"],
        purpose=f"prepare-features-{DATE}",
        final_errors=FINAL_ERRORS,
        timeout_seconds=2 * 3600,
        retries=5,  # each killed worker costs one
    )
    chain(platform, stage_code, check, cluster.join)
    announce = announce_partition(cluster.batch.output, FEATURES)
    outcome = confirm_outcome("announce_partition", may_skip=["check_partition", "announce_partition"])
    [announce, cluster.leave] >> outcome.as_teardown(on_failure_fail_dagrun=True)


prepare_features()
