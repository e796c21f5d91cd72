"""Stack operations over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.local_aws, pytest.mark.usefixtures("unhurried")]

BUCKET = """
Description: A bucket
Parameters:
  Name: {Type: String, AllowedPattern: '[a-z-]+', Description: Of the bucket}
  Versioned: {Type: String, Default: 'no', AllowedValues: ['no', 'yes']}
Conditions:
  IsVersioned: !Equals [!Ref Versioned, 'yes']
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub '${Name}-${AWS::AccountId}'
      VersioningConfiguration: !If [IsVersioned, {Status: Enabled}, !Ref AWS::NoValue]
Outputs:
  Name: {Value: !Ref Bucket, Export: {Name: !Sub '${AWS::StackName}-Name'}, Description: Its name}
  Arn: {Value: !GetAtt Bucket.Arn}
  Versioned: {Value: 'true', Condition: IsVersioned}
"""
TWO_ROLES = """
Resources:
  First:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}
  Second:
    Type: AWS::IAM::Role
    DependsOn: First
    Properties:
      AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}
      ManagedPolicyArns: [!Sub 'arn:${AWS::Partition}:iam::aws:policy/%s']
"""
IAM = {"Capabilities": ["CAPABILITY_IAM"]}
NAME = {"Name": "flights"}


def error_of(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call()
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_create_stack_makes_the_resources_and_tells_what_it_did(stacks: Any, client: Any) -> None:
    tags = [{"Key": "environment", "Value": "test"}]
    stack = stacks.create("storage", BUCKET, parameters=NAME, Tags=tags)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Description"] == "A bucket"
    assert stack["Tags"] == tags
    found = {output["OutputKey"]: output for output in stack["Outputs"]}
    assert set(found) == {"Name", "Arn"}
    name = found["Name"]["OutputValue"]
    assert found["Name"]["ExportName"] == "storage-Name"
    assert found["Arn"]["OutputValue"] == f"arn:aws:s3:::{name}"
    assert client("s3").get_bucket_tagging(Bucket=name)["TagSet"] == tags
    assert stacks.events("storage") == [
        ("storage", "CREATE_IN_PROGRESS", "User Initiated"),
        ("Bucket", "CREATE_IN_PROGRESS", ""),
        ("Bucket", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
        ("Bucket", "CREATE_COMPLETE", ""),
        ("storage", "CREATE_COMPLETE", ""),
    ]


def test_create_stack_takes_time(stacks: Any) -> None:
    buckets = "".join(f"  B{n}: {{Type: 'AWS::S3::Bucket'}}\n" for n in range(30))
    body = f"Resources:\n{buckets}Outputs: {{Name: {{Value: !Ref B0}}}}"
    stacks.client.create_stack(StackName="storage", TemplateBody=body)
    shown = stacks.client.describe_stacks(StackName="storage")["Stacks"][0]
    assert shown["StackStatus"] == "CREATE_IN_PROGRESS"
    assert shown.get("Outputs", []) == []
    assert "Outputs" in stacks.settled("storage")


def test_create_stack_refuses_a_name_in_use(stacks: Any) -> None:
    stacks.create("storage", BUCKET, parameters=NAME)
    code, message = error_of(lambda: stacks.create("storage", BUCKET, parameters=NAME))
    assert (code, message) == ("AlreadyExistsException", "Stack [storage] already exists")


@pytest.mark.parametrize(
    ("body", "parameters", "message"),
    [
        (BUCKET, {}, "Parameters: [Name] must have values"),
        (BUCKET, {**NAME, "Nome": "x"}, "Parameters: [Nome] do not exist in the template"),
        (BUCKET, {**NAME, "Versioned": "maybe"}, "Parameter 'Versioned' must be one of AllowedValues"),
        (BUCKET, {"Name": "FLIGHTS"}, "Parameter Name must match pattern [a-z-]+"),
        ("Resources: {}", {}, "At least one Resources member must be defined"),
        ("{", {}, "Template format error"),
        ("Resources: {A: {Type: 'AWS::S3::Bucked'}}", {}, "Unrecognized resource types: [AWS::S3::Bucked]"),
        (BUCKET.replace("!Ref Bucket", "!Ref Bucked"), NAME, "Unresolved resource dependencies [Bucked]"),
        (BUCKET.replace("[IsVersioned,", "[IsOther,"), NAME, "Unresolved condition dependency IsOther"),
        (
            "Resources: {A: {Type: 'AWS::S3::Bucket', DependsOn: B}, "
            "B: {Type: 'AWS::S3::Bucket', DependsOn: A}}",
            {},
            "Circular dependency between resources: [A, B]",
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_create_stack_refuses_what_is_wrong_at_once(
    stacks: Any, body: str, parameters: dict[str, str], message: str
) -> None:
    code, said = error_of(lambda: stacks.create("storage", body, parameters=parameters))
    assert code == "ValidationError"
    assert message in said


def test_create_stack_wants_iam_acknowledged(stacks: Any) -> None:
    code, message = error_of(lambda: stacks.create("roles", TWO_ROLES % "AmazonS3FullAccess"))
    assert code == "InsufficientCapabilitiesException"
    assert message == "Requires capabilities : [CAPABILITY_IAM]"


def test_a_failed_create_rolls_back(stacks: Any, client: Any) -> None:
    before = client("iam").list_roles()["Roles"]
    stack = stacks.create("roles", TWO_ROLES % "NoSuchPolicy", **IAM)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "NoSuchPolicy" in stacks.reason("roles", "CREATE_FAILED")
    assert "[Second]. Rollback requested by user." in stacks.reason("roles", "ROLLBACK_IN_PROGRESS")
    assert client("iam").list_roles()["Roles"] == before
    code, message = error_of(lambda: stacks.update("roles", TWO_ROLES % "AmazonS3FullAccess", **IAM))
    assert code == "ValidationError"
    assert "is in ROLLBACK_COMPLETE state and can not be updated" in message


def test_on_failure_do_nothing_keeps_what_was_made(stacks: Any) -> None:
    stack = stacks.create("roles", TWO_ROLES % "NoSuchPolicy", OnFailure="DO_NOTHING", **IAM)
    assert stack["StackStatus"] == "CREATE_FAILED"
    made = stacks.client.describe_stack_resource(StackName="roles", LogicalResourceId="First")
    assert made["StackResourceDetail"]["ResourceStatus"] == "CREATE_COMPLETE"


def test_on_failure_delete_leaves_no_stack(stacks: Any) -> None:
    made = stacks.client.create_stack(
        StackName="roles", TemplateBody=TWO_ROLES % "NoSuchPolicy", OnFailure="DELETE", **IAM
    )
    assert stacks.settled(made["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_a_create_has_its_time(stacks: Any) -> None:
    buckets = "".join(f"  B{n}: {{Type: 'AWS::S3::Bucket'}}\n" for n in range(40))
    stack = stacks.create("slow", f"Resources:\n{buckets}", TimeoutInMinutes=1)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "exceeded the specified timeout" in stacks.reason("slow", "CREATE_FAILED")


def test_notifications_are_refused_rather_than_forgotten(stacks: Any) -> None:
    arn = "arn:aws:sns:us-east-1:123456789012:topic"
    code, message = error_of(
        lambda: stacks.create("storage", BUCKET, parameters=NAME, NotificationARNs=[arn])
    )
    assert code == "ValidationError"
    assert "NotificationARNs" in message


def test_an_unknown_property_fails_the_resource(stacks: Any) -> None:
    body = "Resources: {Bucket: {Type: 'AWS::S3::Bucket', Properties: {Nome: x}}}"
    assert stacks.create("storage", body)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "extraneous key [Nome] is not permitted" in stacks.reason("storage", "CREATE_FAILED")


def test_delete_stack_deletes_the_resources(stacks: Any, client: Any) -> None:
    stack = stacks.create("storage", BUCKET, parameters=NAME)
    deleted = stacks.delete(stack["StackId"])
    assert deleted["StackStatus"] == "DELETE_COMPLETE"
    assert client("s3").list_buckets()["Buckets"] == []
    code, message = error_of(lambda: stacks.client.describe_stacks(StackName="storage"))
    assert (code, message) == ("ValidationError", "Stack with id storage does not exist")
    stacks.client.delete_stack(StackName="storage")


def test_delete_stack_fails_on_a_bucket_that_is_not_empty(stacks: Any, client: Any) -> None:
    stack = stacks.create("storage", BUCKET, parameters=NAME)
    bucket = stack["Outputs"][0]["OutputValue"]
    client("s3").put_object(Bucket=bucket, Key="key", Body=b"")
    failed = stacks.delete(stack["StackId"])
    assert failed["StackStatus"] == "DELETE_FAILED"
    assert "[Bucket]" in failed["StackStatusReason"]
    assert "not empty" in stacks.reason("storage", "DELETE_FAILED")
    stacks.client.delete_stack(StackName="storage", RetainResources=["Bucket"])
    assert stacks.settled(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert [b["Name"] for b in client("s3").list_buckets()["Buckets"]] == [bucket]


def test_deletion_policy_retain_keeps_the_resource(stacks: Any, client: Any) -> None:
    body = BUCKET.replace("Type: AWS::S3::Bucket", "Type: AWS::S3::Bucket\n    DeletionPolicy: Retain")
    stack = stacks.create("storage", body, parameters=NAME)
    assert stacks.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert ("Bucket", "DELETE_SKIPPED", "") in stacks.events(stack["StackId"])
    assert len(client("s3").list_buckets()["Buckets"]) == 1


def test_termination_protection_refuses_deletion_until_it_is_off(stacks: Any) -> None:
    stack = stacks.create("storage", BUCKET, parameters=NAME, EnableTerminationProtection=True)
    code, message = error_of(lambda: stacks.delete("storage"))
    assert code == "ValidationError"
    assert "cannot be deleted while TerminationProtection is enabled" in message
    stacks.client.update_termination_protection(StackName="storage", EnableTerminationProtection=False)
    assert stacks.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_delete_stack_ends_a_create_in_progress(stacks: Any, client: Any) -> None:
    made = stacks.client.create_stack(StackName="roles", TemplateBody=TWO_ROLES % "AmazonS3FullAccess", **IAM)
    assert stacks.delete(made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    names = [role["RoleName"] for role in client("iam").list_roles()["Roles"]]
    assert not any(name.startswith("roles-") for name in names)


def test_update_stack_changes_in_place(stacks: Any, client: Any) -> None:
    stacks.create("storage", BUCKET, parameters=NAME)
    stack = stacks.update("storage", BUCKET, parameters={**NAME, "Versioned": "yes"})
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    bucket = stack["Outputs"][0]["OutputValue"]
    assert client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert {o["OutputKey"] for o in stack["Outputs"]} == {"Name", "Arn", "Versioned"}


def test_update_stack_replaces_when_a_create_only_property_changes(stacks: Any, client: Any) -> None:
    stacks.create("storage", BUCKET, parameters=NAME)
    stacks.update("storage", BUCKET, parameters={"Name": "weather"})
    assert [b["Name"] for b in client("s3").list_buckets()["Buckets"]] == ["weather-123456789012"]
    statuses = [status for name, status, _ in stacks.events("storage") if name == "Bucket"]
    assert statuses[-2:] == ["DELETE_IN_PROGRESS", "DELETE_COMPLETE"]
    shown = stacks.client.list_stack_resources(StackName="storage")["StackResourceSummaries"]
    assert [(r["PhysicalResourceId"], r["ResourceStatus"]) for r in shown] == [
        ("weather-123456789012", "UPDATE_COMPLETE")
    ]


def test_update_stack_says_when_there_is_nothing_to_do(stacks: Any) -> None:
    stacks.create("storage", BUCKET, parameters=NAME)
    code, message = error_of(lambda: stacks.update("storage", BUCKET, parameters=NAME))
    assert (code, message) == ("ValidationError", "No updates are to be performed.")


def test_a_failed_update_goes_back(stacks: Any, client: Any) -> None:
    stacks.create("storage", BUCKET, parameters=NAME)
    worse = BUCKET.replace(
        "Outputs:",
        "  Role: {Type: 'AWS::IAM::Role', DependsOn: Bucket, Properties: {ManagedPolicyArns: "
        "['arn:aws:iam::aws:policy/NoSuchPolicy'], AssumeRolePolicyDocument: {}}}\nOutputs:",
    )
    stack = stacks.update("storage", worse, parameters={**NAME, "Versioned": "yes"}, **IAM)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "[Role]" in stacks.reason("storage", "UPDATE_ROLLBACK_IN_PROGRESS")
    versioning = client("s3").get_bucket_versioning(Bucket="flights-123456789012")
    assert versioning.get("Status") != "Enabled"
    assert {o["OutputKey"] for o in stack["Outputs"]} == {"Name", "Arn"}
    assert stacks.client.get_template(StackName="storage")["TemplateBody"] == BUCKET


def test_cancel_update_stack_goes_back(stacks: Any, client: Any, unhurried: None) -> None:
    stacks.create("storage", BUCKET, parameters=NAME)
    longer = BUCKET.replace("Outputs:", "  Other: {Type: 'AWS::S3::Bucket', DependsOn: Bucket}\nOutputs:")
    stacks.client.update_stack(
        StackName="storage",
        TemplateBody=longer,
        Parameters=[{"ParameterKey": "Name", "UsePreviousValue": True}],
    )
    stacks.client.cancel_update_stack(StackName="storage")
    assert stacks.settled("storage")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert len(client("s3").list_buckets()["Buckets"]) == 1


def test_stack_tags_alone_are_an_update(stacks: Any, client: Any) -> None:
    stacks.create("storage", BUCKET, parameters=NAME)
    tags = [{"Key": "owner", "Value": "me"}]
    stack = stacks.update("storage", BUCKET, parameters=NAME, Tags=tags)
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert client("s3").get_bucket_tagging(Bucket="flights-123456789012")["TagSet"] == tags
