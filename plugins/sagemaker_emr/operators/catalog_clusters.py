"""The clusters of a catalog, whoever launched them: listed, and ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context

from sagemaker_emr.catalog_clusters import catalog_clusters, project_of
from sagemaker_emr.clusters import cluster_id_of
from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.triggers.emr import EmrClusterTerminatedTrigger
from sagemaker_emr.triggers.sagemaker_project import SageMakerProjectDeletedTrigger
from sagemaker_emr.triggers.service_catalog import ServiceCatalogProductTerminatedTrigger

TERMINATION_TIMEOUT_SECONDS = 3600


class ServiceCatalogListClustersOperator(AwsBaseOperator[ServiceCatalogHook]):
    """Lists every cluster of a product, those launched from Studio included.

    :return: oldest first: product, status, who launched and owns it, age, the cluster and its state.
    """

    aws_hook_class = ServiceCatalogHook
    template_fields: Sequence[str] = aws_template_fields("product_id")

    def __init__(self, *, product_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.product_id = product_id

    def execute(self, context: Context) -> list[dict[str, Any]]:
        found = [cluster.to_dict() for cluster in catalog_clusters(self.product_id, self._hook_parameters)]
        self.log.info("%d provisioned products of %s", len(found), self.product_id)
        for cluster in found:
            self.log.info("  %s", ", ".join(f"{key} {value}" for key, value in cluster.items()))
        return found


class ServiceCatalogTerminateClusterOperator(AwsWaitingOperator[ServiceCatalogHook]):
    """Ends any cluster of a product and proves it: project, provisioned product and cluster are gone.

    A cluster launched from Studio belongs to a SageMaker project: that is deleted, which terminates the
    product as Studio does. Everything can be run again from any point.

    :param product_id: of the catalog; a provisioned product of another is refused.
    :param provisioned_product: its name; none of that name is a success.
    :return: ``cluster_id`` (None where there was none), ``state``, ``cluster_seconds``.
    :raises InvalidInput: the provisioned product is of another product.
    """

    aws_hook_class = ServiceCatalogHook
    template_fields: Sequence[str] = aws_template_fields("product_id", "provisioned_product")

    def __init__(
        self,
        *,
        product_id: str,
        provisioned_product: str,
        timeout_seconds: float = TERMINATION_TIMEOUT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, **kwargs)
        self.product_id = product_id
        self.provisioned_product = provisioned_product

    def execute(self, context: Context) -> Any:
        return self._end(context, project_deleted=False)

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        """The project first, then the product, then the cluster."""
        if "project" in result:
            return self._end(context, project_deleted=True)
        if "gone" in result:
            return self._confirm(context, result["record_id"])
        self.log.info("%s is gone: %s", self.provisioned_product, result)
        return result

    def _end(self, context: Context, project_deleted: bool) -> Any:
        products = self.hook.all_provisioned_products()
        found = [product for product in products if product["Name"] == self.provisioned_product]
        if not found:
            return self._confirm(context, self._last_record_id())
        [product] = found
        if product["ProductId"] != self.product_id:
            raise InvalidInput(
                f"{self.provisioned_product} is no cluster of product {self.product_id}",
                reason=f"it is of {product['ProductId']} ({product.get('ProductName')})",
                next_step="list_clusters lists those of this environment.",
            )
        project = project_of(product)
        if project and not project_deleted:
            return self.wait_for(
                context, SageMakerProjectDeletedTrigger(project_name=project, **self.trigger_parameters)
            )
        trigger = ServiceCatalogProductTerminatedTrigger(
            product_name=self.provisioned_product,
            record_id=self.hook.provisioning_record_id(product),
            **self.trigger_parameters,
        )
        return self.wait_for(context, trigger)

    def _last_record_id(self) -> str | None:
        """The record that made a product which is gone, by the account's record history."""
        records: dict[str, str] = self.hook.provisioning_records(self.provisioned_product)
        return records.get(self.provisioned_product)

    def _confirm(self, context: Context, record_id: str | None) -> Any:
        cluster_id = cluster_id_of(record_id, self._hook_parameters) if record_id else None
        if cluster_id is None:
            return {"cluster_id": None, "state": "NEVER_STARTED", "cluster_seconds": 0.0}
        trigger = EmrClusterTerminatedTrigger(
            cluster_id=cluster_id, terminate=True, **self.trigger_parameters
        )
        return self.wait_for(context, trigger)
