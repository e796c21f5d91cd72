"""Reading trust policies."""

from __future__ import annotations

import json
from typing import Any


def trusts(role: dict[str, Any], service: str) -> bool:
    """Whether a role's trust policy lets a service principal assume it.

    :param service: its principal in the Region's partition (``partitions.service_principal``).
    """
    document = role["AssumeRolePolicyDocument"]
    policy = json.loads(document) if isinstance(document, str) else document
    effects = {s["Effect"] for s in _listed(policy["Statement"]) if _concerns(s, service)}
    return effects == {"Allow"}


def trusted(role: dict[str, Any]) -> str:
    """The service principals a role trusts, for reports."""
    document = role["AssumeRolePolicyDocument"]
    policy = json.loads(document) if isinstance(document, str) else document
    found = [name for s in _listed(policy["Statement"]) if s["Effect"] == "Allow" for name in _services(s)]
    return ", ".join(found) or "no service"


def _concerns(statement: dict[str, Any], service: str) -> bool:
    actions = {str(action).lower() for action in _listed(statement.get("Action"))}
    if not actions & {"sts:assumerole", "sts:*", "*"}:
        return False
    return any(name in ("*", service) for name in _services(statement))


def _services(statement: dict[str, Any]) -> list[str]:
    principal = statement.get("Principal") or {}
    return ["*"] if principal == "*" else [str(one) for one in _listed(principal.get("Service"))]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
