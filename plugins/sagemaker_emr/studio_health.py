"""Whether a Studio domain and its user profiles can be used, and what holds on to them.

CloudFormation makes and removes both, and tells little of why it could not: SageMaker knows.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.hooks.sagemaker import SageMakerHook
from sagemaker_emr.states import StateTable


class StudioState(StrEnum):
    """What a domain or a user profile in some state needs; words that complete "it …"."""

    USABLE = "can be used"
    COMING = "is being created: wait until it is InService"
    GOING = "is being deleted: wait until it is gone, then run deploy_platform"
    FAILED = "was never usable: run deploy_platform, which makes it again once its stack is deleted"
    NOT_UPDATED = "kept its former settings: remove the cause, then run deploy_platform with a change to it"
    HELD = "could not be deleted: remove what holds on, then run destroy_platform again"


_STATES = {
    "Deleting": StudioState.GOING,
    "Failed": StudioState.FAILED,
    "InService": StudioState.USABLE,
    "Pending": StudioState.COMING,
    "Updating": StudioState.USABLE,
    "Update_Failed": StudioState.NOT_UPDATED,
    "Delete_Failed": StudioState.HELD,
}
DOMAIN_STATES = StateTable("domain", "sagemaker", "DomainStatus", _STATES)
USER_PROFILE_STATES = StateTable("user profile", "sagemaker", "UserProfileStatus", _STATES)
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeDomain.html and
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeUserProfile.html
"""


def problems(domain_id: str, connection: dict[str, Any]) -> list[str]:
    """What is wrong with a domain and its user profiles, a line each; empty where nothing is.

    :param connection: keyword arguments for an AWS hook.
    """
    hook = SageMakerHook(**connection)
    domain = hook.find("describe_domain", DomainId=domain_id)
    if domain is None:
        return [f"domain {domain_id} does not exist, though its stack does: it was deleted by hand"]
    step = DOMAIN_STATES.of(domain["Status"], domain_id)
    found = _problem(f"domain {domain_id}", domain, step, lambda: holders(domain_id, connection))
    for profile in _listed(hook, "list_user_profiles", "UserProfiles", DomainIdEquals=domain_id):
        found += _profile_problems(hook, domain_id, profile)
    return found


def _profile_problems(hook: SageMakerHook, domain_id: str, profile: dict[str, Any]) -> list[str]:
    name = profile["UserProfileName"]
    step = USER_PROFILE_STATES.of(profile["Status"], name)
    if step is StudioState.USABLE:
        return []
    told = hook.find("describe_user_profile", DomainId=domain_id, UserProfileName=name) or profile
    return _problem(f"user profile {name}", told, step, lambda: _apps(hook, domain_id, name))


def _problem(
    what: str, described: dict[str, Any], step: StudioState, held_by: Callable[[], list[str]]
) -> list[str]:
    if step is StudioState.USABLE:
        return []
    reason = f" ({described['FailureReason']})" if described.get("FailureReason") else ""
    held = ""
    if step is StudioState.HELD:
        held = f"; held by {', '.join(held_by()) or 'nothing that can be listed'}"
    return [f"{what} is {described['Status']}{reason}, it {step}{held}"]


def holders(domain_id: str, connection: dict[str, Any]) -> list[str]:
    """What must be deleted before a domain can be: its apps, spaces and user profiles, in that order.

    Advice for an error, so it never fails.
    """
    hook = SageMakerHook(**connection)
    try:
        return [
            *_apps(hook, domain_id),
            *(
                f"space {space['SpaceName']} ({space['Status']})"
                for space in _listed(hook, "list_spaces", "Spaces", DomainIdEquals=domain_id)
            ),
            *(
                f"user profile {profile['UserProfileName']} ({profile['Status']})"
                for profile in _listed(hook, "list_user_profiles", "UserProfiles", DomainIdEquals=domain_id)
            ),
        ]
    except ClientError as error:
        return [f"(what holds on to domain {domain_id} can't be read: {error})"]


def _apps(hook: SageMakerHook, domain_id: str, user_profile: str | None = None) -> list[str]:
    """Apps that live; SageMaker lists deleted ones for a day."""
    of_profile = {"UserProfileNameEquals": user_profile} if user_profile else {}
    return [
        f"app {app['AppType']}/{app['AppName']} of {app.get('SpaceName') or app.get('UserProfileName')} "
        f"({app['Status']})"
        for app in _listed(hook, "list_apps", "Apps", DomainIdEquals=domain_id, **of_profile)
        if app["Status"] != "Deleted"
    ]


def _listed(hook: SageMakerHook, operation: str, key: str, **request: str) -> list[dict[str, Any]]:
    return [item for page in hook.conn.get_paginator(operation).paginate(**request) for item in page[key]]
