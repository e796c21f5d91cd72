"""Going back when a failure's rollback failed itself, or was switched off."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.cloudformation.conftest import LIMIT_SECONDS

pytestmark = [pytest.mark.local_aws, pytest.mark.usefixtures("unhurried")]

BUCKET = """
Parameters:
  Versioned: {Type: String, Default: Suspended}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: flights
      VersioningConfiguration: {Status: !Ref Versioned}
"""
SLOWLY = "".join(
    f"  Other{n}: {{Type: 'AWS::S3::Bucket', DependsOn: {f'Other{n - 1}' if n else 'Bucket'}}}\n"
    for n in range(12)
)
FAILS = """
  Broken:
    Type: AWS::IAM::InstanceProfile
    DependsOn: Other11
    Properties: {Roles: [no-such-role]}
"""
IAM = {"Capabilities": ["CAPABILITY_IAM"]}


@pytest.fixture
def stuck(stacks: Any, client: Callable[..., Any]) -> Any:
    """A stack whose update fails after somebody deleted, by hand, a bucket that it had changed."""
    stacks.create("storage", BUCKET)
    stacks.client.update_stack(
        StackName="storage",
        TemplateBody=BUCKET + SLOWLY + FAILS,
        Parameters=[{"ParameterKey": "Versioned", "ParameterValue": "Enabled"}],
        **IAM,
    )
    deadline = time.monotonic() + LIMIT_SECONDS
    while ("Bucket", "UPDATE_COMPLETE", "") not in stacks.events("storage"):
        assert time.monotonic() < deadline
    client("s3").delete_bucket(Bucket="flights")
    assert stacks.settled("storage")["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    return stacks


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    assert raised.value.response["Error"]["Code"] == "ValidationError"
    return str(raised.value)


def test_a_rollback_fails_where_what_it_needs_was_deleted_by_hand(stuck: Any) -> None:
    shown = stuck.settled("storage")
    assert shown["StackStatusReason"] == "The following resource(s) failed to update: [Bucket]. "
    assert "does not exist" in stuck.reason("storage", "UPDATE_FAILED")
    made = stuck.client.describe_stack_resource(StackName="storage", LogicalResourceId="Bucket")
    assert made["StackResourceDetail"]["ResourceStatus"] == "UPDATE_FAILED"
    assert "can not be updated" in refusal(
        stuck.client.update_stack, StackName="storage", TemplateBody=BUCKET, **IAM
    )


def test_continued_without_a_remedy_the_rollback_fails_again(stuck: Any) -> None:
    stuck.client.continue_update_rollback(StackName="storage")
    assert stuck.settled("storage")["StackStatus"] == "UPDATE_ROLLBACK_FAILED"


def test_continued_after_the_remedy_the_rollback_completes(stuck: Any, client: Any) -> None:
    client("s3").create_bucket(Bucket="flights")
    stuck.client.continue_update_rollback(StackName="storage")
    assert stuck.settled("storage")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]] == ["flights"]
    assert stuck.client.get_template(StackName="storage")["TemplateBody"] == BUCKET


def test_a_resource_that_failed_can_be_left_out(stuck: Any, client: Any) -> None:
    assert "[Other1]" in refusal(
        stuck.client.continue_update_rollback, StackName="storage", ResourcesToSkip=["Other1"]
    )
    stuck.client.continue_update_rollback(StackName="storage", ResourcesToSkip=["Bucket"])
    assert stuck.settled("storage")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stuck.events("storage").count(("Bucket", "UPDATE_COMPLETE", "")) == 2, "once skipped"


def test_there_is_nothing_to_continue_in_a_stack_that_is_well(stacks: Any) -> None:
    stacks.create("storage", BUCKET)
    assert "CREATE_COMPLETE" in refusal(stacks.client.continue_update_rollback, StackName="storage")
    assert "CREATE_COMPLETE" in refusal(stacks.client.rollback_stack, StackName="storage")


def test_an_update_without_rollback_stays_failed_until_it_is_rolled_back(stacks: Any, client: Any) -> None:
    stacks.create("storage", BUCKET)
    worse = BUCKET + FAILS.replace("Other11", "Bucket")
    failed = stacks.update("storage", worse, parameters={"Versioned": "Enabled"}, DisableRollback=True, **IAM)
    assert failed["StackStatus"] == "UPDATE_FAILED"
    assert client("s3").get_bucket_versioning(Bucket="flights")["Status"] == "Enabled"
    stacks.client.rollback_stack(StackName="storage")
    assert stacks.settled("storage")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert client("s3").get_bucket_versioning(Bucket="flights")["Status"] == "Suspended"


def test_a_creation_without_rollback_can_be_rolled_back(stacks: Any, client: Any) -> None:
    body = BUCKET + FAILS.replace("Other11", "Bucket")
    assert stacks.create("storage", body, DisableRollback=True, **IAM)["StackStatus"] == "CREATE_FAILED"
    stacks.client.rollback_stack(StackName="storage")
    assert stacks.settled("storage")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert client("s3").list_buckets()["Buckets"] == []
