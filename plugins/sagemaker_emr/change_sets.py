"""Change sets as plans: the request for one, and what it would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from sagemaker_emr import names, staging
from sagemaker_emr.exceptions import InvalidInput

MAX_TEMPLATE_BODY_BYTES = 51_200
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""

HOLDS_DATA = frozenset(
    {
        "AWS::EFS::FileSystem",
        "AWS::S3::Bucket",
        "AWS::SageMaker::Domain",
        "AWS::SageMaker::UserProfile",
    }
)
"""Replacing or removing one of these loses what users made."""

_VERBS = {"Add": "add", "Modify": "change", "Replace": "replace", "Remove": "remove"}


@dataclass(frozen=True)
class Change:
    """One resource of a plan."""

    action: str
    logical_id: str
    resource_type: str

    @classmethod
    def from_response(cls, detail: dict[str, Any]) -> Change:
        """A ResourceChange, with a replacement told apart from a change in place.

        A ``Conditional`` replacement counts as one: CloudFormation decides only while it works.
        """
        replaces = detail["Action"] == "Modify" and detail.get("Replacement") in ("True", "Conditional")
        action = "Replace" if replaces else detail["Action"]
        return cls(action, detail["LogicalResourceId"], detail["ResourceType"])

    @property
    def loses_data(self) -> bool:
        return self.resource_type in HOLDS_DATA and self.action in ("Remove", "Replace")

    def __str__(self) -> str:
        return f"{self.action} {self.logical_id} ({self.resource_type})"


class _PlainLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms read as nothing: a template's names, not its values."""


_PlainLoader.add_multi_constructor("!", lambda loader, suffix, node: None)


def effective_parameters(
    body: str, stack: dict[str, Any] | None, given: Mapping[str, Any], carry_over: Mapping[str, str]
) -> dict[str, Any]:
    """The values to deploy a template with: those given, and of those left out what the stack has now.

    So whoever deploys a part of a form leaves the rest of it alone.

    :param carry_over: parameter to the one whose value before it takes. Where any of the latter changes,
        each of the former gets what the latter had: ``{"PreviousVersion": "Version"}``.
    """
    had = parameters_of(stack or {})
    declared = yaml.load(body, Loader=_PlainLoader).get("Parameters") or {}  # noqa: S506 - no objects
    kept = {name: value for name, value in had.items() if name in declared and name not in given}
    changed = any(had.get(source) not in (None, _text(given.get(source))) for source in carry_over.values())
    carried = {name: had[source] for name, source in carry_over.items() if source in had} if changed else {}
    return {**kept, **given, **carried}


def is_current(stack: dict[str, Any], request: Mapping[str, Any], read_body: Callable[[], str]) -> bool:
    """Whether a request asks for nothing but what a stack is already.

    :param read_body: gives the template that the stack was made from; asked for only if the rest agrees.
    """
    tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
    return (
        stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        and request["Tags"] == names.to_tag_list(tags)
        and {p["ParameterKey"]: p["ParameterValue"] for p in request["Parameters"]} == parameters_of(stack)
        and request.get("TemplateBody") == read_body()
    )


def parameters_of(stack: Mapping[str, Any]) -> dict[str, str]:
    """The parameters in a DescribeStacks entry."""
    return {p["ParameterKey"]: p["ParameterValue"] for p in stack.get("Parameters", [])}


def summary(changes: list[Change]) -> str:
    """A plan in one line."""
    return ", ".join(
        f"{sum(change.action == action for change in changes)} to {verb}" for action, verb in _VERBS.items()
    )


def request(
    stack_name: str,
    stack: dict[str, Any] | None,
    *,
    template: dict[str, str],
    parameters: dict[str, Any],
    tags: dict[str, str],
    capabilities: Sequence[str],
) -> dict[str, Any]:
    """The CreateChangeSet request that brings a stack to a template.

    Its name is derived: the same stack in the same state with the same template is the same plan.

    :param stack: the DescribeStacks entry of a stack to update; None for one to create.
    :param template: from :func:`template_argument`.
    """
    values = {key: _text(value) for key, value in sorted(parameters.items()) if value is not None}
    state = stack and (stack["StackId"], stack.get("LastUpdatedTime"), stack["StackStatus"])
    return {
        "StackName": stack_name,
        "ChangeSetName": names.derive("deploy", stack_name, state, template, values, tags),
        "ChangeSetType": "UPDATE" if stack else "CREATE",
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        "Tags": names.to_tag_list(tags),
        "Capabilities": list(capabilities),
        **template,
    }


def template_argument(template: str | None, template_url: str | None) -> dict[str, str]:
    """``TemplateBody`` or ``TemplateURL``.

    :param template: a file below ``include/``.
    :raises InvalidInput: neither or both are given, or the file is too large to be sent.
    """
    if template_url and not template:
        return {"TemplateURL": template_url}
    if template_url or not template:
        raise InvalidInput("Give a stack either template or template_url")
    body = staging.include_path(template).read_text()
    if len(body.encode()) > MAX_TEMPLATE_BODY_BYTES:
        raise InvalidInput(
            f"{template} is larger than {MAX_TEMPLATE_BODY_BYTES} bytes",
            reason="CloudFormation takes larger ones from S3 only",
            next_step="Stage it with S3StageFilesOperator and give its template_url.",
        )
    return {"TemplateBody": body}


def _text(value: Any) -> str:
    """A parameter's value as CloudFormation takes it: lists with commas, booleans in small letters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(_text(item) for item in value)
    return str(value)
