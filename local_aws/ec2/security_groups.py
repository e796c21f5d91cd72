"""Security groups and their rules.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroup.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from moto.core.common_models import CloudFormationModel

from local_aws.cloudformation.api_resource import ApiResource
from local_aws.ec2.resource import Ec2Resource

ALL_OUT = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
PEERS = {
    "SecurityGroupIngress": ("SourceSecurityGroupId", "SourcePrefixListId"),
    "SecurityGroupEgress": ("DestinationSecurityGroupId", "DestinationPrefixListId"),
}
COMMON = frozenset({"CidrIp", "CidrIpv6", "Description", "FromPort", "IpProtocol", "ToPort"})


def permission(rule: Mapping[str, Any], direction: str) -> dict[str, Any]:
    """A rule of CloudFormation as the IpPermission of EC2's API.

    :raises ValueError: the rule uses what is not played, or names no peer.
    """
    group, prefixes = PEERS[direction]
    extra = sorted(set(rule) - COMMON - {group, prefixes})
    if extra:
        raise ValueError(f"local_aws does not play {', '.join(extra)} of security group rules.")
    described = {"Description": rule["Description"]} if "Description" in rule else {}
    made: dict[str, Any] = {"IpProtocol": str(rule["IpProtocol"])}
    made.update({port: int(rule[port]) for port in ("FromPort", "ToPort") if port in rule})
    for name, target, key in (
        ("CidrIp", "IpRanges", "CidrIp"),
        ("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
        (group, "UserIdGroupPairs", "GroupId"),
        (prefixes, "PrefixListIds", "PrefixListId"),
    ):
        if name in rule:
            made[target] = [{key: rule[name], **described}]
    if len(made) == 1 + len({"FromPort", "ToPort"} & set(made)):
        raise ValueError("Exactly one of CidrIp, CidrIpv6, a group or a prefix list must be specified")
    return made


class SecurityGroup(Ec2Resource, CloudFormationModel):
    """AWS::EC2::SecurityGroup."""

    resource_type = "AWS::EC2::SecurityGroup"
    tag_type = "security-group"
    name_property = "GroupName"
    supported_properties = frozenset(
        {"GroupDescription", "GroupName", "SecurityGroupEgress", "SecurityGroupIngress", "Tags", "VpcId"}
    )

    def create(self) -> None:
        """CreateSecurityGroup and its rules; own egress rules take the place of the default one."""
        made = self.api.create_security_group(
            GroupName=self.name,
            Description=self.properties["GroupDescription"],
            **self.picked("VpcId"),
            **self.tag_specifications(),
        )
        self.physical_resource_id = made["GroupId"]
        self.attributes = {"GroupId": made["GroupId"], "Id": made["GroupId"]}
        self.attributes["VpcId"] = self.properties.get("VpcId")
        self._set_rules({})

    def change(self, old: Mapping[str, Any]) -> None:
        """Tags, and the difference between the rules."""
        super().change(old)
        self._set_rules(old)

    def _set_rules(self, old: Mapping[str, Any]) -> None:
        self._replace(
            "SecurityGroupIngress",
            old.get("SecurityGroupIngress", []),
            self.properties.get("SecurityGroupIngress", []),
        )
        self._replace(
            "SecurityGroupEgress",
            old.get("SecurityGroupEgress", [ALL_OUT]),
            self.properties.get("SecurityGroupEgress", [ALL_OUT]),
        )

    def _replace(self, direction: str, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:
        verb = direction.removeprefix("SecurityGroup").lower()
        gone = [permission(rule, direction) for rule in old if rule not in new]
        added = [permission(rule, direction) for rule in new if rule not in old]
        group = self.physical_resource_id
        if gone:
            getattr(self.api, f"revoke_security_group_{verb}")(GroupId=group, IpPermissions=gone)
        if added:
            getattr(self.api, f"authorize_security_group_{verb}")(GroupId=group, IpPermissions=added)

    def remove(self) -> None:
        """DeleteSecurityGroup."""
        self.api.delete_security_group(GroupId=self.physical_resource_id)


class _Rule(ApiResource):
    """A rule of its own, in an existing group."""

    service = "ec2"
    direction: ClassVar[str]

    def create(self) -> None:
        """AuthorizeSecurityGroup..."""
        verb = self.direction.removeprefix("SecurityGroup").lower()
        rule = {key: value for key, value in self.properties.items() if key != "GroupId"}
        made = getattr(self.api, f"authorize_security_group_{verb}")(
            GroupId=self.properties["GroupId"], IpPermissions=[permission(rule, self.direction)]
        )
        self.physical_resource_id = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]

    def remove(self) -> None:
        """RevokeSecurityGroup..."""
        verb = self.direction.removeprefix("SecurityGroup").lower()
        getattr(self.api, f"revoke_security_group_{verb}")(
            GroupId=self.properties["GroupId"], SecurityGroupRuleIds=[self.physical_resource_id]
        )


class SecurityGroupIngress(_Rule, CloudFormationModel):
    """AWS::EC2::SecurityGroupIngress."""

    resource_type = "AWS::EC2::SecurityGroupIngress"
    direction = "SecurityGroupIngress"
    supported_properties = COMMON | {"GroupId", *PEERS["SecurityGroupIngress"]}


class SecurityGroupEgress(_Rule, CloudFormationModel):
    """AWS::EC2::SecurityGroupEgress."""

    resource_type = "AWS::EC2::SecurityGroupEgress"
    direction = "SecurityGroupEgress"
    supported_properties = COMMON | {"GroupId", *PEERS["SecurityGroupEgress"]}
