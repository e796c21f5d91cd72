"""What the Resource Groups Tagging API lists of the services that we extend."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_aws.emr.conftest import make_default_roles, parameters, wait_for
from tests.plugins.sagemaker_emr.studio import add_space, in_service, make_domain

pytestmark = pytest.mark.local_aws

TAGS = [{"Key": "environment", "Value": "dev"}]
TEMPLATE = json.dumps({"Resources": {"Gateway": {"Type": "AWS::EC2::InternetGateway"}}})


@pytest.fixture
def listed(client: Callable[..., Any]) -> Callable[[], set[str]]:
    """Type and name of what carries the tag, as its ARN ends."""

    def look() -> set[str]:
        pages = client("resourcegroupstaggingapi").get_paginator("get_resources")
        found = pages.paginate(TagFilters=[{"Key": "environment", "Values": ["dev"]}])
        arns = [one["ResourceARN"] for page in found for one in page["ResourceTagMappingList"]]
        return {arn.split(":", 5)[5] for arn in arns}

    return look


def test_endpoints_and_addresses_of_a_vpc(client, listed):
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName="com.amazonaws.us-east-1.s3",
        VpcEndpointType="Gateway",
        TagSpecifications=[{"ResourceType": "vpc-endpoint", "Tags": TAGS}],
    )["VpcEndpoint"]["VpcEndpointId"]
    address = ec2.allocate_address(
        Domain="vpc", TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": TAGS}]
    )["AllocationId"]
    assert listed() == {f"vpc-endpoint/{made}", f"elastic-ip/{address}"}
    by_id = [{"Name": "vpc-endpoint-id", "Values": [made]}]
    (endpoint,) = ec2.describe_vpc_endpoints(Filters=by_id)["VpcEndpoints"]
    assert endpoint["VpcEndpointId"] == made
    assert ec2.describe_vpc_endpoints(Filters=[{**by_id[0], "Values": ["vpce-1"]}])["VpcEndpoints"] == []
    ec2.release_address(AllocationId=address)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made])
    assert f"elastic-ip/{address}" not in listed()


def test_what_lives_in_a_studio_domain(client, listed):
    domain = make_domain(client)
    sagemaker, profile = client("sagemaker"), {"DomainId": domain, "UserProfileName": "ana"}
    sagemaker.create_user_profile(**profile, Tags=TAGS)
    in_service(lambda: sagemaker.describe_user_profile(**profile))
    add_space(sagemaker, domain, "ana", "untagged")
    assert listed() == {f"user-profile/{domain}/ana"}


def test_a_cluster_also_after_its_end(client, listed):
    make_default_roles(client("iam"))
    emr = client("emr")
    tags = [{"Key": "environment", "Value": "dev"}]
    cluster = emr.run_job_flow(**parameters(Tags=tags))["JobFlowId"]
    assert f"cluster/{cluster}" in listed()
    emr.terminate_job_flows(JobFlowIds=[cluster])
    wait_for(emr, "cluster_terminated", cluster)
    assert f"cluster/{cluster}" in listed()


def test_a_stack_until_it_is_deleted(client, listed):
    cloudformation = client("cloudformation")
    stack = cloudformation.create_stack(StackName="one", TemplateBody=TEMPLATE, Tags=TAGS)["StackId"]
    assert stack.split(":", 5)[5] in listed()
    short = {"Delay": 1}
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=short)
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=short)
    assert listed() == set()
