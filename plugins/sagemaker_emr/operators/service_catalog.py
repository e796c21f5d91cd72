"""The life of a run's cluster as a provisioned product: claimed, requested, terminated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr import names
from sagemaker_emr.claims import Claim, ClaimStore
from sagemaker_emr.clusters import cluster_id_of
from sagemaker_emr.exceptions import ResourceConflict
from sagemaker_emr.hooks.emr import CLUSTER_STATES, ClusterState, EmrHook
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.hooks.service_catalog import (
    PRODUCT_STATES,
    RECORD_STATES,
    ProductState,
    RecordState,
    ServiceCatalogHook,
)
from sagemaker_emr.links.emr import EmrClusterLink
from sagemaker_emr.links.service_catalog import ServiceCatalogProvisionedProductLink
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.triggers.emr import EmrClusterTerminatedTrigger
from sagemaker_emr.triggers.service_catalog import ServiceCatalogProductTerminatedTrigger

TERMINATION_TIMEOUT_SECONDS = 3600
NEVER_STARTED = "NEVER_STARTED"
"""The state of a cluster that was claimed and maybe requested, but never made."""


class ServiceCatalogClaimProductOperator(AwsBaseOperator[ServiceCatalogHook]):
    """Writes down that this run is going to own a product, before anything is created.

    The setup task of a cluster's life: it can't half-succeed, and the teardown finds the product by what it
    wrote. A retry finds its own claim. When the claimed product has ended, as in a cleared run, the claim
    moves on to the next generation and so to a name that was never used.

    :param bucket: where claims are kept.
    :param purpose: tells apart several products of one run.
    :return: the claim.
    """

    aws_hook_class = ServiceCatalogHook
    template_fields: Sequence[str] = aws_template_fields("environment", "bucket", "purpose")

    def __init__(self, *, environment: str, bucket: str, purpose: str = "cluster", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.environment = environment
        self.bucket = bucket
        self.purpose = purpose

    def execute(self, context: Context) -> dict[str, Any]:
        store = ClaimStore(ArtifactsHook(**self._hook_parameters), self.bucket)
        claim = store.ensure(claim_of(context, self.environment, self.purpose))
        if claim.state != "claimed" and self.hook.find_provisioned_product(claim.product_name) is None:
            self.log.info("Product %s of this run has ended", claim.product_name)
            claim = store.update(claim.next_generation())
        self.log.info("Claimed product %s (generation %d)", claim.product_name, claim.generation)
        return claim.to_json()


class ServiceCatalogProvisionProductOperator(AwsWaitingOperator[ServiceCatalogHook]):
    """Requests the claimed product, or attaches to the one that is there; does not wait for it to be ready.

    A predecessor that failed, or whose cluster has ended, is terminated first; then the claim moves on. When
    the task is killed the product it requested is terminated.

    :param product_id: the product.
    :param provisioning_artifact_id: its version; by default the newest active one.
    :param parameters: of the product's template; None means its default.
    :param tags: besides environment, owner, DAG and run.
    :param timeout_seconds: for the termination of a predecessor.
    :return: ``record_id``, ``product_name``, ``generation``.
    :raises CatalogMisconfigured: product, version, launch path, principal or launch role is missing.
    """

    aws_hook_class = ServiceCatalogHook
    operator_extra_links = (ServiceCatalogProvisionedProductLink(),)
    template_fields: Sequence[str] = aws_template_fields(
        "environment", "bucket", "product_id", "provisioning_artifact_id", "parameters", "tags", "purpose"
    )
    template_fields_renderers = {"parameters": "json", "tags": "json"}  # noqa: RUF012

    def __init__(
        self,
        *,
        environment: str,
        bucket: str,
        product_id: str,
        provisioning_artifact_id: str | None = None,
        parameters: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
        purpose: str = "cluster",
        timeout_seconds: float = TERMINATION_TIMEOUT_SECONDS,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, multiple_outputs=multiple_outputs, **kwargs)
        self.environment = environment
        self.bucket = bucket
        self.product_id = product_id
        self.provisioning_artifact_id = provisioning_artifact_id
        self.parameters = parameters or {}
        self.tags = tags or {}
        self.purpose = purpose
        self._requested: str | None = None

    def execute(self, context: Context) -> Any:
        return self._attach_or_provision(context)

    def _attach_or_provision(self, context: Context) -> Any:
        claim = self._store.ensure(claim_of(context, self.environment, self.purpose))
        product = self.hook.find_provisioned_product(claim.product_name)
        if product and not self._is_usable(product, claim):
            self.log.info("Product %s is %s: terminating it", product["Name"], product["Status"])
            trigger = ServiceCatalogProductTerminatedTrigger(
                product_name=claim.product_name,
                record_id=claim.record_id or self.hook.provisioning_record_id(product),
                **self.trigger_parameters,
            )
            return self.wait_for(context, trigger)
        if product:
            self.log.info("Attaching to product %s, which is %s", product["Name"], product["Status"])
            record_id = claim.record_id or self.hook.provisioning_record_id(product)
            return self._requested_as(context, claim, product["Id"], record_id)
        if claim.state != "claimed":
            claim = self._store.update(claim.next_generation())
        return self._provision(context, claim)

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        """The predecessor is gone: its name is not used again."""
        claim = self._store.ensure(claim_of(context, self.environment, self.purpose))
        if claim.product_name == result["gone"]:
            self._store.update(claim.next_generation())
        return self._attach_or_provision(context)

    def _provision(self, context: Context, claim: Claim) -> Any:
        path_id = self.hook.launch_path(self.product_id)
        artifact_id = self.hook.active_artifact(self.product_id, self.provisioning_artifact_id)
        self._requested = claim.product_name
        run_tags = names.tags(claim.environment, owner=self.owner, dag_id=claim.dag_id, run_id=claim.run_id)
        record = self.hook.provision(
            name=claim.product_name,
            product_id=self.product_id,
            artifact_id=artifact_id,
            path_id=path_id,
            parameters=self.parameters,
            tags={**run_tags, **self.tags},
        )
        if record is None and self.hook.find_provisioned_product(claim.product_name):
            return self._attach_or_provision(context)  # made by another try, just now
        if record is None:
            raise ResourceConflict(
                f"Something named {claim.product_name} exists that this caller can't see",
                next_step="Terminate that product or stack as whoever launched it, then clear this task.",
            )
        if RECORD_STATES.of(record["Status"], record["RecordId"]) is not RecordState.GOING_ON:
            # The token was used before: Service Catalog repeats its old answer, whatever came of the product.
            if self.hook.find_provisioned_product(claim.product_name) is None:
                self._store.update(claim.next_generation())
            return self._attach_or_provision(context)
        self.log.info("Requested product %s: record %s", claim.product_name, record["RecordId"])
        return self._requested_as(context, claim, record["ProvisionedProductId"], record["RecordId"])

    def _is_usable(self, product: dict[str, Any], claim: Claim) -> bool:
        """Whether the product is coming up, or is up with a cluster that lives.

        After auto-termination a product still says AVAILABLE: the cluster is asked too.
        """
        state = PRODUCT_STATES.of(product["Status"], product["Name"])
        if state is ProductState.CHANGING:
            record, _ = self.hook.describe_record(product["LastRecordId"])
            return str(record["RecordType"]) != "TERMINATE_PROVISIONED_PRODUCT"
        if state is not ProductState.UP:
            return False
        record_id = claim.record_id or self.hook.provisioning_record_id(product)
        cluster_id = cluster_id_of(record_id, self._hook_parameters) if record_id else None
        if cluster_id is None:
            return False
        cluster = EmrHook(**self._hook_parameters).describe(cluster_id)
        living = (ClusterState.COMING, ClusterState.READY)
        return CLUSTER_STATES.of(cluster["Status"]["State"], cluster_id) in living

    def _requested_as(
        self, context: Context, claim: Claim, product_id: str, record_id: str | None
    ) -> dict[str, Any]:
        if claim.state != "requested" or claim.record_id != record_id:
            self._store.update(replace(claim, state="requested", record_id=record_id))
        _link_product(self, context, product_id)
        return {
            "record_id": record_id,
            "product_name": claim.product_name,
            "generation": claim.generation,
        }

    @property
    def _store(self) -> ClaimStore:
        return ClaimStore(ArtifactsHook(**self._hook_parameters), self.bucket)

    def on_kill(self) -> None:
        """A product UNDER_CHANGE can't be terminated yet; then the run's teardown does it."""
        super().on_kill()
        if self._requested is None:
            return
        try:
            product = self.hook.find_provisioned_product(self._requested)
            if product:
                self.hook.terminate(product)
        except (BotoCoreError, ClientError) as error:
            self.log.warning("%s is left to the teardown: %s", self._requested, error)


class ServiceCatalogTerminateProductOperator(AwsWaitingOperator[ServiceCatalogHook]):
    """Ends a run's product and proves it: the product gone, its cluster terminated.

    The teardown of a cluster's life, and its early release. Nothing to do is success, and looked at all the
    same. A product that is still coming up is waited for, since it can't be terminated before.

    :param bucket: where the claim is; without one the first generation's name is taken.
    :return: ``cluster_id`` (None where there never was one), ``cluster_seconds`` from creation to end by
        EMR's timeline, and the cluster's ``state``.
    :raises ProvisioningFailed: the product can't be terminated; its cluster is then ended by itself.
    """

    aws_hook_class = ServiceCatalogHook
    operator_extra_links = (ServiceCatalogProvisionedProductLink(), EmrClusterLink())
    template_fields: Sequence[str] = aws_template_fields("environment", "bucket", "purpose")

    def __init__(
        self,
        *,
        environment: str,
        bucket: str | None = None,
        purpose: str = "cluster",
        timeout_seconds: float = TERMINATION_TIMEOUT_SECONDS,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, multiple_outputs=multiple_outputs, **kwargs)
        self.environment = environment
        self.bucket = bucket
        self.purpose = purpose

    def execute(self, context: Context) -> Any:
        claim = self._claim(context)
        product = self.hook.find_provisioned_product(claim.product_name)
        if product is None:
            return self._confirm_cluster_ended(context, claim.record_id)
        _link_product(self, context, product["Id"])
        trigger = ServiceCatalogProductTerminatedTrigger(
            product_name=claim.product_name,
            record_id=claim.record_id or self.hook.provisioning_record_id(product),
            **self.trigger_parameters,
        )
        return self.wait_for(context, trigger)

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        """First the product is gone, then its cluster has ended."""
        if "gone" in result:
            return self._confirm_cluster_ended(context, result["record_id"])
        return self._ended(context, result)

    def _confirm_cluster_ended(self, context: Context, record_id: str | None) -> Any:
        claim = self._claim(context)
        cluster_id = claim.cluster_id
        if cluster_id is None and record_id:
            cluster_id = cluster_id_of(record_id, self._hook_parameters)
        if cluster_id is None:
            return self._ended(context, {"cluster_id": None, "cluster_seconds": 0.0, "state": NEVER_STARTED})
        EmrClusterLink.persist(
            context=context,
            operator=self,
            region_name=self.hook.conn_region_name,
            aws_partition=self.hook.conn_partition,
            cluster_id=cluster_id,
        )
        trigger = EmrClusterTerminatedTrigger(
            cluster_id=cluster_id, terminate=True, **self.trigger_parameters
        )
        return self.wait_for(context, trigger)

    def _ended(self, context: Context, result: dict[str, Any]) -> dict[str, Any]:
        claim = self._claim(context)
        if claim.etag and claim.state != "ended":
            ClaimStore(ArtifactsHook(**self._hook_parameters), str(self.bucket)).update(
                replace(
                    claim,
                    state="ended",
                    cluster_id=result["cluster_id"],
                    cluster_seconds=result["cluster_seconds"],
                )
            )
        self.log.info("Product %s is gone, its cluster: %s", claim.product_name, result)
        return result

    def _claim(self, context: Context) -> Claim:
        """The stored claim; without one, what the first generation's would be, with no ETag."""
        first = claim_of(context, self.environment, self.purpose)
        if not self.bucket:
            return first
        return ClaimStore(ArtifactsHook(**self._hook_parameters), self.bucket).read(first) or first


def claim_of(context: Context, environment: str, purpose: str) -> Claim:
    """The first generation's claim of the run that a task belongs to."""
    return Claim(environment, context["ti"].dag_id, context["ti"].run_id, purpose)


def _link_product(operator: AwsBaseOperator[ServiceCatalogHook], context: Context, product_id: str) -> None:
    ServiceCatalogProvisionedProductLink.persist(
        context=context,
        operator=operator,
        region_name=operator.hook.conn_region_name,
        aws_partition=operator.hook.conn_partition,
        provisioned_product_id=product_id,
    )
