"""Whom a cluster's security groups admit, and that the others get no answer; without a cluster."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from local_aws.emr import admission
from local_aws.emr.addresses import LIVY_PORT, Address
from local_aws.emr.admission import admitted_sources
from local_aws.emr.forwarder import LOOK_SECONDS, Forwarder

from ..conftest import REGION

pytestmark = pytest.mark.local_aws

ACCOUNT = "123456789012"
AIRFLOW, STUDIO = "127.0.0.1", "127.0.0.2"
BIG = b"x" * 300_000


class Vpc:
    """A VPC with the three groups of the platform; no rule yet admits anybody."""

    def __init__(self, ec2: Any) -> None:
        self.ec2 = ec2
        self.id = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=self.id, CidrBlock="10.42.16.0/20")["Subnet"]
        self.master, self.airflow, self.studio = map(self.group, ("master", "airflow", "studio"))
        self.tag(self.airflow, "AirflowSecurityGroup")
        self.tag(self.studio, "StudioSecurityGroup")
        self.instances = {
            "Ec2SubnetId": subnet["SubnetId"],
            "EmrManagedMasterSecurityGroup": self.master,
        }

    def group(self, name: str) -> str:
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.id)
        return str(made["GroupId"])

    def tag(self, group: str, logical_id: str) -> None:
        tags = [{"Key": "aws:cloudformation:logical-id", "Value": logical_id}]
        self.ec2.create_tags(Resources=[group], Tags=tags)

    def admit(self, low: int = LIVY_PORT, high: int = LIVY_PORT, **peer: Any) -> None:
        rule = {"IpProtocol": "tcp", "FromPort": low, "ToPort": high, **peer}
        self.ec2.authorize_security_group_ingress(GroupId=self.master, IpPermissions=[rule])

    @property
    def admitted(self) -> set[str]:
        return set(admitted_sources(ACCOUNT, REGION, self.instances))


@pytest.fixture
def vpc(client: Callable[..., Any]) -> Vpc:
    return Vpc(client("ec2"))


def from_group(group: str) -> dict[str, Any]:
    return {"UserIdGroupPairs": [{"GroupId": group}]}


def from_range(cidr: str) -> dict[str, Any]:
    return {"IpRanges": [{"CidrIp": cidr}]}


def test_a_rule_admits_the_members_of_its_group_alone(vpc: Vpc) -> None:
    assert vpc.admitted == set()
    vpc.admit(**from_group(vpc.studio))
    assert vpc.admitted == {STUDIO}
    vpc.admit(**from_group(vpc.airflow))
    assert vpc.admitted == {AIRFLOW, STUDIO}


@pytest.mark.parametrize(
    ("cidr", "admitted"),
    [("10.42.0.0/16", {AIRFLOW, STUDIO}), ("0.0.0.0/0", {AIRFLOW, STUDIO}), ("10.43.0.0/16", set())],
    ids=["the VPC's range", "everybody", "another range"],
)
def test_a_rule_with_a_range_admits_the_clusters_subnet(vpc: Vpc, cidr: str, admitted: set[str]) -> None:
    vpc.admit(**from_range(cidr))
    assert vpc.admitted == admitted


def test_a_rule_for_other_ports_admits_nobody(vpc: Vpc) -> None:
    vpc.admit(1, LIVY_PORT - 1, **from_group(vpc.studio))
    assert vpc.admitted == set()


def test_a_source_that_may_not_go_out_is_not_admitted(vpc: Vpc) -> None:
    vpc.admit(**from_group(vpc.studio))
    everything = [{"IpProtocol": "-1", **from_range("0.0.0.0/0")}]
    vpc.ec2.revoke_security_group_egress(GroupId=vpc.studio, IpPermissions=everything)
    assert vpc.admitted == set()
    to_livy = {"IpProtocol": "tcp", "FromPort": 8998, "ToPort": 8998, **from_group(vpc.master)}
    vpc.ec2.authorize_security_group_egress(GroupId=vpc.studio, IpPermissions=[to_livy])
    assert vpc.admitted == {STUDIO}


def test_a_cluster_with_emrs_own_groups_admits_nobody(vpc: Vpc) -> None:
    assert admitted_sources(ACCOUNT, REGION, {"Ec2SubnetId": vpc.instances["Ec2SubnetId"]}) == frozenset()


@pytest.fixture
def livy() -> Iterator[str]:
    """Something that sends back what it gets."""
    address = Address()
    server = socket.create_server((str(address), LIVY_PORT))

    def answer() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield str(address)
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)
    address.release()


def connect(address: str, source: str) -> socket.socket:
    return socket.create_connection((address, LIVY_PORT), timeout=0.5, source_address=(source, 0))


def test_what_is_not_admitted_gets_no_answer_and_what_is_passes_both_ways(livy: str) -> None:
    address, admitted = Address(), {AIRFLOW}
    forwarder = Forwarder(str(address), livy, lambda: admitted)
    try:
        with pytest.raises(TimeoutError):
            connect(str(address), STUDIO)
        with connect(str(address), AIRFLOW) as open_before:
            admitted.symmetric_difference_update({AIRFLOW, STUDIO})
            threading.Event().wait(3 * LOOK_SECONDS)
            connect(str(address), STUDIO).close()
            with pytest.raises(TimeoutError):
                connect(str(address), AIRFLOW)
            open_before.sendall(BIG)
            open_before.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: open_before.recv(65536), b""))
        assert received == BIG
    finally:
        forwarder.close()
    forwarder.close()
    with pytest.raises(ConnectionRefusedError):
        connect(str(address), STUDIO)
    address.release()


@pytest.mark.parametrize(
    ("admitted", "let_in", "kept_out"),
    [
        ({"127.0.0.0/30"}, ["127.0.0.1", "127.0.0.3"], ["127.0.0.4"]),
        (
            {"127.0.1.0/24", "127.0.0.2", "127.0.3.0/24"},
            ["127.0.1.9", "127.0.0.2", "127.0.3.1"],
            ["127.0.2.1"],
        ),
    ],
    ids=["a network", "several"],
)
def test_a_network_is_admitted_with_all_of_its_addresses(
    livy: str, admitted: set[str], let_in: list[str], kept_out: list[str]
) -> None:
    address = Address()
    forwarder = Forwarder(str(address), livy, lambda: admitted)
    try:
        for source in let_in:
            connect(str(address), source).close()
        for source in kept_out:
            with pytest.raises(TimeoutError):
                connect(str(address), source)
    finally:
        forwarder.close()
        address.release()


UNPRIVILEGED = """
import os, socket, sys
from local_aws.emr.forwarder import Forwarder
from local_aws.emr.addresses import LIVY_PORT

address, livy, nobody = sys.argv[1], sys.argv[2], 65534
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(nobody)
    os.setuid(nobody)
forwarder = Forwarder(address, livy, lambda: {"127.0.0.1"})
for source in ("127.0.0.1", "127.0.0.2"):
    connection = socket.socket()
    connection.settimeout(0.5)
    connection.bind((source, 0))
    try:
        connection.connect((address, LIVY_PORT))
        print("connected")
    except OSError as error:
        print(type(error).__name__)
forwarder.close()
"""


def test_an_ordinary_user_may_keep_others_out(livy: str) -> None:
    """Since 2026 Linux lets none filter what comes to a TCP socket."""
    address = Address()
    try:
        done = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED, str(address), livy],
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stdout.split() == ["connected", "TimeoutError"]
    finally:
        address.release()


def test_a_network_of_containers_stands_for_the_group_it_is_given(
    vpc: Vpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers = {"172.30.0.0/17": "AirflowSecurityGroup", STUDIO: "StudioSecurityGroup"}
    monkeypatch.setattr(admission, "settings", replace(admission.settings, sources=containers))
    vpc.admit(**from_group(vpc.airflow))
    assert vpc.admitted == {"172.30.0.0/17"}


def test_a_cluster_gets_an_address_of_the_network_it_is_given() -> None:
    network = IPv4Network("127.200.0.0/29")
    first, second = Address(network), Address(network)
    try:
        assert first.ip != second.ip
        assert {IPv4Network(first.ip).subnet_of(network), IPv4Network(second.ip).subnet_of(network)} == {True}
    finally:
        first.release()
        second.release()


def test_addresses_that_lead_elsewhere_are_refused() -> None:
    with pytest.raises(OSError, match=r"No address of 198\.51\.100\.0/24"):
        Address(IPv4Network("198.51.100.0/24"))


def test_a_connection_ends_with_the_cluster_and_that_is_no_error(
    livy: str, caplog: pytest.LogCaptureFixture
) -> None:
    address = Address()
    forwarder = Forwarder(str(address), livy, lambda: {AIRFLOW})
    with connect(str(address), AIRFLOW) as connection:
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        forwarder.close()
        assert connection.recv(1) == b""
    address.release()
    assert caplog.messages == []
