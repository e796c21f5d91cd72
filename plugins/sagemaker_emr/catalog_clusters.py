"""Every cluster of a catalog's product, whoever launched it: Airflow, Studio's users, the console's."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.clusters import cluster_id_of
from sagemaker_emr.hooks.emr import EmrHook
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook

PROJECT_TAG = "sagemaker:project-name"
"""What SageMaker Projects, through which Studio launches, writes on everything of a project."""

OWNER_TAG, DAG_TAG, RUN_TAG = "sagemaker-emr:owner", "sagemaker-emr:dag", "sagemaker-emr:run"

INSTANCES_TAG = "sagemaker-emr:instances"
"""What a cluster was launched with; ``include/cfn/emr_product.yaml`` writes it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CatalogCluster:
    """One provisioned product and its cluster.

    :param launched_by: a run of Airflow, a SageMaker project, or a user of Service Catalog.
    :param project: the SageMaker project's name, where it was launched from Studio.
    :param cluster_id: None before there is one.
    """

    product_name: str
    product_status: str
    launched_by: str
    owner: str
    age_hours: float
    project: str | None
    cluster_id: str | None
    cluster_state: str | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def catalog_clusters(product_id: str, connection: dict[str, Any]) -> list[CatalogCluster]:
    """The provisioned products of a product, oldest first.

    :param connection: keyword arguments for an AWS hook.
    """
    products = ServiceCatalogHook(**connection).all_provisioned_products()
    own = [product for product in products if product["ProductId"] == product_id]
    return [_describe(product, connection) for product in sorted(own, key=lambda one: one["CreatedTime"])]


def project_of(product: dict[str, Any]) -> str | None:
    """The SageMaker project that a provisioned product belongs to, by its tags."""
    return tags_of(product).get(PROJECT_TAG) or None


def _describe(product: dict[str, Any], connection: dict[str, Any]) -> CatalogCluster:
    tags = tags_of(product)
    cluster_id, state = cluster_of(product, connection)
    return CatalogCluster(
        product_name=product["Name"],
        product_status=product["Status"],
        launched_by=launched_by(product, tags),
        owner=tags.get(OWNER_TAG) or product.get("UserArn", "unknown"),
        age_hours=round((datetime.now(UTC) - product["CreatedTime"]).total_seconds() / 3600, 2),
        project=project_of(product),
        cluster_id=cluster_id,
        cluster_state=state,
    )


def launched_by(product: dict[str, Any], tags: dict[str, str]) -> str:
    """Who launched a product, for the reader: a SageMaker project, a run of Airflow, or a user."""
    if tags.get(PROJECT_TAG):
        return f"SageMaker project {tags[PROJECT_TAG]}"
    if tags.get(DAG_TAG):
        return f"Airflow {tags[DAG_TAG]} {tags.get(RUN_TAG, '')}".rstrip()
    return str(product.get("UserArn", "unknown"))


def cluster_of(product: dict[str, Any], connection: dict[str, Any]) -> tuple[str | None, str | None]:
    """The id and state of a provisioned product's cluster; None where there is none, or it can't be read."""
    record_id = product.get("LastProvisioningRecordId") or product.get("LastRecordId")
    try:
        cluster_id = cluster_id_of(record_id, connection) if record_id else None
        if cluster_id is None:
            return None, None
        return cluster_id, EmrHook(**connection).describe(cluster_id)["Status"]["State"]
    except ClientError as error:
        log.warning("The cluster of %s can't be read: %s", product["Name"], error)
        return None, None


def tags_of(product: dict[str, Any]) -> dict[str, str]:
    """The tags of a product as SearchProvisionedProducts answers it, or of a cluster."""
    return {tag["Key"]: tag["Value"] for tag in product.get("Tags") or []}
