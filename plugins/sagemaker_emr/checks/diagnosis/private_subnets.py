"""The private subnets and their way out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sagemaker_emr.checks.finding import Finding, failed, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check
from sagemaker_emr.partitions import ENDPOINT_SERVICES, endpoint_service

DEFAULT_ROUTE = "0.0.0.0/0"


@check(
    "The private subnets are private",
    symptom="EMR refuses the cluster, or its nodes get public addresses.",
)
def private_subnets(platform: Platform) -> Iterator[Finding]:
    """DescribeSubnets: MapPublicIpOnLaunch; DescribeRouteTables: no route to an internet gateway."""
    for subnet_id in platform.private_subnet_ids:
        subnet = platform.subnets.get(subnet_id)
        if subnet is None:
            yield failed(
                f"DescribeSubnets does not know {subnet_id}",
                subnet_id,
                cause=f"Subnet {subnet_id} does not exist any more.",
                fix=f"Run destroy_platform and deploy_platform for environment {platform.environment}: a "
                "domain can't change its VPC.",
            )
            continue
        route = _default_route(platform.route_table_of(subnet_id))
        target = route.get("GatewayId", "") if route else ""
        read = f"{subnet_id}: MapPublicIpOnLaunch {subnet['MapPublicIpOnLaunch']}, default route {_to(route)}"
        if subnet["MapPublicIpOnLaunch"]:
            yield failed(
                read,
                subnet_id,
                cause="What starts in the subnet gets a public address.",
                fix=f"`aws ec2 modify-subnet-attribute --subnet-id {subnet_id} --no-map-public-ip-on-launch`",
            )
        elif target.startswith("igw-"):
            table = platform.route_table_of(subnet_id)["RouteTableId"]
            yield failed(
                read,
                table,
                DEFAULT_ROUTE,
                cause=f"The default route leads to internet gateway {target}: the subnet is public.",
                fix=f"`aws ec2 replace-route --route-table-id {table} --destination-cidr-block "
                f"{DEFAULT_ROUTE} --nat-gateway-id` with the platform's NAT gateway; or run deploy_platform.",
            )
        else:
            yield passed(read, subnet_id)


@check(
    "The private subnets reach AWS's services, by NAT or by endpoints",
    symptom="Studio apps and clusters hang while starting; a bootstrap action fails with a time-out.",
)
def way_out(platform: Platform) -> Iterator[Finding]:
    """DescribeRouteTables, DescribeNatGateways, and DescribeVpcEndpoints where there is no NAT."""
    for subnet_id in platform.private_subnet_ids:
        table = platform.route_table_of(subnet_id)
        route = _default_route(table)
        read = f"{subnet_id}: table {table['RouteTableId']}, default route {_to(route)}"
        if route is None:
            yield _without_nat(platform, read, table["RouteTableId"])
        elif "NatGatewayId" in route:
            yield _through_nat(platform, read, table["RouteTableId"], route)
        else:
            yield passed(read, subnet_id)


def _without_nat(platform: Platform, read: str, table_id: str) -> Finding:
    nat = platform.resources("network", "AWS::EC2::NatGateway")
    if nat:
        nat_id = nat[0]["PhysicalResourceId"]
        return failed(
            read,
            table_id,
            DEFAULT_ROUTE,
            cause=f"The table has no default route, though the platform has NAT gateway {nat_id}.",
            fix=f"`aws ec2 create-route --route-table-id {table_id} --destination-cidr-block {DEFAULT_ROUTE} "
            f"--nat-gateway-id {nat_id}`",
        )
    found = {one["ServiceName"] for one in platform.endpoints}
    missing = [one for one in ENDPOINT_SERVICES if endpoint_service(one, platform.region) not in found]
    if not missing:
        return passed(f"{read}; an endpoint for each service", table_id)
    wanted = ", ".join(f"{one} ({ENDPOINT_SERVICES[one]})" for one in missing)
    finding = failed(
        read,
        table_id,
        cause=f"The table has no default route, and there is no endpoint for {wanted}.",
        fix="Run deploy_platform with the NAT gateway, or with those endpoints.",
    )
    declared = platform.resources("network", "AWS::EC2::VPCEndpoint")
    existing = {one["VpcEndpointId"] for one in platform.endpoints}
    gone = [one for one in declared if one["PhysicalResourceId"] not in existing]
    return replace(finding, follows_from="endpoints") if gone else finding


def _through_nat(platform: Platform, read: str, table_id: str, route: dict[str, Any]) -> Finding:
    nat_id = route["NatGatewayId"]
    nat = platform.nat_gateways.get(nat_id)
    state = nat["State"] if nat else "deleted"
    if nat is None or state != "available" or route.get("State") == "blackhole":
        return failed(
            f"{read}; NAT gateway {nat_id} is {state}",
            nat_id,
            cause=f"NAT gateway {nat_id} is {state}: what the route sends there is lost.",
            fix="Run deploy_platform after removing the route, or create a NAT gateway in the public subnet "
            f"and `aws ec2 replace-route --route-table-id {table_id} --destination-cidr-block "
            f"{DEFAULT_ROUTE} --nat-gateway-id` with its id.",
        )
    public = _default_route(platform.route_table_of(nat["SubnetId"]))
    read = f"{read}; {nat_id} available in {nat['SubnetId']}, whose default route is {_to(public)}"
    if public and public.get("GatewayId", "").startswith("igw-"):
        return passed(read, nat_id)
    public_table = platform.route_table_of(nat["SubnetId"])["RouteTableId"]
    return failed(
        read,
        public_table,
        DEFAULT_ROUTE,
        cause=f"The NAT gateway's subnet {nat['SubnetId']} has no route to an internet gateway.",
        fix=f"`aws ec2 create-route --route-table-id {public_table} --destination-cidr-block {DEFAULT_ROUTE} "
        "--gateway-id` with the VPC's internet gateway.",
    )


def _default_route(table: dict[str, Any]) -> dict[str, Any] | None:
    routes = table.get("Routes", [])
    return next((one for one in routes if one.get("DestinationCidrBlock") == DEFAULT_ROUTE), None)


def _to(route: dict[str, Any] | None) -> str:
    if route is None:
        return "none"
    target = next((str(route[key]) for key in sorted(route) if key.endswith("Id")), "?")
    return f"to {target} ({route.get('State', 'active')})"
