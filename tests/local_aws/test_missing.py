"""What is asked for and is not there: each service has its own way to say so.

The operators tell "not there" from "not allowed" and "broken" by these codes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.local_aws, pytest.mark.conformance(usd=0.002)]

DOMAIN = "d-000000000000"
NAME = "sagemaker-emr-none"
MISSING = [
    ("cloudformation", "describe_stacks", {"StackName": NAME}, "ValidationError"),
    ("cloudformation", "describe_stack_events", {"StackName": NAME}, "ValidationError"),
    (
        "cloudformation",
        "describe_change_set",
        {"StackName": NAME, "ChangeSetName": NAME},
        "ChangeSetNotFound",
    ),
    ("servicecatalog", "describe_provisioned_product", {"Name": NAME}, "ResourceNotFoundException"),
    ("servicecatalog", "describe_record", {"Id": "rec-0000000000000"}, "ResourceNotFoundException"),
    ("servicecatalog", "describe_portfolio", {"Id": "port-0000000000000"}, "ResourceNotFoundException"),
    ("servicecatalog", "list_launch_paths", {"ProductId": "prod-0000000000000"}, "ResourceNotFoundException"),
    ("sagemaker", "describe_domain", {"DomainId": DOMAIN}, "ResourceNotFound"),
    ("sagemaker", "describe_user_profile", {"DomainId": DOMAIN, "UserProfileName": NAME}, "ResourceNotFound"),
    ("sagemaker", "describe_training_job", {"TrainingJobName": NAME}, "ValidationException"),
    ("sagemaker", "describe_model", {"ModelName": NAME}, "ValidationException"),
    ("sagemaker", "describe_endpoint_config", {"EndpointConfigName": NAME}, "ValidationException"),
    ("sagemaker", "describe_endpoint", {"EndpointName": NAME}, "ValidationException"),
    ("sagemaker", "describe_model_package_group", {"ModelPackageGroupName": NAME}, "ValidationException"),
    ("emr", "describe_cluster", {"ClusterId": "j-0000000000000"}, "InvalidRequestException"),
    ("iam", "get_role", {"RoleName": NAME}, "NoSuchEntity"),
    ("iam", "get_instance_profile", {"InstanceProfileName": NAME}, "NoSuchEntity"),
    ("logs", "describe_log_streams", {"logGroupName": f"/aws/sagemaker/{NAME}"}, "ResourceNotFoundException"),
    ("ec2", "describe_vpcs", {"VpcIds": ["vpc-00000000000000000"]}, "InvalidVpcID.NotFound"),
    ("ec2", "describe_subnets", {"SubnetIds": ["subnet-00000000000000000"]}, "InvalidSubnetID.NotFound"),
    ("ec2", "describe_security_groups", {"GroupIds": ["sg-00000000000000000"]}, "InvalidGroup.NotFound"),
    ("s3", "list_objects_v2", {"Bucket": "sagemaker-emr-none-0f8b1c2d"}, "NoSuchBucket"),
]


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"), MISSING, ids=[f"{one[0]}.{one[1]}" for one in MISSING]
)
def test_what_is_not_there_has_its_services_own_code(
    client: Callable[..., Any], service: str, operation: str, arguments: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as raised:
        getattr(client(service), operation)(**arguments)
    assert raised.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("service", "operation", "member"),
    [
        ("sagemaker", "list_domains", "Domains"),
        ("sagemaker", "list_endpoints", "Endpoints"),
        ("sagemaker", "list_training_jobs", "TrainingJobSummaries"),
        ("emr", "list_clusters", "Clusters"),
    ],
)
def test_listing_works_whatever_there_is(
    client: Callable[..., Any], service: str, operation: str, member: str
) -> None:
    assert isinstance(getattr(client(service), operation)()[member], list)
