"""Change sets."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.local_aws, pytest.mark.conformance]

BODY = """
Parameters:
  Name: {Type: String, Default: first}
  Versioned: {Type: String, Default: Suspended}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub '${AWS::StackName}-${Name}'
      VersioningConfiguration: {Status: !Ref Versioned}
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties: {Bucket: !Ref Bucket, PolicyDocument: {Version: 2012-10-17, Statement: []}}
Outputs:
  Name: {Value: !Ref Bucket}
"""
NOTHING = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)


def changes(change_set: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {
        change["ResourceChange"]["LogicalResourceId"]: (
            change["ResourceChange"]["Action"],
            change["ResourceChange"].get("Replacement"),
        )
        for change in change_set["Changes"]
    }


def create(stacks: Any, data: str) -> str:
    """A stack made by a change set; its id."""
    made = stacks.change_set(data, "create", BODY, ChangeSetType="CREATE")
    stacks.client.execute_change_set(ChangeSetName=made["ChangeSetId"])
    stack = stacks.settled(data)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return str(stack["StackId"])


def test_a_change_set_creates_a_stack(stacks: Any, data: str) -> None:
    made = stacks.change_set(data, "create", BODY, ChangeSetType="CREATE", Description="the first")
    assert made["Status"] == "CREATE_COMPLETE"
    assert made["ExecutionStatus"] == "AVAILABLE"
    assert changes(made) == {"Bucket": ("Add", None), "Policy": ("Add", None)}
    shown = stacks.client.describe_stacks(StackName=data)["Stacks"][0]
    assert shown["StackStatus"] == "REVIEW_IN_PROGRESS"
    listed = stacks.client.list_change_sets(StackName=data)["Summaries"]
    assert [(c["ChangeSetName"], c["Description"]) for c in listed] == [("create", "the first")]
    stacks.client.execute_change_set(ChangeSetName="create", StackName=data)
    assert stacks.settled(data)["StackStatus"] == "CREATE_COMPLETE"
    done = stacks.client.describe_change_set(ChangeSetName=made["ChangeSetId"])
    assert done["ExecutionStatus"] == "EXECUTE_COMPLETE"


def test_no_change_fails_with_the_known_words(stacks: Any, data: str) -> None:
    create(stacks, data)
    same = stacks.change_set(data, "same", BODY)
    assert (same["Status"], same["StatusReason"]) == ("FAILED", NOTHING)
    assert same["ExecutionStatus"] == "UNAVAILABLE"
    commented = stacks.change_set(data, "commented", BODY + "\n# no more")
    assert (commented["Status"], commented["StatusReason"]) == ("FAILED", "No updates are to be performed.")
    with pytest.raises(ClientError) as raised:
        stacks.client.execute_change_set(ChangeSetName=same["ChangeSetId"])
    assert raised.value.response["Error"]["Code"] == "InvalidChangeSetStatus"


def test_a_parameter_changes_in_place(stacks: Any, data: str, client: Any) -> None:
    create(stacks, data)
    made = stacks.change_set(data, "versions", BODY, parameters={"Versioned": "Enabled"})
    assert changes(made) == {"Bucket": ("Modify", "False")}
    detail = made["Changes"][0]["ResourceChange"]["Details"][0]
    assert detail["Target"] == {
        "Attribute": "Properties",
        "Name": "VersioningConfiguration",
        "RequiresRecreation": "Never",
    }
    stacks.client.execute_change_set(ChangeSetName=made["ChangeSetId"])
    assert stacks.settled(data)["StackStatus"] == "UPDATE_COMPLETE"
    assert client("s3").get_bucket_versioning(Bucket=f"{data}-first")["Status"] == "Enabled"


def test_a_create_only_property_replaces_and_so_may_what_depends_on_it(stacks: Any, data: str) -> None:
    create(stacks, data)
    made = stacks.change_set(data, "renamed", BODY, parameters={"Name": "second"})
    assert changes(made) == {"Bucket": ("Modify", "True"), "Policy": ("Modify", "Conditional")}


def test_resources_are_added_and_removed(stacks: Any, data: str) -> None:
    create(stacks, data)
    start = BODY.index("  Policy:")
    other = BODY[:start] + "  Other: {Type: 'AWS::S3::Bucket'}\n" + BODY[BODY.index("Outputs:") :]
    made = stacks.change_set(data, "other", other)
    assert changes(made) == {"Other": ("Add", None), "Policy": ("Remove", None)}
    stacks.client.execute_change_set(ChangeSetName=made["ChangeSetId"])
    stacks.settled(data)
    shown = stacks.client.list_stack_resources(StackName=data)["StackResourceSummaries"]
    assert {resource["LogicalResourceId"] for resource in shown} == {"Bucket", "Other"}


def test_a_new_output_alone_is_a_change(stacks: Any, data: str) -> None:
    create(stacks, data)
    made = stacks.change_set(data, "output", BODY + "  Arn: {Value: !GetAtt Bucket.Arn}\n")
    assert (made["Status"], made["Changes"]) == ("CREATE_COMPLETE", [])
    stacks.client.execute_change_set(ChangeSetName=made["ChangeSetId"])
    assert {o["OutputKey"] for o in stacks.settled(data)["Outputs"]} == {"Name", "Arn"}


def test_delete_change_set(stacks: Any, data: str) -> None:
    create(stacks, data)
    made = stacks.change_set(data, "unwanted", BODY, parameters={"Versioned": "Enabled"})
    stacks.client.delete_change_set(ChangeSetName="unwanted", StackName=data)
    with pytest.raises(ClientError) as raised:
        stacks.client.describe_change_set(ChangeSetName=made["ChangeSetId"])
    assert raised.value.response["Error"]["Code"] == "ChangeSetNotFound"


def test_change_sets_are_found_by_name_within_their_stack_only(stacks: Any, data: str) -> None:
    create(stacks, data)
    with pytest.raises(ClientError) as raised:
        stacks.client.describe_change_set(ChangeSetName="create", StackName="other")
    assert raised.value.response["Error"]["Code"] == "ChangeSetNotFound"


def test_an_update_needs_a_stack(stacks: Any, data: str) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        stacks.change_set(data, "update", BODY)


def test_a_stack_under_review_can_be_deleted(stacks: Any, data: str) -> None:
    made = stacks.change_set(data, "create", BODY, ChangeSetType="CREATE")
    assert stacks.delete(made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    again = stacks.change_set(data, "create", BODY, ChangeSetType="CREATE")
    assert again["StackId"] != made["StackId"]
