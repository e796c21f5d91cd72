"""Who calls, and whether a launch role may do what a launch needs: a small evaluator over moto's IAM state.

It follows the policy evaluation logic for identity-based policies and permissions boundaries: an explicit
deny wins, then an allow is needed from a policy and, where one is set, from the boundary.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.iam.models import Policy, Role, iam_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition


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
    for statement in _statements(role.assume_role_policy_document):
        principal = statement.get("Principal") or {}
        services = ["*"] if principal == "*" else _listed(principal.get("Service"))
        if service not in services and "*" not in services:
            continue
        if not _matches_any(statement.get("Action"), "sts:AssumeRole", ignore_case=True):
            continue
        if statement["Effect"] == "Deny":
            return False
        allowed = True
    return allowed


def allows(role: Role, action: str, resource: str = "*", context: Mapping[str, str] | None = None) -> bool:
    """Whether the role's own policies, and its boundary, allow an action on a resource."""
    request = _Request(action, resource, context or {})
    documents = [*role.policies.values(), *(_document(policy) for policy in role.managed_policies.values())]
    if not request.allowed_by(documents):
        return False
    if not role.permissions_boundary_arn:
        return True
    boundary = iam_backends[role.account_id][role.partition].managed_policies.get(
        role.permissions_boundary_arn
    )
    return boundary is not None and request.allowed_by([_document(boundary)])


def _document(policy: Policy) -> str:
    return str(next(version.document for version in policy.versions if version.is_default))


def _statements(document: str | dict[str, Any]) -> list[dict[str, Any]]:
    policy = json.loads(document) if isinstance(document, str) else document
    statements = policy["Statement"]
    return [statements] if isinstance(statements, dict) else list(statements)


@dataclass(frozen=True)
class _Request:
    action: str
    resource: str
    context: Mapping[str, str]

    def allowed_by(self, documents: Iterable[str | dict[str, Any]]) -> bool:
        effects = {
            statement["Effect"]
            for document in documents
            for statement in _statements(document)
            if self._concerns(statement)
        }
        return effects == {"Allow"}

    def _concerns(self, statement: dict[str, Any]) -> bool:
        if "NotAction" in statement:
            action = not _matches_any(statement["NotAction"], self.action, ignore_case=True)
        else:
            action = _matches_any(statement.get("Action"), self.action, ignore_case=True)
        if "NotResource" in statement:
            resource = not _matches_any(statement["NotResource"], self.resource)
        else:
            resource = _matches_any(statement.get("Resource"), self.resource)
        return action and resource and self._meets(statement)

    def _meets(self, statement: dict[str, Any]) -> bool:
        return all(
            self._condition(operator, key, _listed(wanted), statement["Effect"])
            for operator, keys in (statement.get("Condition") or {}).items()
            for key, wanted in keys.items()
        )

    def _condition(self, operator: str, key: str, wanted: list[str], effect: str) -> bool:
        """One condition; an operator not known here never allows and always denies: it fails closed."""
        value = next((v for k, v in self.context.items() if k.lower() == key.lower()), None)
        name = operator.rpartition(":")[2]
        if name.endswith("IfExists"):
            if value is None:
                return True
            name = name.removesuffix("IfExists")
        negated = "Not" in name
        name = name.replace("Not", "")
        if name == "Null":
            return (value is None) == (wanted[0].lower() == "true")
        if name not in {"StringEquals", "StringLike", "ArnEquals", "ArnLike", "Bool"}:
            return effect == "Deny"
        if value is None:
            return negated
        found = value in wanted if name in {"StringEquals", "Bool"} else _matches_any(wanted, value)
        return found != negated


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [str(v).lower() if isinstance(v, bool) else str(v) for v in values]


def _matches_any(patterns: Any, value: str, *, ignore_case: bool = False) -> bool:
    flags = re.IGNORECASE if ignore_case else 0
    return any(re.fullmatch(glob(pattern), value, flags) for pattern in _listed(patterns))


def glob(pattern: str, question_mark: str = ".") -> str:
    """IAM's wildcards, ``*`` and ``?``, as a regular expression."""
    return "".join({"*": ".*", "?": question_mark}.get(char, re.escape(char)) for char in pattern)
