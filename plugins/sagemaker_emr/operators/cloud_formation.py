"""CloudFormation stacks: deployed by change set, deleted, and read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context

from sagemaker_emr import change_sets, names, stack_failures, studio_health
from sagemaker_emr.change_sets import HOLDS_DATA, Change
from sagemaker_emr.exceptions import (
    ApprovalRequired,
    PlatformNotReady,
    ResourceConflict,
)
from sagemaker_emr.hooks.cloud_formation import (
    STACK_STATES,
    CloudFormationHook,
    StackDeletion,
    StackDeployment,
    outputs_of,
    tags_of,
)
from sagemaker_emr.links.cloud_formation import CloudFormationStackLink
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.triggers.cloud_formation import CloudFormationChangeSetTrigger, CloudFormationStackTrigger

STACK_TIMEOUT_SECONDS = 3600
OWNER_TAG = "sagemaker-emr:environment"
DOMAIN_OUTPUT = "DomainId"

_AIMS = {
    "deployed": frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"}),
    "rolled back": frozenset({"UPDATE_ROLLBACK_COMPLETE"}),
    "deleted": frozenset({"DELETE_COMPLETE"}),
}
"""What an operation that we asked for is to end in; anything else is its failure."""

_OF_ANOTHER = "left alone"
"""What was waited for was not asked for by this try: where it has ended is judged anew."""


class CloudFormationDeployStackOperator(AwsWaitingOperator[CloudFormationHook]):
    """Brings a stack to its template by a change set: creates it, updates it, or finds nothing to do.

    Each step asks CloudFormation anew where the stack stands, and :data:`STACK_STATES` says what to do there.
    So a retry attaches to an operation in progress, a stack whose creation failed is deleted and made again,
    and a rollback that failed is continued.

    :param template: a template file below ``include/``; of at most 51,200 bytes.
    :param template_url: or the address of a staged template.
    :param parameters: the stack's parameters. Those left out keep what the stack has, and have their
        defaults in a new one; None is the default.
    :param carry_over: parameters that take the value another one had before it changed; see
        :func:`sagemaker_emr.change_sets.effective_parameters`.
    :param tags: tags of the stack and its resources. With ``sagemaker-emr:environment`` among them, a stack
        of the same name that does not carry the same is refused.
    :param allow_replacement: accept a plan that replaces or removes what holds users' data.
    :return: the stack's outputs.
    :raises ApprovalRequired: the plan would lose data.
    :raises StackOperationFailed: with the first failed resources and CloudFormation's reasons.
    """

    aws_hook_class = CloudFormationHook
    operator_extra_links = (CloudFormationStackLink(),)
    template_fields: Sequence[str] = aws_template_fields(
        "stack_name", "template", "template_url", "parameters", "tags", "allow_replacement"
    )
    template_fields_renderers = {"parameters": "json", "tags": "json"}  # noqa: RUF012

    def __init__(
        self,
        *,
        stack_name: str,
        template: str | None = None,
        template_url: str | None = None,
        parameters: dict[str, Any] | None = None,
        carry_over: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
        capabilities: Sequence[str] = ("CAPABILITY_NAMED_IAM",),
        allow_replacement: bool | str = False,
        timeout_seconds: float = STACK_TIMEOUT_SECONDS,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, multiple_outputs=multiple_outputs, **kwargs)
        self.stack_name = stack_name
        self.template = template
        self.template_url = template_url
        self.parameters = parameters or {}
        self.carry_over = carry_over or {}
        self.tags = tags or {}
        self.capabilities = list(capabilities)
        self.allow_replacement = allow_replacement

    def execute(self, context: Context) -> Any:
        return self._next_step(context)

    def _next_step(self, context: Context) -> Any:
        """Where the stack stands decides what comes next, in the first step as in every other."""
        stack = self.hook.describe_stack(self.stack_name)
        if stack is None:
            return self._change(context, None)
        self._refuse_foreign(stack)
        step = STACK_STATES.of(stack["StackStatus"], self.stack_name).deployment
        self.log.info("Stack %s is %s: this task %s", self.stack_name, stack["StackStatus"], step)
        if step is StackDeployment.CREATE:
            return self._change(context, None)
        if step is StackDeployment.UPDATE:
            return self._change(context, stack)
        if step is StackDeployment.WAIT:
            return self._wait_for_stack(context, stack["StackId"], then=_OF_ANOTHER)
        if step is StackDeployment.REMAKE:
            return self._delete(context, stack)
        if step is StackDeployment.REFUSE:
            raise stack_failures.import_failed(stack)
        return self._roll_back(context, stack)

    def _roll_back(self, context: Context, stack: dict[str, Any]) -> Any:
        stack_id, status = stack["StackId"], stack["StackStatus"]
        before = self.hook.last_event_id(stack_id)
        self.hook.roll_back(
            stack_id,
            names.derive("roll-back", stack_id, before),
            failed_before=status == "UPDATE_ROLLBACK_FAILED",
        )
        return self._wait_for_stack(context, stack_id, before, then="rolled back")

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        """A step has ended: go on with the next one, or read the outputs."""
        status, aim = result["status"], result["then"]
        if aim == _OF_ANOTHER and status != "DELETE_FAILED":
            return self._next_step(context)
        if aim == "deleted" or status == "DELETE_FAILED":
            if status not in _AIMS["deleted"]:
                raise stack_failures.deletion_failed(self.stack_name, result, self._hook_parameters)
            return self._next_step(context)
        if status not in _AIMS[aim]:
            raise stack_failures.operation_failed(self.stack_name, result)
        return result["outputs"] if aim == "deployed" else self._next_step(context)

    def _change(self, context: Context, stack: dict[str, Any] | None) -> Any:
        request = self._request(stack)
        if stack and change_sets.is_current(
            stack, request, partial(self.hook.template_body, stack["StackId"])
        ):
            return self._nothing_to_do(stack)
        created = self.hook.create_change_set(**request)
        stack_id, change_set_id = created["StackId"], created["Id"]
        self._link(context, stack_id)
        # A change set takes seconds to make, about what a deferral costs: waited for here.
        plan = CloudFormationChangeSetTrigger(change_set_id=change_set_id, **self.trigger_parameters)
        result = plan.look_tolerantly() or plan.wait()
        if not result["has_changes"]:
            self.hook.conn.delete_change_set(ChangeSetName=change_set_id)
            return self._nothing_to_do(stack or {})
        self._approve(self.hook.changes(change_set_id))
        before = self.hook.last_event_id(stack_id)
        self.hook.execute_change_set(change_set_id, token=request["ChangeSetName"])
        return self._wait_for_stack(context, stack_id, before, then="deployed")

    def _request(self, stack: dict[str, Any] | None) -> dict[str, Any]:
        template = change_sets.template_argument(self.template, self.template_url)
        parameters = self.parameters
        if "TemplateBody" in template:
            parameters = change_sets.effective_parameters(
                template["TemplateBody"], stack, parameters, self.carry_over
            )
        return change_sets.request(
            self.stack_name,
            stack,
            template=template,
            parameters=parameters,
            tags=self.tags,
            capabilities=self.capabilities,
        )

    def _nothing_to_do(self, stack: dict[str, Any]) -> dict[str, str]:
        self.log.info("Stack %s: nothing to do", self.stack_name)
        return outputs_of(stack)

    def _approve(self, changes: list[Change]) -> None:
        """Write the plan to the log, and refuse it where it loses data that nobody gave up."""
        self.log.info("Plan for stack %s: %s", self.stack_name, change_sets.summary(changes))
        for change in changes:
            self.log.info("  %s", change)
        lost = [str(change) for change in changes if change.loses_data]
        if lost and not self._replacement_allowed:
            raise ApprovalRequired(
                f"The plan for stack {self.stack_name} would replace or delete what holds data",
                reason="; ".join(lost),
                next_step="If that is meant, run deploy_platform with 'Allow replacement'. "
                "Nothing was changed.",
            )

    @property
    def _replacement_allowed(self) -> bool:
        """Templates render to text."""
        return str(self.allow_replacement).strip().lower() == "true"

    def _delete(self, context: Context, stack: dict[str, Any]) -> Any:
        """A stack whose creation failed can only be deleted; one half deleted may still hold data."""
        stack_id, status = stack["StackId"], stack["StackStatus"]
        held = [
            f"{item['LogicalResourceId']} ({item['ResourceType']})"
            for item in (self.hook.resources(stack_id) if status == "DELETE_FAILED" else [])
            if item["ResourceType"] in HOLDS_DATA and item["ResourceStatus"] != "DELETE_COMPLETE"
        ]
        if held and not self._replacement_allowed:
            raise ApprovalRequired(
                f"Stack {self.stack_name} is DELETE_FAILED and must be deleted before it is made again",
                reason=f"it still holds {'; '.join(held)}",
                next_step="If that may go, run deploy_platform with 'Allow replacement'.",
            )
        before = self.hook.last_event_id(stack_id)
        self.hook.delete(stack_id)
        return self._wait_for_stack(context, stack_id, before, then="deleted")

    def _wait_for_stack(
        self, context: Context, stack_id: str, after_event_id: str | None = None, *, then: str
    ) -> Any:
        self._link(context, stack_id)
        trigger = CloudFormationStackTrigger(
            stack_id=stack_id, after_event_id=after_event_id, then=then, **self.trigger_parameters
        )
        return self.wait_for(context, trigger)

    def _refuse_foreign(self, stack: dict[str, Any]) -> None:
        wanted, found = self.tags.get(OWNER_TAG), tags_of(stack).get(OWNER_TAG)
        # The stack of a change set never executed carries no tags yet.
        if wanted and found != wanted and stack["StackStatus"] != "REVIEW_IN_PROGRESS":
            raise ResourceConflict(
                f"A stack {self.stack_name} exists that is not ours",
                reason=f"its tag {OWNER_TAG} is {found or 'missing'}, ours is {wanted}",
                next_step=f"Choose another environment name, or tag the stack {OWNER_TAG}={wanted} to hand "
                "it over.",
            )

    def _link(self, context: Context, stack_id: str) -> None:
        CloudFormationStackLink.persist(
            context=context,
            operator=self,
            region_name=self.hook.conn_region_name,
            aws_partition=self.hook.conn_partition,
            stack_id=stack_id,
        )


class CloudFormationDeleteStackOperator(AwsWaitingOperator[CloudFormationHook]):
    """Deletes a stack and waits until it is gone; one that does not exist is fine.

    :raises StackOperationFailed: naming the resources that hold on, with their reasons.
    """

    aws_hook_class = CloudFormationHook
    operator_extra_links = (CloudFormationStackLink(),)
    template_fields: Sequence[str] = aws_template_fields("stack_name")

    def __init__(
        self, *, stack_name: str, timeout_seconds: float = STACK_TIMEOUT_SECONDS, **kwargs: Any
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, **kwargs)
        self.stack_name = stack_name

    def execute(self, context: Context) -> Any:
        return self._delete(context)

    def _delete(self, context: Context) -> Any:
        stack = self.hook.describe_stack(self.stack_name)
        if stack is None:
            self.log.info("Stack %s does not exist", self.stack_name)
            return None
        stack_id, status = stack["StackId"], stack["StackStatus"]
        step = STACK_STATES.of(status, self.stack_name).deletion
        self.log.info("Stack %s is %s: this task %s", self.stack_name, status, step)
        if step is StackDeletion.NOTHING:
            return None
        before = None
        if step is StackDeletion.REQUEST:
            before = self.hook.last_event_id(stack_id)
            self.hook.delete(stack_id)
        trigger = CloudFormationStackTrigger(
            stack_id=stack_id,
            after_event_id=before,
            then=_OF_ANOTHER if step is StackDeletion.WAIT else "deleted",
            **self.trigger_parameters,
        )
        return self.wait_for(context, trigger)

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        if result["then"] == _OF_ANOTHER:
            return self._delete(context)
        if result["status"] not in _AIMS["deleted"]:
            raise stack_failures.deletion_failed(self.stack_name, result, self._hook_parameters)
        return None


class CloudFormationReadOutputsOperator(AwsBaseOperator[CloudFormationHook]):
    """Reads the outputs of an environment's stacks; they are the only truth between DAGs.

    :param stacks: concerns, such as ``network``; see :func:`sagemaker_emr.names.stack_name`.
    :return: all outputs by name.
    :raises PlatformNotReady: naming each stack that is missing or not usable, and its state; and a Studio
        domain or user profile that is not InService, with SageMaker's FailureReason.
    """

    aws_hook_class = CloudFormationHook
    template_fields: Sequence[str] = aws_template_fields("environment", "stacks")

    def __init__(
        self, *, environment: str, stacks: list[str], multiple_outputs: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.environment = environment
        self.stacks = stacks

    def execute(self, context: Context) -> dict[str, str]:
        outputs: dict[str, str] = {}
        problems = []
        for concern in self.stacks:
            name = names.stack_name(self.environment, concern)
            stack = self.hook.describe_stack(name)
            if stack is None:
                problems.append(f"stack {name} does not exist")
                continue
            state = STACK_STATES.of(stack["StackStatus"], name)
            if state.usable:
                outputs |= outputs_of(stack)
            else:
                problems.append(
                    f"stack {name} is {stack['StackStatus']} (deploy_platform {state.deployment})"
                )
        if DOMAIN_OUTPUT in outputs:
            problems += studio_health.problems(outputs[DOMAIN_OUTPUT], self._hook_parameters)
        if problems:
            raise PlatformNotReady(
                f"The platform of environment {self.environment} is not ready",
                reason="; ".join(problems),
                next_step="Run deploy_platform for this environment (or wait until its run has ended), then "
                "clear this task.",
            )
        return outputs
