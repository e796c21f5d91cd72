"""What SageMaker asks of an execution role: to be assumed, and to be allowed what a job does with it."""

from __future__ import annotations

import json
from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import Role, iam_backends
from moto.sagemaker.exceptions import ValidationError
from moto.utilities.utils import get_partition

from local_aws.iam.evaluation import allows

PRINCIPAL = "sagemaker.amazonaws.com"


def check_role(arn: str, account_id: str, region: str) -> None:
    """Refuse a role that is missing or does not trust SageMaker.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    """
    if _assumed(arn, account_id, region) is None:
        raise ValidationError(
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
            f"'{PRINCIPAL}' to assume the role."
        )


def may(arn: str, account_id: str, region: str, action: str, resource: str) -> bool:
    """Whether the role can be assumed now, and its policies allow an action; a bucket's are not evaluated."""
    role = _assumed(arn, account_id, region)
    return role is not None and allows(role, action, resource, {"aws:RequestedRegion": region})


def _assumed(arn: str, account_id: str, region: str) -> Role | None:
    """The role; None where it is missing or does not trust SageMaker."""
    try:
        role = iam_backends[account_id][get_partition(region)].get_role_by_arn(arn)
    except NotFoundException:
        return None
    return role if _trusts_sagemaker(json.loads(role.assume_role_policy_document)) else None


def _trusts_sagemaker(policy: dict[str, Any]) -> bool:
    statements = policy.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principals = statement.get("Principal", {})
        services = principals.get("Service", []) if isinstance(principals, dict) else []
        actions = statement.get("Action", [])
        if (
            statement.get("Effect") == "Allow"
            and PRINCIPAL in (services if isinstance(services, list) else [services])
            and {"sts:AssumeRole", "sts:*", "*"} & set(actions if isinstance(actions, list) else [actions])
        ):
            return True
    return False
