"""What a principal may do, decided by IAM itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sagemaker_emr.checks.platform import NotKnown, Platform

PAGE = 1000

Ask = tuple[str, str]
"""An action, and the ARN of the resource it is for or ``*``."""


def denied(
    platform: Platform, principal_arn: str, asked: Iterable[Ask], context: Mapping[str, str] | None = None
) -> dict[Ask, str]:
    """Those of some actions on resources that a principal may not take, and what IAM decided of each.

    SimulatePrincipalPolicy, once for each service whose resources are asked for. It knows identity-based
    policies and boundaries; of service control policies it knows what the account sees.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html

    :param context: values of condition keys, such as the tags that a request carries.
    :raises NotKnown: IAM did not decide one of them.
    """
    asked = list(asked)
    by_service: dict[str, list[Ask]] = {}
    for action, resource in asked:
        service = resource.split(":")[2] if ":" in resource else resource
        by_service.setdefault(service, []).append((action, resource))
    decisions: dict[Ask, str] = {}
    for asks in by_service.values():
        decisions.update(_simulated(platform, principal_arn, asks, context or {}))
    if undecided := [ask for ask in asked if ask not in decisions]:
        raise NotKnown("SimulatePrincipalPolicy decided nothing of {} on {}".format(*undecided[0]))
    return {ask: decisions[ask] for ask in asked if decisions[ask] != "allowed"}


def _simulated(
    platform: Platform, principal_arn: str, asks: list[Ask], context: Mapping[str, str]
) -> Iterator[tuple[Ask, str]]:
    """All actions of some asks on all their resources."""
    results = platform.pages(
        "iam",
        "simulate_principal_policy",
        "EvaluationResults",
        PolicySourceArn=principal_arn,
        ActionNames=sorted({action for action, _ in asks}),
        ResourceArns=sorted({resource for _, resource in asks}),
        ContextEntries=[
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in context.items()
        ],
        PaginationConfig={"PageSize": PAGE},
    )
    for one in results:
        action, each = one["EvalActionName"], one.get("ResourceSpecificResults", [])
        # Of several resources the result's own decision is one for all; each has its own below.
        for resource in each:
            yield (action, resource["EvalResourceName"]), resource["EvalResourceDecision"]
        if not each:
            yield (action, one["EvalResourceName"]), one["EvalDecision"]
