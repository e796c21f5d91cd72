"""EMR clusters that own a real Livy server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from moto.core.resource_tagging import TaggableResourcesMixin, TaggedResource
from moto.emr.models import ElasticMapReduceBackend as MotoBackend
from moto.emr.models import emr_backends

from local_aws.emr import capacity, parameters, resource
from local_aws.emr.cluster import ENDED, ENDING, Cluster
from local_aws.emr.exceptions import ClusterNotFound, InvalidRequestException, ValidationException
from local_aws.emr.steps import check

__all__ = ["ElasticMapReduceBackend", "resource"]

log = logging.getLogger(__name__)


class ElasticMapReduceBackend(MotoBackend, TaggableResourcesMixin):
    """Clusters of one account and Region."""

    SERVICE_NAMESPACE = "elasticmapreduce"

    clusters: dict[str, Cluster]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.block_public_access: dict[str, Any] = {}

    def reset(self) -> None:
        """Forget everything, ending what runs."""
        for cluster in list(self.clusters.values()):
            cluster.discard()
        super().reset()

    def resume(self) -> dict[str, int]:
        """Go on with the clusters that a crash of the server interrupted; how many."""
        live = [cluster for cluster in self.clusters.values() if cluster.state not in ENDED]
        for cluster in live:
            cluster.start()
        return {"clusters": len(live)}

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        """What the Resource Groups Tagging API lists: clusters that have ended too, as EMR itself does."""
        for cluster in self.clusters.values():
            yield TaggedResource(cluster.arn, dict(cluster.tags), "elasticmapreduce:cluster")

    def run_cluster(self, request: dict[str, Any]) -> Cluster:
        """RunJobFlow.

        :raises ValidationException: a parameter is refused.
        """
        parameters.check_run_job_flow(request)
        capacity.check_instance_profile(self.region_name, request["JobFlowRole"])
        cluster = Cluster(request, self.account_id, self.region_name)
        self.clusters[cluster.id] = cluster
        cluster.start()
        return cluster

    def find(self, cluster_id: str) -> Cluster:
        """A cluster by its id.

        :raises ClusterNotFound: there is none.
        """
        if cluster_id not in self.clusters:
            raise ClusterNotFound(cluster_id)
        return self.clusters[cluster_id]

    def find_live(self, cluster_id: str) -> Cluster:
        """A cluster that has not ended.

        :raises InvalidRequestException: it has; or there is none.
        """
        cluster = self.find(cluster_id)
        if cluster.state in ENDED:
            raise InvalidRequestException(
                f"A job flow that is shutting down, terminated, or finished may not be modified: {cluster_id}"
            )
        return cluster

    def find_job_flows(self, ids: list[str]) -> list[Cluster]:
        """Clusters by id, as the older operations look for them.

        :raises ValidationException: one does not exist.
        """
        if any(cluster_id not in self.clusters for cluster_id in ids):
            raise ValidationException("Specified job flow ID does not exist.")
        return [self.clusters[cluster_id] for cluster_id in ids]

    def add_steps(self, cluster_id: str, steps: list[dict[str, Any]]) -> list[str]:
        """AddJobFlowSteps: the steps' ids.

        :raises ValidationException: no such cluster, it ends, or a step is refused.
        """
        [cluster] = self.find_job_flows([cluster_id])
        if cluster.state in ENDING:
            raise ValidationException(
                "A job flow that is shutting down, terminated, or finished may not be modified."
            )
        check(steps, cluster.request.get("Applications", []))
        return cluster.steps.add(steps)

    def terminate(self, ids: list[str]) -> None:
        """TerminateJobFlows: protected clusters are left, the others go.

        :raises ValidationException: one does not exist, or is protected.
        """
        refused: ValidationException | None = None
        for cluster in self.find_job_flows(ids):
            try:
                cluster.terminate()
            except ValidationException as protected:
                refused = protected
        if refused:
            raise refused

    def newest_first(
        self, states: list[str], after: datetime | None, before: datetime | None
    ) -> list[Cluster]:
        """Clusters as ListClusters filters and sorts them."""
        found = [
            cluster
            for cluster in self.clusters.values()
            if (not states or cluster.state in states)
            and (after is None or cluster.created > after)
            and (before is None or cluster.created < before)
        ]
        return sorted(found, key=lambda cluster: cluster.created, reverse=True)


emr_backends.backend = ElasticMapReduceBackend
