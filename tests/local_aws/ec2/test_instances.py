"""What an instance takes with it when it is terminated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.local_aws


def test_a_terminated_instance_leaves_no_interface_that_holds_its_subnet(client: Callable[..., Any]) -> None:
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    started = ec2.run_instances(
        ImageId="ami-12345678", MinCount=1, MaxCount=1, InstanceType="m5.xlarge", SubnetId=subnet
    )["Instances"][0]
    in_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    assert len(ec2.describe_network_interfaces(Filters=in_vpc)["NetworkInterfaces"]) == 1
    ec2.terminate_instances(InstanceIds=[started["InstanceId"]])
    assert ec2.describe_network_interfaces(Filters=in_vpc)["NetworkInterfaces"] == []
    ec2.delete_subnet(SubnetId=subnet)
