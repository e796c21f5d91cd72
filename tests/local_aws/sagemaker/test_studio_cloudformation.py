"""A Studio domain with its user profiles as a stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.local_aws

Client = Callable[..., Any]
WAITER = {"Delay": 0.3, "MaxAttempts": 300}


def studio_template(portal: str, *names: str) -> str:
    """A VPC, a role, a domain and user profiles of those names."""
    resources: dict[str, Any] = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}},
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.9.1.0/24"},
        },
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "Studio", "VpcId": {"Ref": "Vpc"}},
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "sagemaker.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            },
        },
        "Domain": {
            "Type": "AWS::SageMaker::Domain",
            "Properties": {
                "DomainName": "studio",
                "AuthMode": "IAM",
                "AppNetworkAccessType": "VpcOnly",
                "VpcId": {"Ref": "Vpc"},
                "SubnetIds": [{"Ref": "Subnet"}],
                "DefaultUserSettings": {
                    "ExecutionRole": {"Fn::GetAtt": ["Role", "Arn"]},
                    "SecurityGroups": [{"Fn::GetAtt": ["Group", "GroupId"]}],
                    "StudioWebPortal": portal,
                },
            },
        },
    }
    for name in names:
        resources[f"Profile{name}"] = {
            "Type": "AWS::SageMaker::UserProfile",
            "Properties": {"DomainId": {"Ref": "Domain"}, "UserProfileName": name},
        }
    outputs = {
        "DomainId": {"Value": {"Ref": "Domain"}},
        "Url": {"Value": {"Fn::GetAtt": ["Domain", "Url"]}},
    }
    return json.dumps({"Resources": resources, "Outputs": outputs})


def test_a_domain_as_a_stack(client: Client) -> None:
    cloudformation, sagemaker = client("cloudformation"), client("sagemaker")
    arguments = {"StackName": "studio", "Capabilities": ["CAPABILITY_IAM"]}
    cloudformation.create_stack(**arguments, TemplateBody=studio_template("ENABLED", "ana"))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="studio", WaiterConfig=WAITER)
    outputs = cloudformation.describe_stacks(StackName="studio")["Stacks"][0]["Outputs"]
    domain_id = next(o["OutputValue"] for o in outputs if o["OutputKey"] == "DomainId")
    assert sagemaker.describe_domain(DomainId=domain_id)["Status"] == "InService"

    cloudformation.update_stack(**arguments, TemplateBody=studio_template("DISABLED", "ana", "bob"))
    cloudformation.get_waiter("stack_update_complete").wait(StackName="studio", WaiterConfig=WAITER)
    described = sagemaker.describe_domain(DomainId=domain_id)
    assert described["DefaultUserSettings"]["StudioWebPortal"] == "DISABLED"
    profiles = sagemaker.list_user_profiles(DomainIdEquals=domain_id)["UserProfiles"]
    assert [profile["UserProfileName"] for profile in profiles] == ["ana", "bob"]

    cloudformation.update_stack(**arguments, TemplateBody=studio_template("DISABLED"))
    cloudformation.get_waiter("stack_update_complete").wait(StackName="studio", WaiterConfig=WAITER)
    assert sagemaker.list_user_profiles()["UserProfiles"] == []
