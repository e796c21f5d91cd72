"""What is in use can't be deleted, as on AWS."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.local_aws


@pytest.fixture
def vpc(client: Any) -> str:
    return str(client("ec2").create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"])


def refused() -> Any:
    return pytest.raises(ClientError, match="DependencyViolation")


def test_a_group_that_anothers_rule_names_is_kept_until_the_rule_is_gone(client: Any, vpc: str) -> None:
    ec2 = client("ec2")
    one, other = (
        ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        for name in ("one", "other")
    )
    rule = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": one}]}]
    ec2.authorize_security_group_egress(GroupId=other, IpPermissions=rule)
    with refused():
        ec2.delete_security_group(GroupId=one)
    ec2.revoke_security_group_egress(GroupId=other, IpPermissions=rule)
    ec2.delete_security_group(GroupId=one)


def test_a_group_that_names_itself_can_go(client: Any, vpc: str) -> None:
    ec2 = client("ec2")
    group = ec2.create_security_group(GroupName="own", Description="own", VpcId=vpc)["GroupId"]
    rule = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
    ec2.delete_security_group(GroupId=group)


def test_a_vpc_is_kept_until_groups_subnets_interfaces_and_gateways_are_gone(client: Any, vpc: str) -> None:
    ec2 = client("ec2")
    group = ec2.create_security_group(GroupName="own", Description="own", VpcId=vpc)["GroupId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    interface = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
    for delete, name in ((ec2.delete_subnet, "SubnetId"), (ec2.delete_security_group, "GroupId")):
        with refused():
            delete(**{name: {"SubnetId": subnet, "GroupId": group}[name]})
    for release in (
        lambda: ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"]),
        lambda: ec2.delete_subnet(SubnetId=subnet),
        lambda: ec2.delete_security_group(GroupId=group),
        lambda: ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc),
    ):
        with refused():
            ec2.delete_vpc(VpcId=vpc)
        release()
    ec2.delete_vpc(VpcId=vpc)
