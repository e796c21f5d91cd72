"""Service Quotas for the instances that runs ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.checks.finding import Finding, failed, not_checked, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check

STANDARD_VCPUS = "L-1216C47A"
"""Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances, in vCPUs.
https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html"""
QUOTA_PAGE = 100
"""The most that ListServiceQuotas gives at once."""
STANDARD_FAMILIES = frozenset("acdhimrtz")


@check(
    "The EC2 quota leaves room for a cluster",
    symptom="The cluster ends TERMINATED_WITH_ERRORS: VcpuLimitExceeded or 'EC2 instance quota'.",
)
def ec2_quota(platform: Platform) -> Iterator[Finding]:
    """GetServiceQuota, DescribeInstanceTypes, DescribeInstances."""
    demand = platform.demand
    types = {demand.master_instance_type: 1}
    types[demand.core_instance_type] = types.get(demand.core_instance_type, 0) + demand.core_instance_count
    others = [one for one in types if one[0] not in STANDARD_FAMILIES]
    if others:
        yield not_checked(f"{', '.join(others)} has a quota of its own", fix="Look it up in Service Quotas.")
        return
    quota = platform.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=STANDARD_VCPUS)[
        "Quota"
    ]
    described = platform.client("ec2").describe_instance_types(InstanceTypes=list(types))["InstanceTypes"]
    asked = sum(one["VCpuInfo"]["DefaultVCpus"] * types[one["InstanceType"]] for one in described)
    used = _used_vcpus(platform)
    limit = int(quota["Value"])
    wanted = " and ".join(f"{count} {name}" for name, count in types.items())
    read = f"{quota['QuotaName']}: {limit} vCPUs, {used} in use; a cluster of {wanted} takes {asked}"
    resource = f"ec2/{STANDARD_VCPUS}"
    if asked + used <= limit:
        yield passed(read, resource)
    else:
        yield failed(
            read,
            resource,
            cause=f"A cluster takes {asked} vCPUs, {limit - used} of {limit} are left.",
            fix=f"Ask for smaller or fewer instances, or `aws service-quotas request-service-quota-increase "
            f"--service-code ec2 --quota-code {STANDARD_VCPUS} --desired-value {asked + used}`",
        )


def _used_vcpus(platform: Platform) -> int:
    running = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    reservations = platform.pages("ec2", "describe_instances", "Reservations", Filters=running)
    return sum(
        instance["CpuOptions"]["CoreCount"] * instance["CpuOptions"]["ThreadsPerCore"]
        for reservation in reservations
        for instance in reservation["Instances"]
        if instance["InstanceType"][0] in STANDARD_FAMILIES and "InstanceLifecycle" not in instance
    )


@check(
    "The SageMaker quotas admit training and endpoint",
    symptom="train_model or deploy_model fails: ResourceLimitExceeded, 'the account-level service limit … is "
    "0 Instances'.",
)
def sagemaker_quotas(platform: Platform) -> Iterator[Finding]:
    """ListServiceQuotas of sagemaker, by name."""
    demand = platform.demand
    asked = {
        f"{demand.training_instance_type} for training job usage": 1,
        f"{demand.endpoint_instance_type} for endpoint usage": demand.endpoint_instance_count,
    }
    quotas = _named(platform, {name.lower() for name in asked})
    for name, count in asked.items():
        quota = quotas.get(name.lower())
        if quota is None:
            yield not_checked(f"Service Quotas lists no quota '{name}' in {platform.region}")
            continue
        resource, limit = f"sagemaker/{quota['QuotaCode']}", int(quota["Value"])
        read = f"{quota['QuotaName']}: {limit}; a run takes {count}"
        if count <= limit:
            yield passed(read, resource)
        else:
            yield failed(
                read,
                resource,
                cause=f"A run takes {count}, the quota is {limit}.",
                fix="Choose another instance type, or `aws service-quotas request-service-quota-increase "
                f"--service-code sagemaker --quota-code {quota['QuotaCode']} --desired-value {count}`",
            )


def _named(platform: Platform, names: set[str]) -> dict[str, dict[str, Any]]:
    """SageMaker's quotas of some names. It has well over a thousand: no page is read that isn't needed."""
    found: dict[str, dict[str, Any]] = {}
    pages = platform.client("service-quotas").get_paginator("list_service_quotas")
    try:
        for page in pages.paginate(ServiceCode="sagemaker", PaginationConfig={"PageSize": QUOTA_PAGE}):
            found |= {one["QuotaName"].lower(): one for one in page["Quotas"]}
            if names <= set(found):
                break
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchResourceException":
            raise
    return found
