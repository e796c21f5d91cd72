"""One EMR cluster that many runs share: brought up for the first, taken down after the last.

Started by the runs that join the cluster's lease, never by hand. It requests the cluster from Service
Catalog, lends it to whoever holds the lease, and ends it when nobody has held it for a while, or when it has
its maximum age. A cluster that is lost while runs hold its lease gets a successor: the next run of this DAG.
Whatever happens, `terminate_cluster` confirms that the cluster is gone.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, chain, dag, task

from sagemaker_emr.airflow_versions import AirflowSkipException
from sagemaker_emr.forms import text_field
from sagemaker_emr.notifications import configured, run_failed
from sagemaker_emr.operators.cloud_formation import CloudFormationReadOutputsOperator
from sagemaker_emr.operators.service_catalog import (
    ServiceCatalogClaimProductOperator,
    ServiceCatalogProvisionProductOperator,
    ServiceCatalogTerminateProductOperator,
)
from sagemaker_emr.operators.shared_cluster import SharedClusterLendOperator, SharedClusterSettleLeaseOperator
from sagemaker_emr.params import BACKFILL_BUDGET, CLUSTER_SIZE, ENVIRONMENT, PRODUCT_PARAMETERS, RETRIES
from sagemaker_emr.sensors.shared_cluster import SharedClusterReadySensor
from sagemaker_emr.task_groups.run import confirm_outcome
from sagemaker_emr.task_groups.shared_cluster import PROVIDER_DAG_ID, find_demand

ENV = "{{ params.environment }}"


@task(retries=3)
def confirm_demand(bucket: str, **context: Any) -> dict[str, Any]:
    """Go on only if somebody still waits for the cluster."""
    return find_demand(context, bucket)  # type: ignore[arg-type]


def unless_waited_for(context: Any) -> None:
    """Skip the start of a successor that nobody waits for."""
    if not context["task"].trigger_run_id:
        raise AirflowSkipException("Nobody waits for another cluster.")


@dag(
    dag_id=PROVIDER_DAG_ID,
    doc_md=__doc__,
    on_failure_callback=configured(run_failed),
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    tags=["sagemaker", "emr", "cluster"],
    default_args={**RETRIES, "deferrable": True},
    params={
        **ENVIRONMENT,
        **CLUSTER_SIZE,
        **BACKFILL_BUDGET,
        "lease": text_field(
            pattern=r"^[a-zA-Z0-9-]{1,63}(?!\n)$",
            allowed="1 to 63 letters, digits and hyphens.",
            examples=["data-preparation-0a1b2c3d4e5f-1"],
            title="Lease",
            description="Its name; the runs that join it start this DAG.",
            section="Lease",
        ),
        "generation": Param(
            type="integer",
            minimum=1,
            maximum=1_000_000,
            title="Generation (number)",
            description="Which cluster of the lease this is; the runs that join it know.",
            section="Lease",
        ),
        "lease_bucket": text_field(
            pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?!\n)$",
            allowed="The name of a bucket: 3 to 63 of a-z, 0-9, dots and hyphens.",
            examples=["sagemaker-emr-dev-artifacts-123456789012"],
            title="Bucket",
            description="Where the lease is: the environment's artifacts bucket.",
            section="Lease",
        ),
        "grace_seconds": Param(
            60,
            type="integer",
            minimum=0,
            maximum=3600,
            title="Grace (s)",
            description="How long the cluster is kept for the next run when nobody holds it.",
            section="Lease",
        ),
        "max_age_hours": Param(
            12,
            type="integer",
            minimum=1,
            maximum=72,
            title="Maximum age (h)",
            description="Then its holders go on with a new one.",
            section="Lease",
        ),
    },
)
def provide_shared_cluster() -> None:
    stacks = CloudFormationReadOutputsOperator(
        task_id="read_platform", environment=ENV, stacks=["storage", "catalog"]
    )
    bucket = stacks.output["ArtifactsBucket"]
    cluster = {"environment": ENV, "bucket": bucket}
    # From who joined it, so that a provider that can't read the platform can still close its lease.
    lease: dict[str, Any] = {
        "environment": ENV,
        "bucket": "{{ params.lease_bucket }}",
        "lease": "{{ params.lease }}",
        "generation": "{{ params.generation }}",
    }

    demand = confirm_demand(bucket)
    claim_cluster = ServiceCatalogClaimProductOperator(
        task_id="claim_cluster", budget_shared_with=demand["earlier_run_ids"], **cluster
    )
    end_predecessor = ServiceCatalogTerminateProductOperator(
        task_id="end_predecessor",
        run_id=demand["predecessor_run_id"],
        timeout_seconds=3600,
        **cluster,
    )
    request_cluster = ServiceCatalogProvisionProductOperator(
        task_id="request_cluster",
        product_id=stacks.output["ProductId"],
        provisioning_artifact_id=stacks.output["ProvisioningArtifactName"],
        parameters=PRODUCT_PARAMETERS,
        budget_from="claim_cluster",
        **cluster,
    )
    wait_for_cluster = SharedClusterReadySensor(
        task_id="wait_for_cluster", timeout=45 * 60, budget_from="claim_cluster", **lease
    )
    lend_cluster = SharedClusterLendOperator(
        task_id="lend_cluster",
        cluster_id=wait_for_cluster.output["cluster_id"],
        core_instance_type="{{ params.core_instance_type }}",
        core_instance_count="{{ params.core_instance_count }}",
        max_age_hours="{{ params.max_age_hours }}",
        grace_seconds="{{ params.grace_seconds }}",
        budget_from="claim_cluster",
        **lease,
    )
    terminate_cluster = ServiceCatalogTerminateProductOperator(
        task_id="terminate_cluster", timeout_seconds=3600, retries=5, **cluster
    ).as_teardown(setups=claim_cluster, on_failure_fail_dagrun=True)
    settle_lease = SharedClusterSettleLeaseOperator(task_id="settle_lease", **lease).as_teardown(
        on_failure_fail_dagrun=True
    )
    start_successor = TriggerDagRunOperator(
        task_id="start_successor",
        trigger_dag_id=PROVIDER_DAG_ID,
        trigger_run_id=settle_lease.output["successor_run_id"],
        conf=settle_lease.output["successor_conf"],
        logical_date=None,
        skip_when_already_exists=True,
        pre_execute=unless_waited_for,
    ).as_teardown(on_failure_fail_dagrun=True)
    chain(demand, claim_cluster, end_predecessor, request_cluster, wait_for_cluster, lend_cluster)
    chain(lend_cluster, terminate_cluster, settle_lease, start_successor)
    start_successor >> confirm_outcome("lend_cluster", may_skip=["confirm_demand"], costs=True).as_teardown(
        on_failure_fail_dagrun=True
    )


provide_shared_cluster()
