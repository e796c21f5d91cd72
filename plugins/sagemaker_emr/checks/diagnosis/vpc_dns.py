"""The VPC's DNS attributes."""

from __future__ import annotations

from collections.abc import Iterator

from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check

ATTRIBUTES = {"enableDnsSupport": "EnableDnsSupport", "enableDnsHostnames": "EnableDnsHostnames"}


@check(
    "The VPC resolves names and gives host names",
    symptom="The master's name (ip-….ec2.internal) and the endpoints' names do not resolve; EMR refuses the "
    "cluster or Livy is unknown to Studio.",
)
def vpc_dns(platform: Platform) -> Iterator[Finding]:
    """DescribeVpcAttribute, both of them."""
    for attribute, key in ATTRIBUTES.items():
        vpc_id = platform.vpc_id
        found = platform.client("ec2").describe_vpc_attribute(VpcId=vpc_id, Attribute=attribute)
        value = found[key]["Value"]
        if value:
            yield passed(f"{vpc_id}: {attribute} {value}", vpc_id)
        else:
            option = "enable-dns-support" if attribute == "enableDnsSupport" else "enable-dns-hostnames"
            yield failed(
                f"{vpc_id}: {attribute} {value}",
                vpc_id,
                cause=f"{attribute} is off.",
                fix=f"`aws ec2 modify-vpc-attribute --vpc-id {vpc_id} --{option}`",
            )
