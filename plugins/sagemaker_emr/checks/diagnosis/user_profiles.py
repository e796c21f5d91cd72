"""Studio's user profiles."""

from __future__ import annotations

from collections.abc import Iterator

from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check


@check("Every user profile is usable", symptom="Studio does not open for the profile.")
def user_profiles(platform: Platform) -> Iterator[Finding]:
    """The studio stack's profiles, ListUserProfiles and DescribeUserProfile: Status."""
    found = {one["UserProfileName"]: one for one in platform.user_profiles}
    wanted = [name for name in platform.output("studio", "UserProfileNames").split(",") if name]
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
