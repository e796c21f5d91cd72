"""What is there: the report that the consoles would give page by page, read only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr import security_group_rules as rules
from sagemaker_emr.checks.platform import NotKnown, Platform
from sagemaker_emr.partitions import service_of

Row = dict[str, str]


@dataclass(frozen=True)
class Section:
    """A table of the report.

    :param not_read: why its rows, or the rest of them, are missing.
    """

    title: str
    rows: list[Row]
    not_read: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"title": self.title, "rows": self.rows, "not_read": self.not_read}


def inspect(platform: Platform) -> list[Section]:
    """Every section; one that can't be read says why and hides no other."""
    return [_section(title, read, platform) for title, read in SECTIONS.items()]


def _section(title: str, read: Callable[[Platform], Iterator[Row]], platform: Platform) -> Section:
    rows: list[Row] = []
    try:
        for row in read(platform):
            rows.append({key: "" if value is None else str(value) for key, value in row.items()})
    except (NotKnown, BotoCoreError, ClientError) as error:
        return Section(title, rows, str(error))
    return Section(title, rows)


def _domain(platform: Platform) -> Iterator[Row]:
    domain = platform.domain
    settings = domain.get("DefaultUserSettings", {})
    yield {
        "Domain": platform.domain_id,
        "Name": domain["DomainName"],
        "Status": domain["Status"],
        "Network mode": domain.get("AppNetworkAccessType", "PublicInternetOnly"),
        "Authentication": domain["AuthMode"],
        "VPC": domain["VpcId"],
        "Subnets": _joined(domain["SubnetIds"]),
        "Security groups": _joined(settings.get("SecurityGroups", [])),
        "Execution role": settings.get("ExecutionRole", ""),
        "File system": domain.get("HomeEfsFileSystemId", ""),
    }


def _vpc(platform: Platform) -> Iterator[Row]:
    ec2 = platform.client("ec2")
    for vpc in ec2.describe_vpcs(VpcIds=[platform.vpc_id])["Vpcs"]:
        attributes = {
            name: ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=name)[name[0].upper() + name[1:]][
                "Value"
            ]
            for name in ("enableDnsSupport", "enableDnsHostnames")
        }
        cidrs = [one["CidrBlock"] for one in vpc.get("CidrBlockAssociationSet", [])] or [vpc["CidrBlock"]]
        yield {"VPC": vpc["VpcId"], "Name": _name(vpc), "Addresses": _joined(cidrs), **attributes}


def _subnets(platform: Platform) -> Iterator[Row]:
    for subnet_id, subnet in platform.subnets.items():
        table = platform.route_table_of(subnet_id)
        yield {
            "Subnet": subnet_id,
            "Name": _name(subnet),
            "Zone": subnet["AvailabilityZone"],
            "Addresses": subnet["CidrBlock"],
            "Public addresses": subnet["MapPublicIpOnLaunch"],
            "Used by": "Studio and EMR" if subnet_id in platform.private_subnet_ids else "",
            "Route table": table["RouteTableId"],
            "Routes": _joined(_route(route) for route in table["Routes"]),
        }


def _route(route: dict[str, Any]) -> str:
    target = next((route[key] for key in sorted(route) if key.endswith("Id") and "Prefix" not in key), "?")
    destination = route.get("DestinationCidrBlock") or route.get("DestinationPrefixListId") or "?"
    state = f" ({route['State']})" if route.get("State") not in (None, "active") else ""
    return f"{destination} → {target}{state}"


def _nat(platform: Platform) -> Iterator[Row]:
    for nat in platform.nat_gateways.values():
        addresses = [one.get("PublicIp", "") for one in nat.get("NatGatewayAddresses", [])]
        yield {
            "NAT gateway": nat["NatGatewayId"],
            "State": nat["State"],
            "Subnet": nat["SubnetId"],
            "Public addresses": _joined(addresses),
        }


def _endpoints(platform: Platform) -> Iterator[Row]:
    for one in platform.endpoints:
        yield {
            "Endpoint": one["VpcEndpointId"],
            "Service": service_of(one["ServiceName"], platform.region),
            "Type": one["VpcEndpointType"],
            "State": one["State"],
            "Private DNS": one.get("PrivateDnsEnabled", ""),
            "Route tables or subnets": _joined(one.get("RouteTableIds", []) + one.get("SubnetIds", [])),
            "Security groups": _joined(group["GroupId"] for group in one.get("Groups", [])),
        }


def _file_system(platform: Platform) -> Iterator[Row]:
    file_system_id = platform.domain["HomeEfsFileSystemId"]
    efs = platform.client("efs")
    found = efs.describe_file_systems(FileSystemId=file_system_id)["FileSystems"][0]
    targets = platform.pages("efs", "describe_mount_targets", "MountTargets", FileSystemId=file_system_id)
    for target in targets:
        groups = efs.describe_mount_target_security_groups(MountTargetId=target["MountTargetId"])
        yield {
            "File system": file_system_id,
            "State": found["LifeCycleState"],
            "Encrypted": found.get("Encrypted", ""),
            "Mount target": target["MountTargetId"],
            "Its state": target["LifeCycleState"],
            "Subnet": target["SubnetId"],
            "Address": target.get("IpAddress", ""),
            "Security groups": _joined(groups["SecurityGroups"]),
        }


def _security_groups(platform: Platform) -> Iterator[Row]:
    for group in platform.security_groups.values():
        yield {
            "Security group": group["GroupId"],
            "Name": group["GroupName"],
            "Description": group["Description"],
            "Inbound": rules.describe(group["IpPermissions"]),
            "Outbound": rules.describe(group["IpPermissionsEgress"]),
        }


def _network_interfaces(platform: Platform) -> Iterator[Row]:
    for one in platform.network_interfaces:
        yield {
            "Network interface": one["NetworkInterfaceId"],
            "Owner": one.get("RequesterId") or one.get("OwnerId", ""),
            "Description": one.get("Description", ""),
            "Type": one.get("InterfaceType", ""),
            "Status": one["Status"],
            "Subnet": one["SubnetId"],
            "Address": one.get("PrivateIpAddress", ""),
            "Security groups": _joined(group["GroupId"] for group in one.get("Groups", [])),
        }


def _profiles(platform: Platform) -> Iterator[Row]:
    for one in platform.user_profiles:
        settings = one.get("UserSettings", {})
        inherited = platform.domain.get("DefaultUserSettings", {}).get("ExecutionRole", "")
        yield {
            "Profile": one["UserProfileName"],
            "Status": one["Status"],
            "Execution role": settings.get("ExecutionRole", inherited),
            "Created": one["CreationTime"].isoformat(timespec="seconds"),
        }


def _apps(platform: Platform) -> Iterator[Row]:
    for app in platform.pages("sagemaker", "list_apps", "Apps", DomainIdEquals=platform.domain_id):
        yield {
            "App": app["AppName"],
            "Type": app["AppType"],
            "Profile or space": app.get("UserProfileName") or app.get("SpaceName", ""),
            "Status": app["Status"],
            "Created": app["CreationTime"].isoformat(timespec="seconds"),
        }


SECTIONS: dict[str, Callable[[Platform], Iterator[Any]]] = {
    "Studio domain": _domain,
    "User profiles": _profiles,
    "Apps": _apps,
    "VPC": _vpc,
    "Subnets and routes": _subnets,
    "NAT gateways": _nat,
    "VPC endpoints": _endpoints,
    "File system and mount targets": _file_system,
    "Security groups": _security_groups,
    "Network interfaces": _network_interfaces,
}


def _joined(values: Any) -> str:
    return ", ".join(str(value) for value in values)


def _name(resource: dict[str, Any]) -> str:
    return next((tag["Value"] for tag in resource.get("Tags", []) if tag["Key"] == "Name"), "")
