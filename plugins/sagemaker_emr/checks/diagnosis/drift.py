"""Drift: what differs from the stacks' templates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sagemaker_emr.checks.finding import Finding, Verdict, failed, not_checked, passed
from sagemaker_emr.checks.platform import STACKS, Platform
from sagemaker_emr.checks.registry import check
from sagemaker_emr.names import stack_name

DRIFTED = ["MODIFIED", "DELETED"]
MAX_VALUE_CHARACTERS = 300
RELATIONS = frozenset(
    {
        "AWS::EC2::Route",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::ServiceCatalog::LaunchRoleConstraint",
        "AWS::ServiceCatalog::PortfolioPrincipalAssociation",
        "AWS::ServiceCatalog::PortfolioProductAssociation",
    }
)
"""Types that only join others, and are known by what they join."""


@check(
    "No stack has drifted from its template",
    symptom="What the templates promise is not so, and the next update may undo the change or fail on it.",
    after=True,
)
def drift(platform: Platform) -> Iterator[Finding]:
    """DescribeStackDriftDetectionStatus, DescribeStackResourceDrifts.

    Drift of a resource that another check complained of follows from that finding.
    """
    for concern in STACKS:
        stack = platform.stacks[concern]
        name = stack_name(platform.environment, concern)
        detection = platform.drift.get(concern)
        if stack is None or detection is None:
            yield not_checked(f"stack {name} does not exist" if stack is None else "no detection ran", name)
        elif detection.get("DetectionStatus") != "DETECTION_COMPLETE":
            reason = detection.get("DetectionStatusReason") or "the detection did not end"
            yield not_checked(str(reason), name, read=str(detection.get("DetectionStatus", "")))
        else:
            yield from _stack(platform, concern, name)


def _stack(platform: Platform, concern: str, name: str) -> Iterator[Finding]:
    listed = platform.stack_resources(concern)
    compared = [one for one in listed if _is_compared(one)]
    unchecked = {one["ResourceType"] for one in listed if not _is_compared(one)}
    drifts = _drifts(platform, name)
    for one in drifts:
        yield _resource(platform, name, one)
    if compared and not drifts:
        yield passed(f"{name}: {len(compared)} of {len(listed)} resources compared, none drifted", name)
    if unchecked:
        yield not_checked(
            f"CloudFormation compares no {', '.join(sorted(unchecked))}",
            name,
            read=f"{name}: {len(compared)} of {len(listed)} resources compared",
        )


def _is_compared(resource: dict[str, Any]) -> bool:
    found = resource.get("DriftInformation", {}).get("StackResourceDriftStatus", "NOT_CHECKED")
    return str(found) != "NOT_CHECKED"


def _drifts(platform: Platform, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        page = platform.client("cloudformation").describe_stack_resource_drifts(
            StackName=name, StackResourceDriftStatusFilters=DRIFTED, **token
        )
        found += page["StackResourceDrifts"]
        if not page.get("NextToken"):
            return found
        token = {"NextToken": page["NextToken"]}


def _resource(platform: Platform, name: str, drifted: dict[str, Any]) -> Finding:
    logical_id, physical_id = drifted["LogicalResourceId"], drifted.get("PhysicalResourceId", "")
    status, kind = drifted["StackResourceDriftStatus"], drifted["ResourceType"]
    differences = [_difference(one) for one in drifted.get("PropertyDifferences", [])]
    if status == "DELETED":
        cause = f"{logical_id} was deleted outside CloudFormation."
        fix = (
            f"Create it again by hand with {drifted.get('ExpectedProperties', 'its properties')}, or take it "
            f"out of the template of {name}, run deploy_platform, put it back and deploy again."
        )
    else:
        cause = f"{logical_id} was changed outside CloudFormation: {'; '.join(differences)}."
        fix = "Set these properties back, or put the change into the template and run deploy_platform."
    finding = failed(f"{name}: {logical_id} ({kind}) is {status}", physical_id, name, cause=cause, fix=fix)
    return replace(finding, follows_from=_cause(platform, physical_id, drifted))


def _difference(difference: dict[str, Any]) -> str:
    path, expected = difference["PropertyPath"], _short(difference["ExpectedValue"])
    return f"{path} is {_short(difference['ActualValue'])}, the template says {expected}"


def _short(value: str) -> str:
    return value if len(value) <= MAX_VALUE_CHARACTERS else f"{value[:MAX_VALUE_CHARACTERS]}…"


def _cause(platform: Platform, physical_id: str, drifted: dict[str, Any]) -> str | None:
    """The check that complained of this very resource: by its id, or of a relation by the ids it joins."""
    own = {physical_id, *physical_id.split("|")}
    expected = json.loads(drifted.get("ExpectedProperties") or "{}")
    is_relation = drifted["ResourceType"] in RELATIONS
    for finding in platform.findings:
        if finding.verdict is not Verdict.FAILED or not finding.resources:
            continue
        if _named(finding.resources[:1], own):
            return finding.check
        if is_relation and _named(finding.resources, own | set(_texts(expected))):
            return finding.check
    return None


def _named(resources: tuple[str, ...], values: set[str]) -> bool:
    """Whether values name each of some resources, by id, by ARN, or by the name that ends an ARN."""
    return all(one in values or one.rpartition("/")[2] in values for one in resources)


def _texts(value: Any) -> Iterator[str]:
    """All scalars of a JSON value."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    else:
        yield str(value)
