"""Security group rules as the checks and the connection proof read them."""

from __future__ import annotations

import pytest

from sagemaker_emr import security_group_rules as rules

STUDIO, PORT, SUBNET = "sg-studio", 8998, "10.42.16.0/20"


def tcp(first, last, **peer):
    return {"IpProtocol": "tcp", "FromPort": first, "ToPort": last, **peer}


def from_group(group_id=STUDIO):
    return {"UserIdGroupPairs": [{"GroupId": group_id}]}


def from_range(cidr):
    return {"IpRanges": [{"CidrIp": cidr}]}


@pytest.mark.parametrize(
    ("rule", "admitted"),
    [
        (tcp(PORT, PORT, **from_group()), True),
        (tcp(8000, 9000, **from_group()), True),
        ({"IpProtocol": "-1", **from_group()}, True),
        ({"IpProtocol": "6", "FromPort": PORT, "ToPort": PORT, **from_group()}, True),
        (tcp(PORT, PORT, **from_range("10.42.0.0/16")), True),
        (tcp(PORT, PORT, **from_range("0.0.0.0/0")), True),
        (tcp(PORT, PORT, **from_group("sg-other")), False),
        (tcp(8999, 9000, **from_group()), False),
        ({"IpProtocol": "udp", "FromPort": PORT, "ToPort": PORT, **from_group()}, False),
        (tcp(PORT, PORT, **from_range("10.42.16.0/24")), False),
        (tcp(PORT, PORT, Ipv6Ranges=[{"CidrIpv6": "::/0"}]), False),
        (tcp(PORT, PORT, PrefixListIds=[{"PrefixListId": "pl-1"}]), False),
    ],
    ids=[
        *("the port", "a range of ports", "all traffic", "by number", "the vpc", "everywhere"),
        *("another group", "other ports", "udp", "part of the subnet", "ipv6 only", "a prefix list"),
    ],
)
def test_a_rule_admits_a_group_by_its_name_or_by_all_its_addresses(rule, admitted):
    assert rules.admits([rule], PORT, [STUDIO], [SUBNET]) is admitted


def test_without_known_addresses_only_the_groups_name_counts():
    assert not rules.admits([tcp(PORT, PORT, **from_range("0.0.0.0/0"))], PORT, [STUDIO])
    assert rules.admits([tcp(PORT, PORT, **from_group())], PORT, ["sg-other", STUDIO])


def test_all_traffic_is_more_than_every_tcp_port():
    assert not rules.admits([tcp(0, 65535, **from_range("0.0.0.0/0"))], None, [], ["0.0.0.0/0"])
    assert rules.admits([{"IpProtocol": "-1", **from_range("0.0.0.0/0")}], None, [], ["0.0.0.0/0"])


def test_rules_are_told_in_one_line():
    told = rules.describe([tcp(PORT, PORT, **from_group()), {"IpProtocol": "-1", **from_range(SUBNET)}])
    assert told == f"tcp 8998 {STUDIO}, all {SUBNET}"
    assert rules.describe([]) == "no rules"
