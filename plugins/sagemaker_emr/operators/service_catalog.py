"""The life of a run's cluster as a provisioned product: claimed, requested, terminated."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr import names
from sagemaker_emr.claims import Claim, ClaimStore, claim_of, rebuilt
from sagemaker_emr.clusters import cluster_id_of
from sagemaker_emr.costs.budget import budget_of, keep_budget, used_up
from sagemaker_emr.costs.estimate import CLUSTER_FIELDS, cluster_instances
from sagemaker_emr.costs.spent import claimed_usd
from sagemaker_emr.exceptions import InvalidInput, ResourceConflict, SageMakerEmrError
from sagemaker_emr.hooks.emr import CLUSTER_STATES, ClusterState, EmrHook
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.hooks.service_catalog import (
    PRODUCT_STATES,
    RECORD_STATES,
    ProductState,
    RecordState,
    ServiceCatalogHook,
)
from sagemaker_emr.links.service_catalog import ServiceCatalogProvisionedProductLink
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.operators.service_catalog_termination import (
    NEVER_STARTED,
    TERMINATION_TIMEOUT_SECONDS,
    ServiceCatalogTerminateProductOperator,
    link_product,
)
from sagemaker_emr.transient import is_transient
from sagemaker_emr.triggers.base import stop_surely
from sagemaker_emr.triggers.service_catalog import ServiceCatalogProductTerminatedTrigger

__all__ = [
    "NEVER_STARTED",
    "ServiceCatalogClaimProductOperator",
    "ServiceCatalogProvisionProductOperator",
    "ServiceCatalogTerminateProductOperator",
]


class ServiceCatalogClaimProductOperator(AwsBaseOperator[ServiceCatalogHook]):
    """Writes down that this run is going to own a product, before anything is created.

    The setup task of a cluster's life: it can't half-succeed, and the teardown finds the product by what it
    wrote. A retry and a cleared run find their own claim, and leave it as it is: clearing any task between
    setup and teardown runs both again, which must not lose the cluster there was.

    Where the run's form has the fields of a cluster, the log shows what the run is going to cost; with a
    ``budget_usd`` in it, a run that would cost more is refused, see :mod:`sagemaker_emr.costs.budget`.

    :param bucket: where claims are kept.
    :param purpose: tells apart several products of one run.
    :param budget_shared_with: ids of other runs of this DAG whose clusters were paid from the same budget.
    :return: the claim.
    :raises BudgetExceeded: with the sums.
    """

    aws_hook_class = ServiceCatalogHook
    template_fields: Sequence[str] = aws_template_fields(
        "environment", "bucket", "purpose", "budget_shared_with"
    )

    def __init__(
        self,
        *,
        environment: str,
        bucket: str,
        purpose: str = "cluster",
        budget_shared_with: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.environment = environment
        self.bucket = bucket
        self.purpose = purpose
        self.budget_shared_with = budget_shared_with

    def execute(self, context: Context) -> dict[str, Any]:
        store = ClaimStore(ArtifactsHook(**self._hook_parameters), self.bucket)
        claim = claim_of(context, self.environment, self.purpose)
        if getattr(context["ti"], "try_number", 1) > 1:
            claim = store.read(claim) or rebuilt(claim, self.hook)
        self._keep_budget(context, store, claim)
        claim = store.ensure(claim)
        self.log.info(
            "Claimed product %s (generation %d): %s", claim.product_name, claim.generation, claim.state
        )
        return claim.to_json()

    def _keep_budget(self, context: Context, store: ClaimStore, claim: Claim) -> None:
        form = context.get("params") or {}
        if not form.keys() >= CLUSTER_FIELDS:
            return None
        region = str(self.hook.conn_region_name)
        if budget_of(form) is None:
            return keep_budget(context, region)
        runs = (None, *self.budget_shared_with)
        keys = [claim_of(context, self.environment, self.purpose, run_id) for run_id in runs]
        own, *others = [store.read(key) for key in keys]
        claims = [one for one in (own or claim, *others) if one]
        spent = claimed_usd(claims, cluster_instances(form), region, self._hook_parameters)
        return keep_budget(context, region, spent=spent, refuse=not (own or claim).may_live)


class ServiceCatalogProvisionProductOperator(AwsWaitingOperator[ServiceCatalogHook]):
    """Requests the claimed product, or attaches to the one that is there; does not wait for it to be ready.

    A predecessor that failed, or whose cluster has ended, is terminated first; then the claim moves on to the
    next generation, and so to a name that was never used. When the task is killed the product it requested is
    terminated.

    :param product_id: the product.
    :param provisioning_artifact_id: its version, by id or name; by default the newest active one.
    :param parameters: of the product's template; None means its default. ``ClusterName`` (the product's name)
        and ``Owner`` (the task's) are given unless they are here, where the template takes them.
    :param tags: besides environment, owner, DAG and run.
    :param timeout_seconds: for the termination of a predecessor.
    :return: ``record_id``, ``product_name``, ``generation``.
    :raises CatalogMisconfigured: product, version, launch path, principal or launch role is missing.
    :raises BudgetExceeded: the budget was used up before this product was requested.
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
        claim = self._claim(context)
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
        if claim.state == "requested" and claim.record_id:
            record, _ = self.hook.describe_record(claim.record_id)
            if RECORD_STATES.of(record["Status"], claim.record_id) is RecordState.GOING_ON:
                self.log.info("Product %s does not show yet, its record goes on", claim.product_name)
                return self._requested_as(context, claim, record["ProvisionedProductId"], claim.record_id)
        if claim.state in ("requested", "ended"):
            claim = self._store.update(claim.next_generation())
        return self._provision(context, claim)

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        """The predecessor is gone: its name is not used again."""
        claim = self._claim(context)
        if claim.product_name == result["gone"]:
            self._store.update(claim.next_generation(result["record_id"]))
        return self._attach_or_provision(context)

    def _claim(self, context: Context) -> Claim:
        """The run's claim, made before this task; rebuilt where its document was lost."""
        first = claim_of(context, self.environment, self.purpose)
        return self._store.read(first) or self._store.ensure(rebuilt(first, self.hook))

    def _provision(self, context: Context, claim: Claim) -> Any:
        budget = self.budget(context)
        if budget and time.time() >= budget["at"]:
            raise used_up("a new cluster", budget, "None was requested.")
        path_id = self.hook.launch_path(self.product_id)
        artifact_id = self.hook.active_artifact(self.product_id, self.provisioning_artifact_id)
        run_tags = names.tags(claim.environment, owner=self.owner, dag_id=claim.dag_id, run_id=claim.run_id)
        ours = {"ClusterName": claim.product_name, "Owner": run_tags["sagemaker-emr:owner"]}
        taken = self.hook.parameter_keys(self.product_id, artifact_id, path_id)
        request = {
            "product_id": self.product_id,
            "artifact_id": artifact_id,
            "path_id": path_id,
            "parameters": {key: ours[key] for key in ours if key in taken} | self.parameters,
            "tags": {**run_tags, **self.tags},
        }
        claim, record = self._send(claim, request)
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
                self._store.update(claim.next_generation(record["RecordId"]))
            return self._attach_or_provision(context)
        self.log.info("Requested product %s: record %s", claim.product_name, record["RecordId"])
        return self._requested_as(context, claim, record["ProvisionedProductId"], record["RecordId"])

    def _send(self, claim: Claim, request: dict[str, Any]) -> tuple[Claim, dict[str, Any] | None]:
        """ProvisionProduct, and before it the note that it may have been sent: its answer may be lost."""
        if claim.state != "requesting":
            claim = self._store.update(replace(claim, state="requesting"))
        self._requested = claim.product_name
        try:
            return claim, self.hook.provision(name=claim.product_name, **request)
        except (InvalidInput, ClientError) as error:
            if isinstance(error, InvalidInput) or not is_transient(error):
                self._store.update(replace(claim, state="claimed"))
            raise

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
        link_product(self, context, product_id)
        if self._killed:
            raise SageMakerEmrError(
                f"The task was killed while it requested product {claim.product_name}",
                next_step="The run's teardown ends it, as soon as it can be.",
            )
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
            stop_surely(self._terminate_requested, f"product {self._requested}", self.log)
        except (BotoCoreError, ClientError) as error:
            self.log.warning("%s is left to the teardown: %s", self._requested, error)

    def _terminate_requested(self) -> None:
        product = self.hook.find_provisioned_product(str(self._requested))
        if product:
            self.hook.terminate(product)
