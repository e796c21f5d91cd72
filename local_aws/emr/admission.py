"""Who may connect to a cluster's Livy, by the security groups of the emulated EC2.

Source addresses stand for machines in the VPC (``Settings.sources``): 127.0.0.1 for Airflow's, 127.0.0.2
for Studio's, or where Airflow runs in containers, their network. Each is a member of the groups of its name
in the cluster's VPC (logical id in a template, group name or group id), and stands in the cluster's subnet as
far as address ranges are concerned. Its groups must let the connection out and the master's let it in:
https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html

A cluster that names no master group gets EMR's own on AWS, which admits none but the cluster's groups, so
nobody here. Network ACLs, prefix lists and IPv6 are not played.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, ip_network
from typing import Any

from moto.ec2.models import ec2_backends

from local_aws.emr.addresses import LIVY_PORT
from local_aws.settings import settings

LOGICAL_ID = "aws:cloudformation:logical-id"


def admitted_sources(account_id: str, region: str, instances: Mapping[str, Any]) -> frozenset[str]:
    """The source addresses and networks that may connect to port 8998 of a master node.

    :param instances: RunJobFlow's Instances.
    """
    backend = ec2_backends[account_id][region]
    masters = _groups(backend, _master_group_ids(instances))
    if not masters:
        return frozenset()
    vpc_id = masters[0].vpc_id
    network = _network(backend, vpc_id, instances.get("Ec2SubnetId"))
    return frozenset(
        address
        for address, name in settings.sources.items()
        if _connects(_named(backend, vpc_id, name), masters, network)
    )


def _connects(sources: list[Any], masters: list[Any], network: IPv4Network) -> bool:
    """Whether a machine in the source groups gets through to one in the master groups.

    One without a group of its own is let out: what it may do nobody wrote down.
    """
    out = not sources or _allow((rule for group in sources for rule in group.egress_rules), masters, network)
    return out and _allow((rule for group in masters for rule in group.ingress_rules), sources, network)


def _allow(rules: Iterable[Any], peers: list[Any], network: IPv4Network) -> bool:
    peer_ids = {group.id for group in peers}
    return any(
        _covers_port(rule) and (rule.source_group.get("GroupId") in peer_ids or _covers(rule, network))
        for rule in rules
    )


def _covers_port(rule: Any) -> bool:
    tcp = rule.ip_protocol == "tcp" and rule.from_port <= LIVY_PORT <= rule.to_port
    return bool(tcp or rule.ip_protocol == "-1")


def _covers(rule: Any, network: IPv4Network) -> bool:
    cidr = rule.ip_range.get("CidrIp")
    return cidr is not None and network.subnet_of(IPv4Network(cidr, strict=False))


def _master_group_ids(instances: Mapping[str, Any]) -> list[str]:
    own = [
        instances.get("EmrManagedMasterSecurityGroup"),
        *instances.get("AdditionalMasterSecurityGroups", []),
    ]
    return [group_id for group_id in own if group_id]


def _groups(backend: Any, ids: list[str]) -> list[Any]:
    found = (backend.get_security_group_from_id(group_id) for group_id in ids)
    return [group for group in found if group is not None]


def _named(backend: Any, vpc_id: str | None, name: str) -> list[Any]:
    return [
        group
        for group in list(backend.groups[vpc_id].values())
        if name in (group.id, group.name)
        or any(tag["key"] == LOGICAL_ID and tag["value"] == name for tag in group.get_tags())
    ]


def _network(backend: Any, vpc_id: str | None, subnet_id: str | None) -> IPv4Network:
    holder = backend.get_subnet(subnet_id) if subnet_id else backend.vpcs[vpc_id]
    network = ip_network(holder.cidr_block)
    if not isinstance(network, IPv4Network):
        raise TypeError(f"{network} is not IPv4")
    return network
