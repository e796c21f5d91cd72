"""CloudFormation's operations.

Each follows https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_<Operation>.html.
Operations that are not here are answered NotImplemented.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, BaseResponse, EmptyResult

from local_aws.cloudformation import launch, rollback, views
from local_aws.cloudformation import template_url as urls
from local_aws.cloudformation.exceptions import ValidationError
from local_aws.cloudformation.models import CloudFormationBackend
from local_aws.cloudformation.parameters import given_values
from local_aws.cloudformation.stack import Stack, define
from local_aws.cloudformation.template import parse
from local_aws.cloudformation.validation import capabilities, check_template

PAGE = 100
ON_FAILURE = frozenset({"DO_NOTHING", "ROLLBACK", "DELETE"})
UNSUPPORTED = (
    "NotificationARNs",
    "RollbackConfiguration",
    "StackPolicyBody",
    "StackPolicyURL",
    "StackPolicyDuringUpdateBody",
    "StackPolicyDuringUpdateURL",
    "ResourceTypes",
    "ResourcesToImport",
    "ImportExistingResources",
    "IncludeNestedStacks",
    "DeploymentMode",
)


class CloudFormationResponse(BaseResponse):
    """One method an operation."""

    def __init__(self) -> None:
        super().__init__(service_name="cloudformation")
        self.automated_parameter_parsing = True

    @property
    def backend(self) -> CloudFormationBackend:
        """Stacks of the caller's account and Region."""
        return launch.backend(self.current_account, self.region)

    # -- stacks

    def create_stack(self) -> ActionResult:
        """API_CreateStack."""
        on_failure = self._on_failure()
        definition = define(
            self._body(), given_values(self._list("Parameters")), **self._definition_options()
        )
        stack = self.backend.create(
            self._get_param("StackName"),
            definition,
            on_failure=on_failure,
            termination_protection=self._get_bool_param("EnableTerminationProtection", False),
            timeout_minutes=self._get_param("TimeoutInMinutes"),
        )
        return ActionResult({"StackId": stack.stack_id})

    def update_stack(self) -> ActionResult:
        """API_UpdateStack."""
        stack = self.backend.get(self._get_param("StackName"))
        definition = define(self._body(stack), self._given(stack), **self._definition_options(stack))
        disable = self._get_bool_param("DisableRollback", False)
        self.backend.update(stack.stack_id, definition, "DO_NOTHING" if disable else "ROLLBACK")
        return ActionResult({"StackId": stack.stack_id})

    def cancel_update_stack(self) -> EmptyResult:
        """API_CancelUpdateStack."""
        self.backend.cancel_update(self._get_param("StackName"))
        return EmptyResult()

    def continue_update_rollback(self) -> EmptyResult:
        """API_ContinueUpdateRollback, of a stack without nested ones among what is to be rolled back."""
        if self._get_bool_param("ForceRollback", False):
            raise ValidationError("local_aws does not play the parameters ForceRollback.")
        rollback.continue_update_rollback(
            self.backend, self._get_param("StackName"), self._list("ResourcesToSkip")
        )
        return EmptyResult()

    def rollback_stack(self) -> ActionResult:
        """API_RollbackStack."""
        stack = rollback.roll_back(self.backend, self._get_param("StackName"))
        return ActionResult({"StackId": stack.stack_id})

    def delete_stack(self) -> EmptyResult:
        """API_DeleteStack."""
        self.backend.delete(self._get_param("StackName"), self._list("RetainResources"))
        return EmptyResult()

    def update_termination_protection(self) -> ActionResult:
        """API_UpdateTerminationProtection."""
        stack = self.backend.get(self._get_param("StackName"))
        stack.termination_protection = self._get_bool_param("EnableTerminationProtection", False)
        return ActionResult({"StackId": stack.stack_id})

    def describe_stacks(self) -> ActionResult:
        """API_DescribeStacks."""
        name = self._get_param("StackName")
        stacks = [self.backend.get(name)] if name else self.backend.live()
        return self._page("Stacks", [views.stack(stack) for stack in stacks])

    def list_stacks(self) -> ActionResult:
        """API_ListStacks."""
        wanted = self._list("StackStatusFilter")
        stacks = [s for s in reversed(self.backend.stacks.values()) if not wanted or s.status in wanted]
        return self._page("StackSummaries", [views.stack_summary(stack) for stack in stacks])

    def describe_stack_events(self) -> ActionResult:
        """API_DescribeStackEvents: newest first."""
        stack = self._stack()
        return self._page("StackEvents", list(reversed(stack.events)))

    def describe_stack_resource(self) -> ActionResult:
        """API_DescribeStackResource."""
        stack, logical_id = self._stack(), self._get_param("LogicalResourceId")
        if logical_id not in stack.records:
            raise ValidationError(f"Resource {logical_id} does not exist for stack {stack.name}")
        return ActionResult({"StackResourceDetail": views.resource_detail(stack, logical_id)})

    def describe_stack_resources(self) -> ActionResult:
        """API_DescribeStackResources, by stack or by physical id."""
        logical_id, physical_id = self._get_param("LogicalResourceId"), self._get_param("PhysicalResourceId")
        stack = self._owner(physical_id) if physical_id else self._stack()
        records = [r for r in stack.records.values() if logical_id in (None, r["LogicalResourceId"])]
        return ActionResult({"StackResources": [views.resource(stack, record) for record in records]})

    def list_stack_resources(self) -> ActionResult:
        """API_ListStackResources."""
        stack = self._stack()
        return self._page(
            "StackResourceSummaries",
            [
                views.summary(record, self.backend.detections.status(stack, logical_id))
                for logical_id, record in stack.records.items()
            ],
        )

    # -- drift

    def detect_stack_drift(self) -> ActionResult:
        """API_DetectStackDrift: of all resources of the stack."""
        if self._list("LogicalResourceIds"):
            raise ValidationError("local_aws does not play the parameter LogicalResourceIds.")
        detection = self.backend.detections.start(self.backend.get(self._get_param("StackName")))
        return ActionResult({"StackDriftDetectionId": detection.id})

    def describe_stack_drift_detection_status(self) -> ActionResult:
        """API_DescribeStackDriftDetectionStatus."""
        return ActionResult(self.backend.detections.get(self._get_param("StackDriftDetectionId")).view())

    def describe_stack_resource_drifts(self) -> ActionResult:
        """API_DescribeStackResourceDrifts: what the last detection found."""
        wanted = self._list("StackResourceDriftStatusFilters")
        found = self.backend.detections.drifts(self.backend.get(self._get_param("StackName")))
        drifts = [one for one in found if not wanted or one["StackResourceDriftStatus"] in wanted]
        return self._page("StackResourceDrifts", drifts)

    def list_exports(self) -> ActionResult:
        """API_ListExports."""
        exports = [
            {"ExportingStackId": stack.stack_id, "Name": name, "Value": value}
            for name, (stack, value) in sorted(self.backend.all_exports().items())
        ]
        return self._page("Exports", exports)

    def list_imports(self) -> ActionResult:
        """API_ListImports."""
        name = self._get_param("ExportName")
        importers = self.backend.importers(name)
        if not importers:
            raise ValidationError(f"Export '{name}' is not imported by any stack.")
        return self._page("Imports", importers)

    # -- templates

    def get_template(self) -> ActionResult:
        """API_GetTemplate."""
        change_set = self._get_param("ChangeSetName")
        if change_set:
            found = self.backend.get_change_set(change_set, self._get_param("StackName"))
            return ActionResult(views.template_body(found.definition))
        stack = self._stack()
        return ActionResult(views.template_body(stack.definition))

    def get_template_summary(self) -> ActionResult:
        """API_GetTemplateSummary."""
        name = self._get_param("StackName")
        if name:
            definition = self.backend.get(name).definition
            template = parse(definition.body if definition else "")
        else:
            template = parse(self._body())
        check_template(template)
        return ActionResult(views.template_summary(template))

    def validate_template(self) -> ActionResult:
        """API_ValidateTemplate."""
        template = parse(self._body())
        check_template(template)
        return ActionResult(views.validated_template(template, capabilities(template)))

    # -- change sets

    def create_change_set(self) -> ActionResult:
        """API_CreateChangeSet."""
        kind = self._get_param("ChangeSetType", "UPDATE")
        if kind not in ("CREATE", "UPDATE"):
            raise ValidationError(f"local_aws does not play change sets of type {kind}.")
        name = self._get_param("StackName")
        stack = self.backend.get(name) if kind == "UPDATE" else None
        change_set = self.backend.make_change_set(
            name,
            self._get_param("ChangeSetName"),
            kind,
            self._body(stack),
            self._given(stack),
            description=self._get_param("Description"),
            on_stack_failure=self._get_param("OnStackFailure"),
            **self._definition_options(stack),
        )
        return ActionResult({"Id": change_set.change_set_id, "StackId": change_set.stack.stack_id})

    def describe_change_set(self) -> ActionResult:
        """API_DescribeChangeSet."""
        return ActionResult(views.change_set(self._change_set()))

    def execute_change_set(self) -> EmptyResult:
        """API_ExecuteChangeSet."""
        change_set = self._change_set()
        if self._get_bool_param("DisableRollback", False):
            change_set.on_stack_failure = "DO_NOTHING"
        self.backend.execute(change_set.change_set_id, None)
        return EmptyResult()

    def delete_change_set(self) -> EmptyResult:
        """API_DeleteChangeSet."""
        self.backend.remove_change_set(self._get_param("ChangeSetName"), self._get_param("StackName"))
        return EmptyResult()

    def list_change_sets(self) -> ActionResult:
        """API_ListChangeSets."""
        stack = self._stack()
        found = [c for c in self.backend.change_sets.values() if c.stack is stack]
        return self._page("Summaries", [views.change_set_summary(c) for c in found])

    # -- parameters of requests

    def _list(self, name: str) -> list[Any]:
        return self._get_param(name, []) or []

    def _stack(self) -> Stack:
        name = self._get_param("StackName")
        stack = self.backend.find(name or "")
        if stack is None:
            raise ValidationError(f"Stack '{name}' does not exist")
        return stack

    def _owner(self, physical_id: str) -> Stack:
        for stack in self.backend.live():
            if any(r["PhysicalResourceId"] == physical_id for r in stack.records.values()):
                return stack
        raise ValidationError(f"Stack for {physical_id} does not exist")

    def _change_set(self) -> Any:
        return self.backend.get_change_set(self._get_param("ChangeSetName"), self._get_param("StackName"))

    def _on_failure(self) -> str:
        on_failure = self._get_param("OnFailure")
        disable = self._get_param("DisableRollback")
        if on_failure and disable is not None:
            raise ValidationError("You can specify only one of OnFailure and DisableRollback")
        if on_failure and on_failure not in ON_FAILURE:
            raise ValidationError(f"Value '{on_failure}' at 'onFailure' failed to satisfy constraint")
        return on_failure or ("DO_NOTHING" if self._get_bool_param("DisableRollback", False) else "ROLLBACK")

    def _body(self, stack: Stack | None = None) -> str:
        body, url = self._get_param("TemplateBody"), self._get_param("TemplateURL")
        previous = self._get_bool_param("UsePreviousTemplate", False)
        if sum(map(bool, (body, url, previous))) != 1:
            raise ValidationError("Either Template URL or Template Body must be specified.")
        if previous:
            if stack is None or stack.definition is None:
                raise ValidationError("UsePreviousTemplate is not valid for a stack without a template.")
            return stack.definition.body
        return urls.read(url, self.region) if url else body

    def _given(self, stack: Stack | None) -> dict[str, str]:
        previous = stack.definition.parameters if stack and stack.definition else None
        return given_values(self._list("Parameters"), previous)

    def _definition_options(self, stack: Stack | None = None) -> dict[str, Any]:
        asked = [name for name in UNSUPPORTED if self._get_param(name)]
        if asked:
            raise ValidationError(f"local_aws does not play the parameters {', '.join(asked)}.")
        tags = {tag["Key"]: tag["Value"] for tag in self._list("Tags")}
        previous = stack.definition if stack else None
        return {
            "tags": tags if tags or previous is None else previous.tags,
            "role_arn": self._get_param("RoleARN") or (previous.role_arn if previous else None),
            "capabilities": self._list("Capabilities"),
        }

    def _page(self, key: str, items: list[Any]) -> ActionResult:
        """One page; the token is the index of the next item counted from the oldest, so that new items at the
        front do not shift it."""
        token = self._get_param("NextToken")
        begin = len(items) - int(token) if token else 0
        page = items[begin : begin + PAGE]
        left = len(items) - begin - len(page)
        return ActionResult({key: page, "NextToken": str(left) if left else None})
