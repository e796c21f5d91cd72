"""Rules of security groups, by the API.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.local_aws, pytest.mark.conformance]
LIVY = 8998


class Groups:
    """Two groups of a VPC, and the rule that lets one reach Livy in the other."""

    def __init__(self, ec2: Any, unique: Callable[[str], str]) -> None:
        self.ec2 = ec2
        self.vpc = ec2.create_vpc(CidrBlock="10.97.0.0/24")["Vpc"]["VpcId"]
        self.name = unique("master")
        self.master = self.create(self.name)
        self.studio = self.create(unique("studio"))
        self.rule = [
            {
                "IpProtocol": "tcp",
                "FromPort": LIVY,
                "ToPort": LIVY,
                "UserIdGroupPairs": [{"GroupId": self.studio}],
            }
        ]

    def create(self, name: str) -> str:
        made = self.ec2.create_security_group(GroupName=name, Description="Conformance", VpcId=self.vpc)
        return str(made["GroupId"])

    def admitted(self) -> list[str]:
        """The groups that the master's ingress rules name."""
        group = self.ec2.describe_security_groups(GroupIds=[self.master])["SecurityGroups"][0]
        return [pair["GroupId"] for rule in group["IpPermissions"] for pair in rule["UserIdGroupPairs"]]


@pytest.fixture
def groups(client: Callable[..., Any], unique: Callable[[str], str]) -> Groups:
    return Groups(client("ec2"), unique)


def code(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return str(raised.value.response["Error"]["Code"])


def test_a_rule_is_added_once_and_revoked(groups: Groups) -> None:
    allow = groups.ec2.authorize_security_group_ingress
    arguments = {"GroupId": groups.master, "IpPermissions": groups.rule}
    (made,) = allow(**arguments)["SecurityGroupRules"]
    assert (made["FromPort"], made["ReferencedGroupInfo"]["GroupId"]) == (LIVY, groups.studio)
    assert groups.admitted() == [groups.studio]
    assert code(allow, **arguments) == "InvalidPermission.Duplicate"
    groups.ec2.revoke_security_group_ingress(**arguments)
    assert groups.admitted() == []


def test_revoking_a_rule_that_is_not_there_is_refused(groups: Groups) -> None:
    arguments = {"GroupId": groups.master, "IpPermissions": groups.rule}
    assert code(groups.ec2.revoke_security_group_ingress, **arguments) == "InvalidPermission.NotFound"


def test_a_new_group_lets_everything_out_and_nothing_in(groups: Groups) -> None:
    group = groups.ec2.describe_security_groups(GroupIds=[groups.studio])["SecurityGroups"][0]
    assert group["IpPermissions"] == []
    assert [rule["IpProtocol"] for rule in group["IpPermissionsEgress"]] == ["-1"]


def test_a_name_is_used_once_in_a_vpc(groups: Groups) -> None:
    create = groups.ec2.create_security_group
    again = {"GroupName": groups.name, "Description": "Again", "VpcId": groups.vpc}
    assert code(create, **again) == "InvalidGroup.Duplicate"
