"""An assumed role may do what its policies say; everybody else is an administrator."""

from __future__ import annotations

import json
import time

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from tests.local_aws.conftest import REGION

pytestmark = pytest.mark.local_aws

ACCOUNT = "123456789012"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    ],
}
TEMPLATE = {"Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}}}}


@pytest.fixture
def as_role(client, endpoint_url):
    """``as_role(statement, ...)("s3")``: a client of a role that has only these statements."""

    def make(*statements):
        iam = client("iam")
        iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(TRUST))
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_role_policy(RoleName="worker", PolicyName="it", PolicyDocument=policy)
        key = client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/worker", RoleSessionName="session"
        )["Credentials"]

        def made(service):
            return boto3.client(
                service,
                region_name=REGION,
                endpoint_url=endpoint_url,
                aws_access_key_id=key["AccessKeyId"],
                aws_secret_access_key=key["SecretAccessKey"],
                aws_session_token=key["SessionToken"],
            )

        return made

    return make


def allow(action, resource="*", **condition):
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": {"StringEquals": condition}} if condition else statement


def denied(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_objects_are_read_and_not_written_where_only_that_is_allowed(as_role, client):
    client("s3").create_bucket(Bucket="ours")
    client("s3").create_bucket(Bucket="theirs")
    client("s3").put_object(Bucket="ours", Key="a/b.txt", Body=b"1")
    s3 = as_role(allow("s3:GetObject", "arn:aws:s3:::ours/*"))("s3")
    assert s3.get_object(Bucket="ours", Key="a/b.txt")["Body"].read() == b"1"
    code, message = denied(s3.put_object, Bucket="ours", Key="a/b.txt", Body=b"2")
    assert code == "AccessDenied"
    assert message == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/worker/session is not authorized to perform: "
        "s3:PutObject on resource: arn:aws:s3:::ours/a/b.txt because no identity-based policy allows the "
        "s3:PutObject action"
    )
    assert denied(s3.get_object, Bucket="theirs", Key="a")[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code", "resource"),
    [
        ("ec2", "describe_vpcs", {}, "UnauthorizedOperation", r"*"),
        ("emr", "list_clusters", {}, "AccessDeniedException", "*"),
        ("cloudformation", "describe_stacks", {"StackName": "s"}, "AccessDenied", "stack/s/*"),
        ("sagemaker", "describe_domain", {"DomainId": "d-1"}, "AccessDeniedException", "domain/d-1"),
        (
            "efs",
            "delete_mount_target",
            {"MountTargetId": "fsmt-0123456789abcdef0"},
            "AccessDeniedException",
            "file-system/*",
        ),
        ("iam", "get_role", {"RoleName": "worker"}, "AccessDenied", "role/worker"),
    ],
)
def test_each_service_refuses_in_its_own_words(as_role, service, operation, parameters, code, resource):
    found, message = denied(getattr(as_role()(service), operation), **parameters)
    assert found == code
    assert f"{resource} because" in message


def test_a_role_that_is_not_there_cannot_be_assumed(client):
    arn = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    code, message = denied(client("sts").assume_role, RoleArn=arn, RoleSessionName="session")
    assert code == "AccessDenied"
    assert message.endswith(f"is not authorized to perform: sts:AssumeRole on resource: {arn}")


def test_who_hands_a_role_to_a_service_needs_to_pass_it(as_role):
    role_arn = f"arn:aws:iam::{ACCOUNT}:role/worker"
    service = {"iam:PassedToService": "ec2.amazonaws.com"}
    sagemaker = as_role(allow("sagemaker:*"), allow("iam:PassRole", role_arn, **service))("sagemaker")
    container = {"Image": "x", "ModelDataUrl": "s3://a/b"}
    _, message = denied(
        sagemaker.create_model, ModelName="m", ExecutionRoleArn=role_arn, PrimaryContainer=container
    )
    assert f"iam:PassRole on resource: {role_arn}" in message


def test_a_stack_is_made_with_the_permissions_of_who_asks_for_it(as_role, client):
    mine = as_role(allow("cloudformation:*"))
    stacks = mine("cloudformation")
    stacks.create_stack(StackName="network", TemplateBody=json.dumps(TEMPLATE))
    deadline = time.monotonic() + 20
    while (stack := stacks.describe_stacks(StackName="network")["Stacks"][0])["StackStatus"] in (
        "CREATE_IN_PROGRESS",
        "ROLLBACK_IN_PROGRESS",
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = stacks.describe_stack_events(StackName="network")["StackEvents"]
    assert any("ec2:CreateVpc" in event.get("ResourceStatusReason", "") for event in events)


def test_what_was_evaluated_can_be_read(as_role, endpoint_url):
    denied(as_role()("emr").list_clusters)
    made = requests.get(f"{endpoint_url}/_local/authorizations", timeout=10).json()
    assert {
        "role": f"arn:aws:iam::{ACCOUNT}:role/worker",
        "action": "elasticmapreduce:ListClusters",
        "resource": "*",
        "allowed": False,
    } in made


def test_a_reset_forgets_what_was_evaluated(as_role, endpoint_url):
    denied(as_role()("emr").list_clusters)
    requests.post(f"{endpoint_url}/moto-api/reset", timeout=10).raise_for_status()
    assert requests.get(f"{endpoint_url}/_local/authorizations", timeout=10).json() == []


def test_who_asks_for_itself_needs_nothing(as_role):
    assert as_role()("sts").get_caller_identity()["Arn"].endswith("assumed-role/worker/session")
