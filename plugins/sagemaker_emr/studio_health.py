"""Whether a Studio domain and its user profiles can be used, and what holds on to them.

CloudFormation makes and removes both, and tells little of why it could not: SageMaker knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.hooks.sagemaker_studio import (
    DOMAIN_STATES,
    USER_PROFILE_STATES,
    SageMakerStudioHook,
    StudioContents,
    StudioNeed,
)


def problems(domain_id: str, connection: dict[str, Any]) -> list[str]:
    """What is wrong with a domain and its user profiles, a line each; empty where nothing is.

    :param connection: keyword arguments for an AWS hook.
    """
    hook = SageMakerStudioHook(**connection)
    domain = hook.find_domain(domain_id)
    if domain is None:
        return [f"domain {domain_id} does not exist, though its stack does: it was deleted by hand"]
    need = DOMAIN_STATES.of(domain["Status"], domain_id).need
    found = _problem(f"domain {domain_id}", domain, need, lambda: holders(domain_id, connection))
    for profile in hook.contents(domain_id).user_profiles:
        found += _profile_problems(hook, domain_id, profile)
    return found


def _profile_problems(hook: SageMakerStudioHook, domain_id: str, profile: dict[str, Any]) -> list[str]:
    name = profile["UserProfileName"]
    need = USER_PROFILE_STATES.of(profile["Status"], name).need
    if need is StudioNeed.NONE:
        return []
    told = hook.find("describe_user_profile", DomainId=domain_id, UserProfileName=name) or profile
    return _problem(
        f"user profile {name}", told, need, lambda: _apps_and_spaces(hook.contents(domain_id, [name]))
    )


def _problem(
    what: str, described: dict[str, Any], need: StudioNeed, held_by: Callable[[], list[str]]
) -> list[str]:
    if need is StudioNeed.NONE:
        return []
    reason = f" ({described['FailureReason']})" if described.get("FailureReason") else ""
    held = ""
    if need is StudioNeed.HELD:
        held = f"; held by {', '.join(held_by()) or 'nothing that can be listed'}"
    return [f"{what} is {described['Status']}{reason}, it {need}{held}"]


def holders(domain_id: str, connection: dict[str, Any]) -> list[str]:
    """What must be deleted before a domain can be: its apps, spaces and user profiles, in that order.

    Advice for an error, so it never fails.
    """
    try:
        contents = SageMakerStudioHook(**connection).contents(domain_id)
    except ClientError as error:
        return [f"(what holds on to domain {domain_id} can't be read: {error})"]
    profiles = [
        f"user profile {profile['UserProfileName']} ({profile['Status']})"
        for profile in contents.user_profiles
    ]
    return [*_apps_and_spaces(contents), *profiles]


def _apps_and_spaces(contents: StudioContents) -> list[str]:
    apps = [
        f"app {app['AppType']}/{app['AppName']} of {app.get('SpaceName') or app.get('UserProfileName')} "
        f"({app['Status']})"
        for app in contents.apps
    ]
    return [*apps, *(f"space {space['SpaceName']} ({space['Status']})" for space in contents.spaces)]
