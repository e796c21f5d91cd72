"""Work on a cluster that many runs share: what a run needs around its Spark batch."""

from __future__ import annotations

from typing import Any, NamedTuple

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Context, chain

from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.leases import LeaseStore
from sagemaker_emr.operators.base import skip_with_reason
from sagemaker_emr.operators.shared_cluster import (
    SHARED_BY,
    SharedClusterJoinOperator,
    SharedClusterLeaveOperator,
    SharedClusterRunBatchOperator,
)

PROVIDER_DAG_ID = "provide_shared_cluster"
SPARK_BATCHES_POOL = "spark_batches"
"""The Airflow pool of Spark batches on shared clusters, deferred ones included."""


class SharedClusterTasks(NamedTuple):
    """The tasks around one batch.

    What comes before goes before ``join``, what needs the result after ``batch``.
    """

    join: SharedClusterJoinOperator
    batch: SharedClusterRunBatchOperator
    leave: SharedClusterLeaveOperator


def shared_cluster_batch(
    task_id: str,
    *,
    environment: str,
    bucket: Any,
    parameters: dict[str, Any] | None = None,
    shared_by: str = SHARED_BY,
    pool: str = SPARK_BATCHES_POOL,
    **batch: Any,
) -> SharedClusterTasks:
    """Join the shared cluster, start its provider unless it runs, run one batch in turn, and leave.

    ``start_cluster`` is skipped where the cluster's provider was started before, and fails where the DAG
    ``provide_shared_cluster`` is paused.

    :param bucket: of artifacts.
    :param parameters: of the cluster, see
        :class:`~sagemaker_emr.operators.shared_cluster.SharedClusterJoinOperator`.
    :param shared_by: the purpose under which runs share a cluster.
    :param pool: an Airflow pool that bounds the batches beside what the cluster's size does.
    :param batch: arguments of the batch: see :class:`~sagemaker_emr.operators.livy.LivyRunBatchOperator`.
    """
    lease = {"environment": environment, "bucket": bucket, "parameters": parameters, "shared_by": shared_by}
    join = SharedClusterJoinOperator(task_id="join_cluster", **lease)
    start = TriggerDagRunOperator(
        task_id="start_cluster",
        trigger_dag_id=PROVIDER_DAG_ID,
        trigger_run_id=join.output["provider_run_id"],
        conf=join.output["provider_conf"],
        logical_date=None,
        skip_when_already_exists=True,
        fail_when_dag_is_paused=True,
    )
    run = SharedClusterRunBatchOperator(
        task_id=task_id,
        pool=pool,
        trigger_rule="none_failed",  # start_cluster is skipped where the provider was started before
        **lease,
        **batch,
    )
    leave = SharedClusterLeaveOperator(task_id="leave_cluster", **lease).as_teardown(
        setups=join, on_failure_fail_dagrun=True
    )
    chain(join, start, run, leave)
    return SharedClusterTasks(join, run, leave)


def find_demand(context: Context, bucket: str) -> dict[str, str]:
    """Skip the provider's run where nobody waits for its cluster; the generation is closed then.

    :param context: with the fields ``environment``, ``lease`` and ``generation`` in the run's form.
    :return: ``predecessor_run_id``: of the provider of the generation before, empty for the first.
    """
    params, generation = context["params"], context["params"]["generation"]
    store = LeaseStore(ArtifactsHook(), bucket, params["environment"], params["lease"])
    reason = "nobody needed it when its provider began"
    found = store.change(lambda stored: stored.close_if_unused(generation, reason))
    if not found.is_open(generation):
        skip_with_reason(context, f"Nobody waits for generation {generation}: {found.closed or 'it is over'}")
    return {"predecessor_run_id": found.provider_run_id_of(generation - 1) if generation > 1 else ""}
