"""Studio's user profiles."""

from __future__ import annotations

from collections.abc import Iterator

from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check
from sagemaker_emr.hooks.cloud_formation import USABLE_STATUSES
from sagemaker_emr.names import stack_name


@check("Every user profile is usable", symptom="Studio does not open for the profile.")
def user_profiles(platform: Platform) -> Iterator[Finding]:
    """The profiles' stacks, ListUserProfiles and DescribeUserProfile: Status."""
    found = {one["UserProfileName"]: one for one in platform.user_profiles}
    prefix = stack_name(platform.environment, "profile-")
    stacks = platform.pages(
        "cloudformation", "list_stacks", "StackSummaries", StackStatusFilter=sorted(USABLE_STATUSES)
    )
    names = [stack["StackName"] for stack in stacks]
    wanted = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    for name in sorted({*wanted, *found}):
        profile = found.get(name)
        status = profile["Status"] if profile else "does not exist"
        if status == "InService":
            yield passed(f"profile {name}: {status}", name)
        else:
            reason = (profile or {}).get("FailureReason")
            yield failed(
                f"profile {name}: {status}",
                name,
                cause=f"Profile {name} {'is ' if profile else ''}{status}{f': {reason}' if reason else ''}.",
                fix=f"Run deploy_platform without profile {name}, and once more with it.",
            )
