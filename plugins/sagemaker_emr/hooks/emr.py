"""EMR clusters: their state, their reasons, their lifetime."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sagemaker_emr.exceptions import NEW_CLUSTER, ClusterFailed
from sagemaker_emr.hooks.base import ServiceHook
from sagemaker_emr.states import StateTable


class ClusterState(StrEnum):
    """What a cluster's state means to us."""

    COMING = "it is waited for"
    READY = "it takes work once Livy answers"
    ENDING = "it takes no work any more; its end is waited for"
    ENDED = "it is gone, and paid no longer"


CLUSTER_STATES = StateTable(
    "cluster",
    "emr",
    "ClusterState",
    {
        "STARTING": ClusterState.COMING,
        "BOOTSTRAPPING": ClusterState.COMING,
        "RUNNING": ClusterState.READY,
        "WAITING": ClusterState.READY,
        "TERMINATING": ClusterState.ENDING,
        "TERMINATED": ClusterState.ENDED,
        "TERMINATED_WITH_ERRORS": ClusterState.ENDED,
    },
)
"""https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-overview.html#emr-overview-cluster-lifecycle"""

READY_STATES = CLUSTER_STATES.where(lambda state: state is ClusterState.READY)
ENDED_STATES = CLUSTER_STATES.where(lambda state: state is ClusterState.ENDED)
ENDING_STATES = ENDED_STATES | CLUSTER_STATES.where(lambda state: state is ClusterState.ENDING)


class EmrHook(ServiceHook):
    """EMR on EC2."""

    service = "emr"

    def describe(self, cluster_id: str) -> dict[str, Any]:
        """A cluster as DescribeCluster answers; EMR keeps ended clusters for two months."""
        cluster: dict[str, Any] = self.conn.describe_cluster(ClusterId=cluster_id)["Cluster"]
        return cluster

    def living(self) -> list[dict[str, Any]]:
        """The summaries of the account's clusters that have not ended, 50 a call (ListClusters)."""
        states = sorted(CLUSTER_STATES.states - ENDED_STATES)
        pages = self.conn.get_paginator("list_clusters").paginate(ClusterStates=states)
        return [cluster for page in pages for cluster in page["Clusters"]]

    def check_cluster(self, cluster_id: str) -> dict[str, Any]:
        """DescribeCluster, of a cluster that lives.

        :raises ClusterFailed: the cluster has ended, or is ending; with EMR's StateChangeReason.
        """
        cluster = self.describe(cluster_id)
        state = CLUSTER_STATES.of(cluster["Status"]["State"], cluster_id)
        if state in (ClusterState.ENDING, ClusterState.ENDED):
            raise cluster_failed(cluster)
        return cluster

    def terminate(self, cluster_id: str) -> None:
        """Terminate a cluster past its provisioned product, for when the product can't do it."""
        self.conn.set_termination_protection(JobFlowIds=[cluster_id], TerminationProtected=False)
        self.conn.terminate_job_flows(JobFlowIds=[cluster_id])


def state_change_reason(cluster: dict[str, Any]) -> str:
    """EMR's StateChangeReason and ErrorDetails in one line."""
    status = cluster["Status"]
    reason = status.get("StateChangeReason", {})
    details = [detail.get("ErrorMessage") for detail in status.get("ErrorDetails", [])]
    parts = [reason.get("Code"), reason.get("Message"), *details]
    return ": ".join(part for part in parts if part) or "EMR gave none"


def cluster_failed(cluster: dict[str, Any]) -> ClusterFailed:
    """The error for a cluster that ended, or is ending, before its work was done."""
    return ClusterFailed(
        f"Cluster {cluster['Id']} is {cluster['Status']['State']}",
        reason=state_change_reason(cluster),
        next_step=f"{NEW_CLUSTER} The old one's logs: {cluster.get('LogUri') or 'no LogUri'}.",
    )


def lifetime_seconds(cluster: dict[str, Any]) -> float:
    """Seconds from creation to end by EMR's own timeline, which is what is paid; to now without an end."""
    timeline = cluster["Status"].get("Timeline", {})
    if "CreationDateTime" not in timeline:
        return 0.0
    end: datetime = timeline.get("EndDateTime") or datetime.now(UTC)
    seconds: float = (end - timeline["CreationDateTime"]).total_seconds()
    return seconds
