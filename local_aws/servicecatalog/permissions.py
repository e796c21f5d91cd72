"""Who calls, and whether a launch role is trusted."""

from __future__ import annotations

from dataclasses import dataclass

from moto.iam.models import Role, iam_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition

from local_aws.iam.evaluation import allows, glob, listed, matches_any, statements

__all__ = ["Caller", "allows", "caller", "glob", "role_by_arn", "trusts"]


@dataclass(frozen=True)
class Caller:
    """The identity behind an access key.

    :param arn: user or assumed-role session, as STS GetCallerIdentity tells it.
    :param principals: the IAM ARNs through which a portfolio may admit it: user and groups, or role.
        Empty for a key that no IAM user or role of the account has: such a key acts as the account's root.
    """

    arn: str
    principals: frozenset[str]

    @property
    def is_root(self) -> bool:
        """Whether the access key belongs to nobody in particular."""
        return not self.principals


def caller(access_key: str, account_id: str, region_name: str) -> Caller:
    """The identity behind an access key."""
    partition = get_partition(region_name)
    iam = iam_backends[account_id][partition]
    session = sts_backends[account_id][partition].get_assumed_role_from_access_key(access_key)
    if session:
        return Caller(session.arn, frozenset({session.role_arn}))
    user = iam.get_user_from_access_key_id(access_key)
    if user:
        groups = {group.arn for group in iam.get_groups_for_user(user.name)}
        return Caller(user.arn, frozenset({user.arn, *groups}))
    return Caller(f"arn:{partition}:iam::{account_id}:root", frozenset())


def role_by_arn(role_arn: str, account_id: str, region_name: str) -> Role | None:
    """The role, or None if the account has none of that ARN."""
    roles = iam_backends[account_id][get_partition(region_name)].roles.values()
    return next((role for role in roles if role.arn == role_arn), None)


def trusts(role: Role, service: str) -> bool:
    """Whether the role's trust policy lets a service principal assume it."""
    allowed = False
    for statement in statements(role.assume_role_policy_document):
        principal = statement.get("Principal") or {}
        services = ["*"] if principal == "*" else listed(principal.get("Service"))
        if service not in services and "*" not in services:
            continue
        if not matches_any(statement.get("Action"), "sts:AssumeRole", ignore_case=True):
            continue
        if statement["Effect"] == "Deny":
            return False
        allowed = True
    return allowed
