"""The domain's network mode."""

from __future__ import annotations

from collections.abc import Iterator

from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check


@check(
    "Studio runs in the VPC only",
    symptom="Notebooks can't reach the cluster: 'Cannot connect to livy service: ip-…:8998'.",
)
def network_mode(platform: Platform) -> Iterator[Finding]:
    """DescribeDomain: Status and AppNetworkAccessType."""
    domain, domain_id = platform.domain, platform.domain_id
    status, mode = domain["Status"], domain.get("AppNetworkAccessType", "PublicInternetOnly")
    read = f"domain {domain_id}: Status {status}, AppNetworkAccessType {mode}"
    if status != "InService":
        yield failed(
            read,
            domain_id,
            cause=f"The domain is {status}: {domain.get('FailureReason') or 'no reason given'}",
            fix="Wait until it is InService; a failed domain is made again by deploy_platform.",
            symptom="Studio does not open.",
        )
    elif mode == "VpcOnly":
        yield passed(read, domain_id)
    else:
        yield failed(
            read,
            domain_id,
            cause=f"AppNetworkAccessType is {mode}, so apps leave through a VPC of SageMaker's, which has no "
            "way to the cluster's private subnet.",
            fix="Delete the domain's apps, then "
            f"`aws sagemaker update-domain --domain-id {domain_id} --app-network-access-type VpcOnly`.",
        )
