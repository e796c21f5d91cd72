"""Reading security group rules, as DescribeSecurityGroups shows them.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator
from typing import Any

ANYWHERE = frozenset({"0.0.0.0/0", "::/0"})

Permission = dict[str, Any]


def covers_port(permission: Permission, port: int | None) -> bool:
    """Whether a rule is about a TCP port; with None, about all traffic of every protocol."""
    if permission["IpProtocol"] == "-1":
        return True
    if port is None or permission["IpProtocol"] not in ("tcp", "6"):
        return False
    return int(permission.get("FromPort", 0)) <= port <= int(permission.get("ToPort", 65535))


def names_group(permission: Permission, group_ids: Collection[str]) -> bool:
    """Whether a rule names one of some security groups."""
    return any(pair.get("GroupId") in group_ids for pair in permission.get("UserIdGroupPairs", []))


def names_range(permission: Permission, cidrs: Collection[str]) -> bool:
    """Whether a rule's address ranges cover each of some others."""
    ranges = [ipaddress.ip_network(cidr, strict=False) for cidr in addresses(permission)]
    wanted = [ipaddress.ip_network(cidr) for cidr in cidrs]
    return bool(wanted) and all(
        any(one.version == net.version and one.subnet_of(net) for net in ranges)  # type: ignore[arg-type]
        for one in wanted
    )


def addresses(permission: Permission) -> list[str]:
    """The address ranges of a rule."""
    return [one["CidrIp"] for one in permission.get("IpRanges", [])] + [
        one["CidrIpv6"] for one in permission.get("Ipv6Ranges", [])
    ]


def admits(
    permissions: Iterable[Permission],
    port: int | None,
    group_ids: Collection[str],
    cidrs: Collection[str] = (),
) -> bool:
    """Whether rules let the members of groups through on a port: by a group, or by all their addresses.

    :param port: a TCP port; None for all traffic.
    :param cidrs: the ranges that the members' addresses are in, where that is known.
    """
    return any(
        covers_port(one, port) and (names_group(one, group_ids) or names_range(one, cidrs))
        for one in permissions
    )


def describe(permissions: Iterable[Permission]) -> str:
    """Rules in one line, such as ``tcp 8998 from sg-1, all from 10.0.0.0/16``; for reports."""
    return ", ".join(_described(permissions)) or "no rules"


def _described(permissions: Iterable[Permission]) -> Iterator[str]:
    for one in permissions:
        peers = [pair.get("GroupId", "?") for pair in one.get("UserIdGroupPairs", [])]
        peers += addresses(one) + [prefix["PrefixListId"] for prefix in one.get("PrefixListIds", [])]
        yield f"{_ports(one)} {' '.join(peers)}".strip()


def _ports(permission: Permission) -> str:
    protocol = permission["IpProtocol"]
    if protocol == "-1":
        return "all"
    first, last = permission.get("FromPort"), permission.get("ToPort")
    return f"{protocol} {first}" if first == last else f"{protocol} {first}-{last}"
