"""EMR's account-level block of public access."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagemaker_emr import security_group_rules as rules
from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check

GROUPS = ("EmrMasterSecurityGroupId", "EmrCoreSecurityGroupId", "EmrServiceAccessSecurityGroupId")


@check(
    "EMR blocks public access, account-wide",
    symptom="None yet: a rule that opens Livy's port to the world would not be refused, and Livy runs what "
    "anyone sends it.",
)
def block_public_access(platform: Platform) -> Iterator[Finding]:
    """GetBlockPublicAccessConfiguration."""
    settings = platform.public_access_block
    ranges = [_range(one) for one in settings.get("PermittedPublicSecurityGroupRuleRanges", [])]
    on = settings["BlockPublicSecurityGroupRules"]
    read = f"BlockPublicSecurityGroupRules {on}, permitted ports {', '.join(ranges) or 'none'}"
    account = f"emr-block-public-access/{platform.region}"
    if on:
        yield passed(read, account)
    else:
        yield failed(
            read,
            account,
            cause=f"The block is off in {platform.region}.",
            fix="`aws emr put-block-public-access-configuration --block-public-access-configuration "
            "'BlockPublicSecurityGroupRules=true,PermittedPublicSecurityGroupRuleRanges=[{MinRange=22,"
            "MaxRange=22}]'`",
        )


@check(
    "No EMR security group is open to the world",
    symptom="The product's record fails: a security group 'is configured to allow public access' and EMR's "
    "block public access refuses the cluster.",
)
def emr_groups_closed(platform: Platform) -> Iterator[Finding]:
    """DescribeSecurityGroups: rules from anywhere, outside the ports that the account permits."""
    permitted = platform.public_access_block.get("PermittedPublicSecurityGroupRuleRanges", [])
    for name in GROUPS:
        group = platform.security_group(name)
        group_id, inbound = group["GroupId"], group["IpPermissions"]
        public = [
            one
            for one in inbound
            if rules.ANYWHERE & set(rules.addresses(one)) and not _is_permitted(one, permitted)
        ]
        read = f"{group_id} inbound: {rules.describe(inbound)}"
        if not public:
            yield passed(read, group_id)
        else:
            yield failed(
                read,
                group_id,
                cause=f"{group_id} admits the whole internet: {rules.describe(public)}.",
                fix=f"`aws ec2 revoke-security-group-ingress --group-id {group_id}` for that rule.",
            )


def _range(permitted: dict[str, int]) -> str:
    first, last = permitted["MinRange"], permitted.get("MaxRange", permitted["MinRange"])
    return str(first) if first == last else f"{first}-{last}"


def _is_permitted(permission: dict[str, Any], ranges: list[dict[str, int]]) -> bool:
    if permission["IpProtocol"] == "-1":
        return False
    first, last = permission.get("FromPort", 0), permission.get("ToPort", 65535)
    return any(one["MinRange"] <= first and last <= one.get("MaxRange", one["MinRange"]) for one in ranges)
