"""A Spark job of one's own: from a file below ``include/`` to its result in S3."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from airflow.sdk import chain, task

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.operators.base import skip_with_reason
from sagemaker_emr.operators.cloud_formation import CloudFormationReadOutputsOperator
from sagemaker_emr.operators.livy import completed_batch
from sagemaker_emr.operators.s3 import S3StageFilesOperator
from sagemaker_emr.operators.shared_cluster import SharedClusterRunBatchOperator
from sagemaker_emr.sensors.s3 import S3PartitionCompleteSensor
from sagemaker_emr.task_groups.run import confirm_outcome
from sagemaker_emr.task_groups.shared_cluster import shared_cluster_batch

RUN = "{{ dag_run.logical_date or run_id }}"
"""What a run does, by default: the work of its logical date; its own, where it has none."""

BUCKETS = {"{raw}": "RawBucket", "{features}": "FeaturesBucket", "{artifacts}": "ArtifactsBucket"}
"""Placeholders of a job's arguments and input files, and the storage stack's outputs they stand for."""

COMPLETION_MANIFEST = "{features}/_batches/{batch_name}.json"
INPUT_SECONDS = 3600


class SparkJobTasks(NamedTuple):
    """The tasks of one job.

    What comes before goes before ``platform``, what needs the result after ``batch``.
    """

    platform: CloudFormationReadOutputsOperator
    batch: SharedClusterRunBatchOperator
    outcome: Any


@task
def check_batch(
    completion_manifest: str, purpose: str, batch_name_key: Sequence[str], **context: Any
) -> None:
    """Go on only if the work is not done yet; no cluster is needed where it is."""
    if done := completed_batch(ArtifactsHook(), completion_manifest, purpose, batch_name_key):
        skip_with_reason(context, f"The work is done: {done}")


def spark_job(
    task_id: str,
    *,
    file: str,
    py_files: Sequence[str] = (),
    args: Sequence[str] = (),
    inputs: Sequence[str] = (),
    batch_key: Sequence[str] = (RUN,),
    environment: str = "{{ params.environment }}",
    timeout_seconds: float = 2 * 3600,
) -> SparkJobTasks:
    """Run a Spark job on the shared cluster, once for all runs and tries that would do the same work.

    Work is the same where environment, DAG, ``batch_key``, files and arguments are. It is done when the job
    has written its completion manifest, ``s3://<features bucket>/_batches/<batch name>.json``: JSON, and the
    last thing it writes. See docs/guides/your_own_job.md. The run fails unless ``task_id`` succeeded, or the
    work was done before, and nothing failed.

    The platform's storage stack must stand, and the DAG ``provide_shared_cluster`` must not be paused. For
    several jobs in one DAG, put each into a ``TaskGroup`` of its own.

    :param file: the job, below ``include/``.
    :param py_files: modules that it imports, below ``include/``.
    :param args: its arguments. ``{raw}``, ``{features}`` and ``{artifacts}`` are replaced by ``s3://`` and
        the bucket's name, ``{batch_name}`` by the batch's, ``{region}`` by the Region.
    :param inputs: addresses of the files to wait for, at most an hour, before a cluster is asked for; with
        the same placeholders for buckets.
    :param batch_key: what tells the work of one run from that of another.
    :raises InvalidInput: two files have the same name.
    """
    platform = CloudFormationReadOutputsOperator(
        task_id="read_platform", environment=environment, stacks=["storage"]
    )
    bucket = platform.output["ArtifactsBucket"]

    def fill_in(text: str) -> str:
        for placeholder, output in BUCKETS.items():
            text = text.replace(placeholder, f"s3://{platform.output[output]}")
        return text

    files = {PurePosixPath(path).stem: path for path in (file, *py_files)}
    if len(files) <= len(py_files):
        raise InvalidInput(f"The files of {task_id} can't be used", reason="two of them have the same name")
    stage = S3StageFilesOperator(task_id="stage_code", bucket=bucket, files=files)
    job, *modules = (stage.output[name] for name in files)
    arguments = [fill_in(argument) for argument in args]
    work: dict[str, Any] = {
        "completion_manifest": fill_in(COMPLETION_MANIFEST),
        "purpose": task_id,
        # A staged file's address tells its content: a job that was mended does other work.
        "batch_name_key": [environment, "{{ ti.dag_id }}", *batch_key, *arguments, job, *modules],
    }
    check: Any = check_batch(**work)
    cluster = shared_cluster_batch(
        task_id,
        environment=environment,
        bucket=bucket,
        file=job,
        py_files=modules,
        args=arguments,
        timeout_seconds=timeout_seconds,
        retries=5,  # each killed worker costs one
        **work,
    )
    chain(platform, stage, check, cluster.join)
    if inputs:
        wait = S3PartitionCompleteSensor(
            task_id="wait_for_inputs", uris=[fill_in(uri) for uri in inputs], timeout=INPUT_SECONDS
        )
        chain(check, wait, cluster.join)
    outcome = confirm_outcome(cluster.batch.task_id, may_skip=[check.operator.task_id])
    cluster.leave >> outcome.as_teardown(on_failure_fail_dagrun=True)
    return SparkJobTasks(platform, cluster.batch, outcome)
