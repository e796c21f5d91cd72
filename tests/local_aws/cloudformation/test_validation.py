"""What is refused before anything is made, and what a template says about itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.local_aws, pytest.mark.conformance]

BUCKET = """
Description: A bucket
Parameters:
  Suffix: {Type: String, Default: one, AllowedValues: [one, two], Description: Ends its name}
Resources:
  Bucket: {Type: 'AWS::S3::Bucket', Properties: {BucketName: !Sub '${AWS::StackName}-${Suffix}'}}
"""
ROLE = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}
"""


def error_of(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_validate_template(stacks: Any) -> None:
    valid = stacks.client.validate_template(TemplateBody=BUCKET)
    assert valid["Description"] == "A bucket"
    assert valid["Parameters"] == [
        {"ParameterKey": "Suffix", "DefaultValue": "one", "NoEcho": False, "Description": "Ends its name"}
    ]
    with pytest.raises(ClientError, match="Unrecognized resource types"):
        stacks.client.validate_template(TemplateBody="Resources: {A: {Type: 'AWS::No::Type'}}")


@pytest.mark.parametrize(
    ("body", "parameters", "message"),
    [
        (BUCKET, {"Suffix": "three"}, "Parameter 'Suffix' must be one of AllowedValues"),
        (BUCKET, {"Prefix": "x"}, "Parameters: [Prefix] do not exist in the template"),
        (BUCKET.replace("${Suffix}", "${Prefix}"), {}, "Unresolved resource dependencies [Prefix]"),
        ("Resources: {}", {}, "At least one Resources member must be defined"),
    ],
    ids=["forbidden value", "undeclared parameter", "unresolved reference", "no resource"],
)
def test_what_is_wrong_is_refused_at_once(
    stacks: Any, data: str, body: str, parameters: dict[str, str], message: str
) -> None:
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    code, said = error_of(stacks.client.create_stack, StackName=data, TemplateBody=body, Parameters=given)
    assert code == "ValidationError"
    assert message in said


def test_iam_resources_want_to_be_acknowledged(stacks: Any, data: str) -> None:
    code, message = error_of(stacks.client.create_stack, StackName=data, TemplateBody=ROLE)
    assert (code, message) == (
        "InsufficientCapabilitiesException",
        "Requires capabilities : [CAPABILITY_IAM]",
    )


def test_a_stacks_name_is_used_once_and_nothing_to_do_is_an_error(stacks: Any, data: str) -> None:
    stacks.create(data, BUCKET)
    assert (
        error_of(stacks.client.create_stack, StackName=data, TemplateBody=BUCKET)[0]
        == "AlreadyExistsException"
    )
    assert error_of(stacks.client.update_stack, StackName=data, TemplateBody=BUCKET) == (
        "ValidationError",
        "No updates are to be performed.",
    )
