"""Whether a Studio notebook will connect to a cluster, proven as far as it can be from where Airflow runs.

What could not be looked at is "not checked" and says why; it is never "passed".
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import requests
from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr import security_group_rules as rules
from sagemaker_emr.exceptions import SageMakerEmrError
from sagemaker_emr.hooks.base import AwsHook
from sagemaker_emr.hooks.emr import READY_STATES, EmrHook, state_change_reason
from sagemaker_emr.hooks.livy import LIVY_PORT, LivyClient, SessionsUnsupported, unreachable
from sagemaker_emr.hooks.livy_session import LivySession
from sagemaker_emr.notebooks import STATEMENT

EXPECTED = "1000"


@dataclass(frozen=True)
class Proof:
    """One thing a connection needs.

    :param read: what was found, or why it could not be looked at.
    :param fix: what mends a failure.
    """

    name: str
    verdict: Literal["passed", "failed", "not checked"]
    read: str
    fix: str = ""

    def to_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict}. {self.read}" + (f" Fix: {self.fix}" if self.fix else "")


class ConnectionProof:
    """The proofs for one cluster, from the cheapest to the dearest.

    :param studio_group_ids: the security groups of Studio's apps.
    :param session_name: derived; under it a PySpark session is run and deleted.
    :param deadline_at: for the session, in seconds since the epoch.
    :param connection: keyword arguments for an AWS hook.
    """

    def __init__(
        self,
        cluster_id: str,
        studio_group_ids: list[str],
        *,
        session_name: str,
        deadline_at: float,
        connection: dict[str, Any],
    ) -> None:
        self.cluster_id = cluster_id
        self.studio_group_ids = studio_group_ids
        self.session_name = session_name
        self.deadline_at = deadline_at
        self._connection = connection

    def run(self) -> list[Proof]:
        """Every proof up to the first that fails; the later ones need it."""
        cluster = EmrHook(**self._connection).describe(self.cluster_id)
        steps: tuple[Callable[[dict[str, Any]], Proof], ...] = (
            _cluster_is_ready,
            self._rule,
            _address,
            self._livy,
            self._statement,
        )
        proofs: list[Proof] = []
        for step in steps:
            proofs.append(step(cluster))
            if proofs[-1].verdict == "failed":
                break
        return proofs

    def _rule(self, cluster: dict[str, Any]) -> Proof:
        """Studio can't be connected from; the rules on its way are read instead."""
        name = f"Studio's security group reaches port {LIVY_PORT}"
        attributes = cluster.get("Ec2InstanceAttributes", {})
        managed = attributes.get("EmrManagedMasterSecurityGroup")
        master_ids = [*([managed] if managed else []), *attributes.get("AdditionalMasterSecurityGroups", [])]
        if not master_ids:
            return Proof(name, "not checked", "DescribeCluster names no security group of the master node.")
        ec2 = AwsHook(client_type="ec2", **self._connection).conn
        try:
            masters = ec2.describe_security_groups(GroupIds=master_ids)["SecurityGroups"]
            studio = ec2.describe_security_groups(GroupIds=self.studio_group_ids)["SecurityGroups"]
            subnet = ec2.describe_subnets(SubnetIds=[attributes["Ec2SubnetId"]])["Subnets"][0]
        except (BotoCoreError, ClientError, KeyError) as error:
            return Proof(name, "not checked", f"The security groups can't be read: {error}")
        shown, told = ", ".join(master_ids), ", ".join(self.studio_group_ids)
        cidr = subnet["CidrBlock"]
        if not rules.admits(_rules(masters, "IpPermissions"), LIVY_PORT, self.studio_group_ids, [cidr]):
            return Proof(
                name,
                "failed",
                f"No rule of the master's group {shown} admits Studio's group {told} on TCP {LIVY_PORT}; "
                "a notebook would say: Cannot connect to livy service.",
                f"Add an inbound rule to {shown}: TCP {LIVY_PORT} from {told}; deploy_platform makes it.",
            )
        if not rules.admits(_rules(studio, "IpPermissionsEgress"), LIVY_PORT, master_ids, [cidr]):
            return Proof(
                name,
                "failed",
                f"No outbound rule of Studio's group {told} leads to {shown} on TCP {LIVY_PORT}.",
                f"Let {told} out to {shown}, or everywhere; deploy_platform makes that rule.",
            )
        return Proof(name, "passed", f"{shown} admits {told}, by DescribeSecurityGroups.")

    def _livy(self, cluster: dict[str, Any]) -> Proof:
        client = _client(cluster)
        try:
            version = client.version()
        except (SageMakerEmrError, requests.RequestException) as error:
            failure = unreachable(client.base_url, error)
            return Proof("Livy answers", "failed", f"{failure.what}: {error}", failure.next_step or "")
        told = version.get("version", "of unknown version")
        return Proof("Livy answers", "passed", f"Livy {told} at {client.base_url}, asked from Airflow.")

    def _statement(self, cluster: dict[str, Any]) -> Proof:
        name, started = "A PySpark statement runs", time.monotonic()
        try:
            with LivySession(_client(cluster), self.session_name, self.deadline_at) as session:
                printed = session.run(STATEMENT)
        except SessionsUnsupported as unsupported:
            read = f"This Livy has no interactive sessions, EMR's has. It said: {unsupported}"
            return Proof(name, "not checked", read)
        except (SageMakerEmrError, requests.RequestException) as error:
            return Proof(name, "failed", str(error), "See Livy's log on the master node, /var/log/livy.")
        if printed != EXPECTED:
            return Proof(name, "failed", f"{STATEMENT} printed {printed!r}", "See the session's log.")
        seconds = time.monotonic() - started
        return Proof(name, "passed", f"{STATEMENT} printed {printed} after {seconds:.0f} s in a session.")

    def delete_session(self) -> None:
        """For a proof that is killed while its session lives."""
        _client(EmrHook(**self._connection).describe(self.cluster_id)).delete_session(self.session_name)


def _client(cluster: dict[str, Any]) -> LivyClient:
    return LivyClient(f"http://{cluster['MasterPublicDnsName']}:{LIVY_PORT}")


def _cluster_is_ready(cluster: dict[str, Any]) -> Proof:
    name, state = "The cluster runs with Livy", cluster["Status"]["State"]
    if state not in READY_STATES:
        return Proof(
            name,
            "failed",
            f"{cluster['Id']} is {state}: {state_change_reason(cluster)}",
            "Get another cluster.",
        )
    if not any(application["Name"] == "Livy" for application in cluster.get("Applications", [])):
        return Proof(
            name, "failed", f"{cluster['Id']} has no Livy.", "Get a cluster from the catalog's product."
        )
    return Proof(name, "passed", f"{cluster['Id']} is {state}.")


def _address(cluster: dict[str, Any]) -> Proof:
    name, host = "The master node has an address", cluster.get("MasterPublicDnsName")
    if not host:
        return Proof(name, "failed", "DescribeCluster gives none.", "Wait for the cluster.")
    try:
        found = socket.getaddrinfo(host, LIVY_PORT, proto=socket.IPPROTO_TCP)
    except OSError as error:
        return Proof(
            name,
            "failed",
            f"{host} does not resolve from Airflow: {error}",
            "Switch on DNS support and DNS host names of the VPC, and run Airflow in it.",
        )
    return Proof(name, "passed", f"{host} is {found[0][4][0]}.")


def _rules(groups: Iterable[dict[str, Any]], direction: str) -> Iterable[rules.Permission]:
    return (rule for group in groups for rule in group[direction])
