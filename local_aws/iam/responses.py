"""IAM's operations: moto's, and the policy simulation that it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import NotFoundException, ValidationError
from moto.iam.models import Role, User
from moto.iam.responses import IamResponse as MotoIamResponse

from local_aws.iam.evaluation import decision

NOT_PLAYED = (
    "PolicyInputList",
    "PermissionsBoundaryPolicyInputList",
    "ResourcePolicy",
    "ResourceOwner",
    "ResourceHandlingOption",
    "CallerArn",
)
STRICTNESS = ("allowed", "implicitDeny", "explicitDeny")
PAGE = 100
MAX_PAGE = 1000


class IamResponse(MotoIamResponse):
    """moto's operations with ours in front of them."""

    def simulate_principal_policy(self) -> ActionResult:
        """https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html

        Identity-based policies and boundaries are evaluated; a result does not tell the statements that
        matched, nor missing context values.
        """
        asked = [name for name in NOT_PLAYED if self._get_param(name)]
        if asked:
            raise ValidationError(f"local_aws does not play the parameters {', '.join(asked)}.")
        identity = self._identity(self._get_param("PolicySourceArn") or "")
        results = list(self._results(identity))
        start = int(self._get_param("Marker") or 0)
        size = int(self._get_param("MaxItems") or PAGE)
        if not 1 <= size <= MAX_PAGE:
            raise ValidationError(f"MaxItems must be between 1 and {MAX_PAGE}.")
        more = start + size < len(results)
        return ActionResult(
            {
                "EvaluationResults": results[start : start + size],
                "IsTruncated": more,
                "Marker": str(start + size) if more else None,
            }
        )

    def _results(self, identity: Role | User) -> Iterator[dict[str, Any]]:
        """A result for each action; of several resources it has each one's, and the strictest for all.

        https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
        """
        context = self._context()
        resources = self._get_param("ResourceArns") or ["*"]
        for action in self._get_param("ActionNames"):
            found = {each: decision(identity, action, each, context) for each in resources}
            nothing: dict[str, Any] = {"MatchedStatements": [], "MissingContextValues": []}
            result = {"EvalActionName": action, "EvalDecision": max(found.values(), key=STRICTNESS.index)}
            if len(found) == 1:
                yield {**result, **nothing, "EvalResourceName": resources[0]}
            else:
                each = [
                    {"EvalResourceName": name, "EvalResourceDecision": decided, **nothing}
                    for name, decided in found.items()
                ]
                yield {**result, **nothing, "ResourceSpecificResults": each}

    def _context(self) -> dict[str, str]:
        """The condition keys' values; of several, the first."""
        return {
            one["ContextKeyName"]: (one.get("ContextKeyValues") or [""])[0]
            for one in self._get_param("ContextEntries") or []
        }

    def _identity(self, arn: str) -> Role | User:
        """:raises NotFoundException: no role or user has the ARN."""
        for identity in (*self.backend.roles.values(), *self.backend.users.values()):
            if identity.arn == arn:
                found: Role | User = identity
                return found
        raise NotFoundException(f"The policy source {arn} cannot be found.")
