"""One cluster for many runs: joining its lease, working on it in turn, leaving; and providing it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context

from sagemaker_emr.exceptions import ClusterFailed, InvalidInput
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.leases import (
    GRACE_SECONDS,
    LEASE_SECONDS,
    Lease,
    LeaseStore,
    holder_id,
    lease_name,
    opened_of,
)
from sagemaker_emr.links.emr import EmrClusterLink
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.operators.livy import LivyRunBatchOperator
from sagemaker_emr.params import BACKFILL_BUDGET, CLUSTER_SIZE
from sagemaker_emr.triggers.livy import LivyBatchTrigger
from sagemaker_emr.triggers.shared_cluster import (
    SharedClusterBatchTrigger,
    SharedClusterTurnTrigger,
    SharedClusterUnusedTrigger,
    shared_cluster_lost,
)

SHARED_BY = "data-preparation"
LAST_DEADLINE_SECONDS = 7 * 24 * 3600.0
VCPUS_PER_BATCH = 4
"""A driver and the executors beside it; Spark's own default is to take all that is free."""

VCPUS = {"m5.xlarge": 4, "m5.2xlarge": 8, "m5.4xlarge": 16}
"""https://docs.aws.amazon.com/ec2/latest/instancetypes/gp.html, of the core instance types in our forms."""


def member_of(
    context: Context, environment: str, bucket: str, parameters: dict[str, Any] | None, shared_by: str
) -> dict[str, str]:
    """Which lease a run holds, and who it is there; the same in every task and try of the run.

    :param parameters: of the cluster, see :func:`cluster_wanted`.
    """
    ti = context["ti"]
    return {
        "bucket": bucket,
        "environment": environment,
        "name": lease_name(shared_by, cluster_wanted(context, parameters)),
        "holder_id": holder_id(ti.dag_id, ti.run_id),
        "dag_id": ti.dag_id,
        "run_id": ti.run_id,
    }


def cluster_wanted(context: Context, parameters: dict[str, Any] | None) -> dict[str, Any]:
    """The cluster that a run wants: what was given, else what its form says, else the form's defaults.

    Runs with a budget share a cluster, and the budget, with those that give the same amount and name.
    """
    default = {name: param.value for name, param in CLUSTER_SIZE.items()}
    params = context.get("params", {})
    form = {name: value for name, value in params.items() if name in default}
    has_budget = bool(params.get("budget_usd"))
    budget = {name: params[name] for name in BACKFILL_BUDGET if has_budget and name in params}
    return {**default, **form, **budget, **(parameters or {})}


class _LeaseHolder(AwsBaseOperator[ArtifactsHook]):
    """A run's way into a lease, and out of it."""

    aws_hook_class = ArtifactsHook
    template_fields: Sequence[str] = aws_template_fields("environment", "bucket")

    def __init__(
        self,
        *,
        environment: str,
        bucket: str,
        parameters: dict[str, Any] | None = None,
        shared_by: str = SHARED_BY,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.environment = environment
        self.bucket = bucket
        self.parameters = parameters
        self.shared_by = shared_by

    def _member(self, context: Context) -> dict[str, str]:
        return member_of(context, self.environment, self.bucket, self.parameters, self.shared_by)

    def _store(self, member: dict[str, str]) -> LeaseStore:
        return LeaseStore(self.hook, self.bucket, self.environment, member["name"])


class SharedClusterJoinOperator(_LeaseHolder):
    """Joins the lease of the cluster that all runs with the same parameters share.

    The setup task of a run's use of a shared cluster: it writes one document and creates nothing.

    :param bucket: where leases are kept.
    :param parameters: form fields of the cluster (:data:`~sagemaker_emr.params.CLUSTER_SIZE`); what is left
        out is as the run's form has it. Runs that want other ones share another cluster.
    :param shared_by: who shares it; the readable start of the lease's name.
    :return: ``provider_run_id`` and ``provider_conf``, for who starts the cluster's provider.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        member = self._member(context)
        lease = self._store(member).join(member["holder_id"], member["dag_id"], member["run_id"])
        self.log.info("Joined %s, with %d holders", lease.provider_run_id, len(lease.holders))
        return {
            "provider_run_id": lease.provider_run_id,
            "provider_conf": {
                "environment": self.environment,
                "budget_usd": None,
                **cluster_wanted(context, self.parameters),
                "lease": lease.name,
                "generation": lease.generation,
                "lease_bucket": self.bucket,
            },
        }


class SharedClusterLeaveOperator(_LeaseHolder):
    """Leaves the lease: the teardown of :class:`SharedClusterJoinOperator`. Leaving twice is leaving."""

    def execute(self, context: Context) -> None:
        member = self._member(context)
        lease = self._store(member).leave(member["holder_id"])
        self.log.info("Left %s, which has %d holders now", lease.provider_run_id, len(lease.holders))


class SharedClusterRunBatchOperator(LivyRunBatchOperator):
    """Runs a Spark job on a shared cluster, once it is up and it is this run's turn.

    In all else it is a :class:`LivyRunBatchOperator`. A cluster that is lost costs no try of the task either:
    it waits for its turn on the successor.

    :param bucket: where leases are kept; this, ``parameters`` and ``shared_by`` are as they were for
        :class:`SharedClusterJoinOperator`.
    :raises ClusterFailed: the lease was closed: its provider failed or was ended.
    :raises SharedClusterLost: more clusters were lost than ``MAX_LOSSES`` of
        :mod:`~sagemaker_emr.operators.livy`.
    """

    template_fields: Sequence[str] = (
        *(name for name in LivyRunBatchOperator.template_fields if name != "cluster_id"),
        "bucket",
    )

    def __init__(
        self,
        *,
        bucket: str,
        parameters: dict[str, Any] | None = None,
        shared_by: str = SHARED_BY,
        **kwargs: Any,
    ) -> None:
        super().__init__(cluster_id="", **kwargs)
        self.bucket = bucket
        self.parameters = parameters
        self.shared_by = shared_by
        self._member: dict[str, str] = {}

    def _begin(self, context: Context) -> Any:
        if done := self._completed(context, self._generations(context)):
            return done
        trigger = SharedClusterTurnTrigger(member=self._joined_as(context), **self.trigger_parameters)
        return self.wait_for(context, trigger)

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        """First the turn has come, then the batch has ended."""
        if "turn_on" not in result:
            return super().complete(context, result)
        self.cluster_id, self._member = result["turn_on"], self._joined_as(context)
        return self._run_on_cluster(context, self._generations(context))

    def livy_url(self) -> str:
        """As of any cluster.

        :raises SharedClusterLost: the cluster has ended.
        """
        try:
            return super().livy_url()
        except ClusterFailed as lost:
            raise shared_cluster_lost(lost) from lost

    def batch_trigger(self, **parameters: Any) -> LivyBatchTrigger:
        return SharedClusterBatchTrigger(member=self._member, **parameters, **self.trigger_parameters)

    def _joined_as(self, context: Context) -> dict[str, str]:
        return member_of(context, self.environment, self.bucket, self.parameters, self.shared_by)


class SharedClusterLendOperator(AwsWaitingOperator[ArtifactsHook]):
    """Lends a ready cluster to the holders of its lease until nobody needs it, or it is lost or too old.

    :param bucket: where leases are kept.
    :param lease: the lease's name.
    :param generation: this provider's.
    :param cluster_id: the cluster, with Livy answering.
    :param core_instance_type: with ``core_instance_count``: how many batches it takes at once.
    :param max_age_hours: after which its holders go on with a successor.
    :param grace_seconds: how long it is kept for the next run when nobody holds it.
    :param lease_seconds: how long a holder may be silent.
    :return: ``ended``, the reason, and ``successor``: whether holders wait for the next generation.
    """

    aws_hook_class = ArtifactsHook
    operator_extra_links = (EmrClusterLink(),)
    template_fields: Sequence[str] = aws_template_fields(
        "environment",
        "bucket",
        "lease",
        "generation",
        "cluster_id",
        "core_instance_type",
        "core_instance_count",
        "max_age_hours",
        "grace_seconds",
    )

    def __init__(
        self,
        *,
        environment: str,
        bucket: str,
        lease: str,
        generation: int | str,
        cluster_id: str,
        core_instance_type: str,
        core_instance_count: int | str,
        max_age_hours: float | str = 12,
        grace_seconds: float | str = GRACE_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
        **kwargs: Any,
    ) -> None:
        # The trigger minds the age, and passes the lease on; the deadline is for one that can't.
        super().__init__(timeout_seconds=LAST_DEADLINE_SECONDS, **kwargs)
        self.environment = environment
        self.bucket = bucket
        self.lease = lease
        self.generation = generation
        self.cluster_id = cluster_id
        self.core_instance_type = core_instance_type
        self.core_instance_count = core_instance_count
        self.max_age_hours = max_age_hours
        self.grace_seconds = grace_seconds
        self.lease_seconds = lease_seconds

    def execute(self, context: Context) -> Any:
        slots = batch_slots(self.core_instance_type, int(self.core_instance_count))
        region, partition = self.hook.conn_region_name, self.hook.conn_partition
        EmrClusterLink.persist(context, self, region, partition, cluster_id=self.cluster_id)
        self.log.info("Lending %s, %d batches at once", self.cluster_id, slots)
        trigger = SharedClusterUnusedTrigger(
            lease={
                "bucket": self.bucket,
                "environment": self.environment,
                "name": self.lease,
                "generation": int(self.generation),
                "opened": opened_of(context["ti"].run_id),
            },
            cluster_id=self.cluster_id,
            slots=slots,
            ends_at=time.time() + float(self.max_age_hours) * 3600,
            grace_seconds=float(self.grace_seconds),
            lease_seconds=self.lease_seconds,
            **self.trigger_parameters,
        )
        return self.wait_for(context, trigger)


class SharedClusterSettleLeaseOperator(AwsBaseOperator[ArtifactsHook]):
    """Closes the generation of a provider that has ended, if it is open still, and names its successor.

    :param bucket: where leases are kept.
    :param lease: the lease's name.
    :param generation: this provider's.
    :return: ``successor_run_id`` and ``successor_conf``, both empty unless holders wait for the next one.
    """

    aws_hook_class = ArtifactsHook
    template_fields: Sequence[str] = aws_template_fields("environment", "bucket", "lease", "generation")

    def __init__(
        self,
        *,
        environment: str,
        bucket: str,
        lease: str,
        generation: int | str,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.environment = environment
        self.bucket = bucket
        self.lease = lease
        self.generation = generation

    def execute(self, context: Context) -> dict[str, Any]:
        generation, run_id = int(self.generation), context["ti"].run_id
        store = LeaseStore(self.hook, self.bucket, self.environment, self.lease)
        reason = f"its provider ended early: provide_shared_cluster, run {run_id}"
        opened = opened_of(run_id)

        def is_ours(lease: Lease) -> bool:
            return opened in (None, lease.opened)

        lease = store.change(lambda lease: lease.close(generation, reason) if is_ours(lease) else lease)
        # One that was begun anew by the holders of a document that was lost may have no provider yet.
        others = bool(lease.holders) if not is_ours(lease) else lease.generation > generation
        waited_for = lease.closed is None and others
        if not waited_for:
            return {"successor_run_id": "", "successor_conf": {}}
        return {
            "successor_run_id": lease.provider_run_id,
            "successor_conf": {**context["params"], "generation": lease.generation},
        }


def batch_slots(core_instance_type: str, core_instance_count: int) -> int:
    """How many batches a cluster takes at once.

    :raises InvalidInput: the instance type's size is not known here.
    """
    if core_instance_type not in VCPUS:
        raise InvalidInput(
            f"How many batches {core_instance_type} takes is not known",
            reason=f"known: {', '.join(VCPUS)}",
            next_step="Choose one of these, or add it to VCPUS.",
        )
    return max(1, VCPUS[core_instance_type] * core_instance_count // VCPUS_PER_BATCH)
