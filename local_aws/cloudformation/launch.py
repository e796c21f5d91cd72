"""Stacks made by other services, Service Catalog above all.

``create_stack`` returns at once; the stack's ``wait()`` blocks until the operation ended and returns the
status. ``status``, ``status_reason``, ``outputs`` (list of OutputKey, OutputValue), ``output(key)``,
``stack_id``, ``resources`` and ``events`` may be read at any time. ``status_reason`` of a failed stack names
the resources; ``first_failure`` gives their own reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moto.cloudformation import models as moto_models

from local_aws.cloudformation import template_url as urls
from local_aws.cloudformation.exceptions import ValidationError
from local_aws.cloudformation.stack import Stack, define

if TYPE_CHECKING:
    from local_aws.cloudformation.models import CloudFormationBackend

ALL_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]


def backend(account_id: str, region: str) -> CloudFormationBackend:
    """CloudFormation of an account and Region."""
    found: CloudFormationBackend = moto_models.cloudformation_backends[account_id][region]
    return found


def create_stack(
    account_id: str,
    region: str,
    *,
    name: str,
    template_url: str | None = None,
    template_body: str | None = None,
    parameters: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    role_arn: str | None = None,
    **options: Any,
) -> Stack:
    """Start creating a stack, all capabilities acknowledged; it rolls back when a resource fails.

    :param options: see ``CloudFormationBackend.create``.
    :raises CloudFormationError: (``str()`` is the message) bad template, parameters or name.
    """
    body = template_body if template_url is None else urls.read(template_url, region)
    definition = define(
        body or "",
        parameters or {},
        tags=dict(tags or {}),
        role_arn=role_arn,
        capabilities=ALL_CAPABILITIES,
    )
    return backend(account_id, region).create(name, definition, **options)


def update_stack(
    account_id: str,
    region: str,
    *,
    name: str,
    template_url: str | None = None,
    template_body: str | None = None,
    parameters: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    role_arn: str | None = None,
) -> bool:
    """Start updating a stack, by name or id; whether there is anything to update.

    :raises CloudFormationError: bad template or parameters, or a stack that can't be updated.
    """
    from local_aws.cloudformation.changes import NO_UPDATES

    body = template_body if template_url is None else urls.read(template_url, region)
    definition = define(
        body or "",
        parameters or {},
        tags=dict(tags or {}),
        role_arn=role_arn,
        capabilities=ALL_CAPABILITIES,
    )
    try:
        backend(account_id, region).update(name, definition)
    except ValidationError as error:
        if str(error) != NO_UPDATES:
            raise
        return False
    return True


def delete_stack(account_id: str, region: str, name_or_id: str) -> Stack | None:
    """Start deleting a stack; its object to wait on, None if there is no such stack.

    :raises CloudFormationError: it is protected or being updated.
    """
    cloudformation = backend(account_id, region)
    stack = cloudformation.find(name_or_id)
    if stack is not None:
        cloudformation.delete(stack.stack_id)
    return stack


def find_stack(account_id: str, region: str, name_or_id: str) -> Stack | None:
    """A stack by id (deleted ones too) or name."""
    return backend(account_id, region).find(name_or_id)


def first_failure(stack: Stack) -> str | None:
    """The reason of the resource that failed first in the last operation."""
    reason = None
    for event in reversed(stack.events):
        if (
            event["PhysicalResourceId"] == stack.stack_id
            and event["ResourceStatusReason"] == "User Initiated"
        ):
            break
        if event["ResourceStatus"].endswith("_FAILED") and event["PhysicalResourceId"] != stack.stack_id:
            reason = f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
    return reason
