"""What Studio's security group must allow."""

from __future__ import annotations

from collections.abc import Iterator

from sagemaker_emr import security_group_rules as rules
from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check


@check(
    "Studio's security group admits itself",
    symptom="Apps stay Pending and fail: they reach neither each other nor their file system.",
)
def studio_admits_itself(platform: Platform) -> Iterator[Finding]:
    """DescribeSecurityGroups: a rule for all traffic from the group itself."""
    group = platform.security_group("StudioSecurityGroupId")
    group_id, inbound = group["GroupId"], group["IpPermissions"]
    read = f"{group_id} inbound: {rules.describe(inbound)}"
    if any(one["IpProtocol"] == "-1" and rules.names_group(one, [group_id]) for one in inbound):
        yield passed(read, group_id)
    else:
        yield failed(
            read,
            group_id,
            cause=f"{group_id} has no inbound rule for all traffic from itself.",
            fix=f"`aws ec2 authorize-security-group-ingress --group-id {group_id} --protocol all "
            f"--source-group {group_id}`",
        )


@check(
    "Studio's security group lets all traffic out",
    symptom="Notebooks can't reach AWS's services, package indexes or the cluster; apps fail to start.",
)
def studio_egress(platform: Platform) -> Iterator[Finding]:
    """DescribeSecurityGroups: an outbound rule for everything."""
    group = platform.security_group("StudioSecurityGroupId")
    group_id, outbound = group["GroupId"], group["IpPermissionsEgress"]
    read = f"{group_id} outbound: {rules.describe(outbound)}"
    if rules.admits(outbound, None, [], ["0.0.0.0/0"]):
        yield passed(read, group_id)
    else:
        yield failed(
            read,
            group_id,
            cause=f"{group_id} has no outbound rule for all traffic.",
            fix=f"`aws ec2 authorize-security-group-egress --group-id {group_id} --protocol all --cidr "
            "0.0.0.0/0`",
        )
