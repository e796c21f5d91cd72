"""An environment's platform: its stacks, its Studio domain, its user profiles."""

from __future__ import annotations

import re
from typing import Any

from sagemaker_emr.checks.platform import STACKS
from sagemaker_emr.hooks.cloud_formation import STACK_STATES, StackDeployment, outputs_of
from sagemaker_emr.hooks.sagemaker_studio import DOMAIN_STATES, USER_PROFILE_STATES, StudioNeed
from sagemaker_emr.names import stack_name
from sagemaker_emr.states import StateTable
from sagemaker_emr.web.control_room.models import Domain, Health, Platform, Profile, Stack
from sagemaker_emr.web.control_room.sources import Sources

_STACK = re.compile(rf"sagemaker-emr-([a-z][a-z0-9]{{0,15}})-({'|'.join(STACKS)})")


def read_environments(aws: Sources) -> list[str]:
    """Environments that have a stack, by the stacks' names: a call for each hundred stacks (ListStacks)."""
    pages = aws.stacks.conn.get_paginator("list_stacks").paginate(
        StackStatusFilter=sorted(STACK_STATES.states - {"DELETE_COMPLETE"})
    )
    found = (_STACK.fullmatch(stack["StackName"]) for page in pages for stack in page["StackSummaries"])
    return sorted({match[1] for match in found if match})


def read_stacks(aws: Sources, environment: str) -> dict[str, dict[str, Any]]:
    """The environment's stacks by concern, as DescribeStacks answers them: four calls."""
    found = {concern: aws.stacks.describe_stack(stack_name(environment, concern)) for concern in STACKS}
    return {concern: stack for concern, stack in found.items() if stack}


def outputs(stacks: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The outputs of all of an environment's stacks."""
    return {key: value for stack in stacks.values() for key, value in outputs_of(stack).items()}


def read_platform(aws: Sources, environment: str, stacks: dict[str, dict[str, Any]]) -> Platform:
    """What the stacks tell, and SageMaker of the domain that they made: two calls more."""
    platform = Platform(
        environment=environment,
        stacks=[_stack(environment, concern, stacks.get(concern)) for concern in STACKS],
    )
    domain_id = outputs(stacks).get("DomainId")
    if domain_id is None:
        return platform
    domain = aws.studio.find_domain(domain_id)
    if domain is None:
        platform.domain = Domain(
            domain_id=domain_id, name=domain_id, status="deleted by hand", health=Health.MISSING
        )
        return platform
    platform.domain = Domain(
        domain_id=domain_id,
        name=domain["DomainName"],
        status=domain["Status"],
        health=_studio_health(DOMAIN_STATES, domain["Status"]),
        auth_mode=domain.get("AuthMode"),
        network=domain.get("AppNetworkAccessType"),
    )
    platform.profiles = [
        Profile(
            name=one["UserProfileName"],
            status=one["Status"],
            health=_studio_health(USER_PROFILE_STATES, one["Status"]),
        )
        for one in aws.studio.user_profiles(domain_id)
    ]
    return platform


def _stack(environment: str, concern: str, found: dict[str, Any] | None) -> Stack:
    name = stack_name(environment, concern)
    if found is None:
        return Stack(concern=concern, name=name, status=None, health=Health.MISSING)
    status = found["StackStatus"]
    return Stack(
        concern=concern,
        name=name,
        status=status,
        health=_stack_health(status),
        changed_at=found.get("LastUpdatedTime") or found.get("CreationTime"),
    )


def _stack_health(status: str) -> Health:
    """A state that the table does not have is shown, not refused: nothing is done by it here."""
    if status not in STACK_STATES.states:
        return Health.BAD
    state = STACK_STATES.of(status, "")
    if state.deployment is StackDeployment.WAIT:
        return Health.CHANGING
    return Health.GOOD if state.usable else Health.BAD


def _studio_health(states: StateTable[Any], status: str) -> Health:
    need = states.of(status, "").need if status in states.states else StudioNeed.FAILED
    if need in (StudioNeed.COMING, StudioNeed.GOING):
        return Health.CHANGING
    return Health.GOOD if need is StudioNeed.NONE else Health.BAD
