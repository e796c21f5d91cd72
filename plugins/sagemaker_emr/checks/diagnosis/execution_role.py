"""Studio's execution role."""

from __future__ import annotations

from collections.abc import Iterator

from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import NotKnown, Platform
from sagemaker_emr.checks.registry import check
from sagemaker_emr.checks.trust import trusted, trusts
from sagemaker_emr.partitions import service_principal

POLICY = "AllowSagemakerProjectManagement"
STATEMENTS: dict[str, tuple[str, list[str], str]] = {
    "AllowPresignedUrl": (
        "elasticmapreduce:{here}:cluster/j-CHECK",
        [
            "elasticmapreduce:DescribeCluster",
            "elasticmapreduce:ListInstanceGroups",
            "elasticmapreduce:CreatePersistentAppUI",
            "elasticmapreduce:DescribePersistentAppUI",
            "elasticmapreduce:GetPersistentAppUIPresignedURL",
            "elasticmapreduce:GetOnClusterAppUIPresignedURL",
            "elasticmapreduce:ListInstances",
        ],
        "Links to the Spark UI in Studio open nothing: AccessDenied.",
    ),
    "AllowClusterDetailsDiscovery": (
        "elasticmapreduce:{here}:cluster/j-CHECK",
        ["elasticmapreduce:DescribeCluster", "elasticmapreduce:ListInstanceGroups"],
        "Studio shows no details of a cluster, and connecting fails: AccessDenied on DescribeCluster.",
    ),
    "AllowClusterDiscovery": (
        "*",
        ["elasticmapreduce:ListClusters"],
        "Studio's list of clusters stays empty: AccessDenied on ListClusters.",
    ),
    "AllowSagemakerProjectManagement": (
        "sagemaker:{here}:project/check",
        ["sagemaker:CreateProject", "sagemaker:DeleteProject"],
        "Studio's 'Create cluster' fails: not authorized to perform sagemaker:CreateProject.",
    ),
    "AllowEMRTemplateDiscovery": (
        "*",
        ["servicecatalog:SearchProducts"],
        "Studio's 'Create cluster' lists no template.",
    ),
}
"""The five statements of the reference scenario: resource, actions, and what fails without them."""


@check(
    "SageMaker may assume the execution role", symptom="Apps and training jobs fail: 'could not assume role'."
)
def execution_role_trust(platform: Platform) -> Iterator[Finding]:
    """GetRole: the trust policy."""
    arn, principal = platform.execution_role_arn, service_principal("sagemaker", platform.region)
    role = platform.role(arn)
    if role is None:
        yield failed(
            f"GetRole does not know {arn}",
            arn,
            cause="The execution role does not exist.",
            fix="Create the role again under the same name with what include/cfn/studio.yaml lists.",
        )
    elif trusts(role, principal):
        yield passed(f"{arn} trusts {trusted(role)}", arn)
    else:
        yield failed(
            f"{arn} trusts {trusted(role)}",
            arn,
            cause=f"The execution role does not trust {principal}.",
            fix=f"`aws iam update-assume-role-policy --role-name {role['RoleName']}` with "
            f"{principal} as the service principal of sts:AssumeRole.",
        )


@check("The execution role may do what Studio's users do", symptom="Studio's EMR pages fail: AccessDenied.")
def execution_role_permissions(platform: Platform) -> Iterator[Finding]:
    """SimulatePrincipalPolicy, statement by statement and action by action."""
    arn = platform.execution_role_arn
    if platform.role(arn) is None:
        raise NotKnown(f"role {arn} does not exist")
    here = f"{platform.region}:{platform.account_id}"
    for sid, (resource, actions, symptom) in STATEMENTS.items():
        target = resource if resource == "*" else f"arn:{platform.partition}:{resource.format(here=here)}"
        denied = platform.denied(arn, actions, target)
        read = f"{sid}: {', '.join(actions)} on {target}"
        if not denied:
            yield passed(read, arn)
        else:
            yield failed(
                read,
                arn,
                cause=f"The execution role may not {', '.join(denied)} on {target}.",
                fix=f"Add statement {sid} to the role's policy {POLICY}, as include/cfn/studio.yaml has it.",
                symptom=symptom,
            )
