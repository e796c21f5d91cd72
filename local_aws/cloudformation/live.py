"""Live properties of a stack's resources, in the form their templates declare them; what drift compares.

A reader returns the properties that it can read, or None where the resource is gone. A type without a reader
is not compared, as on AWS: StackResourceDriftStatus NOT_CHECKED.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local_aws.cloudformation.resources import Resource
from local_aws.ec2.security_groups import ALL_OUT, permission
from local_aws.internal import client
from local_aws.s3.models import lifecycle_rule

Properties = dict[str, Any]
Reader = Callable[[str, Resource], Properties | None]


def read(region: str, resource: Resource) -> Properties | None:
    """Live properties; None where the resource is gone.

    :raises KeyError: nothing reads this type.
    """
    reader = READERS[resource.type]
    try:
        return reader(region, resource)
    except ClientError as error:
        code = str(error.response["Error"].get("Code"))
        if "NotFound" in code or "NoSuch" in code or code == "404":
            return None
        raise


def _tags(found: dict[str, Any]) -> list[dict[str, str]]:
    return [{"Key": tag["Key"], "Value": tag["Value"]} for tag in found.get("Tags", [])]


def _vpc(region: str, resource: Resource) -> Properties | None:
    ec2 = client("ec2", region)
    found = ec2.describe_vpcs(VpcIds=[resource.physical_id])["Vpcs"][0]
    dns = {
        key: ec2.describe_vpc_attribute(VpcId=resource.physical_id, Attribute=key[0].lower() + key[1:])[key][
            "Value"
        ]
        for key in ("EnableDnsSupport", "EnableDnsHostnames")
    }
    return {"CidrBlock": found["CidrBlock"], "Tags": _tags(found), **dns}


def _subnet(region: str, resource: Resource) -> Properties | None:
    found = client("ec2", region).describe_subnets(SubnetIds=[resource.physical_id])["Subnets"][0]
    names = ("AvailabilityZone", "CidrBlock", "MapPublicIpOnLaunch", "VpcId")
    return {**{name: found[name] for name in names}, "Tags": _tags(found)}


def _route(region: str, resource: Resource) -> Properties | None:
    declared = resource.properties
    tables = client("ec2", region).describe_route_tables(RouteTableIds=[declared["RouteTableId"]])
    for route in tables["RouteTables"][0]["Routes"]:
        if route.get("DestinationCidrBlock") == declared["DestinationCidrBlock"]:
            return {
                "RouteTableId": declared["RouteTableId"],
                **{k: route.get(k) for k in declared if k in route},
            }
    return None


def _nat_gateway(region: str, resource: Resource) -> Properties | None:
    found = client("ec2", region).describe_nat_gateways(NatGatewayIds=[resource.physical_id])["NatGateways"]
    if not found or found[0]["State"] in ("deleting", "deleted"):
        return None
    return {"SubnetId": found[0]["SubnetId"], "Tags": _tags(found[0])}


def _endpoint(region: str, resource: Resource) -> Properties | None:
    listed = client("ec2", region).describe_vpc_endpoints(VpcEndpointIds=[resource.physical_id])
    if not listed["VpcEndpoints"] or listed["VpcEndpoints"][0]["State"].lower() in ("deleting", "deleted"):
        return None
    found = listed["VpcEndpoints"][0]
    names = ("ServiceName", "VpcEndpointType", "VpcId", "RouteTableIds", "SubnetIds", "PrivateDnsEnabled")
    groups = {"SecurityGroupIds": [one["GroupId"] for one in found.get("Groups", [])]}
    return {**{name: found[name] for name in names if name in found}, **groups, "Tags": _tags(found)}


def _security_group(region: str, resource: Resource) -> Properties | None:
    listed = client("ec2", region).describe_security_groups(GroupIds=[resource.physical_id])
    found = listed["SecurityGroups"][0]
    live: Properties = {"GroupDescription": found["Description"], "Tags": _tags(found)}
    for name, key in (
        ("SecurityGroupIngress", "IpPermissions"),
        ("SecurityGroupEgress", "IpPermissionsEgress"),
    ):
        declared = resource.properties.get(name, [ALL_OUT] if name == "SecurityGroupEgress" else [])
        wanted = {_rule(one): rule for rule in declared for one in _flat([permission(rule, name)])}
        there = {_rule(one): one for one in _flat(found[key])}
        live[name] = [wanted.get(rule, one) for rule, one in there.items()]
    return live


def _flat(permissions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each peer of each rule."""
    peers = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
    flat = []
    for one in permissions:
        base = {name: one[name] for name in ("IpProtocol", "FromPort", "ToPort") if one.get(name) is not None}
        flat += [{**base, "Peer": peer} for name in peers for peer in one.get(name, [])]
    return flat


def _rule(flat: dict[str, Any]) -> str:
    names = ("CidrIp", "CidrIpv6", "PrefixListId", "GroupId")
    peer = next(str(flat["Peer"][name]) for name in names if flat["Peer"].get(name))
    ports = "" if flat["IpProtocol"] == "-1" else f"{flat.get('FromPort')}-{flat.get('ToPort')}"
    return f"{flat['IpProtocol']} {ports} {peer}"


def _own_rule(direction: str) -> Reader:
    key = "IpPermissions" if direction == "SecurityGroupIngress" else "IpPermissionsEgress"

    def read_rule(region: str, resource: Resource) -> Properties | None:
        declared = {name: value for name, value in resource.properties.items() if name != "GroupId"}
        group_id = resource.properties["GroupId"]
        found = client("ec2", region).describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
        wanted = _rule(_flat([permission(declared, direction)])[0])
        there = any(_rule(one) == wanted for one in _flat(found[key]))
        return dict(resource.properties) if there else None

    return read_rule


def _role(region: str, resource: Resource) -> Properties | None:
    iam = client("iam", region)
    name = resource.physical_id
    found = iam.get_role(RoleName=name)["Role"]
    policies = {
        policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    }
    order = [one["PolicyName"] for one in resource.properties.get("Policies", [])]
    names = sorted(policies, key=lambda one: (order.index(one) if one in order else len(order), one))
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return {
        "AssumeRolePolicyDocument": found["AssumeRolePolicyDocument"],
        "Description": found.get("Description", ""),
        "ManagedPolicyArns": [one["PolicyArn"] for one in attached],
        "Policies": [{"PolicyName": one, "PolicyDocument": policies[one]} for one in names],
        "Tags": _tags(found),
    }


def _instance_profile(region: str, resource: Resource) -> Properties | None:
    found = client("iam", region).get_instance_profile(InstanceProfileName=resource.physical_id)
    return {"Roles": [role["RoleName"] for role in found["InstanceProfile"]["Roles"]]}


def _bucket(region: str, resource: Resource) -> Properties | None:
    s3, name = client("s3", region), resource.physical_id
    s3.head_bucket(Bucket=name)
    live: Properties = {
        "VersioningConfiguration": {
            "Status": s3.get_bucket_versioning(Bucket=name).get("Status", "Suspended")
        }
    }
    readers: dict[str, Callable[[], Any]] = {
        "BucketEncryption": lambda: {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"]}
                for rule in s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"][
                    "Rules"
                ]
            ]
        },
        "LifecycleConfiguration": lambda: _lifecycle(s3, resource),
        "OwnershipControls": lambda: s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"],
        "PublicAccessBlockConfiguration": lambda: s3.get_public_access_block(Bucket=name)[
            "PublicAccessBlockConfiguration"
        ],
    }
    for setting, reader in readers.items():
        try:
            live[setting] = reader()
        except ClientError:
            live[setting] = None
    return live


def _lifecycle(s3: Any, resource: Resource) -> Any:
    """What the template declares, where the live rules are what it makes; else the live rules."""
    live = s3.get_bucket_lifecycle_configuration(Bucket=resource.physical_id)["Rules"]
    declared = resource.properties.get("LifecycleConfiguration", {"Rules": []})
    wanted = [lifecycle_rule(rule) for rule in declared["Rules"]]
    return declared if _sorted(wanted) == _sorted(live) else {"Rules": live}


def _sorted(rules: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(rule, sort_keys=True, default=str) for rule in rules)


def _bucket_policy(region: str, resource: Resource) -> Properties | None:
    bucket = resource.properties["Bucket"]
    policy = client("s3", region).get_bucket_policy(Bucket=bucket)["Policy"]
    return {"Bucket": bucket, "PolicyDocument": json.loads(policy)}


def _domain(region: str, resource: Resource) -> Properties | None:
    found = client("sagemaker", region).describe_domain(DomainId=resource.physical_id)
    names = ("DomainName", "AppNetworkAccessType", "AuthMode", "VpcId", "SubnetIds")
    settings = _declared(resource.properties.get("DefaultUserSettings", {}), found["DefaultUserSettings"])
    return {**{name: found[name] for name in names if name in found}, "DefaultUserSettings": settings}


def _user_profile(region: str, resource: Resource) -> Properties | None:
    key = {name: resource.properties[name] for name in ("DomainId", "UserProfileName")}
    found = client("sagemaker", region).describe_user_profile(**key)
    settings = _declared(resource.properties.get("UserSettings", {}), found.get("UserSettings", {}))
    return {**key, "UserSettings": settings}


def _declared(wanted: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    return {name: live.get(name) for name in wanted}


def _product(region: str, resource: Resource) -> Properties | None:
    found = client("servicecatalog", region).describe_product_as_admin(Id=resource.physical_id)
    view = found["ProductViewDetail"]["ProductViewSummary"]
    return {"Name": view["Name"], "Owner": view["Owner"], "Tags": _tags(found)}


def _launch_role(region: str, resource: Resource) -> Properties | None:
    found = client("servicecatalog", region).describe_constraint(Id=resource.physical_id)
    detail = found["ConstraintDetail"]
    return {
        "PortfolioId": detail["PortfolioId"],
        "ProductId": detail["ProductId"],
        **json.loads(found["ConstraintParameters"]),
    }


def _principal(region: str, resource: Resource) -> Properties | None:
    catalog = client("servicecatalog", region)
    listed = catalog.list_principals_for_portfolio(PortfolioId=resource.properties["PortfolioId"])
    arns = [one["PrincipalARN"] for one in listed["Principals"]]
    return dict(resource.properties) if resource.properties["PrincipalARN"] in arns else None


def _portfolio_product(region: str, resource: Resource) -> Properties | None:
    catalog = client("servicecatalog", region)
    listed = catalog.list_portfolios_for_product(ProductId=resource.properties["ProductId"])
    ids = [one["Id"] for one in listed["PortfolioDetails"]]
    return dict(resource.properties) if resource.properties["PortfolioId"] in ids else None


READERS: dict[str, Reader] = {
    "AWS::EC2::NatGateway": _nat_gateway,
    "AWS::EC2::Route": _route,
    "AWS::EC2::SecurityGroup": _security_group,
    "AWS::EC2::SecurityGroupEgress": _own_rule("SecurityGroupEgress"),
    "AWS::EC2::SecurityGroupIngress": _own_rule("SecurityGroupIngress"),
    "AWS::EC2::Subnet": _subnet,
    "AWS::EC2::VPC": _vpc,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::IAM::InstanceProfile": _instance_profile,
    "AWS::IAM::Role": _role,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SageMaker::Domain": _domain,
    "AWS::SageMaker::UserProfile": _user_profile,
    "AWS::ServiceCatalog::CloudFormationProduct": _product,
    "AWS::ServiceCatalog::LaunchRoleConstraint": _launch_role,
    "AWS::ServiceCatalog::PortfolioPrincipalAssociation": _principal,
    "AWS::ServiceCatalog::PortfolioProductAssociation": _portfolio_product,
}
