"""What of an environment is left once it was destroyed, by name and reason.

A sweep by tag finds what stacks, services and runs left, and each find is looked up where its service tells
whether it still exists, since the tagging API lists the deleted for a while. What carries no tag of ours is
looked for by itself: what SageMaker made for a domain, and EMR's default roles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

Connect = Callable[[str], Any]
"""A boto3 client of a service."""

EMR_DEFAULT_ROLES = ("EMR_DefaultRole", "EMR_EC2_DefaultRole")
ENDED_CLUSTER = frozenset({"TERMINATED", "TERMINATED_WITH_ERRORS"})
ENDED = frozenset({"deleted", "terminated"})
GONE = frozenset({"404", "InvalidRequestException", "NoSuchBucket", "NoSuchEntity", "ValidationError"})

UNEXPECTED = "nothing is meant to keep it: delete it by hand, or run destroy_platform again"
REASONS = {
    "s3:bucket": "data is kept unless 'Delete buckets' is set",
    "sagemaker:training-job": "the record of a run; it costs nothing",
    "sagemaker:model-package": "the registry's record of a model; it costs nothing",
    "sagemaker:model-package-group": "the registry's record of models; it costs nothing",
    "servicecatalog:stack": "a provisioned product of another catalog: terminate it in Service Catalog",
    "elasticmapreduce:cluster": "the cluster lives and costs money: terminate it",
}
"""By kind: service and resource type, as the tagging API's filters name them."""

EC2_LOOKUPS = {
    "elastic-ip": ("describe_addresses", "allocation-id", "Addresses"),
    "internet-gateway": ("describe_internet_gateways", "internet-gateway-id", "InternetGateways"),
    "natgateway": ("describe_nat_gateways", "nat-gateway-id", "NatGateways"),
    "network-interface": ("describe_network_interfaces", "network-interface-id", "NetworkInterfaces"),
    "route-table": ("describe_route_tables", "route-table-id", "RouteTables"),
    "security-group": ("describe_security_groups", "group-id", "SecurityGroups"),
    "security-group-rule": (
        "describe_security_group_rules",
        "security-group-rule-id",
        "SecurityGroupRules",
    ),
    "subnet": ("describe_subnets", "subnet-id", "Subnets"),
    "vpc": ("describe_vpcs", "vpc-id", "Vpcs"),
    "vpc-endpoint": ("describe_vpc_endpoints", "vpc-endpoint-id", "VpcEndpoints"),
}
"""By EC2's resource type: operation, filter and member of the answer."""


@dataclass(frozen=True)
class Arn:
    """The parts of an ARN that say what it names."""

    kind: str
    name: str
    text: str

    @classmethod
    def of(cls, text: str) -> Arn:
        """``arn:PARTITION:SERVICE:REGION:ACCOUNT:TYPE/NAME``; buckets have a name only."""
        _, _, service, _, _, resource = text.split(":", 5)
        kind, _, name = resource.partition("/") if "/" in resource else ("bucket", "", resource)
        return cls(f"{service}:{kind}", name, text)

    def __str__(self) -> str:
        return self.text if self.kind.startswith("cloudformation") else f"{self.noun} {self.name}"

    @property
    def noun(self) -> str:
        """How a reader calls it."""
        service, kind = self.kind.split(":")
        return kind if service in ("ec2", "s3") else f"{service} {kind}"


def tagged(arns: list[str], connect: Connect) -> list[str]:
    """A line for each of the resources found by tag that still exists."""
    found = [Arn.of(text) for text in arns]
    return sorted(f"{arn}: {REASONS.get(arn.kind, UNEXPECTED)}" for arn in found if exists(arn, connect))


def exists(arn: Arn, connect: Connect) -> bool:
    """Whether its service still knows it as living; what can't be looked up here is believed to."""
    service, kind = arn.kind.split(":")
    if service == "ec2":
        return _exists_in_ec2(kind, arn.name, connect)
    try:
        if service == "s3":
            connect("s3").head_bucket(Bucket=arn.name)
        elif service == "elasticmapreduce":
            cluster = connect("emr").describe_cluster(ClusterId=arn.name)["Cluster"]
            return cluster["Status"]["State"] not in ENDED_CLUSTER
        elif service == "cloudformation":
            stack = connect("cloudformation").describe_stacks(StackName=arn.text)["Stacks"][0]
            return bool(stack["StackStatus"] != "DELETE_COMPLETE")
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise
        return False
    return True


def _exists_in_ec2(kind: str, name: str, connect: Connect) -> bool:
    ec2 = connect("ec2")
    if kind == "instance":
        wanted = [{"Name": "instance-id", "Values": [name]}]
        found = [i for r in ec2.describe_instances(Filters=wanted)["Reservations"] for i in r["Instances"]]
        return any(instance["State"]["Name"] not in ENDED for instance in found)
    if kind not in EC2_LOOKUPS:
        return True
    operation, name_of_filter, member = EC2_LOOKUPS[kind]
    argument = "Filter" if kind == "natgateway" else "Filters"
    answer = getattr(ec2, operation)(**{argument: [{"Name": name_of_filter, "Values": [name]}]})
    return any(str(one.get("State", "")).lower() not in ENDED for one in answer[member])


def of_domain(domain_id: str, file_systems: list[str], group_names: str, connect: Connect) -> list[str]:
    """A line for each thing that SageMaker made for a domain, which carries no tag of ours.

    :param file_systems: its home file systems.
    :param group_names: a pattern for the names of SageMaker's two groups.
    """
    ec2 = connect("ec2")
    by_name = [{"Name": "group-name", "Values": [group_names]}]
    by_description = [{"Name": "description", "Values": [f"*SageMaker for Studio Domain ({domain_id})*"]}]
    groups = ec2.describe_security_groups(Filters=by_name)["SecurityGroups"]
    interfaces = ec2.describe_network_interfaces(Filters=by_description)["NetworkInterfaces"]
    kept = "home files are kept unless 'Delete home files' is set"
    left = "SageMaker left it, and it holds the VPC: run destroy_platform again"
    return [
        *(f"file system {system} of domain {domain_id}: {kept}" for system in file_systems),
        *(f"security group {group['GroupId']} of domain {domain_id}: {left}" for group in groups),
        *(
            f"network interface {one['NetworkInterfaceId']} of domain {domain_id}: {left}"
            for one in interfaces
        ),
    ]


def emr_default_roles(candidates: set[str], connect: Connect) -> list[str]:
    """A line for each of EMR's default roles that exists.

    :param candidates: the roles that stacks of the environment made.
    """
    return [
        f"role {role}: it belongs to the account, other clusters may run with it"
        for role in EMR_DEFAULT_ROLES
        if role in candidates and _role_exists(role, connect)
    ]


def _role_exists(role: str, connect: Connect) -> bool:
    try:
        connect("iam").get_role(RoleName=role)
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise
        return False
    return True
