"""Tests that end badly, for the tests of the conformance run: chosen by name only, never collected."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_aws.ec2.test_security_groups import Groups
from tests.local_aws.servicecatalog.test_life import Shop, document

pytestmark = pytest.mark.conformance(usd=0.25)
LISTING = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
STACK = "Resources: {Bucket: {Type: 'AWS::S3::Bucket'}}"


@pytest.fixture
def one_of_everything(client: Callable[..., Any], unique: Callable[[str], str]) -> None:
    """Each kind of thing that a run can make, with what holds on to it."""
    shop = Shop(client, unique)
    shop.open()
    shop.ended(shop.buy(unique("bought"), token=unique("token")))
    s3 = client("s3")
    s3.put_object(Bucket=shop.bucket, Key="kept", Body=b"1")
    versioned = unique("versioned")
    s3.create_bucket(Bucket=versioned)
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=versioned, Key="key", Body=b"1")
    s3.delete_object(Bucket=versioned, Key="key")
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName=unique("stack"), TemplateBody=STACK)
    cloudformation.create_change_set(
        StackName=unique("reviewed"), ChangeSetName="one", ChangeSetType="CREATE", TemplateBody=STACK
    )
    groups = Groups(client("ec2"), unique)
    groups.ec2.authorize_security_group_ingress(GroupId=groups.master, IpPermissions=groups.rule)
    iam = client("iam")
    iam.create_user(UserName=unique("user"))
    iam.create_group(GroupName=unique("group"))
    iam.add_user_to_group(GroupName=unique("group"), UserName=unique("user"))
    iam.put_group_policy(GroupName=unique("group"), PolicyName="p", PolicyDocument=document(LISTING))


def test_crashes(one_of_everything: None) -> None:
    os._exit(70)


def test_takes_for_ever(one_of_everything: None) -> None:
    print("everything is made", flush=True)
    time.sleep(600)


def test_leaves_all_behind(one_of_everything: None) -> None:
    pass


def test_is_told_something_else(client: Callable[..., Any], unique: Callable[[str], str]) -> None:
    client("iam").create_user(UserName=unique("user"))
    assert client("iam").get_user(UserName=unique("user"))["User"]["Path"] == "/elsewhere/"


def test_calls_what_has_no_price(client: Callable[..., Any], unique: Callable[[str], str]) -> None:
    client("iam").get_account_summary()
    client("emr").run_job_flow(Name=unique("cluster"), Instances={})
