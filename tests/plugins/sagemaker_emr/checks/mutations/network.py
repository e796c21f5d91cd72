"""What can be wrong with the VPC."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

from sagemaker_emr.partitions import ENDPOINT_SERVICES, endpoint_service
from tests.plugins.sagemaker_emr.checks.mutations.registry import mutation


@mutation("private_subnets", "no-map-public-ip-on-launch")
def public_addresses(p):
    ec2, subnet = p.client("ec2"), p.outputs["PrivateSubnetId"]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    yield subnet
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})


def _private_route(p):
    filters = [{"Name": "association.subnet-id", "Values": [p.outputs["PrivateSubnetId"]]}]
    table = p.client("ec2").describe_route_tables(Filters=filters)["RouteTables"][0]
    nat = next(one["NatGatewayId"] for one in table["Routes"] if "NatGatewayId" in one)
    return {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0"}, nat


@mutation("private_subnets", "replace-route")
def route_to_the_internet(p):
    ec2, (route, nat) = p.client("ec2"), _private_route(p)
    filters = [{"Name": "attachment.vpc-id", "Values": [p.outputs["VpcId"]]}]
    gateway = ec2.describe_internet_gateways(Filters=filters)["InternetGateways"][0]["InternetGatewayId"]
    ec2.replace_route(**route, GatewayId=gateway)
    yield route["RouteTableId"]
    ec2.replace_route(**route, NatGatewayId=nat)


@mutation("way_out", "create-route")
def no_route_to_nat(p):
    ec2, (route, nat) = p.client("ec2"), _private_route(p)
    ec2.delete_route(**route)
    yield route["RouteTableId"]
    ec2.create_route(**route, NatGatewayId=nat)


@mutation("endpoints", "--add-route-table-ids")
def endpoint_without_route_table(p):
    ec2, (route, _) = p.client("ec2"), _private_route(p)
    filters = [{"Name": "vpc-id", "Values": [p.outputs["VpcId"]]}]
    endpoint = ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"][0]["VpcEndpointId"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[route["RouteTableId"]])
    yield endpoint
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[route["RouteTableId"]])


@mutation("vpc_dns", "--enable-dns-hostnames")
def no_host_names(p):
    ec2, vpc = p.client("ec2"), p.outputs["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    yield vpc
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})


@mutation("vpc_dns", "--enable-dns-support")
def no_name_resolution(p):
    ec2, vpc = p.client("ec2"), p.outputs["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    yield vpc
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})


@mutation("private_subnets", "can't change its VPC")
def private_subnet_gone(p):
    gone = p.outputs["PrivateSubnetId"]

    def alter(answer):
        answer["Subnets"] = [one for one in answer["Subnets"] if one["SubnetId"] != gone]

    with p.answering("DescribeSubnets", alter):
        yield gone


@mutation("way_out", "replace-route")
def nat_gateway_gone(p):
    _, nat = _private_route(p)
    with p.answering("DescribeNatGateways", lambda answer: answer.update(NatGateways=[])):
        yield nat


@mutation("way_out", "replace-route")
def nat_gateway_failed(p):
    _, nat = _private_route(p)

    def alter(answer):
        for one in answer["NatGateways"]:
            one["State"] = "failed"

    with p.answering("DescribeNatGateways", alter):
        yield nat


@mutation("way_out", "--gateway-id")
def public_subnet_without_way_out(p):
    ec2, (route, nat) = p.client("ec2"), _private_route(p)
    public = ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["SubnetId"]
    filters = [{"Name": "association.subnet-id", "Values": [public]}]
    table = ec2.describe_route_tables(Filters=filters)["RouteTables"][0]
    gateway = next(one["GatewayId"] for one in table["Routes"] if one["GatewayId"].startswith("igw-"))
    route = {**route, "RouteTableId": table["RouteTableId"]}
    ec2.delete_route(**route)
    yield route["RouteTableId"]
    ec2.create_route(**route, GatewayId=gateway)


# -- endpoints


def _without_endpoint(p, service):
    gone = endpoint_of(p, service)["VpcEndpointId"]

    def alter(answer):
        answer["VpcEndpoints"] = [one for one in answer["VpcEndpoints"] if one["VpcEndpointId"] != gone]

    with p.answering("DescribeVpcEndpoints", alter):
        yield gone


def endpoint_of(p, service):
    filters = [
        {"Name": "vpc-id", "Values": [p.outputs["VpcId"]]},
        {"Name": "service-name", "Values": [endpoint_service(service, "us-east-1")]},
    ]
    return p.client("ec2").describe_vpc_endpoints(Filters=filters)["VpcEndpoints"][0]


for _service in ENDPOINT_SERVICES:
    mutation("endpoints", "Create the endpoint again", on="endpoints", name=f"{_service}_endpoint_deleted")(
        partial(_without_endpoint, service=_service)
    )


@mutation("way_out", "with the NAT gateway, or with those endpoints", on="existing")
def no_endpoint_for_s3(p):
    filters = [{"Name": "association.subnet-id", "Values": [p.outputs["PrivateSubnetId"]]}]
    table = p.client("ec2").describe_route_tables(Filters=filters)["RouteTables"][0]
    with contextmanager(_without_endpoint)(p, "s3"):
        yield table["RouteTableId"]


def _with_endpoint(p, service, **changes):
    changed = endpoint_of(p, service)["VpcEndpointId"]

    def alter(answer):
        for one in answer["VpcEndpoints"]:
            if one["VpcEndpointId"] == changed:
                one.update(changes)

    with p.answering("DescribeVpcEndpoints", alter):
        yield changed


@mutation("endpoints", "create it again", on="endpoints")
def endpoint_failed(p):
    yield from _with_endpoint(p, "sts", State="failed")


@mutation("endpoints", "--private-dns-enabled", on="endpoints")
def endpoint_without_private_dns(p):
    yield from _with_endpoint(p, "logs", PrivateDnsEnabled=False)


@mutation("endpoints", "--port 443", on="endpoints")
def endpoints_closed_to_studio(p):
    ec2 = p.client("ec2")
    group = endpoint_of(p, "sts")["Groups"][0]["GroupId"]
    permissions = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    studio = p.outputs["StudioSecurityGroupId"]
    (one,) = [one for one in permissions if one["FromPort"] == 443]
    pair = next(pair for pair in one["UserIdGroupPairs"] if pair["GroupId"] == studio)
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [pair]}
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
    yield group
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
