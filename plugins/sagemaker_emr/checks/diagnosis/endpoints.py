"""The VPC's endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagemaker_emr import security_group_rules as rules
from sagemaker_emr.checks.finding import Finding, failed, not_checked, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check
from sagemaker_emr.partitions import service_of

HTTPS = 443
CLIENTS = ("StudioSecurityGroupId", "EmrMasterSecurityGroupId", "EmrCoreSecurityGroupId")


@check(
    "Every endpoint of the network stack works",
    symptom="Calls to the endpoint's service from Studio or from a cluster hang until they time out.",
)
def endpoints(platform: Platform) -> Iterator[Finding]:
    """DescribeVpcEndpoints: each that the stack made exists, is available, and takes our traffic."""
    existing = {one["VpcEndpointId"]: one for one in platform.endpoints}
    declared = platform.resources("network", "AWS::EC2::VPCEndpoint")
    for resource in declared:
        endpoint_id = resource["PhysicalResourceId"]
        if endpoint_id not in existing:
            name = resource["LogicalResourceId"]
            yield failed(
                f"DescribeVpcEndpoints does not know {endpoint_id}",
                endpoint_id,
                cause=f"{name} of the network stack was deleted.",
                fix=f"Create the endpoint again with the properties that {name} has in the network stack's "
                "template, or remove and deploy the stack's resource.",
            )
    for endpoint in existing.values():
        yield _endpoint(platform, endpoint)
    yield from _groups(platform)
    if not declared and not existing:
        yield not_checked("the network has no endpoints; its traffic goes through NAT")


def _endpoint(platform: Platform, endpoint: dict[str, Any]) -> Finding:
    endpoint_id = endpoint["VpcEndpointId"]
    service = service_of(endpoint["ServiceName"], platform.region)
    read = f"{endpoint_id} ({service}, {endpoint['VpcEndpointType']}): {endpoint['State']}"
    if endpoint["State"].lower() != "available":
        return failed(
            read,
            endpoint_id,
            cause=f"The endpoint for {service} is {endpoint['State']}.",
            fix="Wait while it is pending; otherwise delete it and create it again.",
        )
    if endpoint["VpcEndpointType"] == "Gateway":
        return _gateway(platform, endpoint, service, read)
    return _interface(endpoint, service, read)


def _gateway(platform: Platform, endpoint: dict[str, Any], service: str, read: str) -> Finding:
    endpoint_id, tables = endpoint["VpcEndpointId"], endpoint.get("RouteTableIds", [])
    wanted = {platform.route_table_of(subnet)["RouteTableId"] for subnet in platform.private_subnet_ids}
    missing = sorted(wanted - set(tables))
    read = f"{read}, route tables {', '.join(tables) or 'none'}"
    if not missing:
        return passed(read, endpoint_id)
    return failed(
        read,
        endpoint_id,
        cause=f"Route table {', '.join(missing)} of the private subnets does not use the {service} endpoint.",
        fix=f"`aws ec2 modify-vpc-endpoint --vpc-endpoint-id {endpoint_id} --add-route-table-ids "
        f"{' '.join(missing)}`",
        symptom=f"Traffic to {service} takes the NAT gateway and is paid for, or has no way at all.",
    )


def _interface(endpoint: dict[str, Any], service: str, read: str) -> Finding:
    endpoint_id = endpoint["VpcEndpointId"]
    read = f"{read}, PrivateDnsEnabled {endpoint.get('PrivateDnsEnabled')}"
    if endpoint.get("PrivateDnsEnabled"):
        return passed(read, endpoint_id)
    return failed(
        read,
        endpoint_id,
        cause=f"Without private DNS the name of {service} still leads to its public address.",
        fix=f"`aws ec2 modify-vpc-endpoint --vpc-endpoint-id {endpoint_id} --private-dns-enabled`",
    )


def _groups(platform: Platform) -> Iterator[Finding]:
    """The interface endpoints' security groups; the stack's endpoints share one."""
    sharing: dict[tuple[str, ...], list[str]] = {}
    for endpoint in platform.endpoints:
        if endpoint["VpcEndpointType"] == "Interface":
            own = tuple(sorted(group["GroupId"] for group in endpoint.get("Groups", [])))
            sharing.setdefault(own, []).append(service_of(endpoint["ServiceName"], platform.region))
    for own, services in sharing.items():
        yield _group(platform, own, services)


def _group(platform: Platform, own: tuple[str, ...], services: list[str]) -> Finding:
    opened = [
        one for group_id in own for one in platform.security_groups.get(group_id, {}).get("IpPermissions", [])
    ]
    sources = {name: platform.security_group(name)["GroupId"] for name in CLIENTS}
    cidrs = platform.private_cidrs
    refused = {
        name: group_id
        for name, group_id in sources.items()
        if not rules.admits(opened, HTTPS, [group_id], cidrs)
    }
    read = f"{', '.join(own) or 'no group'} inbound: {rules.describe(opened)}"
    if not refused:
        return passed(read, *own)
    told = ", ".join(name.removesuffix("SecurityGroupId") for name in refused)
    return failed(
        read,
        *own,
        cause=f"The security group of the endpoints for {', '.join(services)} does not admit {told} on "
        f"{HTTPS}.",
        fix="; ".join(
            f"`aws ec2 authorize-security-group-ingress --group-id {own[0] if own else '<group>'} --protocol "
            f"tcp --port {HTTPS} --source-group {source}`"
            for source in refused.values()
        ),
    )
