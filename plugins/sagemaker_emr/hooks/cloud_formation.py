"""CloudFormation: stacks, their events, and change sets as plans."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.change_sets import Change
from sagemaker_emr.exceptions import StackOperationFailed
from sagemaker_emr.hooks.base import ServiceHook
from sagemaker_emr.states import StateTable

STACK_TYPE = "AWS::CloudFormation::Stack"
MAX_FAILURES_LISTED = 5


class StackDeployment(StrEnum):
    """What the deployer does with a stack, in words that complete "deploy_platform …"."""

    CREATE = "creates it"
    UPDATE = "updates it"
    WAIT = "waits until the operation in progress has ended, and goes on from there"
    REMAKE = "deletes it and creates it again"
    CONTINUE_ROLLBACK = "continues the rollback, then updates it"
    ROLL_BACK = "rolls it back, then updates it"
    REFUSE = "leaves it alone, since only its deletion leads on"


class StackDeletion(StrEnum):
    """What the deletion does with a stack."""

    REQUEST = "asks for its deletion"
    WAIT = "waits until the operation in progress has ended, then asks for its deletion"
    ATTACH = "waits for the deletion in progress"
    NOTHING = "finds it deleted"


@dataclass(frozen=True)
class StackState:
    """What we do with a stack in one state.

    :param usable: its resources are those of its last good template, so its outputs can be relied upon.
    """

    deployment: StackDeployment
    deletion: StackDeletion = StackDeletion.REQUEST
    usable: bool = False


_CREATE = StackState(StackDeployment.CREATE)
_UPDATE = StackState(StackDeployment.UPDATE, usable=True)
_WAIT = StackState(StackDeployment.WAIT, StackDeletion.WAIT)
_WAIT_USABLE = replace(_WAIT, usable=True)
_REMAKE = StackState(StackDeployment.REMAKE)

STACK_STATES = StateTable(
    "stack",
    "cloudformation",
    "StackStatus",
    {
        "CREATE_IN_PROGRESS": _WAIT,
        "CREATE_FAILED": _REMAKE,
        "CREATE_COMPLETE": _UPDATE,
        "ROLLBACK_IN_PROGRESS": _WAIT,
        "ROLLBACK_FAILED": _REMAKE,
        "ROLLBACK_COMPLETE": _REMAKE,
        "DELETE_IN_PROGRESS": StackState(StackDeployment.WAIT, StackDeletion.ATTACH),
        "DELETE_FAILED": _REMAKE,
        "DELETE_COMPLETE": StackState(StackDeployment.CREATE, StackDeletion.NOTHING),
        "UPDATE_IN_PROGRESS": _WAIT,
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": _WAIT_USABLE,
        "UPDATE_COMPLETE": _UPDATE,
        "UPDATE_FAILED": StackState(StackDeployment.ROLL_BACK),
        "UPDATE_ROLLBACK_IN_PROGRESS": _WAIT,
        "UPDATE_ROLLBACK_FAILED": StackState(StackDeployment.CONTINUE_ROLLBACK),
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": _WAIT_USABLE,
        "UPDATE_ROLLBACK_COMPLETE": _UPDATE,
        "REVIEW_IN_PROGRESS": _CREATE,
        "IMPORT_IN_PROGRESS": _WAIT,
        "IMPORT_COMPLETE": _UPDATE,
        "IMPORT_ROLLBACK_IN_PROGRESS": _WAIT,
        "IMPORT_ROLLBACK_FAILED": StackState(StackDeployment.REFUSE),
        "IMPORT_ROLLBACK_COMPLETE": _UPDATE,
    },
)
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html

A stack whose creation failed takes no update: it is deleted and created again. UPDATE_FAILED is met where
somebody switched rollback off: RollbackStack leads back. From IMPORT_ROLLBACK_FAILED no operation leads on
but a deletion, which would take the imported resources along.
"""

USABLE_STATUSES = STACK_STATES.where(lambda state: state.usable)

_OPERATION_STARTS = frozenset(
    {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"}
)
_CONSEQUENCES = ("cancelled", "The following resource(s) failed")
"""Reasons of failures that only follow from another one."""

_TOKEN_USED = frozenset({"TokenAlreadyExistsException", "TokenAlreadyExists"})
_NOT_EXECUTABLE = frozenset({"InvalidChangeSetStatusException", "InvalidChangeSetStatus"})


class CloudFormationHook(ServiceHook):
    """CloudFormation as a deployer uses it."""

    service = "cloudformation"

    def describe_stack(self, name: str) -> dict[str, Any] | None:
        """A stack by name or id, or None where there is none. A deleted stack is found by id alone."""
        try:
            stack: dict[str, Any] = self.conn.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        return stack

    def outputs(self, name: str) -> dict[str, str]:
        """A stack's outputs; empty where there is no stack."""
        return outputs_of(self.describe_stack(name) or {})

    def template_body(self, name: str) -> str:
        """The template a stack was made from, as it was sent (GetTemplate)."""
        body = self.conn.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
        # botocore reads a template in JSON for us.
        return body if isinstance(body, str) else json.dumps(body)

    def operation_events(self, stack_id: str, after_event_id: str | None = None) -> list[dict[str, Any]]:
        """Events of the stack's latest operation, oldest first (DescribeStackEvents).

        :param after_event_id: only what is newer than this event.
        """
        events: list[dict[str, Any]] = []
        pages = self.conn.get_paginator("describe_stack_events").paginate(StackName=stack_id)
        for page in pages:
            for event in page["StackEvents"]:
                if event["EventId"] == after_event_id:
                    return events[::-1]
                events.append(event)
                if is_of_stack(event) and event.get("ResourceStatus") in _OPERATION_STARTS:
                    return events[::-1]
        return events[::-1]

    def last_event_id(self, stack_id: str) -> str | None:
        """The newest event; what comes after it belongs to the next operation."""
        events = self.conn.describe_stack_events(StackName=stack_id)["StackEvents"]
        return events[0]["EventId"] if events else None

    def first_failures(self, stack_id: str) -> str | None:
        """The first failed resources of the latest operation with their reasons, one a line."""
        return failures_in(self.operation_events(stack_id))

    def create_change_set(self, **request: Any) -> dict[str, Any]:
        """Create a change set, or find the one of that name; its Id and StackId.

        One of the same name that failed or has been executed tells of an earlier state: it gives way.
        """
        create: Callable[..., dict[str, Any]] = self.conn.create_change_set
        try:
            return create(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("AlreadyExistsException", "AlreadyExists"):
                raise
        name = {"StackName": request["StackName"], "ChangeSetName": request["ChangeSetName"]}
        found = self.conn.describe_change_set(**name)
        if found["Status"] != "FAILED" and found["ExecutionStatus"] in ("UNAVAILABLE", "AVAILABLE"):
            return {"Id": found["ChangeSetId"], "StackId": found["StackId"]}
        self.conn.delete_change_set(**name)
        return create(**request)

    def changes(self, change_set_id: str) -> list[Change]:
        """What a change set would do."""
        pages = self.conn.get_paginator("describe_change_set").paginate(ChangeSetName=change_set_id)
        return [
            Change.from_response(change["ResourceChange"])
            for page in pages
            for change in page.get("Changes", [])
        ]

    def execute_change_set(self, change_set_id: str, token: str) -> None:
        """Start the operation; one that was started already, by a request whose answer was lost, goes on."""
        try:
            self.conn.execute_change_set(ChangeSetName=change_set_id, ClientRequestToken=token)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in _TOKEN_USED and not (code in _NOT_EXECUTABLE and self._executed(change_set_id)):
                raise
            self.log.info("The change set is being executed already")

    def _executed(self, change_set_id: str) -> bool:
        status = self.conn.describe_change_set(ChangeSetName=change_set_id)["ExecutionStatus"]
        return str(status) in ("EXECUTE_IN_PROGRESS", "EXECUTE_COMPLETE")

    def delete(self, stack_id: str) -> None:
        """Ask for a stack's deletion.

        :raises StackOperationFailed: it is protected.
        """
        try:
            self.conn.delete_stack(StackName=stack_id)
        except ClientError as error:
            if "TerminationProtection" not in str(error):
                raise
            raise StackOperationFailed(
                f"Stack {stack_id} is protected from deletion",
                reason=str(error),
                next_step="If it may go, switch its termination protection off "
                "(UpdateTerminationProtection), then clear this task.",
            ) from error

    def roll_back(self, stack_id: str, token: str, *, failed_before: bool) -> None:
        """Lead a stack back to its last good template; one that another try has asked for already goes on.

        :param failed_before: UPDATE_ROLLBACK_FAILED (ContinueUpdateRollback) instead of UPDATE_FAILED
            (RollbackStack).
        """
        operation = self.conn.continue_update_rollback if failed_before else self.conn.rollback_stack
        try:
            operation(StackName=stack_id, ClientRequestToken=token)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _TOKEN_USED:
                raise

    def stack_names(self, prefix: str, tags: dict[str, str]) -> list[str]:
        """Names of the stacks that exist, begin with a prefix and carry tags (ListStacks, DescribeStacks)."""
        statuses = self.conn.meta.service_model.shape_for("StackStatus").enum
        alive = [status for status in statuses if status != "DELETE_COMPLETE"]
        pages = self.conn.get_paginator("list_stacks").paginate(StackStatusFilter=alive)
        found = {stack["StackName"] for page in pages for stack in page["StackSummaries"]}
        return [
            name
            for name in sorted(found)
            if name.startswith(prefix) and tags.items() <= tags_of(self.describe_stack(name) or {}).items()
        ]

    def physical_ids(self, name: str, resource_type: str) -> list[str]:
        """What the stacks of a name have or had of a type; deleted ones are remembered for 90 days."""
        ids = []
        for page in self.conn.get_paginator("list_stacks").paginate():
            for stack in page["StackSummaries"]:
                if stack["StackName"] == name:
                    ids += [
                        resource["PhysicalResourceId"]
                        for resource in self.resources(stack["StackId"])
                        if resource["ResourceType"] == resource_type and resource.get("PhysicalResourceId")
                    ]
        return ids

    def resources(self, stack_id: str) -> list[dict[str, Any]]:
        """The stack's StackResourceSummaries."""
        pages = self.conn.get_paginator("list_stack_resources").paginate(StackName=stack_id)
        return [resource for page in pages for resource in page["StackResourceSummaries"]]


def outputs_of(stack: dict[str, Any]) -> dict[str, str]:
    """The outputs in a DescribeStacks entry."""
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def tags_of(stack: dict[str, Any]) -> dict[str, str]:
    """The tags in a DescribeStacks entry."""
    return {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}


def failures_in(events: list[dict[str, Any]]) -> str | None:
    """The first failed resources among events with their reasons, leaving out mere consequences."""
    failed = [
        event
        for event in events
        if event.get("ResourceStatus", "").endswith("_FAILED") and not is_of_stack(event)
    ]
    causes = [
        event
        for event in failed
        if not any(words in event.get("ResourceStatusReason", "") for words in _CONSEQUENCES)
    ]
    lines = [
        f"{event['LogicalResourceId']} ({event['ResourceType']}) {event['ResourceStatus']}: "
        f"{event.get('ResourceStatusReason', 'no reason given')}"
        for event in (causes or failed)[:MAX_FAILURES_LISTED]
    ]
    return "\n".join(lines) or None


def is_of_stack(event: dict[str, Any]) -> bool:
    """Whether an event is about the stack itself and not about one of its resources."""
    return event.get("ResourceType") == STACK_TYPE and event.get("PhysicalResourceId") == event["StackId"]


def _is_missing(error: ClientError) -> bool:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html"""
    found = error.response["Error"]
    return found["Code"] == "ValidationError" and "does not exist" in found.get("Message", "")
