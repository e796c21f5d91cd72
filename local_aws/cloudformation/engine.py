"""Stack operations, in time: each in its own thread, resource after resource, an event for each step.

States, order and rollbacks follow
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html and
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from moto.core.utils import utcnow

from local_aws import clock, persistence
from local_aws.cloudformation import resources
from local_aws.cloudformation.exceptions import ResourceFailed, ValidationError
from local_aws.cloudformation.intrinsics import Evaluator
from local_aws.cloudformation.resources import Handler, Resource
from local_aws.cloudformation.stack import Abandoned, Definition, Stack, resolved_outputs
from local_aws.cloudformation.template import in_order
from local_aws.iam import enforcement

RESOURCE_SECONDS = 3.0
POLL_SECONDS = 2.0
RETAINING = frozenset({"Retain", "RetainExceptOnCreate"})
REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."

logger = logging.getLogger(__name__)


class OperationFailed(Exception):
    """An operation can't go on; ``str()`` is the stack's status reason."""


def start(stack: Stack, operation: Callable[[], None]) -> None:
    """Run an operation on a stack in the background; what ``stack.done`` is now is set when it ended.

    :param operation: a picklable call, which does the rest when it is called again after a crash.
    """
    stack.operation, stack.principal = operation, enforcement.requester()
    resume(stack)


def resume(stack: Stack) -> None:
    """Run a stack's operation, from its beginning or from where a crash ended it."""
    done = stack.done
    done.clear()
    begun = stack.operation
    assert begun is not None  # noqa: S101
    operation = enforcement.on_behalf(stack.principal, begun)

    def run() -> None:
        try:
            operation()
        except Abandoned:
            pass
        except Exception as error:
            logger.exception("The operation on stack %s broke", stack.name)
            with contextlib.suppress(Abandoned):
                stack.set_status(f"{stack.status.split('_')[0]}_FAILED", f"Internal Failure: {error}")
        finally:
            done.set()
        if stack.operation is begun:  # and no deletion that waits for the end of this one
            stack.operation = None
        persistence.touch()

    target = persistence.background(run, inside=True)
    threading.Thread(target=target, name=f"stack-{stack.name}", daemon=True).start()


class Operation:
    """One create, update or delete of a stack.

    :param exports: all exports of the Region, by name: the exporting stack and the value.
    """

    def __init__(self, stack: Stack, exports: Callable[[], Mapping[str, tuple[Stack, str]]]) -> None:
        self.stack = stack
        self._exports = exports
        self._deadline: float | None = None

    # -- create

    def create(self, definition: Definition) -> None:
        """Create everything; on failure do what ``stack.on_failure`` says."""
        stack = self.stack
        if stack.status != "CREATE_IN_PROGRESS":
            if not stack.cancelled.is_set():
                self.undo_create(stack.status.split("_")[0])
            return
        stack.definition = definition
        if stack.timeout_minutes is not None:
            self._deadline = time.monotonic() + clock.here(int(stack.timeout_minutes) * 60)
        try:
            order = in_order(definition.template["Resources"])
            evaluator = self.evaluator(definition)
            for logical_id in order:
                wanted = evaluator.condition(definition.template["Resources"][logical_id].get("Condition"))
                if wanted and not self.is_made(logical_id):
                    self.make(logical_id, definition, evaluator, "CREATE")
            self.finish(definition, evaluator)
        except (OperationFailed, ValidationError) as error:
            self._undo_create(str(error))
            return
        stack.set_status("CREATE_COMPLETE")

    def _undo_create(self, why: str) -> None:
        stack = self.stack
        if stack.cancelled.is_set():
            return  # by a deletion, which waits for this operation to end
        if stack.on_failure == "DO_NOTHING":
            stack.set_status("CREATE_FAILED", why)
            return
        verb = "DELETE" if stack.on_failure == "DELETE" else "ROLLBACK"
        stack.set_status(f"{verb}_IN_PROGRESS", f"{why} {verb.capitalize()} requested by user.")
        self.undo_create(verb)

    def undo_create(self, verb: str) -> None:
        """Remove what a failed creation made, the states saying ``verb``."""
        stack = self.stack
        gone = self._remove_all(rolling_back=True)
        if verb == "DELETE" and gone:
            stack.deletion_time = utcnow()
        stack.set_status(
            f"{verb}_COMPLETE" if gone else f"{verb}_FAILED", None if gone else self._not_deleted()
        )

    # -- delete

    def delete(self, retain: Iterable[str] = ()) -> None:
        """Delete everything but what is retained, once the operation before has ended."""
        stack = self.stack
        with persistence.waiting():
            stack.ended_before.wait()
        stack.cancelled.clear()
        if self._remove_all(retain=frozenset(retain)):
            stack.deletion_time = utcnow()
            stack.outputs, stack.imports = [], set()
            stack.set_status("DELETE_COMPLETE")
        else:
            stack.set_status("DELETE_FAILED", self._not_deleted())

    def _not_deleted(self) -> str:
        failed = [
            k for k, record in self.stack.records.items() if record["ResourceStatus"] == "DELETE_FAILED"
        ]
        return f"The following resource(s) failed to delete: [{', '.join(sorted(failed))}]. "

    def _remove_all(self, *, rolling_back: bool = False, retain: frozenset[str] = frozenset()) -> bool:
        definition = self.stack.definition
        order = in_order(definition.template["Resources"]) if definition else []
        # An update that failed and was not undone has left resources that the last good template lacks.
        order += [logical_id for logical_id in self.stack.resources if logical_id not in order]
        leftovers = self.stack.way_back.leftovers() if self.stack.way_back else []
        gone = not [resource for resource in leftovers if not self.remove(resource)]
        for logical_id in reversed(order):
            resource = self.stack.resources.get(logical_id)
            if resource is not None:
                kept = resource.deletion_policy == "Retain" or (
                    resource.deletion_policy in RETAINING and not rolling_back
                )
                if self.remove(resource, keep=kept or logical_id in retain):
                    del self.stack.resources[logical_id]
                else:
                    gone = False
        return gone

    def remove(self, resource: Resource, *, keep: bool = False) -> bool:
        """Delete a resource, or let it be; whether the stack is rid of it."""
        stack = self.stack
        if keep:
            stack.set_resource_status(resource, "DELETE_SKIPPED")
            return True
        if resource.made is None:
            return True
        stack.set_resource_status(resource, "DELETE_IN_PROGRESS")
        clock.sleep(RESOURCE_SECONDS)
        try:
            self.handler(stack.tags).delete(resource)
        except Exception as error:
            stack.set_resource_status(resource, "DELETE_FAILED", self._reason(error))
            return False
        stack.set_resource_status(resource, "DELETE_COMPLETE")
        return True

    # -- shared with updates

    def evaluator(self, definition: Definition) -> Evaluator:
        """Resolves a definition against the stack's present resources."""
        handler = self.handler(definition.tags)
        return self.stack.evaluator(definition, attribute=handler.attribute, imported=self._import)

    def handler(self, tags: Mapping[str, str]) -> Handler:
        """Makes and removes this stack's resources."""
        stack = self.stack
        system = {
            "aws:cloudformation:stack-name": stack.name,
            "aws:cloudformation:stack-id": stack.stack_id,
        }
        return Handler(
            stack.account_id,
            stack.region,
            stack.stack_id,
            stack.name,
            tags=lambda logical_id: {**tags, **system, "aws:cloudformation:logical-id": logical_id},
            poll=self._poll,
        )

    def _poll(self) -> None:
        clock.wait(self.stack.cancelled, POLL_SECONDS)
        self._check_cancelled()

    def _check_cancelled(self) -> None:
        if self.stack.abandoned.is_set():
            raise Abandoned
        if self.stack.cancelled.is_set():
            raise ResourceFailed("Resource creation cancelled")
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise ResourceFailed("Stack creation time exceeded the specified timeout.")

    def make(self, logical_id: str, definition: Definition, evaluator: Evaluator, verb: str) -> Resource:
        """Create a resource, or go on with that; the events say ``verb``."""
        stack = self.stack
        declared = definition.template["Resources"][logical_id]
        resource = self._being_made(logical_id, declared["Type"], verb)
        try:
            clock.wait(stack.cancelled, RESOURCE_SECONDS)
            self._check_cancelled()
            if resource.made is None:
                resource.properties = evaluator.resolve(declared.get("Properties") or {})
                remember_policies(resource, declared, evaluator)
            self.handler(definition.tags).create(
                resource,
                initiated=lambda: stack.set_resource_status(
                    resource, f"{verb}_IN_PROGRESS", "Resource creation Initiated"
                ),
            )
        except Exception as error:
            self.fail(resource, verb, error)
        resource.is_made = True
        stack.set_resource_status(resource, f"{verb}_COMPLETE")
        return resource

    def is_made(self, logical_id: str) -> bool:
        """Whether a resource is there, completely."""
        resource = self.stack.resources.get(logical_id)
        return resource is not None and resource.is_made

    def _being_made(self, logical_id: str, resource_type: str, verb: str) -> Resource:
        """A new resource, or one whose creation a crash of the server interrupted."""
        stack = self.stack
        begun = stack.resources.get(logical_id)
        if begun is not None and not begun.is_made:
            return begun
        resource = Resource(logical_id, resource_type, {})
        stack.resources[logical_id] = resource
        stack.set_resource_status(resource, f"{verb}_IN_PROGRESS", REPLACING if verb == "UPDATE" else None)
        return resource

    def fail(self, resource: Resource, verb: str, error: Exception) -> NoReturn:
        """Leave the event of a failure and end the operation.

        :raises OperationFailed: always.
        """
        self.stack.set_resource_status(resource, f"{verb}_FAILED", self._reason(error))
        if self.stack.cancelled.is_set():
            raise OperationFailed("Resource creation cancelled.") from error
        verb = "create" if verb == "CREATE" else "update"
        raise OperationFailed(
            f"The following resource(s) failed to {verb}: [{resource.logical_id}]."
        ) from error

    def _reason(self, error: Exception) -> str:
        if not hasattr(error, "message") and not hasattr(error, "response"):
            logger.info("A resource of stack %s failed", self.stack.name, exc_info=error)
        return resources.reason(error)

    def _import(self, name: str) -> str:
        exports = self._exports()
        if name not in exports:
            raise ValidationError(f"No export named {name} found.")
        self.stack.imports.add(name)
        return exports[name][1]

    def finish(self, definition: Definition, evaluator: Evaluator) -> None:
        """Set the outputs.

        :raises OperationFailed: an export of that name belongs to another stack.
        """
        outputs = resolved_outputs(definition, evaluator)
        for output in outputs:
            owner = self._exports().get(output.get("ExportName", ""))
            if owner and owner[0] is not self.stack:
                raise OperationFailed(
                    f"Export with name {output['ExportName']} is already exported by stack {owner[0].name}."
                )
        self.stack.outputs = outputs


def remember_policies(resource: Resource, declared: Mapping[str, Any], evaluator: Evaluator) -> None:
    """Keep what the template says about deleting the resource."""
    resource.deletion_policy = evaluator.resolve(declared.get("DeletionPolicy", "Delete"))
    resource.update_replace_policy = evaluator.resolve(declared.get("UpdateReplacePolicy", "Delete"))
    resource.metadata = declared.get("Metadata")


def changed_properties(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """Names of top-level properties that differ."""
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}
