"""Bucket policies, with their conditions.

moto takes a denial under any condition for a denial, so a policy that only refuses plain HTTP would refuse
everything. Requests to this server stand for requests to AWS's HTTPS endpoints: ``aws:SecureTransport`` is
true.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.core.exceptions import ServiceException
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3 import models as moto_models

_put_bucket_policy = moto_models.S3Backend.put_bucket_policy


class MalformedPolicy(ServiceException):
    """The policy has a condition that local_aws does not evaluate."""

    code = "MalformedPolicy"


def install() -> None:
    """Let moto's S3 use what is here."""
    moto_models.FakeBucket.get_permission = _get_permission
    moto_models.S3Backend.put_bucket_policy = _checked_put_bucket_policy


def _statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    statements = policy["Statement"]
    return statements if isinstance(statements, list) else [statements]


def _holds(condition: dict[str, Any]) -> bool:
    """Whether a condition holds for a request over TLS.

    :raises MalformedPolicy: it is about anything but ``aws:SecureTransport``.
    """
    for operator, operands in condition.items():
        for key, value in operands.items():
            if (operator, key.lower()) != ("Bool", "aws:securetransport"):
                raise MalformedPolicy(f"local_aws does not evaluate the condition {operator} {key}")
            if str(value[0] if isinstance(value, list) else value).lower() != "true":
                return False
    return True


def _checked_put_bucket_policy(backend: Any, bucket_name: str, policy: bytes) -> None:
    try:
        statements = _statements(json.loads(policy))
    except (ValueError, KeyError, TypeError):
        raise MalformedPolicy("This policy contains invalid Json") from None
    for statement in statements:
        _holds(statement.get("Condition", {}))
    _put_bucket_policy(backend, bucket_name, policy)


def _get_permission(bucket: Any, action: str, resource: str) -> Any:
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(bucket.policy)
    applicable = [
        {key: value for key, value in statement.items() if key != "Condition"}
        for statement in _statements(policy)
        if _holds(statement.get("Condition", {}))
    ]
    return IAMPolicy(json.dumps({**policy, "Statement": applicable})).is_action_permitted(action, resource)
