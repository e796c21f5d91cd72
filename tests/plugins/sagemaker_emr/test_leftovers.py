"""What is said to be left of an environment: what exists, by name and reason, and nothing that is gone."""

from __future__ import annotations

import boto3
import pytest

from sagemaker_emr import leftovers
from sagemaker_emr.hooks.resource_groups_tagging import ResourceGroupsTaggingHook
from tests.local_aws.emr.conftest import make_default_roles, parameters, wait_for

TAGS = [{"Key": "sagemaker-emr:environment", "Value": "dev"}]
OURS = "arn:aws:ec2:us-east-1:123456789012"


def specification(kind):
    return [{"ResourceType": kind, "Tags": TAGS}]


@pytest.fixture
def sweep(local_aws):
    def look():
        found = ResourceGroupsTaggingHook(aws_conn_id=None).tagged("sagemaker-emr:environment", "dev")
        return leftovers.tagged(found, local_aws)

    return look


@pytest.mark.local_aws
def test_a_network_is_named_piece_by_piece_and_what_was_deleted_is_not(sweep, local_aws):
    ec2 = local_aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=specification("vpc"))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", TagSpecifications=specification("subnet"))[
        "Subnet"
    ]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(
        SubnetId=subnet, AllocationId=address, TagSpecifications=specification("natgateway")
    )["NatGateway"]["NatGatewayId"]
    other = [{"Key": "sagemaker-emr:environment", "Value": "dev-two"}]
    ec2.create_vpc(CidrBlock="10.8.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": other}])
    assert [line.split(":")[0] for line in sweep()] == [
        f"natgateway {nat}",
        f"subnet {subnet}",
        f"vpc {vpc}",
    ]
    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.delete_subnet(SubnetId=subnet)
    assert sweep() == [f"vpc {vpc}: {leftovers.UNEXPECTED}"]


@pytest.mark.local_aws
def test_a_cluster_is_left_only_while_it_lives(sweep, local_aws):
    make_default_roles(local_aws("iam"))
    emr = local_aws("emr")
    cluster = emr.run_job_flow(**parameters(Tags=TAGS))["JobFlowId"]
    (line, *instances) = sweep()
    assert line.startswith(f"elasticmapreduce cluster {cluster}: the cluster lives and costs money")
    assert all(line.startswith("instance i-") for line in instances)
    emr.terminate_job_flows(JobFlowIds=[cluster])
    wait_for(emr, "cluster_terminated", cluster)
    assert sweep() == []


def test_every_kind_of_ec2_is_looked_up_by_an_operation_and_a_filter_that_ec2_has():
    model = boto3.client("ec2", region_name="us-east-1").meta
    for operation, _, member in leftovers.EC2_LOOKUPS.values():
        name = model.method_to_api_mapping[operation]
        assert member in model.service_model.operation_model(name).output_shape.members


def test_what_can_not_be_looked_up_is_believed_to_be_there(aws):
    arns = [
        f"{OURS}:capacity-block/cb-1",
        "arn:aws:sagemaker:us-east-1:123456789012:training-job/train-1",
    ]
    assert leftovers.tagged(arns, boto3.client) == [
        f"capacity-block cb-1: {leftovers.UNEXPECTED}",
        "sagemaker training-job train-1: the record of a run; it costs nothing",
    ]
