"""What reading the platform says of a Studio domain and its user profiles, in each of their states."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sagemaker_emr.exceptions import PlatformNotReady, StackOperationFailed, UnknownState
from sagemaker_emr.operators.cloud_formation import (
    CloudFormationDeleteStackOperator,
    CloudFormationReadOutputsOperator,
)
from tests.plugins.sagemaker_emr import aws_enums
from tests.plugins.sagemaker_emr.conftest import aws_error

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
DOMAIN_ID = "d-abcdefghijkl"
STACK = "sagemaker-emr-dev-studio"
STACK_ID = f"arn:aws:cloudformation:us-east-1:123456789012:stack/{STACK}/1"
REASON = "Security group sg-1 is gone"

TOLD = {
    "Deleting": "is being deleted",
    "Failed": "was never usable: run deploy_platform",
    "InService": None,
    "Pending": "is being created",
    "Updating": None,
    "Update_Failed": "kept its former settings",
    "Delete_Failed": "could not be deleted: remove what holds on",
}


class Studio:
    """A domain with one user profile, a space and an app."""

    def __init__(self, aws):
        self.domain = self.profile = "InService"
        stack = {"StackId": STACK_ID, "StackName": STACK, "CreationTime": WHEN}
        outputs = [{"OutputKey": "DomainId", "OutputValue": DOMAIN_ID}]
        self.stack = {**stack, "StackStatus": "CREATE_COMPLETE", "Outputs": outputs}
        aws.on("DescribeStacks", lambda request: {"Stacks": [dict(self.stack)]})
        aws.on("DescribeDomain", lambda request: {"DomainId": DOMAIN_ID, **self._state(self.domain)})
        aws.on("ListUserProfiles", lambda request: {"UserProfiles": [self._profile()]})
        aws.on("DescribeUserProfile", lambda request: self._profile() | self._state(self.profile))
        aws.on("ListSpaces", {"Spaces": [{"SpaceName": "shared", "Status": "InService"}]})
        app = {"AppType": "JupyterLab", "AppName": "default", "UserProfileName": "data-scientist"}
        aws.on("ListApps", {"Apps": [{**app, "Status": "InService"}, {**app, "Status": "Deleted"}]})

    def _profile(self):
        return {"UserProfileName": "data-scientist", "DomainId": DOMAIN_ID, "Status": self.profile}

    @staticmethod
    def _state(status):
        return {"Status": status, **({"FailureReason": REASON} if status.endswith("Failed") else {})}


@pytest.fixture
def studio(aws):
    return Studio(aws)


def read():
    return CloudFormationReadOutputsOperator(
        task_id="read", environment="dev", stacks=["studio"], aws_conn_id=None
    )


def problem(run_task):
    with pytest.raises(PlatformNotReady, match="not ready") as raised:
        run_task(read)
    return raised.value.reason


@pytest.mark.parametrize("status", aws_enums.DOMAIN)
def test_in_each_state_a_domain_is_used_or_named_with_its_reason_and_the_way_out(status, studio, run_task):
    studio.domain = status
    if TOLD[status] is None:
        assert run_task(read) == {"DomainId": DOMAIN_ID}
        return
    told = problem(run_task)
    assert f"domain {DOMAIN_ID} is {status}" in told
    assert TOLD[status] in told
    assert (REASON in told) == status.endswith("Failed")


@pytest.mark.parametrize("status", aws_enums.USER_PROFILE)
def test_in_each_state_a_user_profile_is_used_or_named_with_its_reason_and_the_way_out(
    status, studio, run_task
):
    studio.profile = status
    if TOLD[status] is None:
        assert run_task(read) == {"DomainId": DOMAIN_ID}
        return
    told = problem(run_task)
    assert f"user profile data-scientist is {status}" in told
    assert TOLD[status] in told
    assert (REASON in told) == status.endswith("Failed")


def test_a_domain_that_could_not_be_deleted_says_what_holds_on(studio, run_task):
    studio.domain = "Delete_Failed"
    told = problem(run_task)
    assert "held by app JupyterLab/default of data-scientist (InService)" in told
    assert "space shared (InService)" in told
    assert "user profile data-scientist (InService)" in told
    assert "Deleted" not in told


def test_a_user_profile_that_could_not_be_deleted_says_which_apps_hold_on(studio, run_task):
    studio.profile = "Delete_Failed"
    assert "held by app JupyterLab/default of data-scientist (InService)" in problem(run_task)


def test_a_domain_deleted_by_hand_is_named(studio, aws, run_task):
    aws.on("DescribeDomain", aws_error("ResourceNotFound", f"Domain [{DOMAIN_ID}] does not exist."))
    assert "deleted by hand" in problem(run_task)


@pytest.mark.parametrize("of", ["domain", "profile"])
def test_a_state_from_the_future_is_named(of, studio, run_task):
    setattr(studio, of, "Hibernated")
    with pytest.raises(UnknownState, match="Hibernated"):
        run_task(read)


def delete():
    return CloudFormationDeleteStackOperator(
        task_id="delete", stack_name=STACK, aws_conn_id=None, timeout_seconds=10
    )


def played_deletion(studio, aws):
    """A deletion of the studio's stack that its domain stands in the way of."""
    event = {
        "StackId": STACK_ID,
        "EventId": "e2",
        "StackName": STACK,
        "LogicalResourceId": STACK,
        "PhysicalResourceId": STACK_ID,
        "ResourceType": "AWS::CloudFormation::Stack",
        "Timestamp": WHEN,
        "ResourceStatus": "DELETE_FAILED",
    }
    begun = {**event, "EventId": "e1", "ResourceStatus": "CREATE_COMPLETE"}
    aws.on("DescribeStackEvents", {"StackEvents": [begun]}, {"StackEvents": [event, begun]})
    aws.on("DeleteStack", lambda request: studio.stack.update(StackStatus="DELETE_FAILED") or {})
    resource = {
        "LogicalResourceId": "Domain",
        "PhysicalResourceId": DOMAIN_ID,
        "ResourceType": "AWS::SageMaker::Domain",
        "LastUpdatedTimestamp": WHEN,
        "ResourceStatus": "DELETE_FAILED",
    }
    aws.on("ListStackResources", {"StackResourceSummaries": [resource]})


def test_a_stack_whose_domain_could_not_be_deleted_says_what_holds_on(studio, aws, run_task):
    played_deletion(studio, aws)
    with pytest.raises(StackOperationFailed, match="could not be deleted") as raised:
        run_task(delete)
    assert f"domain {DOMAIN_ID} is held by app JupyterLab/default" in raised.value.reason
    assert f"domain {DOMAIN_ID} is held by space shared" in raised.value.reason


def test_what_holds_on_may_be_out_of_our_sight(studio, aws, run_task):
    played_deletion(studio, aws)
    aws.on("ListApps", aws_error("AccessDeniedException", "not authorized to perform: sagemaker:ListApps"))
    with pytest.raises(StackOperationFailed, match="could not be deleted") as raised:
        run_task(delete)
    assert "can't be read" in raised.value.reason
