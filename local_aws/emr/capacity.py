"""The EC2 side of a cluster: the roles, network and instances it needs, in the emulated EC2 and IAM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from local_aws import internal
from local_aws.emr.exceptions import StartFailed, ValidationException

IMAGE_ID = "ami-12c6146b"  # one of moto's own
AGENT_PORT = 9443


def check_instance_profile(region: str, name: str) -> None:
    """The instance profile must exist, by name or ARN; EMR says so at once.

    :raises ValidationException: it does not.
    """
    try:
        internal.client("iam", region).get_instance_profile(InstanceProfileName=name.split("/")[-1])
    except ClientError as error:
        raise ValidationException(f"Invalid InstanceProfile: {name}.") from error


def check(region: str, account_id: str, partition: str, request: dict[str, Any]) -> None:
    """What EMR finds only when it starts the cluster: service role, subnet, security groups, key, types.

    :raises StartFailed: VALIDATION_ERROR with EMR's wording.
    """
    _check_service_role(region, account_id, partition, request["ServiceRole"])
    instances = request["Instances"]
    ec2 = internal.client("ec2", region)
    if subnet := instances.get("Ec2SubnetId"):
        _find(
            ec2.describe_subnets,
            "The VPC/subnet configuration was invalid: The subnet configuration was invalid: "
            f"The subnet {subnet} does not exist.",
            SubnetIds=[subnet],
        )
    for group in _security_groups(instances):
        _find(ec2.describe_security_groups, f"The security group {group} does not exist.", GroupIds=[group])
    if key := instances.get("Ec2KeyName"):
        _find(ec2.describe_key_pairs, f"The key pair '{key}' does not exist", KeyNames=[key])
    _check_service_access(ec2, instances)


def run(
    region: str, instances: dict[str, Any], group: dict[str, Any], tags: dict[str, str]
) -> list[dict[str, Any]]:
    """Start a group's EC2 instances; they are terminated with ``terminate``.

    :raises StartFailed: EC2 refuses, for example the instance type.
    """
    role = group["InstanceRole"]
    own = instances.get(
        "EmrManagedMasterSecurityGroup" if role == "MASTER" else "EmrManagedSlaveSecurityGroup"
    )
    more = instances.get(
        "AdditionalMasterSecurityGroups" if role == "MASTER" else "AdditionalSlaveSecurityGroups", []
    )
    asked: dict[str, Any] = {
        "ImageId": IMAGE_ID,
        "MinCount": group["InstanceCount"],
        "MaxCount": group["InstanceCount"],
        "InstanceType": group["InstanceType"],
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": [{"Key": key, "Value": tags[key]} for key in tags]}
        ],
    }
    if subnet := instances.get("Ec2SubnetId"):
        asked["SubnetId"] = subnet
    if groups := [each for each in (own, *more) if each]:
        asked["SecurityGroupIds"] = groups
    try:
        answer = internal.client("ec2", region).run_instances(**asked)
    except ClientError as error:
        raise StartFailed("VALIDATION_ERROR", error.response["Error"]["Message"]) from error
    return list(answer["Instances"])


def terminate(region: str, instance_ids: list[str]) -> None:
    """Terminate EC2 instances."""
    if instance_ids:
        internal.client("ec2", region).terminate_instances(InstanceIds=instance_ids)


def _check_service_role(region: str, account_id: str, partition: str, role: str) -> None:
    try:
        internal.client("iam", region).get_role(RoleName=role.split("/")[-1])
    except ClientError as error:
        arn = role if role.startswith("arn:") else f"arn:{partition}:iam::{account_id}:role/{role}"
        raise StartFailed("VALIDATION_ERROR", f"EMR service role {arn} is invalid") from error


def _security_groups(instances: dict[str, Any]) -> Iterator[str]:
    for name in (
        "EmrManagedMasterSecurityGroup",
        "EmrManagedSlaveSecurityGroup",
        "ServiceAccessSecurityGroup",
    ):
        if name in instances:
            yield instances[name]
    yield from instances.get("AdditionalMasterSecurityGroups", [])
    yield from instances.get("AdditionalSlaveSecurityGroups", [])


def _check_service_access(ec2: Any, instances: dict[str, Any]) -> None:
    """In a private subnet, custom groups need a service access group that admits the master's agent.

    https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-man-sec-groups.html#emr-sg-elasticmapreduce-sa-private
    """
    master, access = (
        instances.get(name) for name in ("EmrManagedMasterSecurityGroup", "ServiceAccessSecurityGroup")
    )
    if not master or not _is_private(ec2, instances.get("Ec2SubnetId")):
        return
    if not access:
        raise StartFailed(
            "VALIDATION_ERROR",
            "You must also specify a ServiceAccessSecurityGroup if you use custom security groups when "
            "creating a cluster in a private subnet.",
        )
    [group] = ec2.describe_security_groups(GroupIds=[access])["SecurityGroups"]
    if not any(_admits(rule, master) for rule in group["IpPermissions"]):
        raise StartFailed(
            "VALIDATION_ERROR",
            f"ServiceAccessSecurityGroup is missing ingress rule from EmrManagedMasterSecurityGroup on port "
            f"{AGENT_PORT}",
        )


def _admits(rule: dict[str, Any], group_id: str) -> bool:
    all_ports = rule["IpProtocol"] == "-1"
    port = all_ports or rule.get("FromPort", -1) <= AGENT_PORT <= rule.get("ToPort", -1)
    return port and any(pair.get("GroupId") == group_id for pair in rule["UserIdGroupPairs"])


def _is_private(ec2: Any, subnet_id: str | None) -> bool:
    """Whether no route of the subnet leads to an internet gateway."""
    if subnet_id is None:
        return False
    [subnet] = ec2.describe_subnets(SubnetIds=[subnet_id])["Subnets"]
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}])[
        "RouteTables"
    ]
    own = [table for table in tables if any(a.get("SubnetId") == subnet_id for a in table["Associations"])]
    main = [table for table in tables if any(a.get("Main") for a in table["Associations"])]
    routes = [route for table in own or main for route in table["Routes"]]
    return not any(route.get("GatewayId", "").startswith("igw-") for route in routes)


def _find(describe: Any, message: str, **filters: list[str]) -> None:
    try:
        describe(**filters)
    except ClientError as error:
        raise StartFailed("VALIDATION_ERROR", message) from error
