"""The launch role: may it do what a launch, an update or a termination needs?

https://docs.aws.amazon.com/servicecatalog/latest/adminguide/constraints-launch.html lists what Service
Catalog itself needs; what the template's resources need is checked for EMR clusters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.iam.models import Role, iam_backends
from moto.utilities.utils import get_partition

from local_aws.servicecatalog import permissions, templates
from local_aws.servicecatalog.records import OperationFailed, ProvisionedProduct

_STACK_ACTIONS = {
    "launch": ("CreateStack", "DescribeStacks", "DescribeStackEvents", "GetTemplateSummary"),
    "update": ("UpdateStack", "DescribeStacks", "DescribeStackEvents", "GetTemplateSummary"),
    "terminate": ("DeleteStack", "DescribeStacks", "DescribeStackEvents"),
}


@dataclass(frozen=True)
class Need:
    """An action that the launch role must be allowed."""

    action: str
    resource: str
    context: dict[str, str] = field(default_factory=dict)


def check_launch_role(provisioned: ProvisionedProduct, operation: str, template: dict[str, Any]) -> None:
    """Check the LAUNCH constraint's role; without one, launches run as the caller and nothing is checked.

    AWS starts the stack and fails it at the resource that lacks a permission; here it is said before.

    :param operation: ``launch``, ``update`` or ``terminate``.
    :raises OperationFailed: the role is missing, does not trust Service Catalog, or lacks a permission.
    """
    role_arn = provisioned.launch_role_arn
    if role_arn is None:
        return
    role = permissions.role_by_arn(role_arn, provisioned.account_id, provisioned.region_name)
    if role is None or not permissions.trusts(role, "servicecatalog.amazonaws.com"):
        raise OperationFailed(
            "AccessDeniedException",
            f"Access denied while assuming the role {role_arn}: it must exist and trust "
            "servicecatalog.amazonaws.com",
        )
    for need in _needs(provisioned, operation, template):
        if not permissions.allows(role, need.action, need.resource, need.context):
            user = f"arn:{role.partition}:sts::{role.account_id}:assumed-role/{role.name}/servicecatalog"
            raise OperationFailed(
                "AccessDeniedException",
                f"User: {user} is not authorized to perform: {need.action} on resource: {need.resource} "
                "because no identity-based policy allows the action",
            )


def _needs(provisioned: ProvisionedProduct, operation: str, template: dict[str, Any]) -> Iterator[Need]:
    region, account = provisioned.region_name, provisioned.account_id
    partition = get_partition(region)
    stack = f"arn:{partition}:cloudformation:{region}:{account}:stack/{provisioned.stack_name}/*"
    for action in _STACK_ACTIONS[operation]:
        yield Need(f"cloudformation:{action}", stack)
    if operation != "terminate":
        # The template is read from a copy in a bucket of Service Catalog's, whose name is not documented;
        # the documented policy allows it by the object's tag.
        yield Need(
            "s3:GetObject",
            f"arn:{partition}:s3:::sc-provisioning-{region}/{provisioned.artifact.id}",
            {"s3:ExistingObjectTag/servicecatalog:provisioning": "true"},
        )
    clusters = [r for r in template["Resources"].values() if r["Type"] == "AWS::EMR::Cluster"]
    for properties in (cluster.get("Properties", {}) for cluster in clusters):
        tags = _tags(provisioned, properties, template)
        if operation == "launch":
            # RunJobFlow has no resource type: only a statement on "*" allows it.
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticmapreduce.html
            request = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
            yield Need("elasticmapreduce:RunJobFlow", "*", request)
            yield from _passed_roles(provisioned, properties, template)
        elif operation == "terminate":
            any_cluster = f"arn:{partition}:elasticmapreduce:{region}:{account}:cluster/*"
            context = {
                f"{prefix}:ResourceTag/{key}": value
                for key, value in tags.items()
                for prefix in ("aws", "elasticmapreduce")
            }
            yield Need("elasticmapreduce:TerminateJobFlows", any_cluster, context)


def _tags(
    provisioned: ProvisionedProduct, properties: dict[str, Any], template: dict[str, Any]
) -> dict[str, str]:
    """The cluster's tags: those of its stack, and of the template as far as they are known before it runs."""
    own = {
        tag["Key"]: templates.resolved(tag["Value"], provisioned.parameters, template)
        for tag in properties.get("Tags", [])
    }
    known = {key: value for key, value in own.items() if value is not None}
    return provisioned.stack_tags() | known


def _passed_roles(
    provisioned: ProvisionedProduct, properties: dict[str, Any], template: dict[str, Any]
) -> Iterator[Need]:
    """``iam:PassRole`` on the cluster's roles, as far as the template names them before it runs."""
    partition = get_partition(provisioned.region_name)
    suffix = ".cn" if partition == "aws-cn" else ""
    for name, service in (("ServiceRole", "elasticmapreduce"), ("JobFlowRole", "ec2")):
        value = templates.resolved(properties.get(name), provisioned.parameters, template)
        if value is None:
            continue
        for role_arn in _role_arns(value, provisioned.account_id, partition):
            yield Need("iam:PassRole", role_arn, {"iam:PassedToService": f"{service}.amazonaws.com{suffix}"})


def _role_arns(name: str, account_id: str, partition: str) -> list[str]:
    """The ARNs of the roles in an instance profile, or of a role of that name."""
    iam = iam_backends[account_id][partition]
    for profile in iam.instance_profiles.values():
        if name in (profile.name, profile.arn):
            return [role.arn for role in profile.roles]
    known: list[Role] = [role for role in iam.roles.values() if name in (role.name, role.arn)]
    if known:
        return [known[0].arn]
    return [name if name.startswith("arn:") else f"arn:{partition}:iam::{account_id}:role/{name}"]
