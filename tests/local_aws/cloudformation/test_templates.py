"""Templates: where they come from, what they refer to, what is told about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.local_aws

BUCKET = """
Description: A bucket
Parameters:
  Suffix: {Type: String, Default: one, AllowedValues: [one, two], Description: Ends its name}
Resources:
  Bucket: {Type: 'AWS::S3::Bucket', Properties: {BucketName: !Sub 'data-${Suffix}'}}
Outputs:
  Name: {Value: !Ref Bucket, Export: {Name: data-bucket}}
"""
IMPORTER = """
Resources:
  Bucket: {Type: 'AWS::S3::Bucket', Properties: {BucketName: !Join ['-', [!ImportValue data-bucket, copy]]}}
Outputs:
  Name: {Value: !Ref Bucket}
"""
NESTING = """
Parameters:
  Suffix: {Type: String, Default: one}
Resources:
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: '%s', Parameters: {Suffix: !Ref Suffix}}
Outputs:
  Name: {Value: !GetAtt Inner.Outputs.Name}
"""
FUNCTIONS = """
Mappings:
  Sizes: {small: {Days: 3}}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Select [1, !Split ['/', 'a/b-bucket/c']]
      Tags: [{Key: json, Value: !Sub ['${A}-${!B}', {A: !FindInMap [Sizes, small, Days]}]}]
Outputs:
  Partition: {Value: !Sub '${AWS::Partition} ${AWS::URLSuffix} ${AWS::Region} ${AWS::StackName}'}
  Zone: {Value: !Select [0, !GetAZs '']}
  Base64: {Value: !Base64 text}
"""


@pytest.fixture
def staged(client: Callable[..., Any]) -> Callable[[str], str]:
    """Puts a template into a bucket and gives its path there."""
    s3 = client("s3")
    s3.create_bucket(Bucket="artifacts")

    def stage(body: str) -> str:
        s3.put_object(Bucket="artifacts", Key="cfn/template.yaml", Body=body)
        return "cfn/template.yaml"

    return stage


@pytest.mark.parametrize(
    "base",
    [
        "{endpoint}/artifacts",
        "https://artifacts.s3.us-east-1.amazonaws.com",
        "https://artifacts.s3.amazonaws.com",
        "https://s3.us-east-1.amazonaws.com/artifacts",
    ],
)
def test_create_stack_reads_a_template_from_s3(
    stacks: Any, staged: Callable[[str], str], endpoint_url: str, base: str
) -> None:
    url = f"{base.format(endpoint=endpoint_url)}/{staged(BUCKET)}"
    stacks.client.create_stack(StackName="data", TemplateURL=url)
    assert stacks.settled("data")["StackStatus"] == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "https://artifacts.s3.us-east-1.amazonaws.com/none.yaml",
            "S3 error: The specified key does not exist",
        ),
        ("https://example.com/template.yaml", "TemplateURL must be a supported URL"),
    ],
)
def test_create_stack_says_why_a_template_can_not_be_read(
    stacks: Any, staged: Callable[[str], str], url: str, message: str
) -> None:
    staged(BUCKET)
    with pytest.raises(ClientError, match=message):
        stacks.client.create_stack(StackName="data", TemplateURL=url)


def test_functions_and_pseudo_parameters(stacks: Any, client: Callable[..., Any]) -> None:
    stack = stacks.create("functions", FUNCTIONS)
    assert {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]} == {
        "Partition": "aws amazonaws.com us-east-1 functions",
        "Zone": "us-east-1a",
        "Base64": "dGV4dA==",
    }
    tags = client("s3").get_bucket_tagging(Bucket="b-bucket")["TagSet"]
    assert tags == [{"Key": "json", "Value": "3-${B}"}]


def test_exports_are_imported_and_held(stacks: Any) -> None:
    exporting = stacks.create("exporting", BUCKET)
    importing = stacks.create("importing", IMPORTER)
    assert importing["Outputs"][0]["OutputValue"] == "data-one-copy"
    exports = stacks.client.list_exports()["Exports"]
    assert exports == [{"ExportingStackId": exporting["StackId"], "Name": "data-bucket", "Value": "data-one"}]
    assert stacks.client.list_imports(ExportName="data-bucket")["Imports"] == ["importing"]
    kept = stacks.delete(exporting["StackId"])
    assert kept["StackStatus"] == "CREATE_COMPLETE"
    assert "Cannot delete export data-bucket as it is in use by importing" in kept["StackStatusReason"]
    stacks.delete(importing["StackId"])
    assert stacks.delete(exporting["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_an_import_of_nothing_fails(stacks: Any) -> None:
    assert stacks.create("importing", IMPORTER)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "No export named data-bucket found." in stacks.reason("importing", "CREATE_FAILED")


def test_an_export_name_is_taken_once(stacks: Any) -> None:
    stacks.create("exporting", BUCKET)
    stack = stacks.create("again", BUCKET, parameters={"Suffix": "two"})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "already exported by stack exporting" in stacks.reason("again", "ROLLBACK_IN_PROGRESS")


def test_nested_stacks_are_made_updated_and_deleted(
    stacks: Any, staged: Callable[[str], str], client: Callable[..., Any]
) -> None:
    body = NESTING % f"https://artifacts.s3.us-east-1.amazonaws.com/{staged(BUCKET)}"
    outer = stacks.create("outer", body)
    assert outer["Outputs"][0]["OutputValue"] == "data-one"
    resources = stacks.client.describe_stack_resources(StackName="outer")["StackResources"]
    inner = stacks.settled(resources[0]["PhysicalResourceId"])
    assert inner["ParentId"] == outer["StackId"]
    assert inner["StackName"].startswith("outer-Inner-")
    outer = stacks.update("outer", body, parameters={"Suffix": "two"})
    assert outer["Outputs"][0]["OutputValue"] == "data-two"
    stacks.delete(outer["StackId"])
    assert [b["Name"] for b in client("s3").list_buckets()["Buckets"]] == ["artifacts"]


def test_a_failing_nested_stack_fails_the_outer(stacks: Any, staged: Callable[[str], str]) -> None:
    body = NESTING % f"https://artifacts.s3.us-east-1.amazonaws.com/{staged(BUCKET)}"
    stack = stacks.create("outer", body, parameters={"Suffix": "three"})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "must be one of AllowedValues" in stacks.reason("outer", "CREATE_FAILED")


def test_get_template_and_its_summary(stacks: Any) -> None:
    stacks.create("data", BUCKET)
    assert stacks.client.get_template(StackName="data")["TemplateBody"] == BUCKET
    summary = stacks.client.get_template_summary(StackName="data")
    assert summary["ResourceTypes"] == ["AWS::S3::Bucket"]
    assert summary["Parameters"][0]["ParameterConstraints"] == {"AllowedValues": ["one", "two"]}


def test_describe_and_list_what_there_is(stacks: Any) -> None:
    stack = stacks.create("data", BUCKET)
    client = stacks.client
    by_stack = client.describe_stack_resources(StackName="data")["StackResources"]
    assert by_stack == client.describe_stack_resources(PhysicalResourceId="data-one")["StackResources"]
    detail = client.describe_stack_resource(StackName="data", LogicalResourceId="Bucket")
    assert detail["StackResourceDetail"]["PhysicalResourceId"] == "data-one"
    with pytest.raises(ClientError, match="Resource None does not exist for stack data"):
        client.describe_stack_resource(StackName="data", LogicalResourceId="None")
    assert [s["StackName"] for s in client.describe_stacks()["Stacks"]] == ["data"]
    stacks.delete(stack["StackId"])
    listed = client.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    assert [s["StackId"] for s in listed] == [stack["StackId"]]


def test_events_come_in_pages_newest_first(stacks: Any) -> None:
    roles = "".join(f"  R{n}: {{Type: 'AWS::S3::Bucket'}}\n" for n in range(40))
    stacks.create("many", f"Resources:\n{roles}")
    first = stacks.client.describe_stack_events(StackName="many")
    assert first["StackEvents"][0]["ResourceStatus"] == "CREATE_COMPLETE"
    assert first["StackEvents"][0]["LogicalResourceId"] == "many"
    assert len(stacks.events("many")) == 2 + 3 * 40
    assert stacks.events("many")[0] == ("many", "CREATE_IN_PROGRESS", "User Initiated")
