"""Checks made before a stack operation starts: names, types, references, capabilities."""

from __future__ import annotations

import re
from typing import Any

from local_aws.cloudformation import resources
from local_aws.cloudformation.exceptions import InsufficientCapabilities, ValidationError
from local_aws.cloudformation.stack import MISSING, Definition
from local_aws.cloudformation.template import Template, in_order, references

IAM_TYPES = frozenset({"AWS::IAM::InstanceProfile", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"})
PSEUDO = frozenset(
    {
        "AWS::AccountId",
        "AWS::NoValue",
        "AWS::NotificationARNs",
        "AWS::Partition",
        "AWS::Region",
        "AWS::StackId",
        "AWS::StackName",
        "AWS::URLSuffix",
    }
)
POLICIES = frozenset({"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"})


def check_name(name: str, what: str = "stackName") -> None:
    """Refuse names CloudFormation refuses.

    :raises ValidationError: the name does not match.
    """
    if not re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", name or ""):
        raise ValidationError(
            f"1 validation error detected: Value '{name}' at '{what}' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )


def check(definition: Definition) -> None:
    """Refuse what CloudFormation refuses before it makes anything.

    :raises ValidationError: unknown types, unresolved references, circles.
    :raises InsufficientCapabilities: IAM resources without the capability.
    """
    check_template(definition.template)
    needed = capabilities(definition.template)
    if needed and not set(definition.capabilities) & (set(needed) | {"CAPABILITY_NAMED_IAM"}):
        raise InsufficientCapabilities(f"Requires capabilities : [{', '.join(needed)}]")


def check_template(template: Template) -> None:
    """Refuse a template that no parameters could save.

    :raises ValidationError: unknown types, unresolved references, circles.
    """
    declared = template["Resources"]
    unknown = sorted(
        {resource["Type"] for resource in declared.values() if not resources.resource_class(resource["Type"])}
    )
    if unknown:
        raise ValidationError(f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]")
    names = set(declared) | set(template.get("Parameters") or {}) | PSEUDO
    missing = sorted({name for resource in declared.values() for name in _refers(resource)} - names)
    if missing:
        raise ValidationError(MISSING.format(", ".join(missing)))
    outputs = (template.get("Outputs") or {}).values()
    missing = sorted({name for output in outputs for name in _refers(output)} - names)
    if missing:
        raise ValidationError(MISSING.format(", ".join(missing)).replace("Resources block", "Outputs block"))
    _check_conditions(template)
    _check_policies(declared)
    in_order(declared)


def _refers(block: dict[str, Any]) -> set[str]:
    return set(references({key: value for key, value in block.items() if key != "Condition"}))


def _check_conditions(template: Template) -> None:
    known = set(template.get("Conditions") or {})
    blocks = [*template["Resources"].values(), *(template.get("Outputs") or {}).values()]
    used = {block["Condition"] for block in blocks if "Condition" in block} | set(_conditions_used(template))
    missing = sorted(used - known)
    if missing:
        raise ValidationError(f"Template format error: Unresolved condition dependency {missing[0]}")


def _conditions_used(value: Any) -> set[str]:
    if isinstance(value, list):
        return {name for item in value for name in _conditions_used(item)}
    if not isinstance(value, dict):
        return set()
    used = {name for inner in value.values() for name in _conditions_used(inner)}
    if "Fn::If" in value:
        used.add(value["Fn::If"][0])
    return used


def _check_policies(declared: dict[str, Any]) -> None:
    for logical_id, resource in declared.items():
        for attribute in ("DeletionPolicy", "UpdateReplacePolicy"):
            policy = resource.get(attribute, "Delete")
            if isinstance(policy, str) and policy not in POLICIES:
                raise ValidationError(
                    f"Template error: Unrecognized {attribute} {policy} for resource {logical_id}"
                )


def capabilities(template: Template) -> list[str]:
    """The capability a template needs."""
    iam = [resource for resource in template["Resources"].values() if resource["Type"] in IAM_TYPES]
    if not iam:
        return []
    named = any(
        name in (resource.get("Properties") or {})
        for resource in iam
        for name in ("RoleName", "InstanceProfileName", "ManagedPolicyName", "UserName", "GroupName")
    )
    return ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"]
