"""Waits for change sets and stack operations."""

from __future__ import annotations

from typing import Any

from sagemaker_emr.exceptions import SageMakerEmrError, StackOperationFailed
from sagemaker_emr.hooks.cloud_formation import (
    STACK_STATES,
    CloudFormationHook,
    failures_in,
    is_of_stack,
    outputs_of,
)
from sagemaker_emr.triggers.base import AwsWaiterTrigger, WaitTrigger


class CloudFormationChangeSetTrigger(AwsWaiterTrigger):
    """Waits until a change set is made; its result tells whether it holds any change."""

    hook_class = CloudFormationHook
    waiter_name = "change_set_created"

    def __init__(self, *, change_set_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.change_set_id = change_set_id

    def waiter_args(self) -> dict[str, Any]:
        return {"ChangeSetName": self.change_set_id}

    def describe(self) -> str:
        return f"change set {self.change_set_id}"

    def progress(self, response: dict[str, Any]) -> None:
        self.report(f"Change set {response['ChangeSetName']}: {response['Status']}")

    def result(self, response: dict[str, Any]) -> dict[str, Any]:
        return {"has_changes": response["Status"] == "CREATE_COMPLETE"}

    def failure(self, response: dict[str, Any]) -> SageMakerEmrError:
        failed = response["Status"] == "FAILED"
        return StackOperationFailed(
            f"The plan for stack {response['StackName']} can't be made: it is {response['Status']}",
            reason=response.get("StatusReason"),
            next_step="Correct the template or its parameters. Nothing was changed."
            if failed
            else "Somebody deleted the change set. Nothing was changed: clear this task.",
        )


class CloudFormationStackTrigger(WaitTrigger):
    """Waits until a stack operation has ended, whichever way, and writes its events to the log.

    The operation outlives the wait: CloudFormation ends it or rolls it back by itself, and a retry
    attaches to it.

    :param stack_id: the stack's id, by which a deleted stack is found too.
    :param after_event_id: the newest event before the operation was requested, so that an answer from
        before it is not taken for its end. None when attaching to an operation under way.
    :param then: handed back with the result; tells the operator what it waited for.
    """

    hook_class = CloudFormationHook

    def __init__(
        self, *, stack_id: str, after_event_id: str | None = None, then: str = "done", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.stack_id = stack_id
        self.after_event_id = after_event_id
        self.then = then
        self._logged: set[str] = set()

    def describe(self) -> str:
        return f"stack {self.stack_name}"

    @property
    def stack_name(self) -> str:
        return self.stack_id.split("/")[1] if "/" in self.stack_id else self.stack_id

    def look(self) -> dict[str, Any] | None:
        """Status first and events after it, so that an ended operation's last events are not missed."""
        stack = self.hook.describe_stack(self.stack_id)
        status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
        events = self.hook.operation_events(self.stack_id, self.after_event_id) if stack else []
        self._log_events(events)
        self._last_status = status
        STACK_STATES.of(status, self.stack_name)
        if status.endswith("_IN_PROGRESS") or (stack and self._is_stale(status, events)):
            return None
        return {
            "stack_id": self.stack_id,
            "status": status,
            "outputs": outputs_of(stack or {}),
            "failures": failures_in(events) or (stack or {}).get("StackStatusReason"),
            "then": self.then,
        }

    def _is_stale(self, status: str, events: list[dict[str, Any]]) -> bool:
        """Whether the status may be one from before the operation.

        It was read before the events: the operation may have begun, or even ended, in between. Its last
        event about the stack tells the status that it has ended in.
        """
        if self.after_event_id is None:
            return False
        of_stack = [event["ResourceStatus"] for event in events if is_of_stack(event)]
        return not of_stack or of_stack[-1] != status

    def _log_events(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            if event["EventId"] in self._logged:
                continue
            self._logged.add(event["EventId"])
            reason = event.get("ResourceStatusReason")
            self.log.info(
                "%s  %-28s %s (%s)%s",
                event["Timestamp"].strftime("%H:%M:%S"),
                event.get("ResourceStatus"),
                event.get("LogicalResourceId"),
                event.get("ResourceType"),
                f": {reason}" if reason else "",
            )
