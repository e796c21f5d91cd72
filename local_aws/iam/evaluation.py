"""Whether an identity may do something: a small evaluator over moto's IAM state.

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

from moto.iam.models import IAMBackend, Policy, Role, User, iam_backends


def allows(role: Role, action: str, resource: str = "*", context: Mapping[str, str] | None = None) -> bool:
    """Whether the role's own policies, and its boundary, allow an action on a resource."""
    return decision(role, action, resource, context or {}) == "allowed"


def decision(identity: Role | User, action: str, resource: str, context: Mapping[str, str]) -> str:
    """``allowed``, ``explicitDeny`` or ``implicitDeny``: what an identity's policies and boundary say."""
    request = Request(action, resource, context)
    found = request.decision(_documents(identity))
    boundary_arn = identity.permissions_boundary_arn if isinstance(identity, Role) else None
    if found != "allowed" or not boundary_arn:
        return found
    boundary = _backend(identity).managed_policies.get(boundary_arn)
    return request.decision([_document(boundary)]) if boundary else "implicitDeny"


def _backend(identity: Role | User) -> IAMBackend:
    found: IAMBackend = iam_backends[identity.account_id][identity.arn.split(":")[1]]
    return found


def _documents(identity: Role | User) -> list[str | dict[str, Any]]:
    """The identity's policies; a user's groups' too."""
    documents = [*identity.policies.values()]
    managed = [*identity.managed_policies.values()]
    if isinstance(identity, User):
        for group in _backend(identity).get_groups_for_user(identity.name):
            documents += group.policies.values()
            managed += group.managed_policies.values()
    return [*documents, *(_document(policy) for policy in managed)]


def _document(policy: Policy) -> str:
    return str(next(version.document for version in policy.versions if version.is_default))


def statements(document: str | dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a policy document."""
    policy = json.loads(document) if isinstance(document, str) else document
    found = policy["Statement"]
    return [found] if isinstance(found, dict) else list(found)


@dataclass(frozen=True)
class Request:
    """An action on a resource, with the condition keys' values."""

    action: str
    resource: str
    context: Mapping[str, str]

    def decision(self, documents: Iterable[str | dict[str, Any]]) -> str:
        """``allowed``, ``explicitDeny`` or ``implicitDeny``, as SimulatePrincipalPolicy words it."""
        effects = {
            statement["Effect"]
            for document in documents
            for statement in statements(document)
            if self._concerns(statement)
        }
        if "Deny" in effects:
            return "explicitDeny"
        return "allowed" if effects else "implicitDeny"

    def _concerns(self, statement: dict[str, Any]) -> bool:
        if "NotAction" in statement:
            action = not matches_any(statement["NotAction"], self.action, ignore_case=True)
        else:
            action = matches_any(statement.get("Action"), self.action, ignore_case=True)
        if "NotResource" in statement:
            resource = not matches_any(statement["NotResource"], self.resource)
        else:
            resource = matches_any(statement.get("Resource"), self.resource)
        return action and resource and self._meets(statement)

    def _meets(self, statement: dict[str, Any]) -> bool:
        return all(
            self._condition(operator, key, listed(wanted), statement["Effect"])
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
        found = value in wanted if name in {"StringEquals", "Bool"} else matches_any(wanted, value)
        return found != negated


def listed(value: Any) -> list[str]:
    """A policy's value, which may be one text or several."""
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [str(v).lower() if isinstance(v, bool) else str(v) for v in values]


def matches_any(patterns: Any, value: str, *, ignore_case: bool = False) -> bool:
    """Whether one of a policy's patterns covers a value."""
    flags = re.IGNORECASE if ignore_case else 0
    return any(re.fullmatch(glob(pattern), value, flags) for pattern in listed(patterns))


def glob(pattern: str, question_mark: str = ".") -> str:
    """IAM's wildcards, ``*`` and ``?``, as a regular expression."""
    return "".join({"*": ".*", "?": question_mark}.get(char, re.escape(char)) for char in pattern)
