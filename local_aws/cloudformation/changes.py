"""What an update would do, and change sets.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.core.utils import utcnow

from local_aws.cloudformation import schemas
from local_aws.cloudformation.engine import Operation, changed_properties
from local_aws.cloudformation.intrinsics import Evaluator, Unknown, has_unknown
from local_aws.cloudformation.resources import Resource
from local_aws.cloudformation.stack import Definition, Stack, resolved_outputs
from local_aws.cloudformation.template import in_order

NOTHING_SUBMITTED = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)
NO_UPDATES = "No updates are to be performed."

Exports = Callable[[], Mapping[str, tuple[Stack, str]]]


class Plan:
    """The changes between a stack and a definition, as far as they can be told beforehand.

    :raises ValidationError: a value can't be resolved.
    """

    def __init__(self, stack: Stack, definition: Definition, exports: Exports) -> None:
        self.stack = stack
        self.definition = definition
        self.changes: list[dict[str, Any]] = []
        self._unknown: dict[str, Unknown] = {}
        handler = Operation(stack, exports).handler(definition.tags)
        self._evaluator: Evaluator = stack.evaluator(
            definition,
            attribute=handler.attribute,
            imported=lambda name: exports()[name][1] if name in exports() else Unknown(),
            unknown=self._unknown.get,
        )
        self._compare()

    @property
    def is_empty(self) -> bool:
        """Whether executing would change nothing at all."""
        return not self.changes and not self._outputs_change()

    def _compare(self) -> None:
        wanted = set()
        for logical_id in in_order(self.definition.template["Resources"]):
            declared = self.definition.template["Resources"][logical_id]
            if not self._evaluator.condition(declared.get("Condition")):
                continue
            wanted.add(logical_id)
            current = self.stack.resources.get(logical_id)
            if current is None:
                self._unknown[logical_id] = Unknown()
                self._add("Add", logical_id, declared["Type"])
            else:
                self._compare_resource(current, declared)
        for logical_id, resource in self.stack.resources.items():
            if logical_id not in wanted:
                self._add(
                    "Remove",
                    logical_id,
                    resource.type,
                    PhysicalResourceId=resource.physical_id,
                    PolicyAction="Retain" if resource.deletion_policy != "Delete" else "Delete",
                )

    def _compare_resource(self, current: Resource, declared: Mapping[str, Any]) -> None:
        properties = self._evaluator.resolve(declared.get("Properties") or {})
        changed = changed_properties(current.properties, properties)
        fixed = schemas.create_only(self.stack.region, current.type)
        details = [
            _detail(name, fixed=name in fixed, dynamic=has_unknown(properties.get(name)))
            for name in sorted(changed)
        ]
        old_tags = self.stack.tags
        if self.definition.tags != old_tags and schemas.taggable(self.stack.region, current.type):
            details.append(_detail(None, fixed=False, dynamic=False))
        replacement = "True" if current.type != declared["Type"] else _replacement(details)
        if replacement != "False":
            self._unknown[current.logical_id] = Unknown()
        if details or replacement == "True" or declared.get("Metadata") != current.metadata:
            scope = [detail["Target"]["Attribute"] for detail in details] or ["Metadata"]
            self._add(
                "Modify",
                current.logical_id,
                declared["Type"],
                PhysicalResourceId=current.physical_id,
                Replacement=replacement,
                Scope=sorted(set(scope)),
                Details=details,
            )

    def _add(self, action: str, logical_id: str, resource_type: str, **rest: Any) -> None:
        change = {"Action": action, "LogicalResourceId": logical_id, "ResourceType": resource_type}
        change.setdefault("Scope", [])  # type: ignore[arg-type]
        change.setdefault("Details", [])  # type: ignore[arg-type]
        self.changes.append({"Type": "Resource", "ResourceChange": {**change, **rest}})

    def _outputs_change(self) -> bool:
        old = {output["OutputKey"]: output for output in self.stack.outputs}
        new = {o["OutputKey"]: o for o in resolved_outputs(self.definition, self._evaluator)}
        return old != new


def _detail(name: str | None, *, fixed: bool, dynamic: bool) -> dict[str, Any]:
    target = {
        "Attribute": "Properties" if name else "Tags",
        "RequiresRecreation": "Always" if fixed else "Never",
    }
    if name:
        target["Name"] = name
    return {
        "Target": target,
        "Evaluation": "Dynamic" if dynamic else "Static",
        "ChangeSource": "ResourceReference" if dynamic else "DirectModification",
    }


def _replacement(details: list[dict[str, Any]]) -> str:
    recreating = [d["Evaluation"] for d in details if d["Target"]["RequiresRecreation"] == "Always"]
    if not recreating:
        return "False"
    return "True" if "Static" in recreating else "Conditional"


class ChangeSet:
    """A change set of one stack."""

    def __init__(
        self,
        change_set_id: str,
        name: str,
        stack: Stack,
        kind: str,
        definition: Definition,
        description: str | None,
        on_stack_failure: str | None,
    ) -> None:
        self.change_set_id = change_set_id
        self.name = name
        self.stack = stack
        self.kind = kind
        self.definition = definition
        self.description = description
        self.on_stack_failure = on_stack_failure
        self.creation_time = utcnow()
        self.status = "CREATE_PENDING"
        self.status_reason: str | None = None
        self.execution_status = "UNAVAILABLE"
        self.changes: list[dict[str, Any]] = []

    def prepare(self, exports: Exports) -> None:
        """Find the changes; CREATE_COMPLETE, or FAILED when there are none."""
        self.status = "CREATE_IN_PROGRESS"
        plan = Plan(self.stack, self.definition, exports)
        self.changes = plan.changes
        if self.kind == "UPDATE" and plan.is_empty:
            self.status, self.status_reason = "FAILED", self._nothing()
            return
        self.status, self.execution_status = "CREATE_COMPLETE", "AVAILABLE"

    def fail(self, why: str) -> None:
        """The template or its values are no good."""
        self.status, self.status_reason = "FAILED", why

    @property
    def execution_state(self) -> str:
        """EXECUTE_COMPLETE or EXECUTE_FAILED once the stack's operation ended."""
        if self.execution_status == "EXECUTE_IN_PROGRESS" and self.stack.done.is_set():
            good = self.stack.status == f"{self.kind}_COMPLETE"
            self.execution_status = "EXECUTE_COMPLETE" if good else "EXECUTE_FAILED"
        return self.execution_status

    def _nothing(self) -> str:
        present = self.stack.definition
        same = present is not None and (present.body, present.parameters) == (
            self.definition.body,
            self.definition.parameters,
        )
        return NOTHING_SUBMITTED if same else NO_UPDATES
