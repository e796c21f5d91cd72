"""Deploying to, deleting and reading a stack in each state that CloudFormation's model lists.

The stack is played here, by the rules of which operation AWS takes in which state; what the embedded AWS can
reach is shown there too, at the end.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from sagemaker_emr import staging
from sagemaker_emr.exceptions import PlatformNotReady, StackOperationFailed, UnknownState
from sagemaker_emr.hooks.cloud_formation import STACK_STATES, CloudFormationHook
from sagemaker_emr.operators.cloud_formation import (
    CloudFormationDeleteStackOperator,
    CloudFormationDeployStackOperator,
    CloudFormationReadOutputsOperator,
)
from sagemaker_emr.operators.teardown import CloudFormationDeleteStacksOperator
from tests.plugins.sagemaker_emr import aws_enums
from tests.plugins.sagemaker_emr.conftest import aws_error

STACK = "sagemaker-emr-dev-storage"
STACK_ID = f"arn:aws:cloudformation:us-east-1:123456789012:stack/{STACK}/1"
STACK_TYPE = "AWS::CloudFormation::Stack"
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
OUTPUTS = {"RawBucket": "raw-data"}

ENDS_IN = {
    "CREATE_IN_PROGRESS": "CREATE_COMPLETE",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS": "DELETE_COMPLETE",
    "UPDATE_IN_PROGRESS": "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_IN_PROGRESS": "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_IN_PROGRESS": "IMPORT_ROLLBACK_COMPLETE",
}
TAKES_UPDATES = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}

UPDATED = ["CreateChangeSet", "ExecuteChangeSet"]
MADE_AGAIN = ["DeleteStack", *UPDATED]
DEPLOYED_BY = {
    "CREATE_IN_PROGRESS": UPDATED,
    "CREATE_FAILED": MADE_AGAIN,
    "CREATE_COMPLETE": UPDATED,
    "ROLLBACK_IN_PROGRESS": MADE_AGAIN,
    "ROLLBACK_FAILED": MADE_AGAIN,
    "ROLLBACK_COMPLETE": MADE_AGAIN,
    "DELETE_IN_PROGRESS": UPDATED,
    "DELETE_FAILED": MADE_AGAIN,
    "DELETE_COMPLETE": UPDATED,
    "UPDATE_IN_PROGRESS": UPDATED,
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": UPDATED,
    "UPDATE_COMPLETE": UPDATED,
    "UPDATE_FAILED": ["RollbackStack", *UPDATED],
    "UPDATE_ROLLBACK_IN_PROGRESS": UPDATED,
    "UPDATE_ROLLBACK_FAILED": ["ContinueUpdateRollback", *UPDATED],
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": UPDATED,
    "UPDATE_ROLLBACK_COMPLETE": UPDATED,
    "REVIEW_IN_PROGRESS": UPDATED,
    "IMPORT_IN_PROGRESS": UPDATED,
    "IMPORT_COMPLETE": UPDATED,
    "IMPORT_ROLLBACK_IN_PROGRESS": UPDATED,
    "IMPORT_ROLLBACK_FAILED": "only its deletion leads on",
    "IMPORT_ROLLBACK_COMPLETE": UPDATED,
}
READABLE = {
    "CREATE_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
}

each_state = pytest.mark.parametrize("status", aws_enums.STACK)
both = pytest.mark.parametrize("deferrable", [True, False])


class Stack:
    """One stack, by CloudFormation's rules; an operation in progress ends a look later."""

    def __init__(self, aws, status):
        self.requested = []
        self.ends_in = dict(ENDS_IN)
        self.events = []
        self.protected = False
        self.enter(status)
        aws.on("DescribeStacks", self.describe)
        aws.on("DescribeStackEvents", lambda request: {"StackEvents": self.events[::-1]})
        aws.on("ListStackResources", {"StackResourceSummaries": []})
        aws.on("CreateChangeSet", self.create_change_set)
        aws.on("DescribeChangeSet", self.describe_change_set)
        aws.on("ExecuteChangeSet", self.execute)
        aws.on("DeleteStack", self.delete)
        aws.on("ContinueUpdateRollback", self.operation("ContinueUpdateRollback", {"UPDATE_ROLLBACK_FAILED"}))
        aws.on("RollbackStack", self.operation("RollbackStack", {"UPDATE_FAILED", "CREATE_FAILED"}))

    def enter(self, status, reason=None):
        self.status = status
        event = {
            "StackId": STACK_ID,
            "EventId": f"e{len(self.events)}",
            "StackName": STACK,
            "LogicalResourceId": STACK,
            "PhysicalResourceId": STACK_ID,
            "ResourceType": STACK_TYPE,
            "Timestamp": WHEN,
            "ResourceStatus": status,
        }
        self.events.append({**event, "ResourceStatusReason": reason} if reason else event)

    def describe(self, request):
        if self.status == "DELETE_COMPLETE" and request["StackName"] == STACK:
            return aws_error("ValidationError", f"Stack with id {STACK} does not exist")
        stack = {"StackId": STACK_ID, "StackName": STACK, "CreationTime": WHEN, "StackStatus": self.status}
        stack["Outputs"] = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
        if self.status in self.ends_in:
            self.enter(self.ends_in[self.status])
        return {"Stacks": [stack]}

    def create_change_set(self, request):
        self.requested.append("CreateChangeSet")
        kind = "CREATE" if self.status in ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS") else "UPDATE"
        assert request["ChangeSetType"] == kind
        if kind == "UPDATE" and self.status not in TAKES_UPDATES:
            return aws_error("ValidationError", f"is in {self.status} state and can not be updated.")
        if self.status == "DELETE_COMPLETE":
            self.enter("REVIEW_IN_PROGRESS")
        self.kind = kind
        return {"Id": "arn:c", "StackId": STACK_ID}

    def describe_change_set(self, request):
        return {"ChangeSetName": "c", "StackName": STACK, "Status": "CREATE_COMPLETE", "Changes": []}

    def execute(self, request):
        self.requested.append("ExecuteChangeSet")
        self.enter(f"{self.kind}_IN_PROGRESS")
        return {}

    def delete(self, request):
        self.requested.append("DeleteStack")
        if self.protected:
            return aws_error("ValidationError", "cannot be deleted while TerminationProtection is enabled")
        if self.status.startswith("UPDATE") and self.status.endswith("_IN_PROGRESS"):
            return aws_error("ValidationError", f"cannot be deleted while in status {self.status}")
        self.enter("DELETE_IN_PROGRESS")
        return {}

    def operation(self, name, allowed):
        def answer(request):
            self.requested.append(name)
            if self.status not in allowed:
                return aws_error("ValidationError", f"{name}: is in {self.status} state")
            self.enter("UPDATE_ROLLBACK_IN_PROGRESS")
            return {}

        return answer


@pytest.fixture
def deploy(tmp_path, monkeypatch, run_task):
    monkeypatch.setattr(staging, "INCLUDE", tmp_path)
    (tmp_path / "storage.json").write_text('{"Resources": {}}')

    def run(deferrable=False, timeout_seconds=10):
        return run_task(
            lambda: CloudFormationDeployStackOperator(
                task_id="deploy",
                stack_name=STACK,
                template="storage.json",
                aws_conn_id=None,
                deferrable=deferrable,
                timeout_seconds=timeout_seconds,
            )
        )

    return run


@pytest.fixture(params=["by its name", "by its prefix"])
def delete(request, run_task, monkeypatch):
    def operator(**settings):
        if request.param == "by its name":
            return CloudFormationDeleteStackOperator(stack_name=STACK, **settings)
        return CloudFormationDeleteStacksOperator(environment="dev", prefix=STACK, **settings)

    def run(deferrable=False):
        settings = {"task_id": "delete", "aws_conn_id": None, "timeout_seconds": 10}
        return run_task(lambda: operator(deferrable=deferrable, **settings))

    def found(hook, prefix, tags):
        return [STACK] if hook.describe_stack(STACK) else []

    monkeypatch.setattr(CloudFormationHook, "stack_names", found)
    return run


def read():
    return CloudFormationReadOutputsOperator(
        task_id="read", environment="dev", stacks=["storage"], aws_conn_id=None
    )


@both
@each_state
def test_from_each_state_a_stack_is_deployed_or_the_state_and_the_way_out_are_named(
    status, deferrable, aws, deploy
):
    stack = Stack(aws, status)
    if isinstance(DEPLOYED_BY[status], str):
        with pytest.raises(PlatformNotReady, match=status) as raised:
            deploy(deferrable)
        assert "Delete the stack" in raised.value.next_step
        assert stack.requested == []
    else:
        assert deploy(deferrable) == OUTPUTS
        assert stack.requested == DEPLOYED_BY[status]
        assert stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


@both
@each_state
def test_from_each_state_a_stack_is_deleted_once(status, deferrable, aws, delete):
    stack = Stack(aws, status)
    delete(deferrable)
    assert stack.status == "DELETE_COMPLETE"
    ends_by_itself = status in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS")
    assert stack.requested == ([] if ends_by_itself else ["DeleteStack"])


@each_state
def test_in_each_state_outputs_are_read_or_the_state_and_the_way_out_are_named(status, aws, run_task):
    Stack(aws, status)
    if status in READABLE:
        assert run_task(read) == OUTPUTS
        return
    with pytest.raises(PlatformNotReady) as raised:
        run_task(read)
    if status == "DELETE_COMPLETE":
        assert raised.value.reason == f"stack {STACK} does not exist"
    else:
        assert f"stack {STACK} is {status} (deploy_platform " in raised.value.reason
    assert "deploy_platform" in raised.value.next_step


@pytest.mark.parametrize("task", ["deploy", "delete", "read"])
def test_a_state_from_the_future_is_named_instead_of_guessed(task, aws, deploy, delete, run_task):
    Stack(aws, "UPDATE_PAUSED")
    with pytest.raises(UnknownState, match="UPDATE_PAUSED") as raised:
        {"deploy": deploy, "delete": delete, "read": lambda: run_task(read)}[task]()
    assert STACK in raised.value.what
    assert "clear this task" in raised.value.next_step


@both
@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED"])
def test_a_rollback_that_fails_again_is_not_asked_for_a_third_time(status, deferrable, aws, deploy):
    stack = Stack(aws, status)
    stack.ends_in["UPDATE_ROLLBACK_IN_PROGRESS"] = "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(StackOperationFailed, match="UPDATE_ROLLBACK_FAILED") as raised:
        deploy(deferrable)
    assert len(stack.requested) == 1
    assert "ResourcesToSkip" in raised.value.next_step


@both
@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "DELETE_FAILED"])
def test_a_stack_that_can_not_be_deleted_is_not_deleted_for_ever(status, deferrable, aws, deploy, delete):
    for task in (deploy, delete):
        stack = Stack(aws, status)
        stack.ends_in["DELETE_IN_PROGRESS"] = "DELETE_FAILED"
        with pytest.raises(StackOperationFailed, match="DELETE_FAILED"):
            task(deferrable)
        assert stack.requested == ["DeleteStack"]


@both
def test_a_deletion_that_cloudformation_cancels_fails_with_its_reason(deferrable, aws, delete):
    """As while another stack imports one of its exports: the stack stays as it was."""
    stack = Stack(aws, "CREATE_COMPLETE")

    def cancel(request):
        stack.requested.append("DeleteStack")
        stack.enter("CREATE_COMPLETE", "Delete canceled. Cannot delete export X as it is in use by Y.")
        return {}

    aws.on("DeleteStack", cancel)
    with pytest.raises(StackOperationFailed, match="could not be deleted"):
        delete(deferrable)
    assert stack.requested == ["DeleteStack"]


def test_a_protected_stack_says_how_its_protection_is_lifted(aws, delete):
    Stack(aws, "CREATE_COMPLETE").protected = True
    with pytest.raises(StackOperationFailed, match="protected") as raised:
        delete()
    assert "UpdateTerminationProtection" in raised.value.next_step


@both
def test_a_status_read_just_before_the_update_began_is_not_taken_for_its_end(deferrable, aws, deploy):
    """DescribeStacks still says CREATE_COMPLETE when the update's first event is there already."""
    stack = Stack(aws, "CREATE_COMPLETE")
    described = stack.describe
    stale = []

    def late(request):
        answer = described(request)
        if "ExecuteChangeSet" in stack.requested and not stale:
            stale.append(True)
            answer["Stacks"][0] |= {"StackStatus": "CREATE_COMPLETE", "Outputs": []}
        return answer

    aws.on("DescribeStacks", late)
    assert deploy(deferrable) == OUTPUTS
    assert stack.status == "UPDATE_COMPLETE"


@pytest.mark.parametrize("status", aws_enums.CHANGE_SET)
def test_in_each_state_a_change_set_is_waited_for_executed_or_named(status, aws, deploy):
    stack = Stack(aws, "CREATE_COMPLETE")
    made = stack.describe_change_set({})
    waits = status in ("CREATE_PENDING", "CREATE_IN_PROGRESS")
    aws.on("DescribeChangeSet", {**made, "Status": status}, *([made] if waits else []))
    if waits or status == "CREATE_COMPLETE":
        assert deploy() == OUTPUTS
        return
    with pytest.raises(StackOperationFailed, match="can't be made") as raised:
        deploy()
    assert status in str(raised.value)


@pytest.mark.parametrize("execution", ["EXECUTE_IN_PROGRESS", "AVAILABLE"])
def test_an_execution_whose_answer_was_lost_is_waited_for(execution, aws, deploy):
    stack = Stack(aws, "CREATE_COMPLETE")
    refused = aws_error("InvalidChangeSetStatus", "cannot be executed in its current status")

    def execute(request):
        stack.execute(request)
        return refused

    aws.on("ExecuteChangeSet", execute)
    aws.on("DescribeChangeSet", {**stack.describe_change_set({}), "ExecutionStatus": execution})
    if execution == "AVAILABLE":
        with pytest.raises(type(refused)):
            deploy()
    else:
        assert deploy() == OUTPUTS


def test_the_tables_words_are_those_of_the_messages():
    assert STACK_STATES.of("ROLLBACK_COMPLETE", STACK).deployment == "deletes it and creates it again"


BUCKET = """
Parameters:
  Versioned: {Type: String, Default: Suspended}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: raw-data
      VersioningConfiguration: {Status: !Ref Versioned}
Outputs:
  RawBucket: {Value: !Ref Bucket}
"""
WORSE = BUCKET.replace(
    "Outputs:",
    "".join(
        f"  Other{n}: {{Type: 'AWS::S3::Bucket', DependsOn: {f'Other{n - 1}' if n else 'Bucket'}}}\n"
        for n in range(12)
    )
    + "  Broken:\n    Type: AWS::IAM::InstanceProfile\n    DependsOn: Other11\n"
    "    Properties: {Roles: [no-such-role]}\nOutputs:",
)


class Reached:
    """A stack of the embedded AWS, brought into a state by what brings one there on AWS."""

    def __init__(self, local_aws):
        self.stacks, self.s3 = local_aws("cloudformation"), local_aws("s3")

    def settled(self, name=STACK):
        while True:
            status = self.stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
            if not status.endswith("_IN_PROGRESS"):
                return status
            time.sleep(0.02)

    def create(self, body, **options):
        self.stacks.create_stack(
            StackName=STACK, TemplateBody=body, Capabilities=["CAPABILITY_IAM"], **options
        )
        return self.settled()

    def update(self, **options):
        self.stacks.update_stack(
            StackName=STACK,
            TemplateBody=WORSE,
            Parameters=[{"ParameterKey": "Versioned", "ParameterValue": "Enabled"}],
            Capabilities=["CAPABILITY_IAM"],
            **options,
        )

    def create_failed(self):
        return self.create(WORSE, DisableRollback=True)

    def rollback_complete(self):
        return self.create(WORSE)

    def delete_failed(self):
        self.create(BUCKET)
        self.s3.put_object(Bucket="raw-data", Key="k", Body=b"")
        self.stacks.delete_stack(StackName=STACK)
        status = self.settled()
        self.s3.delete_object(Bucket="raw-data", Key="k")
        return status

    def update_failed(self):
        self.create(BUCKET)
        self.update(DisableRollback=True)
        return self.settled()

    def update_rollback_complete(self):
        self.create(BUCKET)
        self.update()
        return self.settled()

    def update_rollback_failed(self):
        """Somebody deletes the changed bucket while the update goes on, and makes it again afterwards."""
        self.create(BUCKET)
        self.update()
        while not any(
            event["LogicalResourceId"] == "Bucket" and event["ResourceStatus"] == "UPDATE_COMPLETE"
            for event in self.stacks.describe_stack_events(StackName=STACK)["StackEvents"]
        ):
            time.sleep(0.01)
        self.s3.delete_bucket(Bucket="raw-data")
        status = self.settled()
        self.s3.create_bucket(Bucket="raw-data")
        return status

    def review_in_progress(self):
        self.stacks.create_change_set(
            StackName=STACK, ChangeSetName="left-over", ChangeSetType="CREATE", TemplateBody=BUCKET
        )
        return "REVIEW_IN_PROGRESS"

    def delete_in_progress(self):
        self.create(BUCKET)
        self.stacks.delete_stack(StackName=STACK)
        return "DELETE_IN_PROGRESS"

    def create_in_progress(self):
        self.stacks.create_stack(StackName=STACK, TemplateBody=BUCKET)
        return "CREATE_IN_PROGRESS"

    def update_in_progress(self):
        self.create(BUCKET)
        self.update()
        return "UPDATE_IN_PROGRESS"


REACHED = [name.upper() for name in vars(Reached) if name.upper() in aws_enums.STACK]


@pytest.fixture
def reached(local_aws):
    def reach(status):
        stack = Reached(local_aws)
        assert getattr(stack, status.lower())() == status
        return stack

    return reach


@pytest.mark.local_aws
@pytest.mark.parametrize("status", REACHED)
def test_the_embedded_aws_deploys_from_the_states_it_can_reach(
    status, reached, tmp_path, monkeypatch, run_task
):
    monkeypatch.setattr(staging, "INCLUDE", tmp_path)
    (tmp_path / "storage.yaml").write_text(BUCKET)
    stack = reached(status)
    outputs = run_task(
        lambda: CloudFormationDeployStackOperator(
            task_id="deploy",
            stack_name=STACK,
            template="storage.yaml",
            allow_replacement=True,
            aws_conn_id=None,
            deferrable=True,
            timeout_seconds=60,
        )
    )
    assert outputs == {"RawBucket": "raw-data"}
    assert stack.settled().endswith("_COMPLETE")
    assert [bucket["Name"] for bucket in stack.s3.list_buckets()["Buckets"]] == ["raw-data"]


@pytest.mark.local_aws
@pytest.mark.parametrize("status", REACHED)
def test_the_embedded_aws_deletes_from_the_states_it_can_reach(status, reached, delete):
    stack = reached(status)
    delete(deferrable=True)
    assert stack.stacks.list_stacks()["StackSummaries"][0]["StackStatus"] == "DELETE_COMPLETE"
    assert stack.s3.list_buckets()["Buckets"] == []


@pytest.mark.local_aws
def test_a_rollback_without_a_remedy_names_what_it_can_not_put_right(
    reached, tmp_path, monkeypatch, run_task
):
    monkeypatch.setattr(staging, "INCLUDE", tmp_path)
    (tmp_path / "storage.yaml").write_text(BUCKET)
    stack = reached("UPDATE_ROLLBACK_FAILED")
    stack.s3.delete_bucket(Bucket="raw-data")
    with pytest.raises(StackOperationFailed, match="UPDATE_ROLLBACK_FAILED") as raised:
        run_task(
            lambda: CloudFormationDeployStackOperator(
                task_id="deploy",
                stack_name=STACK,
                template="storage.yaml",
                aws_conn_id=None,
                timeout_seconds=60,
            )
        )
    assert "Bucket (AWS::S3::Bucket) UPDATE_FAILED" in raised.value.reason
    assert "ContinueUpdateRollback" in raised.value.next_step
