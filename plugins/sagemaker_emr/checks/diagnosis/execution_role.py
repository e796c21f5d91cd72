"""Studio's execution role, and the roles that user profiles bring of their own."""

from __future__ import annotations

from collections.abc import Iterator

from sagemaker_emr.checks.execution_role_statements import CONTEXT, STATEMENTS, Statement
from sagemaker_emr.checks.finding import Finding, failed, not_checked, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check
from sagemaker_emr.checks.simulation import denied
from sagemaker_emr.checks.trust import trusted, trusts
from sagemaker_emr.partitions import service_principal


@check(
    "SageMaker may assume the execution role", symptom="Apps and training jobs fail: 'could not assume role'."
)
def execution_role_trust(platform: Platform) -> Iterator[Finding]:
    """GetRole of the platform's role, and of the roles that user profiles bring: the trust policy."""
    for arn in dict.fromkeys([platform.execution_role_arn, *platform.profile_roles]):
        yield _trust(platform, arn)


def _trust(platform: Platform, arn: str) -> Finding:
    role, principal = platform.role(arn), service_principal("sagemaker", platform.region)
    if role is None:
        return failed(
            f"GetRole does not know {arn}",
            arn,
            cause="The execution role does not exist.",
            fix="Create the role again under the same name with what include/cfn/studio.yaml lists.",
        )
    if trusts(role, principal):
        return passed(f"{arn} trusts {trusted(role)}", arn)
    return failed(
        f"{arn} trusts {trusted(role)}",
        arn,
        cause=f"The execution role does not trust {principal}.",
        fix=f"`aws iam update-assume-role-policy --role-name {role['RoleName']}` with "
        f"{principal} as the service principal of sts:AssumeRole.",
    )


@check(
    "The execution role may do what Studio's users and jobs do",
    symptom="Studio's EMR pages, training jobs or endpoints fail: AccessDenied.",
)
def execution_role_permissions(platform: Platform) -> Iterator[Finding]:
    """SimulatePrincipalPolicy, action by action: all statements of the platform's role; of a role that a
    user profile brings, what Studio needs to work with clusters.
    """
    buckets = {
        name: platform.output("storage", name) for name in ("RawBucket", "FeaturesBucket", "ArtifactsBucket")
    }
    own = platform.execution_role_arn
    for arn in dict.fromkeys([own, *platform.profile_roles]):
        if platform.role(arn) is None:
            yield not_checked(f"role {arn} does not exist", arn)
            continue
        statements = [one for one in STATEMENTS if arn == own or one.of_users]
        yield from _permissions(platform, arn, statements, buckets)


def _permissions(
    platform: Platform, arn: str, statements: list[Statement], buckets: dict[str, str]
) -> Iterator[Finding]:
    here = f"{platform.region}:{platform.account_id}"
    asks = {
        one: [
            (action, _arn(platform, each, here, buckets)) for each in one.resources for action in one.actions
        ]
        for one in statements
    }
    decisions = denied(platform, arn, [ask for some in asks.values() for ask in some], CONTEXT)
    for one, asked in asks.items():
        refused = [f"{ask[0]} on {ask[1]} ({decisions[ask]})" for ask in asked if ask in decisions]
        read = f"{one.sid}: {', '.join(one.actions)} on {', '.join(dict.fromkeys(on for _, on in asked))}"
        if not refused:
            yield passed(read, arn)
        else:
            yield failed(
                read,
                arn,
                cause=f"The execution role may not {'; '.join(refused)}.",
                fix=f"Put statement {one.sid} into policy {one.policy} of role {arn.rpartition('/')[2]}, as "
                "include/cfn/studio.yaml has it.",
                symptom=one.symptom,
            )


def _arn(platform: Platform, resource: str, here: str, buckets: dict[str, str]) -> str:
    if resource == "*":
        return resource
    return f"arn:{platform.partition}:{resource.format(here=here, **buckets)}"
