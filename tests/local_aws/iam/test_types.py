"""What CloudFormation's IAM types make, change and delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import WaiterError

pytestmark = pytest.mark.local_aws
DELAY = {"Delay": 1, "MaxAttempts": 60}
NAMED = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}
BODY = """
Parameters:
  Action: {Type: String, Default: 's3:GetObject'}
  Attached: {Type: String, Default: AmazonS3FullAccess}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: flight-role
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}]
      ManagedPolicyArns: [!Sub 'arn:${AWS::Partition}:iam::aws:policy/${Attached}', !Ref Policy]
      Policies:
        - PolicyName: inline
          PolicyDocument:
            Version: 2012-10-17
            Statement: [{Effect: Allow, Action: !Ref Action, Resource: '*'}]
  Profile: {Type: AWS::IAM::InstanceProfile, Properties: {Roles: [!Ref Role]}}
  Policy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: !Ref Action, Resource: '*'}]}
Outputs:
  Arn: {Value: !GetAtt Role.Arn}
  Policy: {Value: !Ref Policy}
  Profile: {Value: !Ref Profile}
"""


@pytest.fixture
def stack(client: Callable[..., Any]) -> dict[str, str]:
    """The outputs of a stack of a role, its profile and its policy."""
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="roles", TemplateBody=BODY, **NAMED)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="roles", WaiterConfig=DELAY)
    outputs = cloudformation.describe_stacks(StackName="roles")["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def attached(iam: Any) -> set[str]:
    policies = iam.list_attached_role_policies(RoleName="flight-role")["AttachedPolicies"]
    return {policy["PolicyArn"] for policy in policies}


def test_role_profile_and_policy_are_made(client: Any, stack: dict[str, str]) -> None:
    iam = client("iam")
    assert iam.get_role(RoleName="flight-role")["Role"]["Arn"] == stack["Arn"]
    assert attached(iam) == {"arn:aws:iam::aws:policy/AmazonS3FullAccess", stack["Policy"]}
    assert iam.list_role_policies(RoleName="flight-role")["PolicyNames"] == ["inline"]
    profile = iam.get_instance_profile(InstanceProfileName=stack["Profile"])["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["flight-role"]


def test_policies_change_in_place(client: Any, stack: dict[str, str]) -> None:
    cloudformation, iam = client("cloudformation"), client("iam")
    values = {"Action": "s3:PutObject", "Attached": "AmazonEC2FullAccess"}
    parameters = [{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()]
    cloudformation.update_stack(StackName="roles", TemplateBody=BODY, Parameters=parameters, **NAMED)
    cloudformation.get_waiter("stack_update_complete").wait(StackName="roles", WaiterConfig=DELAY)
    assert attached(iam) == {"arn:aws:iam::aws:policy/AmazonEC2FullAccess", stack["Policy"]}
    inline = iam.get_role_policy(RoleName="flight-role", PolicyName="inline")["PolicyDocument"]
    assert inline["Statement"][0]["Action"] == "s3:PutObject"
    default = iam.get_policy(PolicyArn=stack["Policy"])["Policy"]["DefaultVersionId"]
    version = iam.get_policy_version(PolicyArn=stack["Policy"], VersionId=default)["PolicyVersion"]
    assert version["Document"]["Statement"][0]["Action"] == "s3:PutObject"


def test_deletion_leaves_nothing(client: Any, stack: dict[str, str]) -> None:
    cloudformation, iam = client("cloudformation"), client("iam")
    stack_id = cloudformation.describe_stacks(StackName="roles")["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName="roles")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=DELAY)
    assert iam.list_policies(Scope="Local")["Policies"] == []
    assert iam.list_instance_profiles()["InstanceProfiles"] == []
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName="flight-role")


def test_a_policy_attached_elsewhere_is_not_deleted(client: Any, stack: dict[str, str]) -> None:
    cloudformation, iam = client("cloudformation"), client("iam")
    iam.create_role(RoleName="other", AssumeRolePolicyDocument="{}")
    iam.attach_role_policy(RoleName="other", PolicyArn=stack["Policy"])
    stack_id = cloudformation.describe_stacks(StackName="roles")["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName="roles")
    with pytest.raises(WaiterError, match="DELETE_FAILED"):
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=DELAY)
    assert iam.get_policy(PolicyArn=stack["Policy"])
