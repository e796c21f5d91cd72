"""Deploying stacks to the embedded AWS; states that are hard to reach there are scripted."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from sagemaker_emr import staging
from sagemaker_emr.exceptions import (
    ApprovalRequired,
    DeadlineExceeded,
    InvalidInput,
    PlatformNotReady,
    ResourceConflict,
    StackOperationFailed,
)
from sagemaker_emr.operators.cloud_formation import (
    CloudFormationDeleteStackOperator,
    CloudFormationDeployStackOperator,
    CloudFormationReadOutputsOperator,
)

STACK = "sagemaker-emr-dev-storage"
TAGS = {"sagemaker-emr:environment": "dev"}
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
STACK_ID = f"arn:aws:cloudformation:us-east-1:123456789012:stack/{STACK}/1"

NO_CHANGES = {"ChangeSetName": "c", "Status": "FAILED", "StatusReason": "No updates are to be performed."}

both = pytest.mark.parametrize("deferrable", [True, False])


def template(*buckets, suffix="", extra=None):
    resources = {
        name: {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": f"{name.lower()}{suffix}-data"}}
        for name in buckets
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {"Environment": {"Type": "String", "Default": "dev"}},
        "Resources": {**resources, **(extra or {})},
        "Outputs": {
            "FirstBucket": {"Value": {"Ref": buckets[0]}},
            "Environment": {"Value": {"Ref": "Environment"}},
        },
    }


FAILING_ROLE = {
    "Broken": {
        "Type": "AWS::IAM::InstanceProfile",
        "Properties": {"InstanceProfileName": "broken", "Roles": ["no-such-role"]},
    }
}


@pytest.fixture
def deploy(tmp_path, monkeypatch, run_task):
    """``deploy(template)``: the operator on a template file, run to its end."""
    monkeypatch.setattr(staging, "INCLUDE", tmp_path)

    def run(body, deferrable=False, **kwargs):
        (tmp_path / "storage.json").write_text(json.dumps(body))
        arguments = {"tags": TAGS, "timeout_seconds": 60, **kwargs}
        return run_task(
            lambda: CloudFormationDeployStackOperator(
                task_id="deploy",
                stack_name=STACK,
                template="storage.json",
                aws_conn_id=None,
                deferrable=deferrable,
                **arguments,
            )
        )

    return run


@pytest.fixture
def delete(run_task):
    def run(deferrable=False, timeout_seconds=60):
        return run_task(
            lambda: CloudFormationDeleteStackOperator(
                task_id="delete",
                stack_name=STACK,
                aws_conn_id=None,
                deferrable=deferrable,
                timeout_seconds=timeout_seconds,
            )
        )

    return run


@pytest.mark.local_aws
class TestOnTheEmbeddedAws:
    @both
    def test_a_stack_is_created_and_its_outputs_returned(self, deferrable, local_aws, deploy):
        assert deploy(template("Raw"), deferrable) == {"FirstBucket": "raw-data", "Environment": "dev"}
        stack = local_aws("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        assert stack["Tags"] == [{"Key": "sagemaker-emr:environment", "Value": "dev"}]

    @both
    def test_a_stack_without_changes_is_left_alone(self, deferrable, local_aws, deploy, capsys):
        outputs = deploy(template("Raw"))
        assert deploy(template("Raw"), deferrable) == outputs
        assert "nothing to do" in capsys.readouterr().out
        client = local_aws("cloudformation")
        assert "LastUpdatedTime" not in client.describe_stacks(StackName=STACK)["Stacks"][0]
        assert [
            s for s in client.list_change_sets(StackName=STACK)["Summaries"] if s["Status"] == "FAILED"
        ] == []

    @both
    def test_a_stack_is_updated(self, deferrable, local_aws, deploy):
        deploy(template("Raw"))
        outputs = deploy(template("Raw", "Features"), deferrable, parameters={"Environment": "prod"})
        assert outputs["Environment"] == "prod"
        assert {b["Name"] for b in local_aws("s3").list_buckets()["Buckets"]} == {"raw-data", "features-data"}

    def test_going_back_to_an_earlier_template_is_a_plan_of_its_own(self, local_aws, deploy):
        for environment in ("a", "b", "a"):
            outputs = deploy(template("Raw"), parameters={"Environment": environment})
            assert outputs["Environment"] == environment

    def test_the_plan_is_in_the_log_before_it_runs(self, local_aws, deploy, capsys):
        deploy(template("Raw"))
        deploy(template("Raw", "Features"))
        logged = capsys.readouterr().out
        assert "1 to add, 0 to change, 0 to replace, 0 to remove" in logged
        assert "Add Features (AWS::S3::Bucket)" in logged

    def test_events_are_in_the_log_with_their_reasons(self, local_aws, deploy, capsys):
        deploy(template("Raw"), deferrable=True)
        logged = capsys.readouterr().out
        for status in ("CREATE_IN_PROGRESS", "CREATE_COMPLETE"):
            assert f"{status:<28} Raw (AWS::S3::Bucket)" in logged

    @both
    def test_a_failed_creation_lists_the_first_failed_resource(self, deferrable, local_aws, deploy):
        with pytest.raises(StackOperationFailed, match="ROLLBACK_COMPLETE") as raised:
            deploy(template("Raw", extra=FAILING_ROLE), deferrable)
        assert "Broken (AWS::IAM::InstanceProfile) CREATE_FAILED" in raised.value.reason
        assert "no-such-role" in raised.value.reason

    @both
    def test_what_failed_to_be_created_is_deleted_and_made_again(self, deferrable, local_aws, deploy):
        with pytest.raises(StackOperationFailed):
            deploy(template("Raw", extra=FAILING_ROLE))
        assert deploy(template("Raw"), deferrable)["FirstBucket"] == "raw-data"

    def test_a_plan_that_was_never_executed_does_not_stand_in_the_way(self, local_aws, deploy):
        local_aws("cloudformation").create_change_set(
            StackName=STACK,
            ChangeSetName="left-over",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps(template("Other")),
        )
        assert deploy(template("Raw"))["FirstBucket"] == "raw-data"

    @pytest.mark.parametrize(
        "after", [template("Other"), template("Raw", suffix="2")], ids=["remove", "replace"]
    )
    def test_losing_data_needs_approval(self, after, local_aws, deploy):
        deploy(template("Raw"))
        with pytest.raises(ApprovalRequired, match="holds data") as raised:
            deploy(after)
        assert "Raw (AWS::S3::Bucket)" in raised.value.reason
        assert "deploy_platform" in raised.value.next_step
        assert [b["Name"] for b in local_aws("s3").list_buckets()["Buckets"]] == ["raw-data"]

    def test_losing_data_can_be_approved_from_a_form(self, local_aws, deploy):
        deploy(template("Raw"))
        with pytest.raises(ApprovalRequired):
            deploy(template("Other"), allow_replacement="False")
        assert deploy(template("Other"), allow_replacement="True")["FirstBucket"] == "other-data"

    def test_a_stack_of_somebody_else_is_refused(self, local_aws, deploy):
        deploy(template("Raw"), tags={"team": "theirs"})
        with pytest.raises(ResourceConflict, match="not ours"):
            deploy(template("Raw"))

    def test_a_bad_template_says_what_is_wrong(self, local_aws, deploy):
        with pytest.raises(Exception, match="NoSuchParameter"):
            deploy(template("Raw"), parameters={"NoSuchParameter": "x"})

    @both
    def test_a_deleted_stack_is_gone(self, deferrable, local_aws, deploy, delete):
        deploy(template("Raw"))
        delete(deferrable)
        assert local_aws("s3").list_buckets()["Buckets"] == []
        delete(deferrable)

    @both
    def test_a_deletion_names_what_holds_on(self, deferrable, local_aws, deploy, delete):
        deploy(template("Raw"))
        local_aws("s3").put_object(Bucket="raw-data", Key="k", Body=b"")
        with pytest.raises(StackOperationFailed, match="could not be deleted") as raised:
            delete(deferrable)
        assert "Raw (AWS::S3::Bucket) DELETE_FAILED" in raised.value.reason

    def test_a_half_deleted_stack_that_holds_data_is_not_deleted_further(self, local_aws, deploy, delete):
        deploy(template("Raw"))
        local_aws("s3").put_object(Bucket="raw-data", Key="k", Body=b"")
        with pytest.raises(StackOperationFailed):
            delete()
        with pytest.raises(ApprovalRequired, match="DELETE_FAILED") as raised:
            deploy(template("Raw"))
        assert "Raw (AWS::S3::Bucket)" in raised.value.reason

    def test_outputs_of_all_stacks_are_read_as_one(self, local_aws, deploy, run_task):
        outputs = deploy(template("Raw"))
        assert run_task(lambda: read(["storage"])) == outputs

    def test_a_missing_stack_is_named_with_the_next_step(self, local_aws, deploy, run_task):
        deploy(template("Raw"))
        with pytest.raises(PlatformNotReady) as raised:
            run_task(lambda: read(["storage", "network", "studio"]))
        assert "sagemaker-emr-dev-network does not exist" in raised.value.reason
        assert "sagemaker-emr-dev-studio" in raised.value.reason
        assert "storage" not in raised.value.reason
        assert "deploy_platform" in raised.value.next_step


def read(stacks):
    return CloudFormationReadOutputsOperator(
        task_id="read", environment="dev", stacks=stacks, aws_conn_id=None
    )


def stacks(status, **kwargs):
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    stack = {
        "StackId": STACK_ID,
        "StackName": STACK,
        "CreationTime": WHEN,
        "StackStatus": status,
        "Tags": tags,
        **kwargs,
    }
    return {"Stacks": [stack]}


def event(event_id, logical_id, kind, status, reason=None):
    physical_id = STACK_ID if kind == "AWS::CloudFormation::Stack" else f"physical-{logical_id}"
    entry = {
        "StackId": STACK_ID,
        "EventId": event_id,
        "StackName": STACK,
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": physical_id,
        "ResourceType": kind,
        "Timestamp": WHEN,
        "ResourceStatus": status,
    }
    return {**entry, "ResourceStatusReason": reason} if reason else entry


@pytest.mark.parametrize(
    "status", ["ROLLBACK_COMPLETE", "CREATE_FAILED", "UPDATE_IN_PROGRESS", "DELETE_FAILED"]
)
def test_a_stack_in_a_bad_state_is_not_ready(status, aws, run_task):
    aws.on("DescribeStacks", stacks(status))
    with pytest.raises(PlatformNotReady, match="not ready") as raised:
        run_task(lambda: read(["storage"]))
    assert f"{STACK} is {status}" in raised.value.reason


@both
def test_a_retry_attaches_to_the_operation_in_progress(deferrable, aws, deploy, capsys):
    """The creation is that of an earlier try; after it there is nothing left to do."""
    begun = event("e1", STACK, "AWS::CloudFormation::Stack", "CREATE_IN_PROGRESS", "User Initiated")
    made = event("e2", "Raw", "AWS::S3::Bucket", "CREATE_COMPLETE")
    outputs = [{"OutputKey": "RawBucket", "OutputValue": "raw-data"}]
    aws.on(
        "DescribeStacks",
        *[stacks("CREATE_IN_PROGRESS")] * 3,
        stacks("CREATE_COMPLETE", Outputs=outputs),
    )
    aws.on("DescribeStackEvents", {"StackEvents": [begun]}, {"StackEvents": [made, begun]})
    aws.on("CreateChangeSet", {"Id": "arn:c", "StackId": STACK_ID})
    aws.on("DescribeChangeSet", NO_CHANGES)
    aws.on("DeleteChangeSet", {})
    assert deploy(template("Raw"), deferrable) == {"RawBucket": "raw-data"}
    assert [request["ChangeSetType"] for request in aws.requests("CreateChangeSet")] == ["UPDATE"]
    assert aws.requests("ExecuteChangeSet") == []
    assert "Raw (AWS::S3::Bucket)" in capsys.readouterr().out


@both
def test_the_deadline_leaves_the_operation_to_cloudformation(deferrable, aws, deploy):
    aws.on("DescribeStacks", stacks("UPDATE_IN_PROGRESS"))
    aws.on("DescribeStackEvents", {"StackEvents": []})
    with pytest.raises(DeadlineExceeded, match=STACK) as raised:
        deploy(template("Raw"), deferrable, timeout_seconds=0)
    assert raised.value.reason == "last status seen: UPDATE_IN_PROGRESS"
    assert "goes on by itself" in raised.value.next_step


@both
def test_an_update_that_could_not_be_rolled_back_is_rolled_back_first(deferrable, aws, deploy):
    before = event("e1", STACK, "AWS::CloudFormation::Stack", "UPDATE_ROLLBACK_FAILED")
    after = event("e2", STACK, "AWS::CloudFormation::Stack", "UPDATE_ROLLBACK_COMPLETE")
    aws.on(
        "DescribeStacks",
        stacks("UPDATE_ROLLBACK_FAILED"),
        stacks("UPDATE_ROLLBACK_FAILED"),  # CloudFormation has not begun yet
        stacks("UPDATE_ROLLBACK_COMPLETE"),
    )
    aws.on("CreateChangeSet", {"Id": "arn:c", "StackId": STACK_ID})
    aws.on("DescribeChangeSet", NO_CHANGES)
    aws.on("DeleteChangeSet", {})
    aws.on(
        "DescribeStackEvents",
        {"StackEvents": [before]},
        {"StackEvents": [before]},
        {"StackEvents": [after, before]},
    )
    aws.on("ContinueUpdateRollback", {})
    assert deploy(template("Raw"), deferrable) == {}
    assert len(aws.requests("ContinueUpdateRollback")) == 1


def test_a_change_set_that_can_not_be_made_says_why(aws, deploy):
    aws.on("DescribeStacks", stacks("UPDATE_COMPLETE"))
    aws.on("CreateChangeSet", {"Id": "arn:c", "StackId": STACK_ID})
    aws.on(
        "DescribeChangeSet",
        {"ChangeSetName": "c", "StackName": STACK, "Status": "FAILED", "StatusReason": "Export X is in use"},
    )
    with pytest.raises(StackOperationFailed, match="plan") as raised:
        deploy(template("Raw"))
    assert raised.value.reason == "Export X is in use"


def test_neither_template_nor_url_is_refused(aws, run_task):
    aws.on("DescribeStacks", stacks("CREATE_COMPLETE"))
    with pytest.raises(InvalidInput, match="either template or template_url"):
        run_task(lambda: CloudFormationDeployStackOperator(task_id="d", stack_name=STACK, aws_conn_id=None))


def test_a_template_too_large_to_send_is_refused(aws, deploy):
    aws.on("DescribeStacks", stacks("CREATE_COMPLETE"))
    with pytest.raises(InvalidInput, match="51200 bytes"):
        deploy({**template("Raw"), "Description": "x" * 51_200})


def test_what_may_be_templated_is_a_template_field():
    fields = set(CloudFormationDeployStackOperator.template_fields)
    assert {"stack_name", "template", "template_url", "parameters", "tags", "allow_replacement"} <= fields
    assert CloudFormationDeployStackOperator(task_id="d", stack_name=STACK, template="t").multiple_outputs


def test_the_stacks_page_is_linked(aws, deploy, context):
    aws.on("DescribeStacks", stacks("UPDATE_COMPLETE"))
    aws.on("CreateChangeSet", {"Id": "arn:c", "StackId": STACK_ID})
    aws.on("DescribeChangeSet", NO_CHANGES)
    aws.on("DeleteChangeSet", {})
    deploy(template("Raw"))
    assert context["ti"].xcom["cloudformation_stack"] == {
        "region_name": "us-east-1",
        "aws_domain": "aws.amazon.com",
        "stack_id": STACK_ID,
    }


def test_a_stack_that_is_as_asked_costs_two_calls(aws, deploy, tmp_path):
    body = template("Raw")
    aws.on(
        "DescribeStacks",
        {
            "Stacks": [
                {
                    "StackName": STACK,
                    "StackId": STACK_ID,
                    "CreationTime": WHEN,
                    "StackStatus": "CREATE_COMPLETE",
                    "Tags": [{"Key": "sagemaker-emr:environment", "Value": "dev"}],
                    "Outputs": [{"OutputKey": "FirstBucket", "OutputValue": "raw-data"}],
                }
            ]
        },
    ).on("GetTemplate", {"TemplateBody": json.dumps(body)})
    assert deploy(body) == {"FirstBucket": "raw-data"}
    assert [operation for operation, _ in aws.calls] == ["DescribeStacks", "GetTemplate"]
