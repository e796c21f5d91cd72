"""What was spent: on the clusters of claims, on training jobs, on an endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from sagemaker_emr.claims import Claim, Generation
from sagemaker_emr.clusters import cluster_id_of
from sagemaker_emr.costs.parts import Part, cluster_usd, instance_part
from sagemaker_emr.hooks.emr import EmrHook, lifetime_seconds
from sagemaker_emr.hooks.sagemaker import SageMakerHook
from sagemaker_emr.names import derive


def claimed_usd(
    claims: Iterable[Claim], instances: Mapping[str, int], region: str, connection: dict[str, Any]
) -> Decimal:
    """What the clusters of claims have cost up to now.

    :param instances: of each of them.
    :param connection: keyword arguments for an AWS hook.
    :raises ClientError: a cluster that has not ended can't be read.
    """
    generations = [one for claim in claims for one in (*claim.predecessors, claim.current)]
    seconds = [_cluster_seconds(one, connection) for one in generations]
    return sum((cluster_usd(instances, one, region=region) for one in seconds), Decimal(0))


def _cluster_seconds(generation: Generation, connection: dict[str, Any]) -> float:
    if generation.state == "ended" or not generation.record_id:
        return generation.cluster_seconds
    cluster_id = cluster_id_of(generation.record_id, connection)
    return lifetime_seconds(EmrHook(**connection).describe(cluster_id)) if cluster_id else 0.0


def training_parts(hook: SageMakerHook, purpose: str, *key: str) -> list[Part]:
    """A run's training jobs, by what SageMaker says it bills: failed and stopped ones too.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
    """
    parts: list[Part] = []
    for generation in count(1):
        job = hook.find_training_job(derive(purpose, *key, generation=generation))
        if job is None:
            return parts
        asked = job["ResourceConfig"]
        seconds = float(job.get("BillableTimeInSeconds") or 0)
        parts.append(
            instance_part(
                "training",
                asked["InstanceType"],
                int(asked["InstanceCount"]),
                seconds,
                region=str(hook.conn_region_name),
            )
        )
    raise AssertionError("count never ends")


@dataclass(frozen=True)
class Serving:
    """An endpoint that serves: what it costs goes on after the run.

    :param parts: since it was created, at what it serves with now.
    """

    endpoint_name: str
    since: datetime
    parts: tuple[Part, ...]

    @property
    def usd(self) -> Decimal:
        return sum((part.usd for part in self.parts), Decimal(0))

    @property
    def usd_per_hour(self) -> Decimal:
        return sum((part.usd_per_hour * part.count for part in self.parts), Decimal(0))

    def to_json(self) -> dict[str, Any]:
        return {
            "endpoint_name": self.endpoint_name,
            "since": self.since.isoformat(),
            "usd": str(self.usd.quantize(Decimal("0.0001"))),
            "usd_per_hour": str(self.usd_per_hour),
        }


def serving(hook: SageMakerHook, endpoint_name: str, now: datetime | None = None) -> Serving | None:
    """What an endpoint has cost since its creation, and costs; None for one that is not there."""
    endpoint = hook.find_endpoint(endpoint_name)
    if endpoint is None:
        return None
    config = hook.find("describe_endpoint_config", EndpointConfigName=endpoint["EndpointConfigName"]) or {}
    since: datetime = endpoint["CreationTime"]
    seconds = ((now or datetime.now(UTC)) - since).total_seconds()
    parts = tuple(
        instance_part(
            "endpoint",
            variant["InstanceType"],
            int(variant["InitialInstanceCount"]),
            seconds,
            region=str(hook.conn_region_name),
        )
        for variant in config.get("ProductionVariants", [])
    )
    return Serving(endpoint_name, since, parts)
