"""The launch constraint and its role."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import NotKnown, Platform
from sagemaker_emr.checks.registry import check
from sagemaker_emr.checks.simulation import denied
from sagemaker_emr.checks.trust import trusted, trusts
from sagemaker_emr.partitions import service_principal

STACK_ACTIONS = [
    "cloudformation:CreateStack",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:SetStackPolicy",
    "cloudformation:UpdateStack",
]
ANYWHERE_ACTIONS = [
    "cloudformation:GetTemplateSummary",
    "cloudformation:ValidateTemplate",
    "elasticmapreduce:RunJobFlow",
]
CLUSTER_ACTIONS = [
    "elasticmapreduce:AddTags",
    "elasticmapreduce:DescribeCluster",
    "elasticmapreduce:ListInstanceGroups",
    "elasticmapreduce:TerminateJobFlows",
]
PASSED_ROLES = ("EMR_DefaultRole", "EMR_EC2_DefaultRole")


@check(
    "The product has a launch constraint with a role",
    symptom="Launching asks for permissions of the user's own: 'not authorized to perform: "
    "elasticmapreduce:RunJobFlow' or 'cloudformation:CreateStack'.",
)
def launch_constraint(platform: Platform) -> Iterator[Finding]:
    """ListConstraintsForPortfolio, DescribeConstraint."""
    roles = platform.launch_roles
    ids = (platform.portfolio_id, platform.product_id)
    if roles:
        yield passed(f"product {ids[1]} in portfolio {ids[0]}: LAUNCH as {', '.join(roles)}", ids[1], ids[0])
        return
    if ids[0] not in platform.portfolio_ids:
        raise NotKnown(f"product {ids[1]} is not in portfolio {ids[0]}, which a constraint needs")
    role = platform.output("catalog", "LaunchRoleArn")
    parameters = json.dumps({"RoleArn": role})
    yield failed(
        f"product {ids[1]} in portfolio {ids[0]}: no LAUNCH constraint",
        ids[1],
        ids[0],
        cause="The product has no LAUNCH constraint in the portfolio.",
        fix=f"`aws servicecatalog create-constraint --type LAUNCH --portfolio-id {ids[0]} --product-id "
        f"{ids[1]} --parameters '{parameters}'`. The stack's own constraint then stays missing as drift.",
    )


@check(
    "Service Catalog may assume the launch role",
    symptom="Launching fails at once: 'Access denied while assuming the role'.",
)
def launch_role_trust(platform: Platform) -> Iterator[Finding]:
    """GetRole: the trust policy."""
    principal = service_principal("servicecatalog", platform.region)
    for arn in _expected_roles(platform):
        role = platform.role(arn)
        if role is None:
            yield failed(
                f"GetRole does not know {arn}",
                arn,
                cause="The launch constraint's role does not exist.",
                fix=f"Create the role again under the same name, or run deploy_platform for environment "
                f"{platform.environment} after deleting the catalog stack.",
            )
        elif trusts(role, principal):
            yield passed(f"{arn} trusts {trusted(role)}", arn)
        else:
            yield failed(
                f"{arn} trusts {trusted(role)}",
                arn,
                cause=f"The launch role does not trust {principal}.",
                fix=f"`aws iam update-assume-role-policy --role-name {role['RoleName']}` with "
                f"{principal} as the service principal of sts:AssumeRole.",
            )


@check(
    "The launch role may launch, update and end clusters",
    symptom="The product's record fails: 'is not authorized to perform', or its termination does, which "
    "leaves the cluster running.",
)
def launch_role_permissions(platform: Platform) -> Iterator[Finding]:
    """SimulatePrincipalPolicy, action by action."""
    prefix = f"arn:{platform.partition}"
    here = f"{platform.region}:{platform.account_id}"
    stack = f"{prefix}:cloudformation:{here}:stack/SC-{platform.account_id}-pp-check/id"
    bucket = platform.output("storage", "ArtifactsBucket")
    cluster = f"{prefix}:elasticmapreduce:{here}:cluster/j-CHECK"
    asked = [
        *((action, stack) for action in STACK_ACTIONS),
        *((action, "*") for action in ANYWHERE_ACTIONS),
        *((action, cluster) for action in CLUSTER_ACTIONS),
        ("s3:GetObject", f"{prefix}:s3:::{bucket}/code/cfn/template.yaml"),
        *(("iam:PassRole", f"{prefix}:iam::{platform.account_id}:role/{name}") for name in PASSED_ROLES),
    ]
    # The product tags its clusters so, and the role may start no others.
    tagged = {"aws:RequestTag/sagemaker-emr:environment": platform.environment}
    for arn in _expected_roles(platform):
        if platform.role(arn) is None:
            raise NotKnown(f"role {arn} does not exist")
        refused = [
            f"{action} on {resource} ({decision})"
            for (action, resource), decision in denied(platform, arn, asked, tagged).items()
        ]
        count = len(asked)
        if not refused:
            yield passed(f"{arn}: {count} actions simulated", arn)
        else:
            yield failed(
                f"{arn}: {count} actions simulated",
                arn,
                cause=f"The launch role may not {'; '.join(refused)}.",
                fix=f"Give {arn.rpartition('/')[2]} these actions again, as include/cfn/catalog.yaml lists "
                "them.",
            )


def _expected_roles(platform: Platform) -> list[str]:
    """The constraint's role; without a constraint the one that it should have."""
    return platform.launch_roles or [platform.output("catalog", "LaunchRoleArn")]
