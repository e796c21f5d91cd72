"""What CloudFormation's network types make, change and delete."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import WaiterError

pytestmark = pytest.mark.local_aws
DELAY = {"Delay": 1, "MaxAttempts": 60}


def test_the_network_is_what_the_template_says(network: Any) -> None:
    ec2, ids = network.ec2, network.ids
    vpc = ec2.describe_vpcs(VpcIds=[ids["Vpc"]])["Vpcs"][0]
    tags = {tag["Key"]: tag["Value"] for tag in vpc["Tags"]}
    assert tags["owner"] == "me"
    assert tags["aws:cloudformation:stack-name"] == "network"
    assert tags["aws:cloudformation:logical-id"] == "Vpc"
    names = ec2.describe_vpc_attribute(VpcId=ids["Vpc"], Attribute="enableDnsHostnames")
    assert names["EnableDnsHostnames"] == {"Value": True}
    subnets = ec2.describe_subnets(SubnetIds=[ids["Public"], ids["Private"]])["Subnets"]
    public = {subnet["SubnetId"]: subnet["MapPublicIpOnLaunch"] for subnet in subnets}
    assert public == {ids["Public"]: True, ids["Private"]: False}
    nat = ec2.describe_nat_gateways(NatGatewayIds=[ids["Nat"]])["NatGateways"][0]
    assert nat["State"] == "available"
    assert nat["NatGatewayAddresses"][0]["PublicIp"] == ids["Address"]


def test_the_private_subnet_routes_to_the_nat_gateway(network: Any) -> None:
    filters = [{"Name": "association.subnet-id", "Values": [network.ids["Private"]]}]
    (table,) = network.ec2.describe_route_tables(Filters=filters)["RouteTables"]
    targets = {r.get("DestinationCidrBlock"): r.get("NatGatewayId") for r in table["Routes"]}
    assert targets["0.0.0.0/0"] == network.ids["Nat"]


def test_security_groups_have_their_rules_and_no_other(network: Any) -> None:
    ids = network.ids
    groups = network.ec2.describe_security_groups(GroupIds=[ids["Master"], ids["Studio"]])["SecurityGroups"]
    master, studio = sorted(groups, key=lambda group: group["GroupId"] != ids["Master"])
    (livy,) = master["IpPermissions"]
    assert (livy["FromPort"], livy["UserIdGroupPairs"][0]["GroupId"]) == (8998, ids["Studio"])
    out = {(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in master["IpPermissionsEgress"]}
    assert out == {("tcp", 443, 443), ("tcp", 0, 65535)}
    (itself,) = studio["IpPermissions"]
    assert itself["UserIdGroupPairs"][0]["GroupId"] == ids["Studio"]
    assert [rule["IpProtocol"] for rule in studio["IpPermissionsEgress"]] == ["-1"]


def test_endpoints_are_of_their_kind(network: Any) -> None:
    filters = [{"Name": "vpc-id", "Values": [network.ids["Vpc"]]}]
    endpoints = network.ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]
    found = {endpoint["ServiceName"].rsplit("us-east-1.", 1)[1]: endpoint for endpoint in endpoints}
    assert found["s3"]["RouteTableIds"] == [network.ids["PrivateTable"]]
    assert found["sagemaker.api"]["SubnetIds"] == [network.ids["Private"]]
    assert found["sagemaker.api"]["PrivateDnsEnabled"] is True
    assert len(found["sagemaker.api"]["NetworkInterfaceIds"]) == 1


def test_a_rule_is_changed_in_place(network: Any) -> None:
    network.update(ClientPort="18998")
    group = network.ec2.describe_security_groups(GroupIds=[network.ids["Master"]])["SecurityGroups"][0]
    assert [rule["FromPort"] for rule in group["IpPermissions"]] == [18998]


def test_a_route_with_another_destination_is_replaced(network: Any) -> None:
    network.update(NatTarget="192.0.2.0/24")
    tables = network.ec2.describe_route_tables(RouteTableIds=[network.ids["PrivateTable"]])["RouteTables"]
    destinations = {route.get("DestinationCidrBlock") for route in tables[0]["Routes"]}
    assert "192.0.2.0/24" in destinations
    assert "0.0.0.0/0" not in destinations


def test_deletion_leaves_nothing(network: Any) -> None:
    network.cloudformation.delete_stack(StackName="network")
    network.cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=network.stack_id, WaiterConfig=DELAY
    )
    own = [{"Name": "vpc-id", "Values": [network.ids["Vpc"]]}]
    assert network.ec2.describe_vpcs(Filters=own)["Vpcs"] == []
    assert network.ec2.describe_network_interfaces(Filters=own)["NetworkInterfaces"] == []
    assert network.ec2.describe_addresses()["Addresses"] == []
    assert (
        network.ec2.describe_internet_gateways(Filters=[{"Name": "tag:owner", "Values": ["me"]}])[
            "InternetGateways"
        ]
        == []
    )


def test_a_network_interface_of_someone_else_keeps_the_network(network: Any) -> None:
    made = network.ec2.create_network_interface(
        SubnetId=network.ids["Private"], Groups=[network.ids["Studio"]]
    )["NetworkInterface"]
    network.cloudformation.delete_stack(StackName="network")
    waiter = network.cloudformation.get_waiter("stack_delete_complete")
    with pytest.raises(WaiterError):
        waiter.wait(StackName=network.stack_id, WaiterConfig=DELAY)
    stack = network.cloudformation.describe_stacks(StackName=network.stack_id)["Stacks"][0]
    assert stack["StackStatus"] == "DELETE_FAILED"
    assert "[Private, Studio, Vpc]" in stack["StackStatusReason"]
    network.ec2.delete_network_interface(NetworkInterfaceId=made["NetworkInterfaceId"])
    network.cloudformation.delete_stack(StackName="network")
    waiter.wait(StackName=network.stack_id, WaiterConfig=DELAY)
