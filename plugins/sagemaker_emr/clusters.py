"""From a provisioning record to its cluster, and to the reason why there is none.

Service Catalog's own errors often say no more than "resources failed to create". The product's stack
knows which, and EMR knows why; both are asked as far as the caller may.
"""

from __future__ import annotations

import logging
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import NEW_CLUSTER, ProvisioningFailed
from sagemaker_emr.hooks.cloud_formation import CloudFormationHook
from sagemaker_emr.hooks.emr import EmrHook, state_change_reason
from sagemaker_emr.hooks.service_catalog import CLUSTER_OUTPUT, STACK_OUTPUT, ServiceCatalogHook, reasons

log = logging.getLogger(__name__)

CLUSTER_TYPE = "AWS::EMR::Cluster"


def cluster_id_of(record_id: str, connection: dict[str, Any]) -> str | None:
    """The cluster that a provisioning record made; found also when the product is gone or failed.

    None is an answer, not a guess: the product's stack was read and holds no cluster, or there never was one.

    :param connection: keyword arguments for an AWS hook.
    :raises ClientError: the record or its stack can't be read.
    """
    _, outputs = ServiceCatalogHook(**connection).describe_record(record_id)
    return outputs.get(CLUSTER_OUTPUT) or _cluster_in_stack(outputs.get(STACK_OUTPUT), connection)


def provisioning_failed(
    record: dict[str, Any], outputs: dict[str, str], connection: dict[str, Any]
) -> ProvisioningFailed:
    """The error for a FAILED record, with the reasons of its stack and its cluster."""
    stack_id = outputs.get(STACK_OUTPUT)
    cluster_id = outputs.get(CLUSTER_OUTPUT) or _cluster_if_readable(stack_id, connection)
    known = [
        reasons(record),
        _stack_reasons(stack_id, connection),
        _cluster_reasons(cluster_id, connection),
    ]
    return ProvisioningFailed(
        f"Record {record['RecordId']} of product {record['ProvisionedProductName']} failed",
        reason="\n".join(reason for reason in known if reason) or None,
        next_step=f"Remove the cause. {NEW_CLUSTER}",
    )


def _cluster_in_stack(stack_id: str | None, connection: dict[str, Any]) -> str | None:
    if not stack_id:
        return None
    resources = CloudFormationHook(**connection).resources(stack_id)
    clusters = [item for item in resources if item["ResourceType"] == CLUSTER_TYPE]
    return next((item["PhysicalResourceId"] for item in clusters if item.get("PhysicalResourceId")), None)


def _cluster_if_readable(stack_id: str | None, connection: dict[str, Any]) -> str | None:
    """For a message only, where an unreadable stack must not hide what else is known."""
    try:
        return _cluster_in_stack(stack_id, connection)
    except ClientError as error:
        log.warning("The product's stack can't be read: %s", error)
        return None


def _stack_reasons(stack_id: str | None, connection: dict[str, Any]) -> str | None:
    if not stack_id:
        return None
    try:
        return CloudFormationHook(**connection).first_failures(stack_id)
    except ClientError as error:
        return f"(the product's stack can't be read: {error})"


def _cluster_reasons(cluster_id: str | None, connection: dict[str, Any]) -> str | None:
    if not cluster_id:
        return None
    try:
        cluster = EmrHook(**connection).describe(cluster_id)
    except ClientError as error:
        return f"(cluster {cluster_id} can't be read: {error})"
    return f"Cluster {cluster_id} {cluster['Status']['State']}: {state_change_reason(cluster)}"
