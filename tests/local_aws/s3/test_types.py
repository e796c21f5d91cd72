"""What CloudFormation's S3 types make and change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.local_aws
DELAY = {"Delay": 1, "MaxAttempts": 60}
BODY = """
Parameters: {Days: {Type: String, Default: '30'}}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: flights
      BucketEncryption:
        ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: AES256}}]
      PublicAccessBlockConfiguration:
        {BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true}
      OwnershipControls: {Rules: [{ObjectOwnership: BucketOwnerEnforced}]}
      VersioningConfiguration: {Status: Enabled}
      LifecycleConfiguration: {Rules: [{Id: old, Status: Enabled, Prefix: tmp/, ExpirationInDays: !Ref Days}]}
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Deny
            Principal: '*'
            Action: s3:*
            Resource: [!GetAtt Bucket.Arn, !Sub '${Bucket.Arn}/*']
            Condition: {Bool: {'aws:SecureTransport': 'false'}}
"""


def create(cloudformation: Any) -> None:
    cloudformation.create_stack(StackName="storage", TemplateBody=BODY)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="storage", WaiterConfig=DELAY)


def test_a_bucket_has_its_settings(client: Any) -> None:
    create(client("cloudformation"))
    s3 = client("s3")
    encryption = s3.get_bucket_encryption(Bucket="flights")["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert all(s3.get_public_access_block(Bucket="flights")["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(Bucket="flights")["Status"] == "Enabled"
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket="flights")["Rules"]
    assert (rule["ID"], rule["Expiration"]["Days"]) == ("old", 30)


def test_a_policy_against_plain_http_lets_requests_pass(client: Any) -> None:
    create(client("cloudformation"))
    s3 = client("s3")
    s3.put_object(Bucket="flights", Key="key", Body=b"value")
    assert s3.get_object(Bucket="flights", Key="key")["Body"].read() == b"value"


def test_a_denial_denies(client: Any) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="closed")
    denial = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::closed/*"}
    s3.put_bucket_policy(Bucket="closed", Policy=json.dumps({"Statement": [denial]}))
    with pytest.raises(ClientError):
        s3.put_object(Bucket="closed", Key="key", Body=b"value")
    denial["Condition"] = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    with pytest.raises(ClientError, match="does not evaluate the condition IpAddress aws:SourceIp"):
        s3.put_bucket_policy(Bucket="closed", Policy=json.dumps({"Statement": [denial]}))


def test_a_setting_changes_in_place(client: Any) -> None:
    cloudformation, s3 = client("cloudformation"), client("s3")
    create(cloudformation)
    cloudformation.update_stack(
        StackName="storage",
        TemplateBody=BODY,
        Parameters=[{"ParameterKey": "Days", "ParameterValue": "60"}],
    )
    cloudformation.get_waiter("stack_update_complete").wait(StackName="storage", WaiterConfig=DELAY)
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket="flights")["Rules"]
    assert rule["Expiration"]["Days"] == 60
