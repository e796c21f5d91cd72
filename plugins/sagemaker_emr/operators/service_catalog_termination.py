"""The end of a run's cluster: each product of its claim gone, each cluster terminated, and both proven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from botocore.exceptions import ClientError

from sagemaker_emr.claims import Claim, ClaimStore, claim_of, rebuilt
from sagemaker_emr.clusters import cluster_id_of
from sagemaker_emr.exceptions import TerminationFailed
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.links.emr import EmrClusterLink
from sagemaker_emr.links.service_catalog import ServiceCatalogProvisionedProductLink
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.triggers.emr import EmrClusterTerminatedTrigger
from sagemaker_emr.triggers.service_catalog import ServiceCatalogProductTerminatedTrigger

TERMINATION_TIMEOUT_SECONDS = 3600
REQUEST_GRACE_SECONDS = 120.0
"""How long a request whose answer nobody got may take to show as a product."""

NEVER_STARTED = "NEVER_STARTED"
"""The state of a cluster that was claimed and maybe requested, but never made."""

TERMINATED = "TERMINATED"

NOTHING: dict[str, Any] = {"cluster_id": None, "cluster_seconds": 0.0, "state": NEVER_STARTED}
"""What came of a product that never was."""


class ServiceCatalogTerminateProductOperator(AwsWaitingOperator[ServiceCatalogHook]):
    """Ends a run's product and proves it: the product gone, its cluster terminated.

    The teardown of a cluster's life, and its early release. All generations of the claim are walked, the
    newest first, since it is the one that costs. Nothing to do is success, and looked at all the same. A
    product that is still coming up is waited for, since it can't be terminated before.

    :param bucket: where the claim is; without one the first generation's name is taken.
    :param run_id: of another run of this DAG whose product to end; by default the task's own. Empty, as a
        template may be: there is no such run, and nothing to end.
    :return: ``cluster_id`` of the last cluster (None where there never was one), its ``state``, and
        ``cluster_seconds`` from creation to end by EMR's timeline, summed over the run's clusters.
    :raises TerminationFailed: a product can't be terminated; its cluster is then ended by itself.
    """

    aws_hook_class = ServiceCatalogHook
    operator_extra_links = (ServiceCatalogProvisionedProductLink(), EmrClusterLink())
    template_fields: Sequence[str] = aws_template_fields("environment", "bucket", "purpose", "run_id")

    def __init__(
        self,
        *,
        environment: str,
        bucket: str | None = None,
        purpose: str = "cluster",
        run_id: str | None = None,
        timeout_seconds: float = TERMINATION_TIMEOUT_SECONDS,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, multiple_outputs=multiple_outputs, **kwargs)
        self.environment = environment
        self.bucket = bucket
        self.purpose = purpose
        self.run_id = run_id

    def execute(self, context: Context) -> Any:
        if self.run_id == "":
            self.log.info("There is no run whose product to end")
            return dict(NOTHING)
        with self._telling_what_is_left(context):
            return self._end(context, self._claim(context).generation, [])

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        """First the product is gone, then its cluster has ended."""
        walk = result.pop("generation"), result.pop("ended")
        with self._telling_what_is_left(context):
            if "gone" in result:
                return self._confirm_cluster_ended(context, *walk, record_id=result["record_id"])
            return self._ended(context, *walk, result=result)

    @contextmanager
    def _telling_what_is_left(self, context: Context) -> Iterator[None]:
        """:raises TerminationFailed: AWS refused a call; naming the product that may live on."""
        try:
            yield
        except ClientError as error:
            first = claim_of(context, self.environment, self.purpose, self.run_id)
            stem = first.product_name_of(1).removesuffix("1")
            raise TerminationFailed(
                f"The end of this run's cluster is not proven: provisioned product {stem}N may live",
                reason=str(error),
                next_step="It may cost money. Remove AWS's reason, then clear this task; or end the product "
                f"by hand: its name is {stem} with a number.",
            ) from error

    def _end(self, context: Context, generation: int, ended: list[dict[str, Any]]) -> Any:
        """End one generation and those before it.

        :param ended: what came of those after it.
        """
        if generation == 0:
            return _sum(ended)
        claim = self._claim(context)
        name, known = claim.product_name_of(generation), claim.of(generation)
        product = self.hook.find_provisioned_product(name)
        record_id = known.record_id
        if product:
            record_id = record_id or self.hook.provisioning_record_id(product)
            link_product(self, context, product["Id"])
        elif known.state in ("claimed", "ended"):
            return self._confirm_cluster_ended(context, generation, ended, record_id=record_id)
        grace = REQUEST_GRACE_SECONDS if known.state == "requesting" else 0.0
        trigger = ServiceCatalogProductTerminatedTrigger(
            product_name=name,
            record_id=record_id,
            may_appear_seconds=grace,
            **self.trigger_parameters,
        )
        return self.wait_for(context, trigger, {"generation": generation, "ended": ended})

    def _confirm_cluster_ended(
        self, context: Context, generation: int, ended: list[dict[str, Any]], *, record_id: str | None
    ) -> Any:
        claim = self._claim(context)
        known = claim.of(generation)
        cluster_id = known.cluster_id
        if cluster_id is None and record_id:
            cluster_id = cluster_id_of(record_id, self._hook_parameters)
        if cluster_id is None:
            return self._ended(context, generation, ended, result=dict(NOTHING))
        if known.state == "ended" and generation != claim.generation:
            # Proven before; and EMR forgets clusters after two months, though runs may be cleared later.
            result = {"cluster_id": cluster_id, "cluster_seconds": known.cluster_seconds, "state": TERMINATED}
            return self._ended(context, generation, ended, result=result)
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
        return self.wait_for(context, trigger, {"generation": generation, "ended": ended})

    def _ended(
        self, context: Context, generation: int, ended: list[dict[str, Any]], *, result: dict[str, Any]
    ) -> Any:
        claim = self._claim(context)
        if claim.etag and claim.of(generation).state != "ended":
            ClaimStore(ArtifactsHook(**self._hook_parameters), str(self.bucket)).update(
                claim.with_ended(generation, result["cluster_id"], result["cluster_seconds"])
            )
        self.log.info("Product %s is gone, its cluster: %s", claim.product_name_of(generation), result)
        return self._end(context, generation - 1, [*ended, result])

    def _claim(self, context: Context) -> Claim:
        """The stored claim; without a bucket, what the first generation's would be, with no ETag.

        The task's own run made a claim before: one that is not there was lost, and is rebuilt. Another run
        may have ended before it made one.
        """
        first = claim_of(context, self.environment, self.purpose, self.run_id)
        if not self.bucket:
            return first
        store = ClaimStore(ArtifactsHook(**self._hook_parameters), self.bucket)
        if self.run_id:
            return store.read(first) or first
        return store.read(first) or store.ensure(rebuilt(first, self.hook))


def _sum(ended: list[dict[str, Any]]) -> dict[str, Any]:
    """One answer for all generations, newest first: the last cluster there was, and all their seconds."""
    last = next((result for result in ended if result["cluster_id"]), ended[0])
    return {**last, "cluster_seconds": sum(float(result["cluster_seconds"]) for result in ended)}


def link_product(operator: AwsBaseOperator[ServiceCatalogHook], context: Context, product_id: str) -> None:
    """Link the task to a provisioned product in the console."""
    ServiceCatalogProvisionedProductLink.persist(
        context=context,
        operator=operator,
        region_name=operator.hook.conn_region_name,
        aws_partition=operator.hook.conn_partition,
        provisioned_product_id=product_id,
    )
