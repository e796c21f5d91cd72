"""What the API shows of stacks, resources, templates and change sets."""

from __future__ import annotations

from typing import Any

from local_aws.cloudformation.changes import ChangeSet
from local_aws.cloudformation.stack import Definition, Stack
from local_aws.cloudformation.template import Template


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _parameters(definition: Definition | None) -> list[dict[str, str]]:
    if definition is None:
        return []
    declared = definition.template.get("Parameters") or {}
    return [
        {"ParameterKey": key, "ParameterValue": "****" if _hidden(declared[key]) else value}
        for key, value in definition.parameters.items()
    ]


def _hidden(slot: dict[str, Any]) -> bool:
    return str(slot.get("NoEcho", "")).lower() == "true"


def stack(shown: Stack) -> dict[str, Any]:
    """A stack, as DescribeStacks shows it."""
    definition = shown.definition
    return {
        "StackId": shown.stack_id,
        "StackName": shown.name,
        "ChangeSetId": shown.change_set_id,
        "Description": definition.template.get("Description") if definition else None,
        "Parameters": _parameters(definition),
        "CreationTime": shown.creation_time,
        "LastUpdatedTime": shown.last_updated_time,
        "DeletionTime": shown.deletion_time,
        "StackStatus": shown.status,
        "StackStatusReason": shown.status_reason,
        "DisableRollback": shown.on_failure == "DO_NOTHING",
        "NotificationARNs": definition.notification_arns if definition else [],
        "TimeoutInMinutes": shown.timeout_minutes,
        "Capabilities": definition.capabilities if definition else [],
        "Outputs": shown.outputs,
        "RoleARN": definition.role_arn if definition else None,
        "Tags": _tags(shown.tags),
        "EnableTerminationProtection": shown.termination_protection,
        "ParentId": shown.parent_id,
        "RootId": shown.root_id,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }


def stack_summary(shown: Stack) -> dict[str, Any]:
    """A stack, as ListStacks shows it."""
    return {
        "StackId": shown.stack_id,
        "StackName": shown.name,
        "TemplateDescription": shown.definition.template.get("Description") if shown.definition else None,
        "CreationTime": shown.creation_time,
        "LastUpdatedTime": shown.last_updated_time,
        "DeletionTime": shown.deletion_time,
        "StackStatus": shown.status,
        "StackStatusReason": shown.status_reason,
        "ParentId": shown.parent_id,
        "RootId": shown.root_id,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }


def resource(shown: Stack, record: dict[str, Any]) -> dict[str, Any]:
    """A resource, as DescribeStackResources shows it."""
    return {
        "StackName": shown.name,
        "StackId": shown.stack_id,
        **record,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


def summary(record: dict[str, Any], drift_status: str = "NOT_CHECKED") -> dict[str, Any]:
    """A resource, as ListStackResources shows it."""
    shown = {key: value for key, value in record.items() if key != "Timestamp"}
    drift = {"StackResourceDriftStatus": drift_status}
    return {**shown, "LastUpdatedTimestamp": record["Timestamp"], "DriftInformation": drift}


def resource_detail(shown: Stack, logical_id: str) -> dict[str, Any]:
    """A resource, as DescribeStackResource shows it."""
    return {"StackName": shown.name, "StackId": shown.stack_id, **summary(shown.records[logical_id])}


def template_body(definition: Definition | None) -> dict[str, Any]:
    """A template, as GetTemplate shows it: as submitted."""
    return {
        "TemplateBody": definition.body if definition else "",
        "StagesAvailable": ["Original", "Processed"],
    }


def validated_template(template: Template, needed: list[str]) -> dict[str, Any]:
    """What ValidateTemplate says."""
    named = [f"[{t}]" for t in sorted({r["Type"] for r in template["Resources"].values()}) if "::IAM::" in t]
    reason = f"The following resource(s) require capabilities: {', '.join(named)}" if needed else None
    return {
        "Description": template.get("Description"),
        "Capabilities": needed,
        "CapabilitiesReason": reason,
        "DeclaredTransforms": [],
        "Parameters": [
            {
                "ParameterKey": key,
                "DefaultValue": str(slot["Default"]) if "Default" in slot else None,
                "NoEcho": _hidden(slot),
                "Description": slot.get("Description"),
            }
            for key, slot in (template.get("Parameters") or {}).items()
        ],
    }


def template_summary(template: Template) -> dict[str, Any]:
    """What GetTemplateSummary says."""
    return {
        "Description": template.get("Description"),
        "Version": template.get("AWSTemplateFormatVersion"),
        "ResourceTypes": sorted({declared["Type"] for declared in template["Resources"].values()}),
        "Parameters": [
            {
                "ParameterKey": key,
                "DefaultValue": str(slot["Default"]) if "Default" in slot else None,
                "ParameterType": slot["Type"],
                "NoEcho": _hidden(slot),
                "Description": slot.get("Description"),
                "ParameterConstraints": {"AllowedValues": [str(value) for value in slot["AllowedValues"]]}
                if "AllowedValues" in slot
                else {},
            }
            for key, slot in (template.get("Parameters") or {}).items()
        ],
    }


def change_set(shown: ChangeSet) -> dict[str, Any]:
    """A change set, as DescribeChangeSet shows it."""
    definition = shown.definition
    return {
        **change_set_summary(shown),
        "Parameters": _parameters(definition),
        "NotificationARNs": definition.notification_arns,
        "Capabilities": definition.capabilities,
        "Tags": _tags(definition.tags),
        "Changes": shown.changes,
        "OnStackFailure": shown.on_stack_failure,
    }


def change_set_summary(shown: ChangeSet) -> dict[str, Any]:
    """A change set, as ListChangeSets shows it."""
    return {
        "ChangeSetId": shown.change_set_id,
        "ChangeSetName": shown.name,
        "StackId": shown.stack.stack_id,
        "StackName": shown.stack.name,
        "Description": shown.description,
        "CreationTime": shown.creation_time,
        "ExecutionStatus": shown.execution_state,
        "Status": shown.status,
        "StatusReason": shown.status_reason,
        "IncludeNestedStacks": False,
    }
