"""A stack: what it is defined by, what it holds, what happened to it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.core.utils import utcnow

from local_aws import persistence
from local_aws.cloudformation import parameters, rules
from local_aws.cloudformation.exceptions import ValidationError
from local_aws.cloudformation.intrinsics import NO_VALUE, Evaluator, pseudo_parameters
from local_aws.cloudformation.resources import Resource
from local_aws.cloudformation.template import Template, parse

STACK_TYPE = "AWS::CloudFormation::Stack"
MISSING = (
    "Template format error: Unresolved resource dependencies [{}] in the Resources block of the template"
)


@dataclass(frozen=True)
class Definition:
    """What a stack is to be: a template with everything it depends on."""

    body: str
    template: Template
    parameters: dict[str, str]
    tags: dict[str, str] = field(default_factory=dict)
    role_arn: str | None = None
    capabilities: list[str] = field(default_factory=list)
    notification_arns: list[str] = field(default_factory=list)


def define(body: str, given: Mapping[str, str], **rest: Any) -> Definition:
    """A definition with its template parsed and its parameters checked.

    :raises ValidationError: what CloudFormation says of a bad template or parameter.
    """
    template = parse(body)
    values = parameters.effective_values(template, given)
    rules.check(template, values)
    return Definition(body, template, values, **rest)


class Abandoned(Exception):
    """The backend was reset: nobody will ask for this stack again."""


class Stack:
    """State of one stack, changed only by its operation's thread and read by all."""

    def __init__(self, account_id: str, region: str, stack_id: str, name: str) -> None:
        self.account_id = account_id
        self.region = region
        self.stack_id = stack_id
        self.name = name
        self.definition: Definition | None = None
        self.status = "REVIEW_IN_PROGRESS"
        self.status_reason: str | None = None
        self.resources: dict[str, Resource] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.outputs: list[dict[str, str]] = []
        self.imports: set[str] = set()
        self.creation_time = utcnow()
        self.last_updated_time: datetime | None = None
        self.deletion_time: datetime | None = None
        self.termination_protection = False
        self.on_failure = "ROLLBACK"
        self.way_back: Any = None
        """The failed update that knows how to go back, while the stack has not."""
        self.timeout_minutes: int | None = None
        self.change_set_id: str | None = None
        self.parent_id: str | None = None
        self.root_id: str | None = None
        self.operation: Callable[[], None] | None = None
        """What is being done, see ``local_aws.cloudformation.engine.start``."""
        self.principal: Any = None
        """The assumed-role session on whose behalf it is done."""
        self.abandoned = threading.Event()
        self.cancelled = threading.Event()
        self.done = threading.Event()
        self.done.set()
        self.ended_before = self.done
        """Set when the operation that a deletion follows has ended."""

    @property
    def tags(self) -> dict[str, str]:
        """Stack tags, which resources inherit."""
        return self.definition.tags if self.definition else {}

    def wait(self, timeout_seconds: float | None = None) -> str:
        """Wait until no operation is in progress; the status then.

        :raises TimeoutError: one still is after ``timeout_seconds`` of real time.
        """
        with persistence.waiting():
            ended = self.done.wait(timeout_seconds)
        if not ended:
            raise TimeoutError(f"Stack {self.name} is still {self.status}.")
        return self.status

    def output(self, key: str) -> str | None:
        """An output's value."""
        return next((o["OutputValue"] for o in self.outputs if o["OutputKey"] == key), None)

    def exports(self) -> dict[str, str]:
        """Exported values by export name."""
        return {o["ExportName"]: o["OutputValue"] for o in self.outputs if "ExportName" in o}

    def set_status(self, status: str, why: str | None = None) -> None:
        """Enter a state, leaving an event."""
        if self.abandoned.is_set():
            raise Abandoned
        self.status, self.status_reason = status, why
        self._add_event(self.name, self.stack_id, STACK_TYPE, status, why)

    def set_resource_status(self, resource: Resource, status: str, why: str | None = None) -> None:
        """A resource enters a state, leaving an event."""
        if self.abandoned.is_set():
            raise Abandoned
        self._add_event(resource.logical_id, resource.physical_id, resource.type, status, why)
        self.record(resource, status, why)

    def record(self, resource: Resource, status: str, why: str | None = None) -> None:
        """Keep a resource's state without an event."""
        persistence.touch()
        self.records[resource.logical_id] = {
            "LogicalResourceId": resource.logical_id,
            "PhysicalResourceId": resource.physical_id,
            "ResourceType": resource.type,
            "Timestamp": utcnow(),
            "ResourceStatus": status,
            "ResourceStatusReason": why,
        }

    def _add_event(
        self, logical_id: str, physical_id: str, resource_type: str, status: str, why: str | None
    ) -> None:
        persistence.touch()
        self.events.append(
            {
                "StackId": self.stack_id,
                "EventId": f"{logical_id}-{status}-{uuid.uuid4()}",
                "StackName": self.name,
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": physical_id,
                "ResourceType": resource_type,
                "Timestamp": utcnow(),
                "ResourceStatus": status,
                "ResourceStatusReason": why,
            }
        )

    def evaluator(
        self,
        definition: Definition,
        *,
        attribute: Callable[[Resource, str], Any],
        imported: Callable[[str], Any],
        unknown: Callable[[str], Any | None] = lambda _: None,
    ) -> Evaluator:
        """Resolves a definition's values with this stack's resources.

        :param unknown: gives a stand-in for a resource whose id is not known yet, or None.
        """
        values = pseudo_parameters(
            self.account_id, self.region, self.stack_id, self.name, definition.notification_arns
        )
        values.update(parameters.typed_values(definition.template, definition.parameters))

        def find(logical_id: str) -> Resource:
            if logical_id not in self.resources:
                raise ValidationError(MISSING.format(logical_id))
            return self.resources[logical_id]

        def reference(logical_id: str) -> Any:
            stand_in = unknown(logical_id)
            return find(logical_id).physical_id if stand_in is None else stand_in

        def get_attribute(logical_id: str, name: str) -> Any:
            stand_in = unknown(logical_id)
            return attribute(find(logical_id), name) if stand_in is None else stand_in

        return Evaluator(
            definition.template, values, reference=reference, attribute=get_attribute, imported=imported
        )


def resolved_outputs(definition: Definition, evaluator: Evaluator) -> list[dict[str, Any]]:
    """The outputs of a definition, as DescribeStacks gives them.

    :raises ValidationError: one can't be resolved.
    """
    outputs = []
    for key, output in (definition.template.get("Outputs") or {}).items():
        if not evaluator.condition(output.get("Condition")):
            continue
        resolved = evaluator.resolve({k: v for k, v in output.items() if k != "Condition"})
        value = resolved.get("Value", NO_VALUE)
        if value is NO_VALUE or isinstance(value, (dict, list)):
            raise ValidationError(
                f"Template format error: Output {key} is malformed. The Value field of every Outputs member "
                "must evaluate to a String."
            )
        entry = {"OutputKey": key, "OutputValue": str(value) if isinstance(value, (int, float)) else value}
        if "Description" in resolved:
            entry["Description"] = resolved["Description"]
        if "Export" in resolved:
            entry["ExportName"] = resolved["Export"]["Name"]
        outputs.append(entry)
    return outputs
