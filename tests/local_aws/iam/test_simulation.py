"""SimulatePrincipalPolicy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.local_aws, pytest.mark.conformance]

STATEMENTS = [
    {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::ours/*"},
    {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"},
    {
        "Effect": "Allow",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": {"StringLike": {"cloudwatch:namespace": "/aws/*"}},
    },
]
POLICY = json.dumps({"Version": "2012-10-17", "Statement": STATEMENTS})


@pytest.fixture
def iam(client) -> Any:
    return client("iam")


@pytest.fixture
def user_arn(iam, unique) -> str:
    """A user who has the policy through a group."""
    user, group = unique("ana"), unique("science")
    arn = iam.create_user(UserName=user)["User"]["Arn"]
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=user)
    iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=POLICY)
    return str(arn)


def decisions(iam: Any, **arguments: Any) -> list[str]:
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PaginationConfig={"PageSize": 1}, **arguments
    )
    return [one["EvalDecision"] for page in pages for one in page["EvaluationResults"]]


def test_each_action_is_decided_on_each_resource(iam, user_arn):
    found = iam.simulate_principal_policy(
        PolicySourceArn=user_arn,
        ActionNames=["s3:GetObject", "s3:DeleteObject"],
        ResourceArns=["arn:aws:s3:::ours/x", "arn:aws:s3:::theirs/x"],
    )["EvaluationResults"]
    assert [(one["EvalActionName"], one["EvalDecision"]) for one in found] == [
        ("s3:GetObject", "implicitDeny"),
        ("s3:DeleteObject", "explicitDeny"),
    ]
    assert [
        (each["EvalResourceName"], each["EvalResourceDecision"])
        for one in found
        for each in one["ResourceSpecificResults"]
    ] == [
        ("arn:aws:s3:::ours/x", "allowed"),
        ("arn:aws:s3:::theirs/x", "implicitDeny"),
        ("arn:aws:s3:::ours/x", "explicitDeny"),
        ("arn:aws:s3:::theirs/x", "explicitDeny"),
    ]


def test_pages_hold_as_many_results_as_asked_for(iam, user_arn):
    actions = ["s3:GetObject", "s3:DeleteObject", "s3:PutObject"]
    found = decisions(
        iam, PolicySourceArn=user_arn, ActionNames=actions, ResourceArns=["arn:aws:s3:::ours/x"]
    )
    assert found == ["allowed", "explicitDeny", "allowed"]


@pytest.mark.parametrize(("namespace", "decision"), [("/aws/x", "allowed"), ("mine", "implicitDeny")])
def test_conditions_are_met_by_the_context_given(iam, user_arn, namespace, decision):
    entry = {
        "ContextKeyName": "cloudwatch:namespace",
        "ContextKeyType": "string",
        "ContextKeyValues": [namespace],
    }
    found = decisions(
        iam, PolicySourceArn=user_arn, ActionNames=["cloudwatch:PutMetricData"], ContextEntries=[entry]
    )
    assert found == [decision]


def test_an_unknown_principal_is_refused(iam, client, unique):
    account = client("sts").get_caller_identity()["Account"]
    missing = f"arn:aws:iam::{account}:role/{unique('none')}"
    with pytest.raises(ClientError, match="NoSuchEntity"):
        decisions(iam, PolicySourceArn=missing, ActionNames=["s3:GetObject"])
