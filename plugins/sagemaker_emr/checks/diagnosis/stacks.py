"""The platform's stacks."""

from __future__ import annotations

from collections.abc import Iterator

from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check
from sagemaker_emr.hooks.cloud_formation import USABLE_STATUSES
from sagemaker_emr.names import stack_name


@check("Every stack exists and is usable", symptom="Runs fail in read_platform: the platform is not ready.")
def stacks_usable(platform: Platform) -> Iterator[Finding]:
    """DescribeStacks."""
    for concern, stack in platform.stacks.items():
        name = stack_name(platform.environment, concern)
        status = stack["StackStatus"] if stack else "does not exist"
        if status in USABLE_STATUSES:
            yield passed(f"{name} is {status}", name)
        else:
            reason = (stack or {}).get("StackStatusReason")
            yield failed(
                f"{name}: {status}",
                name,
                cause=f"Stack {name} {'is ' if stack else ''}{status}{f': {reason}' if reason else ''}.",
                fix=f"Run deploy_platform for environment {platform.environment}.",
            )
