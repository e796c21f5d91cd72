"""EMR's default roles and the instance profile."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check
from sagemaker_emr.checks.simulation import denied
from sagemaker_emr.checks.trust import trusted, trusts
from sagemaker_emr.partitions import service_principal

SERVICE_ROLE = "EMR_DefaultRole"
INSTANCE_ROLE = "EMR_EC2_DefaultRole"
SERVICE_ACTIONS = [
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateTags",
    "ec2:DescribeSubnets",
    "ec2:RunInstances",
    "ec2:TerminateInstances",
]
INSTANCE_ACTIONS = ["s3:GetObject", "s3:PutObject"]
CREATE = "`aws emr create-default-roles`"
LAUNCH_FAILS = "The product's record fails: 'EMR_DefaultRole is invalid' or 'Invalid InstanceProfile'."


@check("EMR's default roles exist, trusted and allowed to work", symptom=LAUNCH_FAILS)
def emr_default_roles(platform: Platform) -> Iterator[Finding]:
    """GetRole, and SimulatePrincipalPolicy for what EMR and its nodes do first."""
    bucket = f"arn:{platform.partition}:s3:::{platform.output('storage', 'ArtifactsBucket')}/*"
    for name, service, actions, resource in (
        (SERVICE_ROLE, "elasticmapreduce", SERVICE_ACTIONS, "*"),
        (INSTANCE_ROLE, "ec2", INSTANCE_ACTIONS, bucket),
    ):
        yield _role(platform, name, service_principal(service, platform.region), actions, resource)


def _role(platform: Platform, name: str, principal: str, actions: list[str], resource: str) -> Finding:
    role = platform.role(name)
    if role is None:
        return failed(
            f"GetRole does not know {name}",
            name,
            cause=f"The account has no role {name}.",
            fix=f"{CREATE}, or run deploy_platform, which creates it where it is missing.",
        )
    if not trusts(role, principal):
        return failed(
            f"{name} trusts {trusted(role)}",
            name,
            cause=f"{name} does not trust {principal}.",
            fix=f"`aws iam update-assume-role-policy --role-name {name}` with {principal} as the "
            "service principal of sts:AssumeRole.",
        )
    refused = denied(platform, role["Arn"], [(action, resource) for action in actions])
    if refused:
        return failed(
            f"{name} trusts {trusted(role)}; simulated {', '.join(actions)} on {resource}",
            name,
            cause=f"{name} may not {', '.join(action for action, _ in refused)}.",
            fix=f"Attach AWS's policy again: `aws iam attach-role-policy --role-name {name}` with "
            "service-role/AmazonElasticMapReduceRole (service) or AmazonElasticMapReduceforEC2Role (nodes).",
        )
    return passed(f"{name} trusts {trusted(role)} and may {', '.join(actions)}", name)


@check("EMR's instance profile holds its role", symptom=LAUNCH_FAILS)
def emr_instance_profile(platform: Platform) -> Iterator[Finding]:
    """GetInstanceProfile."""
    try:
        found = platform.client("iam").get_instance_profile(InstanceProfileName=INSTANCE_ROLE)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        yield failed(
            f"GetInstanceProfile does not know {INSTANCE_ROLE}",
            f"instance-profile/{INSTANCE_ROLE}",
            cause=f"The account has no instance profile {INSTANCE_ROLE}.",
            fix=f"{CREATE}, or `aws iam create-instance-profile --instance-profile-name {INSTANCE_ROLE}` "
            "and add the role of the same name.",
        )
        return
    roles = [role["RoleName"] for role in found["InstanceProfile"]["Roles"]]
    read = f"instance profile {INSTANCE_ROLE} holds {', '.join(roles) or 'no role'}"
    if INSTANCE_ROLE in roles:
        yield passed(read, f"instance-profile/{INSTANCE_ROLE}")
    else:
        yield failed(
            read,
            f"instance-profile/{INSTANCE_ROLE}",
            cause=f"The instance profile does not hold role {INSTANCE_ROLE}.",
            fix=f"`aws iam add-role-to-instance-profile --instance-profile-name {INSTANCE_ROLE} --role-name "
            f"{INSTANCE_ROLE}`",
        )
