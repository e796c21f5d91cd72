"""Stack updates, and the way back.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from moto.core.utils import utcnow

from local_aws import clock
from local_aws.cloudformation import resources, schemas
from local_aws.cloudformation.engine import (
    RESOURCE_SECONDS,
    RETAINING,
    Operation,
    OperationFailed,
    changed_properties,
    remember_policies,
)
from local_aws.cloudformation.exceptions import ResourceFailed, ValidationError
from local_aws.cloudformation.intrinsics import Evaluator
from local_aws.cloudformation.resources import Resource
from local_aws.cloudformation.stack import Definition, Stack
from local_aws.cloudformation.template import in_order

CLEANING_UP = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
CLEANING_UP_ROLLBACK = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"


class Update(Operation):
    """An update, with what it takes to go back."""

    def __init__(self, stack: Stack, exports: Callable[[], Mapping[str, tuple[Stack, str]]]) -> None:
        super().__init__(stack, exports)
        self._undo: list[tuple[str, Callable[[], bool]]] = []
        self._added: list[Resource] = []
        self._replaced: list[Resource] = []
        assert stack.definition is not None  # noqa: S101
        self._old = stack.definition
        self._before = (stack.outputs, set(stack.imports))

    def update(self, definition: Definition) -> None:
        """Bring the stack to a definition, or back to where it was."""
        stack, old = self.stack, self._old
        if stack.status.startswith("UPDATE_ROLLBACK"):
            self.roll_back()
            return
        if stack.status == CLEANING_UP:
            self._clean_up(definition, old, self.evaluator(definition))
            stack.set_status("UPDATE_COMPLETE")
            return
        stack.imports = set()
        try:
            evaluator = self.evaluator(definition)
            for logical_id in in_order(definition.template["Resources"]):
                if evaluator.condition(definition.template["Resources"][logical_id].get("Condition")):
                    self._bring(logical_id, definition, old, evaluator)
            self.finish(definition, evaluator)
        except (OperationFailed, ValidationError) as error:
            stack.outputs, stack.imports = self._before
            stack.way_back = self
            if stack.on_failure == "DO_NOTHING" and not stack.cancelled.is_set():
                stack.set_status("UPDATE_FAILED", str(error))
            else:
                stack.cancelled.clear()
                stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", str(error))
                self.roll_back()
            return
        stack.definition = definition
        stack.last_updated_time = utcnow()
        stack.set_status(CLEANING_UP)
        self._clean_up(definition, old, evaluator)
        stack.set_status("UPDATE_COMPLETE")

    def _bring(self, logical_id: str, definition: Definition, old: Definition, evaluator: Evaluator) -> None:
        declared = definition.template["Resources"][logical_id]
        current = self.stack.resources.get(logical_id)
        if current is None or not current.is_made:
            replacing = logical_id in self.not_undone
            try:
                self.make(logical_id, definition, evaluator, "UPDATE" if replacing else "CREATE")
            finally:
                if not replacing and self.stack.resources[logical_id] not in self._added:
                    self._added.append(self.stack.resources[logical_id])
            return
        if self._is_brought(logical_id):
            return
        properties = evaluator.resolve(declared.get("Properties") or {})
        remember_policies(current, declared, evaluator)
        changed = changed_properties(current.properties, properties)
        if current.type != declared["Type"] or changed & schemas.create_only(self.stack.region, current.type):
            self._replace(current, properties, definition, evaluator)
        elif changed or (definition.tags != old.tags and schemas.taggable(self.stack.region, current.type)):
            self._change(current, properties, definition, old)
        elif self.stack.records[logical_id]["ResourceStatus"] == "UPDATE_IN_PROGRESS":
            # The change was applied when a crash of the server interrupted the operation.
            self.handler(definition.tags).wait_updated(current)
            self.stack.set_resource_status(current, "UPDATE_COMPLETE")

    def _is_brought(self, logical_id: str) -> bool:
        """Whether a resource was changed before a crash of the server interrupted the operation."""
        ended = self.stack.records[logical_id]["ResourceStatus"] == "UPDATE_COMPLETE"
        return ended and logical_id in self.not_undone

    def _replace(
        self, old: Resource, properties: dict[str, Any], definition: Definition, evaluator: Evaluator
    ) -> None:
        model = resources.resource_class(old.type)
        name_property = model.cloudformation_name_type() if model else ""
        if name_property in properties and properties[name_property] == old.properties.get(name_property):
            self.fail(
                old,
                "UPDATE",
                ResourceFailed(
                    "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                    f"Rename {old.name} and update the stack again."
                ),
            )

        self._undo.append((old.logical_id, partial(self._undo_replacement, old)))
        self._replaced.append(old)
        self.make(old.logical_id, definition, evaluator, "UPDATE")

    def _undo_replacement(self, old: Resource) -> bool:
        replacement = self.stack.resources[old.logical_id]
        if replacement is not old:
            self._added.append(replacement)
        self.stack.resources[old.logical_id] = old
        self.stack.set_resource_status(old, "UPDATE_COMPLETE")
        return True

    def _change(
        self, resource: Resource, properties: dict[str, Any], definition: Definition, old: Definition
    ) -> None:
        if resource.logical_id not in self.not_undone:
            undo = partial(self._undo_change, resource, resource.properties, old.tags)
            self._undo.append((resource.logical_id, undo))
        error = self._set_properties(resource, properties, definition.tags)
        if error is not None:
            self.fail(resource, "UPDATE", error)

    def _undo_change(self, resource: Resource, before: dict[str, Any], tags: Mapping[str, str]) -> bool:
        error = self._set_properties(resource, before, tags)
        if error is not None:
            self.stack.set_resource_status(resource, "UPDATE_FAILED", self._reason(error))
        return error is None

    def _set_properties(
        self, resource: Resource, properties: dict[str, Any], tags: Mapping[str, str]
    ) -> Exception | None:
        self.stack.set_resource_status(resource, "UPDATE_IN_PROGRESS")
        clock.sleep(RESOURCE_SECONDS)
        try:
            self.handler(tags).update(resource, properties)
        except Exception as error:
            return error
        self.stack.set_resource_status(resource, "UPDATE_COMPLETE")
        return None

    def roll_back(self, skip: Iterable[str] = ()) -> None:
        """Go back as far as it is not done yet; what fails stays to be continued.

        :param skip: logical ids that are left as they are.
        """
        stack = self.stack
        if stack.status == CLEANING_UP_ROLLBACK:
            self._clean_up_rollback()
            return
        skipped = frozenset(skip) & self.not_undone
        for logical_id in skipped:
            stack.set_resource_status(stack.resources[logical_id], "UPDATE_COMPLETE")
        self._undo = [step for step in self._undo if step[0] not in skipped]
        for step in self._undo[::-1]:
            _, undo = step
            if undo():
                self._undo.remove(step)  # at once: a crash must not undo it again
        if self._undo:
            failed = ", ".join(sorted(self.not_undone))
            why = f"The following resource(s) failed to update: [{failed}]. "
            stack.set_status("UPDATE_ROLLBACK_FAILED", why)
            return
        stack.way_back = None
        stack.set_status(CLEANING_UP_ROLLBACK)
        self._clean_up_rollback()

    def _clean_up_rollback(self) -> None:
        stack = self.stack
        for resource in self._added[::-1]:
            self.remove(resource)
            self._added.remove(resource)
            if stack.resources.get(resource.logical_id) is resource:
                del stack.resources[resource.logical_id]
        stack.set_status("UPDATE_ROLLBACK_COMPLETE")

    def leftovers(self) -> list[Resource]:
        """Physical resources that an update which was not undone has left beside the stack's own."""
        own = list(self.stack.resources.values())
        return [resource for resource in (*self._added, *self._replaced) if resource not in own]

    @property
    def not_undone(self) -> set[str]:
        """Logical ids of the resources that are still to be brought back."""
        return {logical_id for logical_id, _ in self._undo}

    def _clean_up(self, definition: Definition, old: Definition, evaluator: Evaluator) -> None:
        wanted = {
            logical_id
            for logical_id, declared in definition.template["Resources"].items()
            if evaluator.condition(declared.get("Condition"))
        }
        replaced = {resource.logical_id: resource for resource in self._replaced}
        for logical_id in reversed(in_order(old.template["Resources"])):
            if logical_id in replaced:
                resource = replaced[logical_id]
                self.remove(resource, keep=resource.update_replace_policy == "Retain")
                self._replaced.remove(resource)
                self.stack.record(self.stack.resources[logical_id], "UPDATE_COMPLETE")
            elif logical_id in self.stack.resources and logical_id not in wanted:
                resource = self.stack.resources[logical_id]
                self.remove(resource, keep=resource.deletion_policy in RETAINING)
                # Not before: a crash meanwhile would leave it to nobody.
                del self.stack.resources[logical_id], self.stack.records[logical_id]
