"""Sensors for EMR clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context

from sagemaker_emr.claims import Claim, ClaimStore
from sagemaker_emr.exceptions import NEW_CLUSTER, InvalidInput, ProvisioningFailed
from sagemaker_emr.hooks.emr import EmrHook
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.links.emr import EmrClusterLink
from sagemaker_emr.sensors.base import AwsWaitSensor
from sagemaker_emr.triggers.emr import EmrClusterReadyTrigger, EmrClusterTerminatedTrigger


class EmrClusterReadySensor(AwsWaitSensor[EmrHook]):
    """Waits until a requested cluster runs and Livy answers on it.

    Give it the cluster, the record of its request, or what the run's claim is found by.

    :param cluster_id: of a cluster however made; ``record_id`` is then None in what is returned.
    :param record_id: of ProvisionProduct.
    :param environment: else, the environment of this run's claim.
    :param bucket: and the bucket that claims are kept in.
    :param purpose: and the claim's purpose.
    :return: ``cluster_id``, ``livy_url``, ``record_id``.
    :raises ProvisioningFailed: the record FAILED; with EMR's StateChangeReason.
    :raises ClusterFailed: the cluster ended, or is ending.
    :raises SensorDeadlineExceeded: the cluster did not run, or Livy did not answer, before the deadline.
    """

    aws_hook_class = EmrHook
    operator_extra_links = (EmrClusterLink(),)
    template_fields: Sequence[str] = aws_template_fields(
        "cluster_id", "record_id", "environment", "bucket", "purpose"
    )

    def __init__(
        self,
        *,
        cluster_id: str | None = None,
        record_id: str | None = None,
        environment: str | None = None,
        bucket: str | None = None,
        purpose: str = "cluster",
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.cluster_id = cluster_id
        self.record_id = record_id
        self.environment = environment
        self.bucket = bucket
        self.purpose = purpose

    def trigger(self) -> EmrClusterReadyTrigger:
        return EmrClusterReadyTrigger(
            cluster_id=self.cluster_id, record_id=self.record_id, **self.trigger_parameters
        )

    def execute(self, context: Context) -> Any:
        if not self.cluster_id and not self.record_id:
            self.record_id = self._claimed_record_id(context)
        return super().execute(context)

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        EmrClusterLink.persist(
            context=context,
            operator=self,
            region_name=self.hook.conn_region_name,
            aws_partition=self.hook.conn_partition,
            cluster_id=result["cluster_id"],
        )
        self.log.info("Cluster %s is ready, Livy answers at %s", result["cluster_id"], result["livy_url"])
        return result

    def _claimed_record_id(self, context: Context) -> str:
        if not self.environment or not self.bucket:
            raise InvalidInput(
                "Give the sensor a cluster_id, a record_id, or an environment and a bucket of claims"
            )
        first = Claim(self.environment, context["ti"].dag_id, context["ti"].run_id, self.purpose)
        claim = ClaimStore(ArtifactsHook(**self._hook_parameters), self.bucket).read(first) or first
        if claim.record_id and claim.state == "requested":
            return claim.record_id
        hook = ServiceCatalogHook(**self._hook_parameters)
        product = hook.find_provisioned_product(claim.product_name)
        record_id = hook.provisioning_record_id(product) if product else None
        if record_id is None:
            raise ProvisioningFailed(
                f"Product {claim.product_name} of this run was not requested, or has ended",
                reason=f"its claim: generation {claim.generation}, {claim.state}",
                next_step=NEW_CLUSTER,
            )
        return record_id


class EmrClusterTerminatedSensor(AwsWaitSensor[EmrHook]):
    """Waits until a cluster is TERMINATED or TERMINATED_WITH_ERRORS; does not end it.

    :return: ``cluster_id``, ``cluster_seconds``, ``state``.
    """

    aws_hook_class = EmrHook
    template_fields: Sequence[str] = aws_template_fields("cluster_id")

    def __init__(self, *, cluster_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cluster_id = cluster_id

    def trigger(self) -> EmrClusterTerminatedTrigger:
        return EmrClusterTerminatedTrigger(cluster_id=self.cluster_id, **self.trigger_parameters)
