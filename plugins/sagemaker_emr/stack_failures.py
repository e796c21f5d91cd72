"""The errors for stack operations that ended badly, with what holds on and what leads out."""

from __future__ import annotations

from typing import Any

from sagemaker_emr import studio_health
from sagemaker_emr.exceptions import PlatformNotReady, StackOperationFailed
from sagemaker_emr.hooks.cloud_formation import CloudFormationHook


def operation_failed(stack_name: str, result: dict[str, Any]) -> StackOperationFailed:
    """The error for a creation, an update or a rollback that did not end as it should.

    :param result: of the :class:`CloudFormationStackTrigger` that waited for it.
    """
    next_step = (
        "Remove the cause and clear this task. A failed creation is deleted and made anew; "
        "a failed update has been rolled back."
    )
    if result["status"] == "UPDATE_ROLLBACK_FAILED":
        next_step = (
            "Put right what the rollback can't (often something was deleted by hand: make it again), "
            "then clear this task, which continues the rollback. A resource that can't be put right is "
            "left out by ContinueUpdateRollback with ResourcesToSkip."
        )
    return StackOperationFailed(
        f"Stack {stack_name} ended {result['status']}", reason=result["failures"], next_step=next_step
    )


def import_failed(stack: dict[str, Any]) -> PlatformNotReady:
    """The error for a stack that is IMPORT_ROLLBACK_FAILED.

    :param stack: its DescribeStacks entry.
    """
    return PlatformNotReady(
        f"Stack {stack['StackName']} is {stack['StackStatus']}",
        reason=stack.get("StackStatusReason"),
        next_step="An import failed, and so did its way back: CloudFormation takes no update. See in the "
        "stack's events which resources hold it up. Delete the stack, with a DeletionPolicy Retain on what "
        "must stay, then clear this task.",
    )


def deletion_failed(
    stack_name: str, result: dict[str, Any], connection: dict[str, Any]
) -> StackOperationFailed:
    """The error for a stack that could not be deleted, with what holds on.

    :param result: of the :class:`CloudFormationStackTrigger` that waited for the deletion.
    :param connection: keyword arguments for an AWS hook.
    """
    domains = [
        resource["PhysicalResourceId"]
        for resource in CloudFormationHook(**connection).resources(result["stack_id"])
        if resource["ResourceType"] == "AWS::SageMaker::Domain"
        and resource["ResourceStatus"] != "DELETE_COMPLETE"
        and resource.get("PhysicalResourceId")
    ]
    held = [
        f"domain {domain} is held by {holder}"
        for domain in domains
        for holder in studio_health.holders(domain, connection)
    ]
    return StackOperationFailed(
        f"Stack {stack_name} is {result['status']}: it could not be deleted",
        reason="\n".join(filter(None, [result["failures"], *held])) or None,
        next_step="Empty, detach or delete what holds on, then clear this task.",
    )
