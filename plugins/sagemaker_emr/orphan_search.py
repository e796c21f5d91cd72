"""What an environment has launched: its products, its clusters, its leases, and whose they are.

Products and clusters are read first, the runs that own them after that: a run is there before what it asks
for, so one that started meanwhile is seen as going on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr import names
from sagemaker_emr.airflow_runs import AirflowRuns
from sagemaker_emr.catalog_clusters import DAG_TAG, PROJECT_TAG, RUN_TAG, cluster_of, launched_by, tags_of
from sagemaker_emr.claims import Claim
from sagemaker_emr.exceptions import PlatformNotReady
from sagemaker_emr.hooks.cloud_formation import CloudFormationHook
from sagemaker_emr.hooks.emr import ENDED_STATES, EmrHook
from sagemaker_emr.hooks.resource_groups_tagging import ResourceGroupsTaggingHook
from sagemaker_emr.hooks.s3 import ArtifactsHook, answered_at
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.leases import LEASE_SECONDS, Lease
from sagemaker_emr.orphans import Launched, RunState, SharedLease
from sagemaker_emr.task_groups.shared_cluster import PROVIDER_DAG_ID

ENVIRONMENT_TAG = "sagemaker-emr:environment"
PRODUCT_TAG = "aws:servicecatalog:productArn"
PROVISIONED_PRODUCT_TAG = "aws:servicecatalog:provisionedProductArn"
"""Service Catalog's AutoTags, which nobody can write by hand.
https://docs.aws.amazon.com/servicecatalog/latest/adminguide/autotags.html"""

BUCKETS = ("ArtifactsBucket", "FeaturesBucket", "RawBucket")


@dataclass(frozen=True)
class Environment:
    """What an environment is known by.

    :param product_id: of its catalog.
    :param bucket: of its artifacts, with claims and leases.
    :param buckets: all of its buckets.
    """

    name: str
    product_id: str
    bucket: str
    buckets: tuple[str, ...]

    @classmethod
    def find(cls, name: str, connection: dict[str, Any]) -> Environment | None:
        """By the outputs of its stacks, in whatever state these are; None where no catalog was ever made.

        :raises PlatformNotReady: there is a catalog but no storage: nothing can be told of its owners.
        """
        stacks = CloudFormationHook(**connection)
        product_id = stacks.outputs(names.stack_name(name, "catalog")).get("ProductId")
        if product_id is None:
            return None
        storage = stacks.outputs(names.stack_name(name, "storage"))
        if BUCKETS[0] not in storage:
            raise PlatformNotReady(
                f"Environment {name} has a catalog and no bucket of artifacts",
                reason=f"stack {names.stack_name(name, 'storage')} has no output {BUCKETS[0]}",
                next_step="Run deploy_platform. Until then clusters are ended by hand: see list_clusters.",
            )
        found = tuple(storage[output] for output in BUCKETS if output in storage)
        return cls(name, product_id, storage[BUCKETS[0]], found)


@dataclass(frozen=True)
class StoredLease:
    """A lease as it is in S3.

    :param seconds_since_change: by S3's own clock.
    """

    lease: Lease
    seconds_since_change: float

    @property
    def age_hours(self) -> float:
        """Since the last change."""
        return round(self.seconds_since_change / 3600, 2)


class LaunchSearch:
    """Reads what an environment has launched.

    :param connection: keyword arguments for an AWS hook.
    """

    def __init__(self, environment: Environment, runs: AirflowRuns, connection: dict[str, Any]) -> None:
        self.environment = environment
        self.runs = runs
        self._connection = connection
        self._s3 = ArtifactsHook(**connection)

    def launched(self, only: str | None = None) -> list[Launched]:
        """Every provisioned product of the account, and each cluster of the environment that has none.

        :param only: the one of this name alone.
        """
        products = ServiceCatalogHook(**self._connection).all_provisioned_products()
        arns = ResourceGroupsTaggingHook(**self._connection).tagged(ENVIRONMENT_TAG, self.environment.name)
        leases = self.leases()
        seen = [self._product(one, leases) for one in products if only in (None, one["Name"])]
        known = {one.cluster_id for one in seen}
        ids = [arn.rsplit("/", 1)[1] for arn in arns if arn.split(":")[2] == "elasticmapreduce"]
        for cluster_id in ids:
            if cluster_id not in known and only in (None, cluster_id):
                seen += self._cluster_alone(cluster_id, products, leases)
        return seen

    def leases(self) -> list[StoredLease]:
        """Every lease of the environment."""
        prefix = f"leases/{self.environment.name}/"
        keys = self._s3.keys(self.environment.bucket, prefix)
        return [self._lease(key) for key in keys]

    def shared(self, seen: list[Launched], stored: list[StoredLease]) -> Iterator[SharedLease]:
        """The leases for a decision.

        :param seen: what was found by :meth:`launched`.
        """
        owners = {one.owner for one in seen if not one.foreign}
        for item in stored:
            owner = run_owner(PROVIDER_DAG_ID, item.lease.provider_run_id)
            yield SharedLease(
                name=item.lease.name,
                owner=owner,
                age_hours=item.age_hours,
                provider=self.runs.state(PROVIDER_DAG_ID, item.lease.provider_run_id),
                closed=item.lease.closed,
                has_product=owner in owners,
            )

    def living_holders(self, stored: StoredLease) -> set[str]:
        """The holders whose runs go on; where Airflow does not know them, those of a lease that still moves.

        A holder renews its lease far more often than :data:`~sagemaker_emr.leases.LEASE_SECONDS`.
        """
        moves = stored.seconds_since_change < LEASE_SECONDS
        states = {key: self.runs.state(one.dag_id, one.run_id) for key, one in stored.lease.holders.items()}
        return {
            key
            for key, state in states.items()
            if state is RunState.LIVE or (state is not RunState.ENDED and moves)
        }

    def lease_of(self, owner: str, stored: list[StoredLease]) -> StoredLease | None:
        """The lease whose open generation a run provides."""
        for item in stored:
            if item.lease.closed is None and owner == run_owner(PROVIDER_DAG_ID, item.lease.provider_run_id):
                return item
        return None

    def _product(self, product: dict[str, Any], leases: list[StoredLease]) -> Launched:
        tags = tags_of(product)
        known = {
            "name": product["Name"],
            "product_status": product["Status"],
            "age_hours": age_hours(product["CreatedTime"]),
        }
        if product["ProductId"] != self.environment.product_id:
            other = product.get("ProductName") or product["ProductId"]
            owner = launched_by(product, tags)
            return Launched(**known, owner=owner, foreign=f"a product of another catalog: {other}")
        cluster_id, state = cluster_of(product, self._connection)
        owner, run = self._owner(product["Name"], tags, launched_by(product, tags))
        return Launched(
            **known,
            owner=owner,
            cluster_id=cluster_id,
            cluster_state=state,
            run=run,
            holders=self._holders(owner, leases),
        )

    def _cluster_alone(
        self, cluster_id: str, products: list[dict[str, Any]], leases: list[StoredLease]
    ) -> Iterator[Launched]:
        """The cluster, where it lives and no product is behind it."""
        try:
            cluster = EmrHook(**self._connection).describe(cluster_id)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidRequestException":
                raise
            return  # the tagging API lists a cluster for longer than EMR knows it
        tags, state = tags_of(cluster), cluster["Status"]["State"]
        behind = tags.get(PROVISIONED_PRODUCT_TAG)
        names_and_arns = {one[key] for one in products for key in ("Name", "Arn") if key in one}
        if state in ENDED_STATES or {behind, cluster["Name"]} & names_and_arns:
            return
        by_tag = tags.get(PROJECT_TAG) or tags.get("sagemaker-emr:owner") or "unknown"
        owner, run = self._owner(cluster["Name"], tags, by_tag)
        launched = tags.get(PRODUCT_TAG, "").endswith(f"/{self.environment.product_id}")
        foreign = f"it carries the tag of {self.environment.name}, but was not launched from its catalog"
        yield Launched(
            name=cluster_id,
            owner=owner,
            age_hours=age_hours(cluster["Status"]["Timeline"]["CreationDateTime"]),
            cluster_id=cluster_id,
            cluster_state=state,
            run=run,
            foreign=None if launched else foreign,
            holders=self._holders(owner, leases),
        )

    def _owner(self, name: str, tags: dict[str, str], person: str) -> tuple[str, RunState | None]:
        """Who owns what is named so, and the state of the run that does.

        The claim spells the run's id exactly, and is there also where somebody took the tags away. Tags lack
        the characters that AWS does not take: a run that is not known by them may be there under its real id.
        """
        claim = self._claim(name)
        if claim:
            return run_owner(claim.dag_id, claim.run_id), self.runs.state(claim.dag_id, claim.run_id)
        if DAG_TAG not in tags or RUN_TAG not in tags:
            return person, None
        dag_id, run_id = tags[DAG_TAG], tags[RUN_TAG]
        state, parts = self.runs.state(dag_id, run_id), names.split(name)
        exact = parts and parts[1] == names.digest(parts[0], self.environment.name, dag_id, run_id)
        if state is RunState.UNKNOWN and not exact:
            state = RunState.UNNAMED
        return run_owner(dag_id, run_id), state

    def _claim(self, name: str) -> Claim | None:
        """The claim on a product: its address is made from the same hash as the product's name."""
        parts = names.split(name)
        if parts is None:
            return None
        _, digest, generation = parts
        key = f"claims/{self.environment.name}/{digest}.json"
        found = self._s3.get_json(f"s3://{self.environment.bucket}/{key}")
        claim = Claim.from_json(*found) if found else None
        return claim if claim and claim.product_name_of(generation) == name else None

    def _holders(self, owner: str, leases: list[StoredLease]) -> int:
        held = self.lease_of(owner, leases)
        return len(self.living_holders(held)) if held else 0

    def _lease(self, key: str) -> StoredLease:
        answer = self._s3.conn.get_object(Bucket=self.environment.bucket, Key=key)
        since = (answered_at(answer) - answer["LastModified"]).total_seconds()
        return StoredLease(Lease.from_json(json.loads(answer["Body"].read())), max(0.0, since))


def run_owner(dag_id: str, run_id: str) -> str:
    """How a report names a run."""
    return f"Airflow {dag_id} {run_id}"


def age_hours(since: datetime) -> float:
    """Hours from then to now."""
    return round((datetime.now(UTC) - since).total_seconds() / 3600, 2)
