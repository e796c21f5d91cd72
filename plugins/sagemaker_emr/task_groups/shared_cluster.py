"""Work on a cluster that many runs share: what a run needs around its Spark batch."""

from __future__ import annotations

from typing import Any, NamedTuple

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Context, chain

from sagemaker_emr import airflow_versions
from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.leases import LeaseStore, opened_of
from sagemaker_emr.operators.base import skip_with_reason
from sagemaker_emr.operators.shared_cluster import (
    SHARED_BY,
    SharedClusterJoinOperator,
    SharedClusterLeaveOperator,
    SharedClusterRunBatchOperator,
)
from sagemaker_emr.pools import SPARK_BATCHES_POOL

PROVIDER_DAG_ID = "provide_shared_cluster"


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
    ``provide_shared_cluster`` is paused; before Airflow 3.3 that run is queued until somebody unpauses it.

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
        fail_when_dag_is_paused=airflow_versions.PAUSED_DAGS_ARE_TOLD,
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


def find_demand(context: Context, bucket: str) -> dict[str, Any]:
    """Skip the provider's run where nobody waits for its cluster; the generation is closed then.

    :param context: with the fields ``environment``, ``lease``, ``generation`` and ``lease_bucket`` in the
        run's form.
    :param bucket: the environment's artifacts bucket.
    :return: ``predecessor_run_id``: of the provider of the generation before, empty for the first; and
        ``earlier_run_ids``, of all before.
    :raises InvalidInput: the form names another bucket.
    """
    params, generation = context["params"], context["params"]["generation"]
    if params["lease_bucket"] != bucket:
        raise InvalidInput(
            f"{params['lease_bucket']} is not where environment {params['environment']} keeps its leases",
            reason=f"its artifacts bucket is {bucket}",
            next_step="Runs that join a lease start this DAG themselves, with the right values.",
        )
    store = LeaseStore(ArtifactsHook(), bucket, params["environment"], params["lease"])
    reason = "nobody needed it when its provider began"
    opened = opened_of(context["run_id"])
    found = store.read()
    if opened is None or (found and found.opened == opened):
        found = store.change(lambda stored: stored.close_if_unused(generation, reason))
    else:
        # The document was lost. Its holders join the one that is written now when they look again.
        found = store.change(lambda stored: stored.reclaim(opened, generation))
    if opened not in (None, found.opened):
        skip_with_reason(context, f"{found.provider_run_id} has the lease: its document was lost")
    if not found.is_open(generation):
        skip_with_reason(context, f"Nobody waits for generation {generation}: {found.closed or 'it is over'}")
    earlier = [found.provider_run_id_of(before) for before in range(1, generation)]
    return {"predecessor_run_id": earlier[-1] if earlier else "", "earlier_run_ids": earlier}
