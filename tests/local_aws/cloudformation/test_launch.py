"""Stacks launched from code, as Service Catalog does."""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.cloudformation import launch

pytestmark = pytest.mark.local_aws

ACCOUNT, REGION = "123456789012", "us-east-1"
BODY = """
Parameters: {Name: {Type: String}}
Resources: {Bucket: {Type: 'AWS::S3::Bucket', Properties: {BucketName: !Ref Name}}}
Outputs: {Name: {Value: !Ref Bucket}}
"""


def test_a_stack_is_launched_and_deleted(client: Any) -> None:
    tags = {"owner": "me"}
    stack = launch.create_stack(
        ACCOUNT, REGION, name="made", template_body=BODY, parameters={"Name": "launched"}, tags=tags
    )
    assert stack.wait(30) == "CREATE_COMPLETE"
    assert stack.output("Name") == "launched"
    shown = client("cloudformation").describe_stacks(StackName=stack.stack_id)["Stacks"][0]
    assert shown["Tags"] == [{"Key": "owner", "Value": "me"}]
    deleted = launch.delete_stack(ACCOUNT, REGION, "made")
    assert deleted is stack
    assert stack.wait(30) == "DELETE_COMPLETE"


def test_the_first_failure_tells_the_resource_and_its_reason(client: Any) -> None:
    stack = launch.create_stack(ACCOUNT, REGION, name="failing", template_body=BODY, parameters={"Name": "x"})
    assert stack.wait(30) == "ROLLBACK_COMPLETE"
    failure = launch.first_failure(stack)
    assert failure is not None
    assert failure.startswith("Bucket: ")
    assert "bucket is not valid" in failure


def test_an_update_without_changes_is_none(client: Any) -> None:
    values = {"Name": "launched"}
    stack = launch.create_stack(ACCOUNT, REGION, name="made", template_body=BODY, parameters=values)
    stack.wait(30)
    update = {"name": "made", "template_body": BODY}
    assert not launch.update_stack(ACCOUNT, REGION, parameters=values, **update)
    assert launch.update_stack(ACCOUNT, REGION, parameters={"Name": "renamed"}, **update)
    assert stack.wait(30) == "UPDATE_COMPLETE"
    assert stack.output("Name") == "renamed"
