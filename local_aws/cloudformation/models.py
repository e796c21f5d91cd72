"""CloudFormation: stacks and change sets, over time."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from moto.cloudformation import models as moto_models
from moto.cloudformation.utils import generate_changeset_id, generate_stack_id
from moto.core.resource_tagging import TaggedResource

from local_aws.cloudformation import engine, nested
from local_aws.cloudformation.changes import NO_UPDATES, ChangeSet, Plan
from local_aws.cloudformation.drift import Detections
from local_aws.cloudformation.engine import Operation, start
from local_aws.cloudformation.exceptions import (
    AlreadyExists,
    ChangeSetNotFound,
    InvalidChangeSetStatus,
    ValidationError,
)
from local_aws.cloudformation.stack import Definition, Stack, define
from local_aws.cloudformation.update import Update
from local_aws.cloudformation.validation import check, check_name

__all__ = ["CloudFormationBackend", "nested"]

UPDATABLE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})


class CloudFormationBackend(moto_models.CloudFormationBackend):
    """The stacks of one account and Region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.stacks: dict[str, Stack] = {}
        self.change_sets: dict[str, ChangeSet] = {}
        self.lock = threading.RLock()
        self.detections = Detections()

    def reset(self) -> None:
        """Forget everything; operations in progress end."""
        for stack in self.stacks.values():
            stack.abandoned.set()
            stack.cancelled.set()
        super().reset()

    def resume(self) -> dict[str, int]:
        """Go on with what a crash of the server interrupted; how many operations."""
        stacks = [stack for stack in self.stacks.values() if stack.operation is not None]
        for stack in stacks:
            if stack.ended_before is not stack.done:  # else who waits for this operation took it for ended
                stack.ended_before.set()
            engine.resume(stack)
        change_sets = [
            c for c in self.change_sets.values() if c.status in ("CREATE_PENDING", "CREATE_IN_PROGRESS")
        ]
        for change_set in change_sets:
            nested.prepare_in_background(change_set, self.all_exports)
        return {"stack operations": len(stacks), "change sets": len(change_sets)}

    # -- finding

    def find(self, name_or_id: str) -> Stack | None:
        """A stack by id, or a live one by name."""
        if name_or_id in self.stacks:
            return self.stacks[name_or_id]
        return next((stack for stack in self.live() if stack.name == name_or_id), None)

    def get(self, name_or_id: str) -> Stack:
        """A stack.

        :raises ValidationError: there is none.
        """
        stack = self.find(name_or_id)
        if stack is None:
            raise ValidationError(f"Stack with id {name_or_id} does not exist")
        return stack

    def live(self) -> list[Stack]:
        """Stacks that were not deleted, newest first."""
        return [s for s in reversed(self.stacks.values()) if s.status != "DELETE_COMPLETE"]

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        """What the Resource Groups Tagging API lists of CloudFormation: no stack that was deleted."""
        for stack in self.live():
            yield TaggedResource(stack.stack_id, dict(stack.tags), "cloudformation:stack")

    def all_exports(self) -> dict[str, tuple[Stack, str]]:
        """Exports by name, with their stack."""
        return {name: (stack, value) for stack in self.live() for name, value in stack.exports().items()}

    def importers(self, export: str) -> list[str]:
        """Names of the stacks that import an export."""
        return [stack.name for stack in self.live() if export in stack.imports]

    # -- stacks

    def new_stack(self, name: str) -> Stack:
        """A stack without resources.

        :raises AlreadyExists: the name is taken.
        """
        with self.lock:
            check_name(name)
            if any(stack.name == name for stack in self.live()):
                raise AlreadyExists(f"Stack [{name}] already exists")
            stack_id = generate_stack_id(name, self.region_name, self.account_id)
            stack = Stack(self.account_id, self.region_name, stack_id, name)
            self.stacks[stack_id] = stack
            return stack

    def create(self, name: str, definition: Definition, **options: Any) -> Stack:
        """Create a stack in the background.

        :param options: attributes of the stack: ``on_failure``, ``termination_protection``,
            ``timeout_minutes``, ``parent_id``, ``root_id``.
        """
        check(definition)
        stack = self.new_stack(name)
        for option, value in options.items():
            setattr(stack, option, value)
        self._begin_create(stack, definition)
        return stack

    def _begin_create(self, stack: Stack, definition: Definition) -> None:
        stack.definition = definition
        stack.set_status("CREATE_IN_PROGRESS", "User Initiated")
        start(stack, partial(Operation(stack, self.all_exports).create, definition))

    def update(self, name_or_id: str, definition: Definition, on_failure: str = "ROLLBACK") -> Stack:
        """Update a stack in the background.

        :raises ValidationError: it is in no state for it, or nothing would change.
        """
        stack = self.get(name_or_id)
        with self.lock:
            self._check_updatable(stack)
            check(definition)
            if Plan(stack, definition, self.all_exports).is_empty:
                raise ValidationError(NO_UPDATES)
            stack.on_failure = on_failure
            self._begin_update(stack, definition)
        return stack

    def _check_updatable(self, stack: Stack) -> None:
        if stack.status not in UPDATABLE:
            raise ValidationError(
                f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated."
            )

    def _begin_update(self, stack: Stack, definition: Definition) -> None:
        stack.cancelled.clear()
        stack.set_status("UPDATE_IN_PROGRESS", "User Initiated")
        start(stack, partial(Update(stack, self.all_exports).update, definition))

    def cancel_update(self, name_or_id: str) -> None:
        """Roll an update in progress back.

        :raises ValidationError: none is.
        """
        stack = self.get(name_or_id)
        if stack.status != "UPDATE_IN_PROGRESS":
            raise ValidationError("CancelUpdateStack cannot be called from current stack status")
        stack.cancelled.set()

    def delete(self, name_or_id: str, retain: Iterable[str] = ()) -> None:
        """Delete a stack in the background; none of that name is no error.

        :raises ValidationError: it is protected or being updated.
        """
        stack = self.find(name_or_id)
        if stack is None or stack.status in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS"):
            return
        if stack.termination_protection:
            raise ValidationError(
                f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            )
        if stack.status.startswith("UPDATE") and stack.status.endswith("_IN_PROGRESS"):
            raise ValidationError(f"Stack [{stack.name}] cannot be deleted while in status {stack.status}")
        retained = set(retain)
        if retained and stack.status != "DELETE_FAILED":
            raise ValidationError(
                "Invalid operation on stack ["
                + stack.stack_id
                + "]. Resources can only be retained when the "
                "stack is in the DELETE_FAILED state."
            )
        for export in stack.exports():
            users = [name for name in self.importers(export) if name != stack.name]
            if users:
                why = f"Cannot delete export {export} as it is in use by {' and '.join(users)}."
                stack.set_status(stack.status, f"Delete canceled. {why}")
                return
        self._begin_delete(stack, retained)

    def _begin_delete(self, stack: Stack, retained: set[str]) -> None:
        stack.ended_before = stack.done
        stack.cancelled.set()
        stack.done = threading.Event()
        for change_set in [c for c in self.change_sets.values() if c.stack is stack]:
            del self.change_sets[change_set.change_set_id]

        stack.set_status("DELETE_IN_PROGRESS", "User Initiated")
        start(stack, partial(Operation(stack, self.all_exports).delete, retained))

    # -- change sets

    def make_change_set(
        self,
        stack_name: str,
        name: str,
        kind: str,
        body: str,
        given: dict[str, str],
        *,
        description: str | None = None,
        on_stack_failure: str | None = None,
        **rest: Any,
    ) -> ChangeSet:
        """Create a change set; its plan is made in the background.

        :raises ValidationError: bad template or parameters, or a stack in no state for it.
        :raises AlreadyExists: the stack has a change set of that name.
        """
        check_name(name, "changeSetName")
        definition = define(body, given, **rest)
        check(definition)
        stack = self._stack_for_change_set(stack_name, kind)
        if any(c.stack is stack and c.name == name for c in self.change_sets.values()):
            raise AlreadyExists(
                f"ChangeSet {name} cannot be created due to a mismatch with existing attribute"
            )
        change_set_id = generate_changeset_id(name, self.region_name, self.account_id)
        change_set = ChangeSet(change_set_id, name, stack, kind, definition, description, on_stack_failure)
        self.change_sets[change_set_id] = change_set
        nested.prepare_in_background(change_set, self.all_exports)
        return change_set

    def _stack_for_change_set(self, stack_name: str, kind: str) -> Stack:
        stack = self.find(stack_name)
        if kind == "UPDATE":
            if stack is None:
                raise ValidationError(f"Stack [{stack_name}] does not exist")
            self._check_updatable(stack)
            return stack
        if stack is None:
            stack = self.new_stack(stack_name)
            stack.set_status("REVIEW_IN_PROGRESS", "User Initiated")
        elif stack.status != "REVIEW_IN_PROGRESS":
            raise ValidationError(
                f"Stack [{stack_name}] already exists and cannot be created again with the changeSet ["
                f"{stack_name}]."
            )
        return stack

    def get_change_set(self, name_or_id: str, stack_name: str | None) -> ChangeSet:
        """A change set, by its id, or by its name and its stack's name or id.

        :raises ChangeSetNotFound: there is none.
        """
        if name_or_id in self.change_sets:
            return self.change_sets[name_or_id]
        if not stack_name and not name_or_id.startswith("arn:"):
            raise ValidationError("StackName must be specified if ChangeSetName is not specified as an ARN.")
        for change_set in self.change_sets.values():
            if change_set.name == name_or_id and stack_name in (
                change_set.stack.name,
                change_set.stack.stack_id,
            ):
                return change_set
        raise ChangeSetNotFound(name_or_id)

    def execute(self, name_or_id: str, stack_name: str | None) -> None:
        """Execute a change set in the background; the stack's other change sets go away.

        :raises InvalidChangeSetStatus: it is not executable.
        """
        change_set = self.get_change_set(name_or_id, stack_name)
        stack = change_set.stack
        with self.lock:
            if change_set.execution_status != "AVAILABLE":
                raise InvalidChangeSetStatus(
                    f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current status of "
                    f"[{change_set.status}]"
                )
            if change_set.kind == "UPDATE":
                self._check_updatable(stack)
            self.change_sets = {
                key: other
                for key, other in self.change_sets.items()
                if other.stack is not stack or other is change_set
            }
            change_set.execution_status = "EXECUTE_IN_PROGRESS"
            stack.change_set_id = change_set.change_set_id
            stack.on_failure = change_set.on_stack_failure or "ROLLBACK"
            if change_set.kind == "CREATE":
                self._begin_create(stack, change_set.definition)
            else:
                self._begin_update(stack, change_set.definition)

    def remove_change_set(self, name_or_id: str, stack_name: str | None) -> None:
        """Delete a change set.

        :raises InvalidChangeSetStatus: it is being executed.
        """
        change_set = self.get_change_set(name_or_id, stack_name)
        if change_set.execution_status == "EXECUTE_IN_PROGRESS" and not change_set.stack.done.is_set():
            raise InvalidChangeSetStatus(
                f"ChangeSet [{change_set.change_set_id}] cannot be deleted in its current status"
            )
        del self.change_sets[change_set.change_set_id]


moto_models.cloudformation_backends.backend = CloudFormationBackend
